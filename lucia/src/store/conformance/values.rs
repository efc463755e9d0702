//! What the cases are made of.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::Poll;

use serde_json::{Map, Value, json};

use crate::store::{
    Expiries, KeyRow, NewUserRow, SessionRow, SessionStore, Store, UnixMillis, UserRow,
};
use crate::token::SessionId;
use crate::user::UserId;

/// Ids as nobody has them who means well.
pub(super) const HOSTILE: [&str; 8] = [
    "o'brien",
    "a\"b",
    "a.b;--",
    "'; DROP TABLE auth_user; --",
    "$1 ?1 :id {0} %s",
    "back\\slash\ttab\nline",
    "Ünïcødé 名前 🦀 \u{202e}",
    "  ",
];

/// Some moment, years after the epoch.
pub(super) const NOW: i64 = 1_700_000_000_123;

pub(super) fn long() -> String {
    "long-".repeat(200)
}

pub(super) fn session_id(number: u64) -> SessionId {
    let id = format!("{number:064x}");
    id.parse().expect("64 hexadecimal digits")
}

/// A session of `user`, created `number` seconds after [`NOW`].
pub(super) fn session(number: u64, user: &str) -> SessionRow {
    let created_at = NOW + 1000 * i64::try_from(number).expect("a small number");
    SessionRow {
        id: session_id(number),
        user_id: user.into(),
        created_at: UnixMillis(created_at),
        renewed_at: UnixMillis(created_at + 1),
        active_expires: UnixMillis(created_at + 2),
        idle_expires: UnixMillis(created_at + 3),
        device: Some(format!("device {number}")),
    }
}

pub(super) fn expiries(at: i64) -> Expiries {
    Expiries {
        renewed_at: UnixMillis(at),
        active_expires: UnixMillis(at + 10),
        idle_expires: UnixMillis(at + 20),
    }
}

pub(super) async fn insert_session(store: &dyn SessionStore, session: &SessionRow) {
    let inserted = store.insert_session(session.clone()).await;
    inserted.expect("a session is stored");
}

pub(super) async fn stored_session(store: &dyn SessionStore, id: &SessionId) -> Option<SessionRow> {
    store.session(id).await.expect("a session is looked up")
}

/// The ids of a user's sessions in the order of the list.
pub(super) async fn session_ids(store: &dyn SessionStore, user: &str) -> Vec<SessionId> {
    let sessions = store.user_sessions(&user.into()).await;
    let sessions = sessions.expect("sessions are listed");
    sessions.into_iter().map(|session| session.id).collect()
}

/// A user whose name is their id.
pub(super) fn new_user(id: &str) -> NewUserRow {
    NewUserRow {
        id: id.into(),
        attributes: attributes(json!({ "username": id })),
    }
}

pub(super) fn key(id: &str, user: &str) -> KeyRow {
    KeyRow {
        id: id.to_owned(),
        user_id: user.into(),
        hashed_password: Some(format!("hash of {id}")),
    }
}

pub(super) async fn insert_user(store: &dyn Store, id: &str) -> UserRow {
    let inserted = store.insert_user(new_user(id), None).await;
    inserted.expect("a user is stored")
}

pub(super) async fn insert_key(store: &dyn Store, key: &KeyRow) {
    store
        .insert_key(key.clone())
        .await
        .expect("a key is stored");
}

pub(super) async fn stored_user(store: &dyn Store, id: &str) -> Option<UserRow> {
    let user = store.user(&id.into()).await;
    user.expect("a user is looked up")
}

pub(super) async fn stored_key(store: &dyn Store, id: &str) -> Option<KeyRow> {
    store.key(id).await.expect("a key is looked up")
}

/// The ids of a user's keys in alphabetic order.
pub(super) async fn key_ids(store: &dyn Store, user: &str) -> Vec<String> {
    let keys = store.user_keys(&user.into()).await;
    let mut ids: Vec<_> = keys
        .expect("keys are listed")
        .into_iter()
        .inspect(|key| assert_eq!(key.user_id, UserId::from(user), "a key of somebody else"))
        .map(|key| key.id)
        .collect();
    ids.sort();
    ids
}

pub(super) fn attributes(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(attributes) => attributes,
        other => panic!("{other} is no object"),
    }
}

/// The columns of a user as JSON.
pub(super) fn columns(user: &UserRow) -> Value {
    serde_json::from_str(&user.attributes).expect("attributes are the text of a JSON object")
}

/// All that a log could show of an error.
pub(super) fn everything_of(error: &crate::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

/// The outputs of all `futures`, which run at once on this task.
pub(super) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures
        .into_iter()
        .map(|future| (Some(Box::pin(future)), None))
        .collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut running {
            let Some(unfinished) = future else { continue };
            match Pin::as_mut(unfinished).poll(context) {
                Poll::Ready(ready) => {
                    *output = Some(ready);
                    *future = None;
                }
                Poll::Pending => pending = true,
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    running
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
