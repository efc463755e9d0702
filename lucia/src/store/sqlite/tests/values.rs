//! Columns of users.

use serde_json::json;

use super::*;
use crate::store::UserStore as _;

#[tokio::test]
async fn declared_types_decide_what_an_attribute_reads() {
    let store = in_memory(&[
        "admin BOOLEAN NOT NULL DEFAULT FALSE -- what comes next stands",
        "verified BOOL",
        "settings JSON",
        "flags INTEGER",
        "score REAL",
        "text TEXT",
        "anything WHATEVER",
    ])
    .await;
    let attributes = json!({
        "verified": true,
        "settings": { "theme": "dark", "sizes": [1, 2.5, null] },
        "flags": true,
        "score": 2,
        "text": "123",
        "anything": ["a", 1],
    });
    let stored = store
        .insert_user(new_user("ada", attributes), None)
        .await
        .unwrap();
    let expected = json!({
        "id": "ada",
        "admin": false,
        "verified": true,
        "settings": { "theme": "dark", "sizes": [1, 2.5, null] },
        "flags": 1,
        "score": 2.0,
        "text": "123",
        "anything": "[\"a\",1]",
    });
    assert_eq!(Value::Object(columns(&stored)), expected);
}

#[tokio::test]
async fn json_columns_keep_any_json() {
    let store = in_memory(&["settings JSON", "other JSONTEXT"]).await;
    for value in [
        json!("text"),
        json!("12"),
        json!(12),
        json!(-1.5),
        json!(true),
        json!(null),
        json!([[], {}, "é\"\\\u{1}"]),
    ] {
        let change = json!({ "settings": value, "other": value });
        let user = new_user("ada", change);
        let stored = store.insert_user(user, None).await.unwrap();
        assert_eq!(columns(&stored)["settings"], value);
        assert_eq!(columns(&stored)["other"], value);
        store.delete_user(&"ada".parse().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn numbers_are_exact_or_refused() {
    let store = in_memory(&["n BIGINT", "r DOUBLE PRECISION"]).await;
    for n in [i64::MIN, -1, 0, (1 << 53) + 1, i64::MAX] {
        let user = new_user("ada", json!({ "n": n, "r": 0.1 }));
        let stored = store.insert_user(user, None).await.unwrap();
        assert_eq!(columns(&stored)["n"], n);
        assert_eq!(columns(&stored)["r"], 0.1);
        store.delete_user(&"ada".parse().unwrap()).await.unwrap();
    }
    let user = new_user("ada", json!({ "n": u64::MAX }));
    match store.insert_user(user, None).await {
        Err(StoreError::InvalidAttribute { column, .. }) => {
            assert_eq!(column.as_deref(), Some("n"))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_blob_reads_as_hexadecimal_text() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&["picture BLOB"]).await.unwrap();
    let sql = "INSERT INTO auth_user VALUES ('ada', x'00FF7a'), ('bob', x'')";
    file.by_hand().execute(sql, []).unwrap();
    let ada = store.user(&"ada".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(columns(&ada)["picture"], "00ff7a");
    let bob = store.user(&"bob".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(columns(&bob)["picture"], "");
}

#[tokio::test]
async fn what_json_cannot_express_is_named_and_not_shown() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store
        .migrate(&["settings JSON", "score REAL", "name TEXT"])
        .await
        .unwrap();
    let sql = "INSERT INTO auth_user VALUES ('a', 'swordfish', NULL, NULL), \
               ('b', NULL, 9e999, NULL), ('c', NULL, NULL, CAST(x'ff' AS TEXT))";
    file.by_hand().execute(sql, []).unwrap();
    for (id, column) in [("a", "settings"), ("b", "score"), ("c", "name")] {
        let read = store.user(&id.parse().unwrap()).await;
        let reason = assert_schema(read, "auth_user", Some(column));
        assert!(!reason.contains("swordfish"), "{reason}");
    }
}

#[tokio::test]
async fn generated_columns_are_read_and_not_written() {
    let store = in_memory(&[
        "name TEXT NOT NULL",
        "loud TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL",
    ])
    .await;
    let user = new_user("ada", json!({ "name": "Ada" }));
    let stored = store.insert_user(user, None).await.unwrap();
    assert_eq!(columns(&stored)["loud"], "ADA");
    let user = new_user("bob", json!({ "name": "Bob", "loud": "x" }));
    match store.insert_user(user, None).await {
        Err(StoreError::InvalidAttribute { column, .. }) => {
            assert_eq!(column.as_deref(), Some("loud"))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_the_columns_asked_for_are_fetched() {
    let file = File::new();
    let store = SqliteStore::builder().fetched_user_columns(["name", "id"]);
    let store = store.open(&file.path).await.unwrap();
    store.migrate(&["name TEXT", "secret TEXT"]).await.unwrap();
    let user = new_user("ada", json!({ "name": "Ada", "secret": "swordfish" }));
    let stored = store.insert_user(user, None).await.unwrap();
    assert_eq!(stored.attributes, r#"{"id":"ada","name":"Ada"}"#);
    let described = store.describe_users().await.unwrap();
    assert_eq!(described.columns, ["id", "name"]);
}

#[tokio::test]
async fn columns_that_come_later_are_seen_at_once() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    store
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
    file.by_hand()
        .execute_batch("ALTER TABLE auth_user ADD COLUMN admin BOOLEAN NOT NULL DEFAULT 1")
        .unwrap();
    let ada = store.user(&"ada".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(columns(&ada)["admin"], true);
}

#[tokio::test]
async fn the_character_nul_is_no_reason_to_panic() {
    let store = in_memory(&["name TEXT"]).await;
    let user = new_user("a\0b", json!({ "name": "x\0y" }));
    let stored = store
        .insert_user(user, Some(key("k\0", "a\0b")))
        .await
        .unwrap();
    assert_eq!(columns(&stored)["name"], "x\0y");
    assert!(store.user(&"a".parse().unwrap()).await.unwrap().is_none());
    assert!(store.key("k\0").await.unwrap().is_some());
    let user = new_user("b", json!({ "name\0": 1 }));
    let refused = store.insert_user(user, None).await;
    assert_no_such_column(refused, "auth_user", "name\0");
}
