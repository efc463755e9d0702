//! Stores that ask another one. A store behind an [`Arc`] is a store, so that `Arc<dyn Store>` is one.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

#[cfg(feature = "postgres")]
use super::TransactionStore;
use super::{
    AttemptStore, ClaimOutcome, CredentialStore, Expiries, InsertedSession, KeyClaim, KeyDeletion,
    KeyRow, KeyWrite, LastKey, MailStore, NewSessionRow, NewUserRow, OldHash, Owner,
    PasswordChange, Result, Rotation, SessionRow, SessionStore, Store, StoreHealth, TokenStore,
    UnixMillis, UserRow, UserStore, UserTable, WrittenBy,
};
use crate::session::token::SessionId;
use crate::user::UserId;

/// Implements a trait of stores for a type. The listed methods ask the store that `$inner` returns; those in
/// brackets at once.
macro_rules! forward {
    ([$($generics:tt)*] $interface:ident, $type:ty, $inner:expr, { $($own:item)* }
    [$($(#[$meta:meta])* $property:ident($($given:ident: $given_type:ty)?) -> $kind:ty;)*] $(
        $method:ident($($argument:ident: $argument_type:ty),*) -> $answer:ty;
    )*) => {
        #[async_trait]
        impl<$($generics)*> $interface for $type {
            $($own)*
            $($(#[$meta])* fn $property(&self, $($given: $given_type)?) -> $kind {
                $inner(self).$property($($given)?)
            })*
            $(async fn $method(&self, $($argument: $argument_type),*) -> Result<$answer> {
                $inner(self).$method($($argument),*).await
            })*
        }
    };
}

/// Implements [`UserStore`]. All methods but those of `$own` ask the store that `$inner` returns.
macro_rules! forward_users {
    ([$($generics:tt)*] $type:ty, $inner:expr, { $($own:item)* }) => {
        forward! {
            [$($generics)*] UserStore, $type, $inner, { $($own)* }
            [
                user_table() -> &str;
                unsupported_for_users_alone() -> Option<&'static str>;
                cached_user(id: &UserId) -> Option<UserRow>;
            ]
            describe_users() -> UserTable;
            insert_user(user: NewUserRow, key: Option<KeyRow>) -> UserRow;
            user(id: &UserId) -> Option<UserRow>;
            users(ids: &[UserId]) -> Vec<UserRow>;
            update_user(id: &UserId, attributes: Map<String, Value>) -> Option<UserRow>;
            insert_key(key: KeyRow) -> ();
            key(id: &str) -> Option<KeyRow>;
            user_keys(user_id: &UserId) -> Vec<KeyRow>;
            update_key_password(
                id: &str, user_id: &UserId, hashed_password: Option<&str>, old: OldHash
            ) -> bool;
            delete_key(id: &str, last: LastKey) -> KeyDeletion;
        }
    };
}

/// Implements [`SessionStore`]. All methods but those of `$own` ask the store that `$inner` returns.
macro_rules! forward_sessions {
    ([$($generics:tt)*] $type:ty, $inner:expr, { $($own:item)* }) => {
        forward! {
            [$($generics)*] SessionStore, $type, $inner, { $($own)* }
            [
                session_table() -> &str;
                store_name() -> &str;
                unsupported_for_sessions_alone() -> Option<&'static str>;
                removes_expired_sessions() -> bool;
                may_share_lookups() -> bool;
                cached_session(id: &SessionId) -> Option<SessionRow>;
            ]
            health() -> StoreHealth;
            session(id: &SessionId) -> Option<SessionRow>;
            sessions(ids: &[SessionId]) -> Vec<SessionRow>;
            user_sessions(user_id: &UserId) -> Vec<SessionRow>;
            renew_session(id: &SessionId, expiries: Expiries) -> bool;
            rotate_session(id: &SessionId, rotation: Rotation) -> bool;
            update_session(id: &SessionId, attributes: Map<String, Value>) -> Option<SessionRow>;
            delete_session(id: &SessionId, owner: Owner<'_>) -> bool;
            delete_expired_sessions(now: UnixMillis, limit: u32) -> u64;
        }
    };
}

forward_users!([S: UserStore + ?Sized] Arc<S>, Arc::as_ref, {
    async fn delete_user(&self, id: &UserId) -> Result<()> {
        (**self).delete_user(id).await
    }
});

forward_sessions!([S: SessionStore + ?Sized] Arc<S>, Arc::as_ref, {
    #[cfg(feature = "metrics")]
    fn record_metrics(&self) {
        (**self).record_metrics();
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession> {
        (**self).insert_session(session).await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        (**self).delete_user_sessions(user_id, except).await
    }
});

forward! {
    [S: Store + ?Sized] Store, Arc<S>, Arc::as_ref, {}
    [
        attempts() -> Option<&dyn AttemptStore>;
        tokens() -> Option<&dyn TokenStore>;
        mails() -> Option<&dyn MailStore>;
        credentials() -> Option<&dyn CredentialStore>;
        #[cfg(feature = "postgres")] transactions() -> Option<&dyn TransactionStore>;
        lookups_may_lag() -> bool;
    ]
    session_and_user(id: &SessionId) -> Option<(SessionRow, UserRow)>;
    sessions_and_users(ids: &[SessionId]) -> Vec<(SessionRow, UserRow)>;
    insert_session_by_key(session: NewSessionRow, key: KeyRow) -> Option<InsertedSession>;
    change_password(change: PasswordChange) -> bool;
    write_key(write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> bool;
    claim_key(claim: KeyClaim) -> ClaimOutcome;
}
