//! Opening, closing, waiting.

use std::fs;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::store::{
    FormerTokens, HealthStatus, LastKey, SessionStore as _, StoreHealth, TokenRow, TokenStore as _,
    UnixMillis, UserStore as _,
};

#[tokio::test]
async fn a_file_is_created_and_keeps_what_is_stored() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    store
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
    drop(store);
    let store = SqliteStore::open(&file.path).await.unwrap();
    assert!(store.user(&"ada".parse().unwrap()).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_and_those_beside_it_are_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(file.path.parent().unwrap()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        seen += 1;
    }
    assert_eq!(seen, 3, "the database, its log, and the index of that");
}

#[tokio::test]
async fn every_connection_is_set_up_alike() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    let set_up = || {
        store.read(|db| {
            let connection = db.connection;
            let setting = |name: &str| {
                connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, String>(0))
            };
            let number = |name: &str| {
                connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            };
            // A quoted name of no column is an error, and not a text.
            let misspelt = connection.prepare("SELECT \"misspelt\" FROM pragma_table_list");
            assert!(misspelt.is_err());
            Ok((
                setting("journal_mode")?,
                number("foreign_keys")?,
                number("synchronous")?,
            ))
        })
    };
    let (a, b, c) = tokio::join!(set_up(), set_up(), set_up());
    for connection in [a, b, c] {
        assert_eq!(connection.unwrap(), ("wal".to_owned(), 1, 1));
    }
}

