//! The application's columns in the table of sessions.

use serde_json::json;

use super::*;
use crate::store::{SessionStore as _, Store as _, UserStore as _};

/// A migrated store in memory with these columns, and with Ada in it.
async fn with_columns(columns: &[&str]) -> SqliteStore {
    let builder = SqliteStore::builder().session_columns(columns.iter().copied());
    let store = builder.in_memory().await.unwrap();
    store.migrate(&[]).await.unwrap();
    let ada = new_user("ada", json!({}));
    store.insert_user(ada, None).await.unwrap();
    store
}

fn session_with(attributes: Value) -> NewSessionRow {
    let Value::Object(attributes) = attributes else {
        panic!("no object")
    };
    NewSessionRow {
        attributes,
        ..session("ada")
    }
}

#[tokio::test]
async fn declared_types_decide_what_an_attribute_reads() {
    let store = with_columns(&[
        "trusted BOOLEAN NOT NULL DEFAULT FALSE",
        "\"Place \"\"x\" JSON",
    ])
    .await;
    let place = json!({ "city": "Delft", "at": [52.0, 4.25] });
    let given = session_with(json!({ "trusted": true, "Place \"x": place }));
    let stored = store.insert_session(given.clone()).await.unwrap().row;
    let attributes: Value = serde_json::from_str(&stored.attributes).unwrap();
    assert_eq!(attributes, json!({ "trusted": true, "Place \"x": place }));
    let (found, user) = store
        .session_and_user(&given.token.session_id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, stored);
    assert_eq!(user.attributes, r#"{"id":"ada"}"#);
}

#[tokio::test]
async fn without_columns_of_the_applications_there_are_no_attributes() {
    let store = with_columns(&[]).await;
    let stored = store.insert_session(session("ada")).await.unwrap().row;
    assert_eq!(stored.attributes, "{}");
    let refused = store.insert_session(session_with(json!({ "a": 1 }))).await;
    assert_no_such_column(refused, "user_session", "a");
}

#[tokio::test]
async fn a_column_by_its_name_alone_has_to_be_there() {
    let file = File::new();
    let open = || SqliteStore::builder().session_columns(["country"]);
    let store = open().open(&file.path).await.unwrap();
    assert_schema(store.migrate(&[]).await, "user_session", Some("country"));
    let maker = SqliteStore::builder().session_columns(["Country TEXT"]);
    let maker = maker.open(&file.path).await.unwrap();
    maker.migrate(&[]).await.unwrap();
    maker.migrate(&[]).await.unwrap();
    assert_schema(store.migrate(&[]).await, "user_session", Some("country"));
}

#[tokio::test]
async fn a_column_that_sqlite_does_not_add_is_named_with_the_reason() {
    let builder = SqliteStore::builder().session_columns(["device_id TEXT UNIQUE"]);
    let store = builder.in_memory().await.unwrap();
    let refused = store.migrate(&[]).await;
    let reason = assert_schema(refused, "user_session", Some("device_id"));
    assert!(reason.contains("UNIQUE"), "{reason}");
}

#[tokio::test]
async fn rules_of_the_table_of_sessions_are_violations_of_their_kind() {
    let store = with_columns(&[
        "age INTEGER CONSTRAINT grown_up CHECK (age >= 18)",
        "lender TEXT REFERENCES auth_user (id)",
    ])
    .await;
    let young = store.insert_session(session_with(json!({ "age": 17 })));
    let violation = assert_violation(young.await, ConstraintKind::Check);
    assert_eq!(violation.table, "user_session");
    assert_eq!(violation.constraint.as_deref(), Some("grown_up"));

    let nowhere = session_with(json!({ "lender": "nobody" }));
    let inserted = store.insert_session(nowhere.clone()).await;
    let violation = assert_violation(inserted, ConstraintKind::ForeignKey);
    assert_eq!(violation.table, "user_session");
    let nobody = NewSessionRow {
        user_id: "nobody".parse().unwrap(),
        ..session_with(json!({ "lender": "ada" }))
    };
    let refused = store.insert_session(nobody).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownUser)),
        "{refused:?}"
    );

    let stored = store.insert_session(session("ada")).await.unwrap().row;
    let updated = store.update_session(&stored.id, nowhere.attributes).await;
    assert_violation(updated, ConstraintKind::ForeignKey);
    let again = store.insert_session(session("ada")).await;
    assert!(matches!(again, Err(StoreError::Internal(_))), "{again:?}");
}

#[tokio::test]
async fn a_unique_column_names_itself() {
    let store = with_columns(&["device_id TEXT"]).await;
    store
        .write(|db| {
            let sql = "CREATE UNIQUE INDEX one_device ON user_session (device_id)";
            Ok(db.connection.execute_batch(sql)?)
        })
        .await
        .unwrap();
    let first = session_with(json!({ "device_id": "a" }));
    store.insert_session(first.clone()).await.unwrap();
    let second = NewSessionRow {
        token: SessionToken::parse(&"1".repeat(40)).unwrap(),
        ..first
    };
    let violation = assert_violation(store.insert_session(second).await, ConstraintKind::Unique);
    assert_eq!(violation.table, "user_session");
    assert_eq!(violation.column.as_deref(), Some("device_id"));
}
