//! Which migrations have run: recorded once for each set of tables, and compared with the files.

use futures_util::future::join_all;
use lucia::store::{CredentialStore as _, MailStore as _, TokenStore as _};
use lucia::{Auth, Error, PgStore};
use lucia_tests::Database;

use super::{COLUMNS, assert_works};

/// The record of the database: set of tables, number and SHA-256.
async fn record(database: &Database, table: &str) -> Vec<(String, i64, String)> {
    let client = database.connect().await;
    let sql = format!("SELECT tables, number, checksum FROM {table} ORDER BY tables, number");
    let rows = client.query(&sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// The numbers that each set of tables has.
fn sets(record: &[(String, i64, String)]) -> Vec<String> {
    let mut sets: Vec<_> = record.iter().map(|(set, ..)| set.clone()).collect();
    sets.dedup();
    sets
}

fn reason(refused: Result<(), Error>) -> String {
    match refused {
        Err(Error::Schema { table, reason, .. }) if table == "lucia_migration" => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_has_run_is_recorded_once_however_many_start_at_once() {
    let database = Database::new().await;
    let stores = (0..4).map(|_| async {
        let store = PgStore::builder().max_connections(1);
        store.connect(&database.url()).await.unwrap()
    });
    let stores = join_all(stores).await;
    for migrated in join_all(stores.iter().map(|store| store.migrate(COLUMNS))).await {
        migrated.unwrap();
    }
    let first = record(&database, "lucia_migration").await;
    assert_eq!(first[0].1, 1);
    assert_eq!(
        sets(&first),
        [r#""auth_user", "user_key", "user_session", "sign_in_attempt""#]
    );
    stores[0].migrate(COLUMNS).await.unwrap();
    assert_eq!(record(&database, "lucia_migration").await, first);
    assert_works(&database).await;
}

#[tokio::test]
async fn a_database_that_is_newer_than_the_code_is_refused() {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    let client = database.connect().await;
    let newer = "INSERT INTO lucia_migration SELECT tables, 9999, checksum, ran_at \
                 FROM lucia_migration WHERE number = 1";
    client.batch_execute(newer).await.unwrap();
    let told = reason(store.migrate(&["nickname TEXT"]).await);
    assert!(told.contains("newer") && told.contains("9999"), "{told}");
    // Also where that version has dropped a table that this one would make.
    let drop = "DROP TABLE sign_in_attempt";
    client.batch_execute(drop).await.unwrap();
    reason(store.migrate(&["nickname TEXT"]).await);
    let column = "SELECT FROM pg_attribute WHERE attname = 'nickname'";
    assert!(client.query(column, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_ran_is_named() {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    let client = database.connect().await;
    let changed = "UPDATE lucia_migration SET checksum = repeat('0', 64) WHERE number = 1";
    client.batch_execute(changed).await.unwrap();
    let told = reason(store.migrate(&["nickname TEXT"]).await);
    assert!(
        told.contains("`0001_tables.sql` was changed after it ran"),
        "{told}"
    );
}

#[tokio::test]
async fn each_set_of_tables_has_a_record_beside_its_tables() {
    let database = Database::new().await;
    let url = database.url();
    let own = PgStore::connect(&url).await.unwrap();
    let others = PgStore::builder()
        .user_table("Staff \"A\"")
        .key_table("staff_key")
        .session_table("staff_session")
        .attempt_table("staff_attempt");
    let others = others.connect(&url).await.unwrap();
    let elsewhere = PgStore::builder().schema("App 2");
    let elsewhere = elsewhere.connect(&url).await.unwrap();
    for _ in 0..2 {
        for store in [&own, &others, &elsewhere] {
            store.migrate(COLUMNS).await.unwrap();
            let auth = Auth::builder(store.clone()).build().unwrap();
            auth.check_schema::<crate::support::Profile>()
                .await
                .unwrap();
        }
    }
    let here = record(&database, "public.lucia_migration").await;
    assert_eq!(
        sets(&here),
        [
            r#""Staff ""A""", "staff_key", "staff_session", "staff_attempt""#,
            r#""auth_user", "user_key", "user_session", "sign_in_attempt""#,
        ]
    );
    let there = record(&database, r#""App 2".lucia_migration"#).await;
    assert_eq!(sets(&there), sets(&here)[1..]);
}

#[tokio::test]
async fn tables_that_another_tool_made_are_completed_and_recorded() {
    let file = include_str!("../../../../lucia/migrations/postgres/0001_tables.sql");
    let database = Database::new().await;
    let client = database.connect().await;
    client.batch_execute(file).await.unwrap();
    let store = PgStore::connect(&database.url()).await.unwrap();
    for _ in 0..2 {
        store.migrate(COLUMNS).await.unwrap();
    }
    assert_eq!(sets(&record(&database, "lucia_migration").await).len(), 1);
    assert_works(&database).await;
}

#[tokio::test]
async fn tables_that_were_dropped_are_made_again() {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    let client = database.connect().await;
    for drop in [
        "DROP TABLE auth_user, user_key, user_session, sign_in_attempt, one_time_token, \
         outgoing_mail, user_credential",
        "DROP TABLE one_time_token",
        "DROP TABLE outgoing_mail",
        "DROP TABLE user_credential",
    ] {
        client.batch_execute(drop).await.unwrap();
        store.migrate(COLUMNS).await.unwrap();
        store.check_tokens().await.unwrap();
        store.check_mails().await.unwrap();
        store.check_credentials().await.unwrap();
    }
    assert_works(&database).await;
}

#[tokio::test]
async fn only_what_an_earlier_version_has_not_run_is_run() {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    let client = database.connect().await;
    let earlier = "DROP TABLE one_time_token; DELETE FROM lucia_migration WHERE number = 2; \
                   UPDATE lucia_migration SET ran_at = 7";
    client.batch_execute(earlier).await.unwrap();
    // The first file would wait for this reader.
    let reader = database.connect().await;
    let read = "BEGIN; SELECT * FROM user_session";
    reader.batch_execute(read).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    reader.batch_execute("COMMIT").await.unwrap();
    store.check_tokens().await.unwrap();
    let sql = "SELECT number, ran_at = 7 FROM lucia_migration ORDER BY number";
    let rows = client.query(sql, &[]).await.unwrap();
    let rows: Vec<(i64, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        rows,
        [(1, true), (2, false), (3, true), (4, true), (5, true)]
    );
}

#[tokio::test]
async fn no_table_can_have_the_name_of_the_record() {
    let taken = PgStore::builder().key_table("lucia_migration");
    let taken = taken.connect("postgres://localhost/nowhere").await;
    assert!(
        matches!(
            taken,
            Err(Error::Setting {
                setting: "key_table",
                ..
            })
        ),
        "{taken:?}"
    );
}
