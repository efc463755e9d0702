//! What the cases are made of.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::pin::Pin;
use std::task::Poll;

use serde_json::{Map, Value, json};

use crate::session::token::{SessionId, SessionToken};
use crate::store::{
    Expiries, KeyRow, NewSessionRow, NewUserRow, Rotation, SessionRow, SessionStore, Store,
    StoreError, UnixMillis, UserRow,
};
use crate::user::UserId;

/// Ids that only an attacker would choose.
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

pub(super) fn token(number: u64) -> SessionToken {
    let digits = format!("{number:040}");
    SessionToken::parse(&digits).expect("40 characters of [a-z0-9]")
}

pub(super) fn session_id(number: u64) -> SessionId {
    token(number).session_id()
}

/// A session of `user`, created `number` seconds after [`NOW`]. Those with odd numbers are not
/// persistent, which few stores would take for granted.
pub(super) fn session(number: u64, user: &str) -> NewSessionRow {
    let created_at = NOW + 1000 * i64::try_from(number).expect("a small number");
    NewSessionRow {
        token: token(number),
        user_id: UserId::from_stored(user),
        created_at: UnixMillis(created_at),
        authenticated_at: Some(UnixMillis(created_at - 1)),
        expiries: Expiries {
            renewed_at: UnixMillis(created_at + 1),
            active_expires: UnixMillis(created_at + 2),
            idle_expires: UnixMillis(created_at + 3),
        },
        device: Some(format!("device {number}")),
        address: Some(format!("2001:db8::{number}")),
        persistent: number.is_multiple_of(2),
        attributes: Map::new(),
        replaces: None,
        limit: None,
    }
}

/// What is stored of a session, as [`stored_session`] gives it.
pub(super) fn row(session: &NewSessionRow) -> SessionRow {
    let mut columns = BTreeMap::from([("country", Value::Null), ("visits", json!(1))]);
    for (name, value) in &session.attributes {
        columns.insert(name, value.clone());
    }
    SessionRow {
        id: session.token.session_id(),
        user_id: session.user_id.clone(),
        created_at: session.created_at,
        authenticated_at: session.authenticated_at,
        expiries: session.expiries,
        device: session.device.clone(),
        address: session.address.clone(),
        persistent: session.persistent,
        attributes: json!(columns).to_string(),
    }
}

/// A row with its attributes written in the one way in which rows can be compared.
pub(super) fn comparable(row: SessionRow) -> SessionRow {
    let columns: BTreeMap<String, Value> =
        serde_json::from_str(&row.attributes).expect("attributes are the text of a JSON object");
    SessionRow {
        attributes: json!(columns).to_string(),
        ..row
    }
}

/// Another token, `number`, and times after `at`.
pub(super) fn rotation(number: u64, at: i64) -> Rotation {
    Rotation {
        token: token(number),
        expiries: expiries(at),
        authenticated_at: None,
    }
}

/// What a session is after a rotation.
pub(super) fn rotated(before: SessionRow, rotation: &Rotation) -> SessionRow {
    SessionRow {
        id: rotation.token.session_id(),
        authenticated_at: rotation.authenticated_at.or(before.authenticated_at),
        expiries: rotation.expiries,
        ..before
    }
}

pub(super) fn expiries(at: i64) -> Expiries {
    Expiries {
        renewed_at: UnixMillis(at),
        active_expires: UnixMillis(at + 10),
        idle_expires: UnixMillis(at + 20),
    }
}

pub(super) async fn insert_session(store: &dyn SessionStore, session: &NewSessionRow) {
    let inserted = store.insert_session(session.clone()).await;
    inserted.expect("a session is stored");
}

pub(super) async fn stored_session(store: &dyn SessionStore, id: &SessionId) -> Option<SessionRow> {
    let session = store.session(id).await.expect("a session is looked up");
    session.map(comparable)
}

/// The ids of a user's sessions in the order of the list.
pub(super) async fn session_ids(store: &dyn SessionStore, user: &str) -> Vec<SessionId> {
    let sessions = store.user_sessions(&UserId::from_stored(user)).await;
    let sessions = sessions.expect("sessions are listed");
    sessions.into_iter().map(|session| session.id).collect()
}

/// A user whose name is their id.
pub(super) fn new_user(id: &str) -> NewUserRow {
    NewUserRow {
        id: UserId::from_stored(id),
        attributes: attributes(json!({ "username": id })),
    }
}

/// A verified key with a password.
pub(super) fn key(id: &str, user: &str) -> KeyRow {
    KeyRow {
        id: id.to_owned(),
        user_id: UserId::from_stored(user),
        hashed_password: Some(format!("hash of {id}")),
        verified_at: Some(UnixMillis(NOW - 1)),
    }
}

/// The key, without a proof that it is its user's.
pub(super) fn unverified(key: KeyRow) -> KeyRow {
    KeyRow {
        verified_at: None,
        ..key
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
    let user = store.user(&UserId::from_stored(id)).await;
    user.expect("a user is looked up")
}

pub(super) async fn stored_key(store: &dyn Store, id: &str) -> Option<KeyRow> {
    store.key(id).await.expect("a key is looked up")
}

/// The ids of a user's keys in alphabetic order.
pub(super) async fn key_ids(store: &dyn Store, user: &str) -> Vec<String> {
    let keys = store.user_keys(&UserId::from_stored(user)).await;
    let mut ids: Vec<_> = keys
        .expect("keys are listed")
        .into_iter()
        .inspect(|key| {
            assert_eq!(
                key.user_id,
                UserId::from_stored(user),
                "a key of another user"
            )
        })
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
pub(super) fn everything_of(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

/// Lets the others go on that are waited for by the same task. What they do may never wait itself.
pub(super) async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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

/// Users who meet in many ways: each has a key, which is `a:` and their id, and the session of their number.
pub(super) async fn forty_users(store: &dyn Store) -> Vec<String> {
    let users: Vec<String> = (0..40).map(|number| format!("user {number}")).collect();
    for (number, user) in (0..).zip(&users) {
        insert_user(store, user).await;
        insert_key(store, &key(&format!("a:{user}"), user)).await;
        insert_session(store, &session(number, user)).await;
    }
    users
}
