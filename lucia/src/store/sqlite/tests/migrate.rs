//! Making the tables.

use serde_json::json;

use super::*;
use crate::store::{SessionStore as _, Store as _, UserStore as _};

const USERNAME: &str = "username TEXT NOT NULL UNIQUE";

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    let schema = || {
        let connection = file.by_hand();
        let mut statement = connection
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        let sql = statement
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap();
        sql.collect::<Result<Vec<_>, _>>().unwrap()
    };
    store.migrate(&[USERNAME]).await.unwrap();
    let before = schema();
    assert_eq!(
        before.len(),
        16,
        "eight tables and eight indexes: {before:#?}"
    );
    store
        .insert_user(new_user("ada", json!({ "username": "Ada" })), None)
        .await
        .unwrap();
    store.migrate(&[USERNAME]).await.unwrap();
    store.migrate(&[]).await.unwrap();
    store.migrate(&["Username TEXT", "id TEXT"]).await.unwrap();
    assert_eq!(schema(), before);
    assert!(store.user(&"ada".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn r53_eight_that_start_at_once_make_the_tables_once() {
    let file = File::new();
    let start = || {
        let path = file.path.clone();
        tokio::spawn(async move {
            let store = SqliteStore::open(path).await?;
            store.migrate(&[USERNAME, "age INTEGER"]).await
        })
    };
    let starting: Vec<_> = (0..8).map(|_| start()).collect();
    for started in starting {
        started.await.unwrap().unwrap();
    }
    let store = SqliteStore::open(&file.path).await.unwrap();
    let described = store.describe_users().await.unwrap();
    assert_eq!(described.columns, ["id", "username", "age"]);
}

#[tokio::test]
async fn columns_are_added_to_a_table_that_is_there() {
    let file = File::new();
    let store = file
        .with(
            "CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY, email TEXT NOT NULL);
             INSERT INTO auth_user VALUES ('ada', 'ada@example.com');",
        )
        .await;
    store
        .migrate(&[
            "email TEXT",
            "nickname TEXT",
            "\"a \"\"b\" INTEGER NOT NULL DEFAULT 7",
        ])
        .await
        .unwrap();
    let ada = store.user(&"ada".parse().unwrap()).await.unwrap().unwrap();
    let expected = json!({ "id": "ada", "email": "ada@example.com", "nickname": null, "a \"b": 7 });
    assert_eq!(Value::Object(columns(&ada)), expected);
}

#[tokio::test]
async fn a_column_that_cannot_be_added_is_named_with_the_reason_and_nothing_is_changed() {
    let file = File::new();
    let store = file
        .with(
            "CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY);
             INSERT INTO auth_user VALUES ('ada');",
        )
        .await;
    for (definition, why) in [
        (USERNAME, "UNIQUE"),
        ("username TEXT NOT NULL", "NOT NULL"),
        ("username TEXT PRIMARY KEY", "PRIMARY KEY"),
        ("username TEXT NONSENSE (", "syntax"),
    ] {
        let refused = store.migrate(&["nickname TEXT", definition]).await;
        let reason = assert_schema(refused, "auth_user", Some("username"));
        assert!(
            reason.contains(why) || reason.contains("incomplete input"),
            "{reason}"
        );
        assert!(reason.contains("there already"), "{reason}");
    }
    let left = file
        .by_hand()
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    let columns: i64 = left.unwrap();
    assert_eq!(columns, 2, "the table and the index of its key");
    assert_eq!(
        store
            .user(&"ada".parse().unwrap())
            .await
            .unwrap()
            .unwrap()
            .attributes,
        r#"{"id":"ada"}"#
    );
}

#[tokio::test]
async fn a_new_table_with_a_wrong_definition_is_not_made() {
    let store = SqliteStore::in_memory().await.unwrap();
    let refused = store
        .migrate(&["age INTEGER", "username TEXT DEFAULT ("])
        .await;
    let reason = assert_schema(refused, "auth_user", None);
    assert!(reason.contains("username"), "{reason}");
    let missing = store.describe_users().await;
    assert_schema(missing, "auth_user", None);
    let refused = store.migrate(&["username"]).await;
    assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    store.migrate(&[USERNAME]).await.unwrap();
}

/// The tables of Lucia v2 as its documentation makes them, with a session.
const LUCIA: &str = "
    CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL);
    CREATE TABLE user_key (id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL REFERENCES auth_user(id), hashed_password TEXT);
    CREATE TABLE user_session (id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL REFERENCES auth_user(id),
        active_expires BIGINT NOT NULL, idle_expires BIGINT NOT NULL, country TEXT);
    INSERT INTO auth_user VALUES ('ada', 'Ada');
    INSERT INTO user_key VALUES ('username:ada', 'ada', NULL);
    INSERT INTO user_session VALUES ('0123456789abcdefghij', 'ada', 1, 2, 'UK');";

#[tokio::test]
async fn the_tables_of_lucia_v2_get_what_they_lack_and_keep_their_rows() {
    let file = File::new();
    let store = file.with(LUCIA).await;
    for _ in 0..2 {
        store.migrate(&["username TEXT", "age INT"]).await.unwrap();
    }
    let row = file.by_hand().query_row(
        "SELECT id, active_expires, idle_expires, country, device, created_at, renewed_at
         FROM user_session",
        [],
        |row| {
            let given: (String, i64, i64, String, Option<String>) = (
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            );
            let added: (i64, i64) = (row.get(5)?, row.get(6)?);
            Ok((given, added))
        },
    );
    let (given, (created_at, renewed_at)) = row.unwrap();
    let expected = (
        "0123456789abcdefghij".to_owned(),
        1,
        2,
        "UK".to_owned(),
        None,
    );
    assert_eq!(given, expected);
    let now = UnixMillis::from(std::time::SystemTime::now()).0;
    assert!((now - 60_000..=now).contains(&created_at), "{created_at}");
    assert_eq!(created_at, renewed_at);
    assert!(store.key("username:ada").await.unwrap().is_some());
    let ada = store.user(&"ada".parse().unwrap()).await.unwrap().unwrap();
    let expected = json!({ "id": "ada", "username": "Ada", "age": null });
    assert_eq!(Value::Object(columns(&ada)), expected);
}

#[tokio::test]
async fn sessions_of_lucia_v2_beside_ours_are_not_listed_and_die() {
    let file = File::new();
    let store = file.with(LUCIA).await;
    store.migrate(&[]).await.unwrap();
    let ours = store.insert_session(session("ada")).await.unwrap().row;
    // Lucia still adds its own.
    file.by_hand()
        .execute(
            "INSERT INTO user_session (id, user_id, active_expires, idle_expires)
             VALUES ('another', 'ada', 1, 9)",
            [],
        )
        .unwrap();
    // Lucia's ids are tokens, which are not for showing.
    let listed = store.user_sessions(&"ada".parse().unwrap()).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&ours));
    assert_eq!(store.session(&ours.id).await.unwrap(), Some(ours));
    let deleted = store
        .delete_expired_sessions(UnixMillis(9), 10)
        .await
        .unwrap();
    assert_eq!(deleted, 2, "one of either");
    store.delete_user(&"ada".parse().unwrap()).await.unwrap();
    assert!(store.user(&"ada".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn tables_of_others_that_lack_other_columns_are_refused_by_name() {
    let file = File::new();
    let store = file
        .with(
            "CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY);
             CREATE TABLE user_session (id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL,
                idle_expires BIGINT NOT NULL);",
        )
        .await;
    let refused = store.migrate(&[]).await;
    assert_schema(refused, "user_session", Some("active_expires"));
    let columns: i64 = file
        .by_hand()
        .query_row(
            "SELECT count(*) FROM pragma_table_info('user_session')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(columns, 3, "nothing is changed");
}

/// What Lucia makes.
const LUCIAS: &str = "
    CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY);
    CREATE TABLE user_session (id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL,
        active_expires BIGINT NOT NULL, idle_expires BIGINT NOT NULL);";

/// What the version before made.
const BEFORE: &str = "
    CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY);
    CREATE TABLE user_session (id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL,
        active_expires BIGINT NOT NULL, idle_expires BIGINT NOT NULL,
        created_at BIGINT NOT NULL DEFAULT (unixepoch() * 1000),
        renewed_at BIGINT NOT NULL DEFAULT (unixepoch() * 1000), device TEXT);";

#[tokio::test]
async fn a_table_of_sessions_that_is_there_gets_our_columns() {
    for made in [LUCIAS, BEFORE] {
        let file = File::new();
        let id = "0".repeat(64);
        let sql = format!(
            "{made} INSERT INTO auth_user VALUES ('ada');
             INSERT INTO user_session (id, user_id, active_expires, idle_expires)
             VALUES ('{id}', 'ada', 1, 2);"
        );
        let store = file.with(&sql).await;
        for _ in 0..2 {
            store.migrate(&[]).await.unwrap();
            let stored = store.session(&id.parse().unwrap()).await.unwrap();
            let stored = stored.expect("it is still there");
            let now = UnixMillis::from(std::time::SystemTime::now()).0;
            for time in [stored.created_at.0, stored.expiries.renewed_at.0] {
                assert!((now - 60_000..=now).contains(&time), "{stored:?}");
            }
            assert_eq!(stored.authenticated_at, None, "nobody proved anything");
            assert_eq!((stored.device, stored.address), (None, None));
            assert!(stored.persistent);
        }
        store.insert_session(session("ada")).await.unwrap();
    }
}

#[tokio::test]
async fn the_sql_file_makes_the_same_tables_by_hand() {
    let file = File::new();
    let sql = include_str!("../../../../migrations/sqlite/0001_tables.sql");
    let verified = include_str!("../../../../migrations/sqlite/0003_verified_keys.sql");
    let store = file.with(&format!("{sql}; {sql}; {verified}")).await;
    store
        .insert_user(new_user("ada", json!({})), Some(key("a:1", "ada")))
        .await
        .unwrap();
    let id = "0".repeat(64);
    file.by_hand()
        .execute(
            "INSERT INTO user_session (id, user_id, active_expires, idle_expires)
             VALUES (?1, 'ada', 1, 2)",
            [&id],
        )
        .unwrap();
    let found = store.session_and_user(&id.parse().unwrap()).await.unwrap();
    let (session, _) = found.unwrap();
    let now = UnixMillis::from(std::time::SystemTime::now()).0;
    assert!(
        (now - 60_000..=now).contains(&session.created_at.0),
        "{session:?}"
    );
    assert_eq!(session.created_at, session.expiries.renewed_at);
    assert!(session.persistent);
    assert_eq!(
        store.user_sessions(&"ada".parse().unwrap()).await.unwrap(),
        [session]
    );
}
