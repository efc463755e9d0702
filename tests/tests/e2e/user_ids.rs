//! Tables of users whose ids are no text.

use lucia::{Error, NewUser, PgStore, SqliteStore};
use lucia_tests::Database;

#[track_caller]
fn assert_says<T: std::fmt::Debug>(outcome: Result<T, Error>, at: (&str, &str), says: &[&str]) {
    match outcome {
        Err(Error::Schema {
            table,
            column,
            reason,
        }) => {
            assert_eq!((&*table, column.as_deref()), (at.0, Some(at.1)));
            for words in says {
                assert!(reason.contains(words), "{words:?} in {reason:?}");
            }
        }
        other => panic!("{at:?}: {other:?}"),
    }
}

#[tokio::test]
async fn on_postgres_a_column_of_ids_that_is_no_text_is_named_with_what_to_write() {
    for sql_type in [
        "BIGINT GENERATED ALWAYS AS IDENTITY",
        "INT",
        "SMALLINT",
        "UUID DEFAULT gen_random_uuid()",
        "CHAR(36)",
        "NUMERIC",
        "BYTEA",
    ] {
        let database = Database::new().await;
        let client = database.connect().await;
        let sql = format!("CREATE TABLE auth_user (id {sql_type} PRIMARY KEY)");
        client.batch_execute(&sql).await.unwrap();
        let store = PgStore::connect(&database.url()).await.unwrap();
        let at = ("auth_user", "id");
        let write = [
            "has to be text",
            "ALTER TABLE \"auth_user\" ALTER COLUMN \"id\" TYPE text",
            "user_table",
        ];
        assert_says(store.migrate(&[]).await, at, &write);
        assert_says(store.migrate(&["username TEXT"]).await, at, &write);
        let auth = lucia::Auth::builder(store.clone()).build().unwrap();
        assert_says(auth.check_schema::<lucia::NoAttributes>().await, at, &write);
        // Padded text can be compared with text, all others cannot.
        if !sql_type.starts_with("CHAR") {
            let id = "ada".parse().unwrap();
            assert_says(auth.user::<lucia::NoAttributes>(&id).await, at, &write);
            let created = auth.create_user(NewUser::without_key()).await;
            assert!(created.is_err(), "{sql_type}");
        }
    }
}

#[tokio::test]
async fn on_postgres_the_columns_that_refer_to_users_are_named_as_well() {
    for (made, table, column) in [
        (
            "user_key (id TEXT PRIMARY KEY, user_id BIGINT, hashed_password TEXT)",
            "user_key",
            "user_id",
        ),
        (
            "user_key (id UUID PRIMARY KEY, user_id TEXT, hashed_password TEXT)",
            "user_key",
            "id",
        ),
        (
            "user_session (id TEXT PRIMARY KEY, user_id UUID)",
            "user_session",
            "user_id",
        ),
        (
            "user_session (id BYTEA PRIMARY KEY, user_id TEXT)",
            "user_session",
            "id",
        ),
        (
            "user_session (id TEXT PRIMARY KEY, user_id TEXT, active_expires TIMESTAMPTZ)",
            "user_session",
            "active_expires",
        ),
        (
            "sign_in_attempt (id TEXT PRIMARY KEY, attempts INT, expires BIGINT)",
            "sign_in_attempt",
            "attempts",
        ),
        (
            "one_time_token (id TEXT PRIMARY KEY, user_id UUID)",
            "one_time_token",
            "user_id",
        ),
        (
            "one_time_token (id TEXT PRIMARY KEY, data TEXT)",
            "one_time_token",
            "data",
        ),
    ] {
        let database = Database::new().await;
        let client = database.connect().await;
        client
            .batch_execute(&format!("CREATE TABLE {made}"))
            .await
            .unwrap();
        let store = PgStore::connect(&database.url()).await.unwrap();
        let write = format!("ALTER TABLE \"{table}\" ALTER COLUMN \"{column}\" TYPE");
        assert_says(store.migrate(&[]).await, (table, column), &[&write]);
    }
}

#[tokio::test]
async fn on_postgres_text_of_a_bounded_length_is_an_id() {
    for sql_type in ["VARCHAR", "VARCHAR(255)"] {
        let database = Database::new().await;
        let client = database.connect().await;
        let sql = format!("CREATE TABLE auth_user (id {sql_type} PRIMARY KEY)");
        client.batch_execute(&sql).await.unwrap();
        let store = PgStore::connect(&database.url()).await.unwrap();
        store.migrate(&[]).await.unwrap();
        let auth = lucia::Auth::builder(store).build().unwrap();
        let user = auth.create_user(NewUser::without_key()).await.unwrap();
        auth.create_session(&user.id).await.unwrap();
        auth.delete_user(&user.id).await.unwrap();
    }
}

#[tokio::test]
async fn on_sqlite_a_column_of_ids_that_takes_text_for_numbers_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for (number, sql_type) in ["INTEGER", "BIGINT", "INT", "UUID", "NUMERIC", "REAL"]
        .iter()
        .enumerate()
    {
        let file = directory.path().join(format!("{number}.db"));
        let connection = rusqlite::Connection::open(&file).unwrap();
        let sql = format!("CREATE TABLE auth_user (id {sql_type} PRIMARY KEY)");
        connection.execute_batch(&sql).unwrap();
        let store = SqliteStore::open(&file).await.unwrap();
        let says = ["has to be TEXT", "user_table", sql_type];
        assert_says(store.migrate(&[]).await, ("auth_user", "id"), &says);
    }
    for (number, sql_type) in ["TEXT", "VARCHAR(15)", "CHARACTER(20)", "CLOB", "BLOB", ""]
        .iter()
        .enumerate()
    {
        let file = directory.path().join(format!("text {number}.db"));
        let connection = rusqlite::Connection::open(&file).unwrap();
        let sql = format!("CREATE TABLE auth_user (id {sql_type} PRIMARY KEY)");
        connection.execute_batch(&sql).unwrap();
        let store = SqliteStore::open(&file).await.unwrap();
        store.migrate(&[]).await.unwrap();
        let auth = lucia::Auth::builder(store).build().unwrap();
        let user = auth
            .create_user(NewUser::without_key().id("0123456789".parse().unwrap()))
            .await;
        assert_eq!(user.unwrap().id.as_str(), "0123456789");
    }
}
