//! Ids of users as parameters of statements of the application's own.

use lucia::UserId;
use lucia_tests::Database;

#[tokio::test]
async fn an_id_is_a_parameter_wherever_text_is() {
    let database = Database::new().await;
    let store = lucia::PgStore::connect(&database.url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let auth = lucia::Auth::builder(store).build().unwrap();
    let user = auth.create_user(lucia::NewUser::without_key()).await;
    let user: lucia::User = user.unwrap();

    let client = database.connect().await;
    let sql = "CREATE DOMAIN user_id AS TEXT; \
        CREATE TABLE orders (a TEXT REFERENCES auth_user (id), b VARCHAR(20), c CHAR(15), d user_id)";
    client.batch_execute(sql).await.unwrap();
    for column in ["a", "b", "c", "d"] {
        let sql = format!("INSERT INTO orders ({column}) VALUES ($1)");
        client.execute(&sql, &[&user.id]).await.unwrap();
        let sql =
            format!("SELECT id FROM orders JOIN auth_user ON id = {column} WHERE {column} = $1");
        let row = client.query_one(&sql, &[&user.id]).await.unwrap();
        assert_eq!(row.get::<_, &str>("id"), user.id.as_str(), "{column}");
    }

    let sql = "SELECT FROM auth_user WHERE id = ANY ($1)";
    let ids = [user.id.clone(), UserId::new("nobody").unwrap()];
    let rows = client.query(sql, &[&ids.as_slice()]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let nobody: Option<UserId> = None;
    let rows = client.query("SELECT $1::TEXT", &[&nobody]).await.unwrap();
    assert_eq!(rows[0].get::<_, Option<&str>>(0), None);

    // What is no text is told before it is sent.
    let number = client.query("SELECT $1::BIGINT", &[&user.id]).await;
    let told = number.unwrap_err().to_string();
    assert!(told.contains("error serializing parameter 0"), "{told}");
}
