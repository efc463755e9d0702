//! A store behind an [`Arc`] is a store, so that `Arc<dyn Store>` is one.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

#[cfg(feature = "postgres")]
use super::TransactionStore;
use super::{
    AttemptStore, Expiries, KeyDeletion, KeyRow, LastKey, NewSessionRow, NewUserRow, OldHash,
    Owner, PasswordChange, Rotation, SessionRow, SessionStore, Store, UnixMillis, UserRow,
    UserStore, UserTable,
};
use crate::session::token::SessionId;
use crate::store::Result;
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
    Store {
        fn attempts(&self) -> Option<&dyn AttemptStore> {
            (**self).attempts()
        }

        #[cfg(feature = "postgres")]
        fn transactions(&self) -> Option<&dyn TransactionStore> {
            (**self).transactions()
        }
    }
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
    }
    describe_users() -> UserTable;
    insert_user(user: NewUserRow, key: Option<KeyRow>) -> UserRow;
    user(id: &UserId) -> Option<UserRow>;
    update_user(id: &UserId, attributes: Map<String, Value>) -> Option<UserRow>;
    delete_user(id: &UserId) -> ();
    insert_key(key: KeyRow) -> ();
    key(id: &str) -> Option<KeyRow>;
    user_keys(user_id: &UserId) -> Vec<KeyRow>;
    update_key_password(id: &str, user_id: &UserId, hashed_password: Option<&str>, old: OldHash<'_>) -> bool;
    delete_key(id: &str, last: LastKey) -> KeyDeletion;
}

shared! {
    SessionStore {
        fn session_table(&self) -> &str {
            (**self).session_table()
        }

        fn joint_setting(&self) -> Option<&'static str> {
            (**self).joint_setting()
        }
    }
    insert_session(session: NewSessionRow) -> SessionRow;
    session(id: &SessionId) -> Option<SessionRow>;
    sessions(ids: &[SessionId]) -> Vec<SessionRow>;
    user_sessions(user_id: &UserId) -> Vec<SessionRow>;
    renew_session(id: &SessionId, expiries: Expiries) -> bool;
    rotate_session(id: &SessionId, rotation: Rotation) -> bool;
    update_session(id: &SessionId, attributes: Map<String, Value>) -> Option<SessionRow>;
    delete_session(id: &SessionId, owner: Owner<'_>) -> bool;
    delete_user_sessions(user_id: &UserId, except: Option<&SessionId>) -> ();
    delete_expired_sessions(now: UnixMillis, owner: Owner<'_>, limit: u32) -> u64;
}
