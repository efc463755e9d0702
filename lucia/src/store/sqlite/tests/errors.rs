//! Classes of errors.

use serde_json::json;

use super::*;
use crate::store::{
    LastKey, PasswordChange, Rotation, SessionStore as _, Store as _, UserStore as _,
};
use crate::user::UserId;

#[tokio::test]
async fn rules_of_the_users_table_are_violations_of_their_kind() {
    let store = in_memory(&[
        "age INTEGER CONSTRAINT grown_up CHECK (age >= 18)",
        "team TEXT REFERENCES auth_user (id)",
        "a TEXT",
        "b TEXT, UNIQUE (a, b)",
    ])
    .await;
    let insert = |id: &str, attributes| store.insert_user(new_user(id, attributes), None);

    let young = insert("ada", json!({ "age": 17 })).await;
    let violation = assert_violation(young, ConstraintKind::Check);
    assert_eq!(violation.constraint.as_deref(), Some("grown_up"));
    let nowhere = insert("ada", json!({ "team": "nobody" })).await;
    assert_violation(nowhere, ConstraintKind::ForeignKey);
    insert("ada", json!({ "a": "1", "b": "2" })).await.unwrap();
    let same = insert("bob", json!({ "a": "1", "b": "2" })).await;
    let violation = assert_violation(same, ConstraintKind::Unique);
    assert_eq!(violation.table, "auth_user");
    assert_eq!(violation.column, None, "it is about two");

    insert("bob", json!({ "team": "ada" })).await.unwrap();
    let deleted = store.delete_user(&"ada".parse().unwrap()).await;
    assert_violation(deleted, ConstraintKind::Referenced);
    assert!(store.user(&"ada".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_unique_index_over_an_expression_is_named() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&["name TEXT"]).await.unwrap();
    file.by_hand()
        .execute_batch("CREATE UNIQUE INDEX one_name ON auth_user (lower(name))")
        .unwrap();
    let insert = |id: &str, name| store.insert_user(new_user(id, json!({ "name": name })), None);
    insert("ada", "Ada").await.unwrap();
    let violation = assert_violation(insert("bob", "ADA").await, ConstraintKind::Unique);
    assert_eq!(violation.constraint.as_deref(), Some("one_name"));
}

#[tokio::test]
async fn a_rule_that_a_trigger_enforces_shows_nothing_of_what_it_says() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&["name TEXT"]).await.unwrap();
    file.by_hand()
        .execute_batch(
            "CREATE TRIGGER no_fish BEFORE INSERT ON auth_user WHEN new.name = 'swordfish'
             BEGIN SELECT raise(ABORT, 'no swordfish'); END",
        )
        .unwrap();
    let user = new_user("ada", json!({ "name": "swordfish" }));
    let violation = assert_violation(store.insert_user(user, None).await, ConstraintKind::Other);
    assert!(!format!("{violation:?}").contains("swordfish"));
}

#[tokio::test]
async fn a_value_that_a_strict_table_refuses_is_named_by_its_column() {
    let file = File::new();
    let store = file
        .with("CREATE TABLE \"auth_user\" (id TEXT NOT NULL PRIMARY KEY, age INTEGER) STRICT")
        .await;
    store.migrate(&[]).await.unwrap();
    let user = new_user("ada", json!({ "age": "swordfish" }));
    let refused = store.insert_user(user, None).await.unwrap_err();
    assert!(!format!("{refused:?}").contains("swordfish"));
    match refused {
        StoreError::InvalidAttribute { table, column, .. } => {
            assert_eq!((&*table, column.as_deref()), ("auth_user", Some("age")));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn missing_tables_are_named_whatever_is_asked() {
    let store = SqliteStore::in_memory().await.unwrap();
    let ada: UserId = "ada".parse().unwrap();
    let session = session("ada");
    let id = session.token.session_id();
    let expiries = session.expiries;
    let rotation = Rotation {
        token: session.token.clone(),
        expiries,
        authenticated_at: None,
    };
    let change = PasswordChange::new("a:1", ada.clone(), "a hash".to_owned());
    let Value::Object(attributes) = json!({ "country": "NL" }) else {
        unreachable!()
    };
    let missing = [
        store.describe_users().await.map(drop),
        store
            .insert_user(new_user("ada", json!({})), None)
            .await
            .map(drop),
        store.user(&ada).await.map(drop),
        store.delete_user(&ada).await,
        store.insert_key(key("a:1", "ada")).await,
        store.key("a:1").await.map(drop),
        store.delete_key("a:1", LastKey::Keep).await.map(drop),
        store.insert_session(session.clone()).await.map(drop),
        store
            .insert_session_by_key(session, key("a:1", "ada"))
            .await
            .map(drop),
        store.session(&id).await.map(drop),
        store.session_and_user(&id).await.map(drop),
        store.renew_session(&id, expiries).await.map(drop),
        store.rotate_session(&id, rotation).await.map(drop),
        store.update_session(&id, attributes).await.map(drop),
        store.change_password(change).await.map(drop),
        store
            .delete_expired_sessions(UnixMillis(0), 1)
            .await
            .map(drop),
    ];
    for outcome in missing {
        let reason = assert_schema(outcome, "auth_user", None);
        assert!(reason.contains("migrate"), "{reason}");
    }
}

#[tokio::test]
async fn missing_columns_are_named() {
    let file = File::new();
    let store = SqliteStore::builder().fetched_user_columns(["shoe_size"]);
    let store = store.open(&file.path).await.unwrap();
    let refused = store.migrate(&[]).await;
    assert_schema(refused, "auth_user", Some("shoe_size"));
    store.migrate(&["shoe_size INTEGER"]).await.unwrap();
    store
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
    file.by_hand()
        .execute_batch("ALTER TABLE user_session DROP COLUMN device")
        .unwrap();
    let refused = store.insert_session(session("ada")).await;
    assert_schema(refused, "user_session", Some("device"));
    file.by_hand()
        .execute_batch("ALTER TABLE auth_user DROP COLUMN shoe_size")
        .unwrap();
    assert_schema(
        store.user(&"ada".parse().unwrap()).await,
        "auth_user",
        Some("shoe_size"),
    );
}

#[tokio::test]
async fn columns_of_other_types_are_named() {
    let file = File::new();
    let store = file
        .with("CREATE TABLE auth_user (id INTEGER PRIMARY KEY)")
        .await;
    assert_schema(store.migrate(&[]).await, "auth_user", Some("id"));

    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    store
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
    let sql = "INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
               VALUES (?1, 'ada', 'swordfish', 2)";
    file.by_hand().execute(sql, [&"0".repeat(64)]).unwrap();
    let read = store.session(&"0".repeat(64).parse().unwrap()).await;
    let reason = assert_schema(read, "user_session", Some("active_expires"));
    assert!(!reason.contains("swordfish"), "{reason}");
}

#[tokio::test]
async fn required_columns_that_lucia_does_not_know_are_named() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    store
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
    file.by_hand()
        .execute_batch(
            "DROP TABLE user_key; CREATE TABLE user_key (id TEXT NOT NULL PRIMARY KEY,
                user_id TEXT NOT NULL, hashed_password TEXT, verified_at BIGINT,
                tenant TEXT NOT NULL)",
        )
        .unwrap();
    let refused = store.insert_key(key("a:1", "ada")).await;
    assert_schema(refused, "user_key", Some("tenant"));
}
