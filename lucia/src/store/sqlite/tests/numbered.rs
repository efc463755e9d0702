//! Which migrations have run.

use serde_json::json;

use super::*;
use crate::store::migrations::{Migration, SQLITE_FILES};
use crate::store::sqlite::errors::Subject;
use crate::store::sqlite::migrate::migrate;
use crate::store::{CredentialStore as _, MailStore as _, TokenStore as _, UserStore as _};

impl File {
    fn record(&self) -> Vec<(String, i64)> {
        let connection = self.by_hand();
        let sql = "SELECT tables, number FROM lucia_migration ORDER BY tables, number";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn execute(&self, sql: &str) {
        self.by_hand().execute_batch(sql).unwrap();
    }
}

fn reason(refused: Result<(), Error>) -> String {
    match refused {
        Err(Error::Schema { table, reason, .. }) if table == "lucia_migration" => reason,
        other => panic!("{other:?}"),
    }
}

const SET: &str = r#""auth_user", "user_key", "user_session", "sign_in_attempt""#;

#[tokio::test]
async fn what_has_run_is_recorded_once_for_each_set_of_tables() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    let staff = SqliteStore::builder()
        .user_table("staff")
        .key_table("staff_key")
        .session_table("staff_session")
        .attempt_table("staff_attempt");
    let staff = staff.open(&file.path).await.unwrap();
    for _ in 0..2 {
        store.migrate(&[]).await.unwrap();
        staff.migrate(&[]).await.unwrap();
    }
    let mut sets: Vec<_> = file.record().into_iter().map(|(set, _)| set).collect();
    sets.dedup();
    let other = r#""staff", "staff_key", "staff_session", "staff_attempt""#;
    assert_eq!(sets, [SET, other]);
    staff
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_that_is_newer_than_the_code_is_refused() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    file.execute(
        "INSERT INTO lucia_migration SELECT tables, 9999, checksum, ran_at
         FROM lucia_migration WHERE number = 1; DROP TABLE sign_in_attempt",
    );
    let told = reason(store.migrate(&["nickname TEXT"]).await);
    assert!(told.contains("newer") && told.contains("9999"), "{told}");
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_ran_is_named() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    file.execute("UPDATE lucia_migration SET checksum = '0' WHERE number = 1");
    let told = reason(store.migrate(&[]).await);
    assert!(told.contains("`0001_tables.sql` was changed"), "{told}");
}

#[tokio::test]
async fn tables_that_another_tool_made_or_that_were_dropped_are_made_and_recorded() {
    let file = File::new();
    file.execute(include_str!(
        "../../../../migrations/sqlite/0001_tables.sql"
    ));
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    assert_eq!(file.record()[0], (SET.to_owned(), 1));
    for table in [
        "user_session",
        "one_time_token",
        "outgoing_mail",
        "user_credential",
    ] {
        file.execute(&format!("DROP TABLE {table}"));
        store.migrate(&[]).await.unwrap();
        store.describe_users().await.unwrap();
        store.check_tokens().await.unwrap();
        store.check_mails().await.unwrap();
        store.check_credentials().await.unwrap();
    }
}

#[tokio::test]
async fn only_what_an_earlier_version_has_not_run_is_run() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    file.execute(
        "DROP TABLE one_time_token; DELETE FROM lucia_migration WHERE number = 2;
         UPDATE lucia_migration SET ran_at = 7",
    );
    store.migrate(&[]).await.unwrap();
    store.check_tokens().await.unwrap();
    let numbers: Vec<_> = file
        .record()
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    assert_eq!(numbers, SQLITE_FILES.map(|known| known.number));
    let sql = "SELECT ran_at FROM lucia_migration WHERE number = 1";
    let ran_at = file
        .by_hand()
        .query_row(sql, [], |row| row.get::<_, i64>(0));
    assert_eq!(ran_at, Ok(7));
}

/// A file that adds a column, where it is missing and where another tool has run it.
#[tokio::test]
async fn a_column_that_is_there_is_not_added_again() {
    const COLUMN: &str = "ALTER TABLE \"user_session\" ADD COLUMN \"later\" BOOLEAN;";
    let added = Migration {
        number: 1000,
        makes: |_| Vec::new(),
        file: "1000_later.sql",
        sql: COLUMN,
        adds: Some((|names| &names.session, "later")),
    };
    let mut known: Vec<_> = SQLITE_FILES.into();
    known.push(added);
    let known = std::sync::Arc::new(known);
    for by_hand in [false, true] {
        let file = File::new();
        let store = SqliteStore::builder().session_table("s").open(&file.path);
        let store = store.await.unwrap();
        if by_hand {
            let sql = include_str!("../../../../migrations/sqlite/0001_tables.sql");
            let sql = format!("{sql}{COLUMN}").replace("\"user_session\"", "\"s\"");
            file.execute(&sql);
        }
        for _ in 0..2 {
            let known = known.clone();
            let migrated = store
                .transact(Subject::Several, move |db| migrate(db, &[], &known))
                .await;
            migrated.unwrap();
        }
        let numbers: Vec<_> = file
            .record()
            .into_iter()
            .map(|(_, number)| number)
            .collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 1000]);
        file.execute("SELECT later FROM s");
    }
}