#[tokio::test]
async fn two_databases_in_memory_are_two() {
    let one = in_memory(&[]).await;
    let other = in_memory(&[]).await;
    one.insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
    assert!(other.user(&"ada".parse().unwrap()).await.unwrap().is_none());
    assert!(
        one.clone()
            .user(&"ada".parse().unwrap())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn memory_outlives_its_connection() {
    let store = in_memory(&[]).await;
    store
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
    let broken = store
        .read(|_| -> super::super::Outcome<()> { panic!("swordfish") })
        .await;
    let error = broken.unwrap_err();
    assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("swordfish"));
    assert!(store.user(&"ada".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn what_cannot_be_a_database_is_told_by_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(
        path("text.db"),
        "This is not a database, however long it goes on. ".repeat(20),
    )
    .unwrap();
    for (path, reason) in [
        (path("missing/site.db"), "does not exist"),
        (path("text.db/site.db"), "is no directory"),
        (path(""), "it is a directory"),
        (path("text.db"), "it is no SQLite database"),
        (path("a\0b"), "nul byte"),
        (":memory:".into(), "`in_memory()`"),
        ("".into(), "empty"),
    ] {
        match SqliteStore::open(&path).await {
            Err(Error::Setting {
                setting: "path",
                reason: told,
            }) => {
                assert!(told.contains(reason), "{path:?}: {told}");
            }
            other => panic!("{path:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn r46_a_url_in_place_of_a_path_is_not_shown() {
    for url in [
        "mysql://app:canary7313@localhost/app",
        "Postgres://app:canary7313@localhost/app",
        "file://canary7313",
    ] {
        let error = SqliteStore::open(url).await.unwrap_err();
        let text = format!("{error:?} {error}");
        assert!(matches!(
            error,
            Error::Setting {
                setting: "path",
                ..
            }
        ));
        assert!(!text.contains("canary7313"), "{text}");
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named() {
    let builder = SqliteStore::builder;
    for (builder, setting) in [
        (builder().timeout(Duration::ZERO), "timeout"),
        (builder().timeout(Duration::MAX), "timeout"),
        (builder().user_table("a\0b"), "user_table"),
        (builder().key_table("SQLite_keys"), "key_table"),
        (builder().session_table("AUTH_USER"), "session_table"),
        (builder().fetched_user_columns([""]), "fetched_user_columns"),
        (builder().session_columns([""]), "session_columns"),
        (builder().session_columns(["Id TEXT"]), "session_columns"),
    ] {
        match builder.clone().in_memory().await {
            Err(Error::Setting { setting: named, .. }) => assert_eq!(named, setting),
            other => panic!("{builder:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_locked_database_is_unavailable_to_writers_and_open_to_readers() {
    let file = File::new();
    let store = SqliteStore::builder().timeout(Duration::from_millis(300));
    let store = store.open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let somebody_else = file.by_hand();
    somebody_else.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.insert_user(new_user("ada", json!({})), None).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let refused = store.migrate(&[]).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(store.user(&"ada".parse().unwrap()).await.unwrap().is_none());
    somebody_else.execute_batch("COMMIT").unwrap();
    store
        .insert_user(new_user("ada", json!({})), None)
        .await
        .unwrap();
}

/// SQLite gives the row before it commits.
#[tokio::test]
async fn what_a_failed_commit_leaves_is_not_taken() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let now = UnixMillis(0);
    let code = TokenRow {
        data: "{}".to_owned(),
        hashed_code: Some("hash".to_owned()),
        tries_left: Some(3),
        ..TokenRow::new("1".to_owned(), "test".to_owned(), now, UnixMillis(9))
    };
    let inserted = store.insert_token(code.clone(), FormerTokens::Keep).await;
    inserted.unwrap();
    // A rule that is looked at when the transaction ends.
    let sql = "CREATE TABLE reference (token TEXT REFERENCES one_time_token (id) \
               DEFERRABLE INITIALLY DEFERRED); INSERT INTO reference VALUES ('1')";
    let other = Connection::open(&file.path).unwrap();
    other.execute_batch(sql).unwrap();
    for _ in 0..2 {
        let taken = store.take_token("1", Some("hash")).await;
        assert!(taken.is_err(), "{taken:?}");
        assert_eq!(store.token("1").await.unwrap().as_ref(), Some(&code));
    }
}

#[tokio::test]
async fn a_database_without_room_is_unavailable_to_writers_and_open_to_readers() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let user = || new_user("ada", json!({}));
    store
        .insert_user(user(), Some(key("ada", "ada")))
        .await
        .unwrap();
    // As many pages as there are are as many as there may be.
    let set_most_pages = async |pages: u32| {
        let setting = store.write(move |db| {
            let set = db.connection.pragma_update(None, "max_page_count", pages);
            set.map_err(Into::into)
        });
        setting.await.unwrap();
    };
    set_most_pages(1).await;
    let mut inserted = 0;
    let refused = loop {
        let id = format!("user-{inserted}");
        let insert = store.insert_user(new_user(&id, json!({})), Some(key(&id, &id)));
        match insert.await {
            Ok(_) => inserted += 1,
            Err(error) => break error,
        }
        assert!(inserted < 10_000, "there is room");
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    // Nothing of the last one is there, and the others can leave.
    let last = format!("user-{inserted}").parse().unwrap();
    assert!(store.user(&last).await.unwrap().is_none());
    let ada = "ada".parse().unwrap();
    assert!(store.user(&ada).await.unwrap().is_some());
    store.delete_user(&ada).await.unwrap();
    set_most_pages(u32::MAX).await;
    store
        .insert_user(user(), Some(key("ada", "ada")))
        .await
        .unwrap();
}

#[tokio::test]
async fn health_says_whether_the_database_can_be_read_and_written() {
    let file = File::new();
    let store = SqliteStore::builder().timeout(Duration::from_millis(300));
    let store = store.open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let up = StoreHealth::up("sqlite");
    assert_eq!(store.health().await.unwrap(), up);
    let somebody_else = file.by_hand();
    somebody_else.execute_batch("BEGIN IMMEDIATE").unwrap();
    let health = store.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Degraded, "{health:?}");
    assert!(health.reasons[0].contains("locked"), "{health:?}");
    somebody_else.execute_batch("COMMIT").unwrap();
    assert_eq!(store.health().await.unwrap(), up);
    fs::remove_file(&file.path).unwrap();
    let health = store.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Down, "{health:?}");
    assert!(health.reasons[0].contains("deleted"), "{health:?}");
}

#[tokio::test]
async fn what_is_too_late_to_begin_is_not_done() {
    let store = SqliteStore::builder().timeout(Duration::from_millis(300));
    let store = store.in_memory().await.unwrap();
    store.migrate(&[]).await.unwrap();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let slow = store.write(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let late = store.insert_user(new_user("ada", json!({})), None);
    let (slow, late, health) = tokio::join!(slow, late, store.health());
    assert!(matches!(slow, Err(StoreError::Unavailable(_))), "{slow:?}");
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert!(
        matches!(health, Err(StoreError::Unavailable(_))),
        "{health:?}"
    );
    release.send(()).unwrap();
    assert!(store.user(&"ada".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_dropped_future_leaves_nothing_half_written() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let ids: Vec<_> = (0..20).map(|number| format!("user-{number}")).collect();
    for (polls, id) in ids.iter().enumerate() {
        let key = Some(key(id, id));
        let mut insert = Box::pin(store.insert_user(new_user(id, json!({})), key));
        for _ in 0..polls {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(inserted) = insert.as_mut().poll(&mut context) {
                inserted.unwrap();
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // Writers queue, so that this one comes after all that went on by itself.
    store.delete_key("nobody's", LastKey::Delete).await.unwrap();
    for id in &ids {
        let user = store
            .user(&id.as_str().parse().unwrap())
            .await
            .unwrap()
            .is_some();
        let key = store.key(id).await.unwrap().is_some();
        assert_eq!(user, key, "{id}");
    }
}

#[test]
fn a_store_can_outlive_the_runtime() {
    let file = File::new();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let first = runtime();
    let opened = first.block_on(async {
        let store = SqliteStore::open(&file.path).await.unwrap();
        store.migrate(&[]).await.unwrap();
        store
    });
    let other = first.block_on(SqliteStore::in_memory()).unwrap();
    drop(other);
    drop(first);
    drop(opened);
}

#[tokio::test]
async fn debug_shows_where_and_which_tables() {
    let store = in_memory(&[]).await;
    let text = format!("{store:?}");
    assert!(
        text.contains("Memory") && text.contains("auth_user"),
        "{text}"
    );
    store
        .delete_expired_sessions(UnixMillis(0), 1)
        .await
        .unwrap();
}
