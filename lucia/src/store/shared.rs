//! A store behind an [`Arc`] is a store, so that `Arc<dyn Store>` is one.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
#[cfg(feature = "postgres")]
use tokio_postgres::Transaction;

use super::{
    AttemptStore, CountedAttempt, CountedPlace, Expiries, KeyDeletion, KeyRow, LastKey, NewAttempt,
    NewSessionRow, NewUserRow, PasswordChange, Rotation, SessionRow, SessionStore, Store,
    UnixMillis, UserRow, UserStore, UserTable,
};
use crate::Result;
use crate::session::token::SessionId;
use crate::user::UserId;

/// Writes each method out as: ask the store in the `Arc`.
macro_rules! shared {
    ($interface:ident { $($head:item)* } $(
        $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;
    )*) => {
        #[async_trait]
        impl<S: $interface + ?Sized> $interface for Arc<S> {
            $($head)*
            $(async fn $method(&self, $($argument: $type),*) -> Result<$answer> {
                (**self).$method($($argument),*).await
            })*
        }
    };
}

shared! {
    Store {}
    session_and_user(id: &SessionId) -> Option<(SessionRow, UserRow)>;
    sessions_and_users(ids: &[SessionId]) -> Vec<(SessionRow, UserRow)>;
    insert_session_by_key(session: NewSessionRow, key: KeyRow) -> Option<SessionRow>;
    change_password(change: PasswordChange) -> bool;
}

shared! {
    UserStore {
        fn user_table(&self) -> &str {
            (**self).user_table()
        }

        #[cfg(feature = "postgres")]
        async fn insert_user_in(
            &self,
            transaction: &Transaction<'_>,
            user: NewUserRow,
            key: Option<KeyRow>,
        ) -> Result<UserRow> {
            (**self).insert_user_in(transaction, user, key).await
        }

        #[cfg(feature = "postgres")]
        async fn insert_key_in(&self, transaction: &Transaction<'_>, key: KeyRow) -> Result<()> {
            (**self).insert_key_in(transaction, key).await
        }
    }
    describe_users() -> UserTable;
    insert_user(user: NewUserRow, key: Option<KeyRow>) -> UserRow;
    user(id: &UserId) -> Option<UserRow>;
    update_user(id: &UserId, attributes: Map<String, Value>) -> Option<UserRow>;
    delete_user(id: &UserId) -> ();
    insert_key(key: KeyRow) -> ();
    key(id: &str) -> Option<KeyRow>;
    user_keys(user_id: &UserId) -> Vec<KeyRow>;
    update_key_password(id: &str, user_id: &UserId, hashed_password: Option<&str>, only_if: Option<&str>) -> bool;
    delete_key(id: &str, last: LastKey) -> KeyDeletion;
}

shared! {
    AttemptStore {}
    check_attempts() -> ();
    count_attempt(attempt: NewAttempt) -> CountedAttempt;
    uncount_attempt(places: &[CountedPlace]) -> ();
    delete_old_attempts(now: UnixMillis, limit: u32) -> u64;
}

shared! {
    SessionStore {
        fn session_table(&self) -> &str {
            (**self).session_table()
        }
    }
    insert_session(session: NewSessionRow) -> SessionRow;
    session(id: &SessionId) -> Option<SessionRow>;
    sessions(ids: &[SessionId]) -> Vec<SessionRow>;
    user_sessions(user_id: &UserId) -> Vec<SessionRow>;
    renew_session(id: &SessionId, expiries: Expiries) -> bool;
    rotate_session(id: &SessionId, rotation: Rotation) -> bool;
    update_session(id: &SessionId, attributes: Map<String, Value>) -> Option<SessionRow>;
    delete_session(id: &SessionId, owner: Option<&UserId>) -> bool;
    delete_user_sessions(user_id: &UserId, except: Option<&SessionId>) -> ();
    delete_expired_sessions(now: UnixMillis, user_id: Option<&UserId>, limit: u32) -> u64;
}
