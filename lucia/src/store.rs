//! The traits that a store implements.
//!
//! A store is plain data access: the rules are in [`Auth`](crate::Auth). A store is correct if it passes
//! the [`conformance`] suite (feature `conformance`). An `Arc` of a store is a store, and so is an
//! `Arc<dyn Store>`.
//!
//! These traits and rows grow with lucia. While its version begins with `0.`, a release that changes them
//! has a new minor version, as for any other breaking change.
//!
//! # Errors
//!
//! All methods report errors as a [`StoreError`], which becomes the [`Error`](crate::Error) of the same
//! name that applications see. A missing row is `None`, `false` or an empty list, never an error. An error
//! and its source must not contain values, because they are logged.

mod attempts;
mod batch;
#[cfg(all(feature = "cache", any(feature = "postgres", feature = "redis")))]
pub(crate) mod cache;
#[cfg(all(not(feature = "cache"), any(feature = "postgres", feature = "redis")))]
#[path = "store/no_cache.rs"]
mod cache;
#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
mod credentials;
mod error;
#[macro_use]
mod arc;
mod from_rows;
mod health;
mod key_writes;
mod mails;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod migrations;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod rows;
mod split;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod tables;
mod tokens;

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};
#[cfg(feature = "postgres")]
use tokio_postgres::Transaction;

pub use crate::clock::UnixMillis;
use crate::session::token::SessionId;
pub use crate::session::{Expiries, Rotation};
use crate::user::UserId;

pub(crate) use attempts::attempt_place;
pub use attempts::{AttemptStore, CountedAttempt, CountedPlace, NewAttempt};
pub use credentials::{CredentialRow, CredentialStore};
pub use error::{Result, StoreError};
pub use health::{Health, HealthStatus, StoreHealth};
pub use key_writes::{ADDRESS_NOTE, ClaimOutcome, ClaimedBy, KeyClaim, KeyWrite, WrittenBy};
pub use mails::{MailRow, MailStore};
pub use rows::{
    InsertedSession, KeyDeletion, KeyRow, LastKey, NewSessionRow, NewUserRow, OldHash, Owner,
    PasswordChange, SessionRow, UserRow, UserTable,
};
pub(crate) use split::Split;
pub use tokens::{FormerTokens, TokenRow, TokenStore};

/// Users and their keys.
#[async_trait]
pub trait UserStore: fmt::Debug + Send + Sync + 'static {
    /// The name of the user table, for messages.
    fn user_table(&self) -> &str;

    /// The name of a setting that has no effect if the sessions are in another store, if such a setting is
    /// set. [`AuthBuilder::build`](crate::AuthBuilder::build) refuses it together with
    /// [`sessions`](crate::AuthBuilder::sessions).
    fn unsupported_for_users_alone(&self) -> Option<&'static str> {
        None
    }

    /// Describes the tables.
    ///
    /// # Errors
    ///
    /// [`Schema`](StoreError::Schema) if one of lucia's own tables or columns is not as the store needs it,
    /// except those of [`check_attempts`](AttemptStore::check_attempts).
    async fn describe_users(&self) -> Result<UserTable>;

    /// Stores a user and, in the same transaction, their key. Returns the row as the database stored it,
    /// including its defaults. After an error nothing is stored. If both the key and the value of a column
    /// are taken, the error is [`DuplicateKey`](StoreError::DuplicateKey).
    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow>;

    /// The user with this id.
    async fn user(&self, id: &UserId) -> Result<Option<UserRow>>;

    /// The user with this id from a cache of this store; `None` by default. It is called for lookups, if the sessions
    /// are in another store. After a call that changes a user has returned, this does not return the old row. The other
    /// methods are always current.
    fn cached_user(&self, _id: &UserId) -> Option<UserRow> {
        None
    }

    /// The existing users with these ids, in any order; by default it asks for one after the other. A user whom the
    /// database knows by another spelling of the id may be missing. It is called for lookups, if sessions are in
    /// another store.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let mut users = Vec::with_capacity(ids.len());
        for id in ids {
            users.extend(self.user(id).await?);
        }
        Ok(users)
    }

    /// Sets the given columns of a user's row, and no others. Returns the new row, or `None` if the user
    /// does not exist.
    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>>;

    /// Deletes a user with their keys, [one-time tokens](TokenStore) and [credentials](CredentialStore),
    /// and with their sessions if this store also holds those. It succeeds whatever is created for the user
    /// at the same time: that is deleted as well, or comes too late and is refused with
    /// [`UnknownUser`](StoreError::UnknownUser).
    async fn delete_user(&self, id: &UserId) -> Result<()>;

    /// Stores a key.
    async fn insert_key(&self, key: KeyRow) -> Result<()>;

    /// The key with this id.
    async fn key(&self, id: &str) -> Result<Option<KeyRow>>;

    /// All keys of a user.
    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>>;

    /// Replaces the password hash of a key if the key still belongs to that user; `None` removes the
    /// password. With [`OldHash::Is`], it does so only if the key still has that hash, in one atomic step.
    /// Returns whether it did.
    async fn update_key_password(
        &self,
        id: &str,
        user_id: &UserId,
        hashed_password: Option<&str>,
        old: OldHash,
    ) -> Result<bool>;

    /// Deletes a key. With [`LastKey::Keep`], the last key of its user stays: however many deletions run at
    /// once, one key is left.
    async fn delete_key(&self, id: &str, last: LastKey) -> Result<KeyDeletion>;
}

/// Sessions.
///
/// `id` is always the public id. A store finds a session by it, and needs the token only if it stores
/// tokens unhashed.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// The name of the session table, for messages.
    fn session_table(&self) -> &str;

    /// The kind of store, such as `postgres`: its name in a [`Health`].
    fn store_name(&self) -> &str {
        "store"
    }

    /// The name of a setting that has no effect if the users are in another store, if such a setting is set.
    /// [`AuthBuilder::build`](crate::AuthBuilder::build) refuses it in the store of
    /// [`sessions`](crate::AuthBuilder::sessions).
    fn unsupported_for_sessions_alone(&self) -> Option<&'static str> {
        None
    }

    /// Whether the store removes expired sessions by itself, some time after their idle expiry.
    /// [`delete_expired_sessions`](Self::delete_expired_sessions) may then find none.
    fn removes_expired_sessions(&self) -> bool {
        false
    }

    /// Whether lookups that arrive together may share a call of [`sessions`](Self::sessions), or of
    /// [`users`](UserStore::users) if the sessions are in another store. Both stores have to allow it. It must be
    /// `false`, the default, if several servers answer such a call: one that is slow or down would delay all of
    /// these lookups.
    fn may_share_lookups(&self) -> bool {
        false
    }

    /// Checks with one cheap statement whether the store works. An error means that it is
    /// [`Down`](HealthStatus::Down).
    ///
    /// By default, the store is up if it can look up a session that does not exist.
    async fn health(&self) -> Result<StoreHealth> {
        let nobodys = "0".repeat(64).parse().map_err(StoreError::internal)?;
        self.session(&nobodys).await?;
        Ok(StoreHealth::up(self.store_name()))
    }

    /// Records the store's measurements through the facade crate `metrics`, for
    /// [`Auth::record_metrics`](crate::Auth::record_metrics); nothing by default. It does not query the
    /// database.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    fn record_metrics(&self) {}

    /// Stores a session. In the same transaction, deletes the session that it replaces, and the sessions of
    /// its user that exceed the limit: all or nothing. Returns the row as the database stored it, including
    /// its defaults, and the sessions that exceeded the limit. [`UnknownUser`](StoreError::UnknownUser) if
    /// this store knows the users and this one does not exist.
    ///
    /// With a [`limit`](NewSessionRow::limit), the sessions that were renewed last stay. Expired ones are
    /// deleted first. However many sessions are stored at once, each with the same limit, exactly that many
    /// are left when all calls have returned. A call that is dropped, or whose process is killed, does not
    /// leave more either.
    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession>;

    /// The session with this id from a cache of this store; `None` by default. It is called for lookups, if the users
    /// are in another store. After a call that changes a session has returned, this does not return the old row. The
    /// other methods are always current.
    fn cached_session(&self, _id: &SessionId) -> Option<SessionRow> {
        None
    }

    /// The session with this id, expired or not.
    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>>;

    /// The existing sessions with these ids, expired or not and in any order, in one query. No session is
    /// returned twice.
    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>>;

    /// All sessions of a user, expired or not, oldest first.
    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>>;

    /// Sets a session's expiries if the session still exists. Returns whether it did. It never restores a
    /// deleted session, even if the deletion runs at the same time.
    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool>;

    /// Gives a session another token if the session still exists. Returns whether it did. Before this step
    /// only the old token is valid, and after it only the new one.
    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool>;

    /// Sets the given columns of the application in a session's row, and no others. Returns the new row, or
    /// `None` if the session does not exist.
    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>>;

    /// Deletes a session if it belongs to `owner`. Returns whether it did.
    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool>;

    /// Deletes the sessions of a user, except the given one.
    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()>;

    /// Deletes up to `limit` sessions whose idle expiry is before `now`. Returns how many.
    async fn delete_expired_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64>;
}

/// Stores users and keys in a transaction of the application.
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
#[async_trait]
pub trait TransactionStore: UserStore {
    /// Like [`insert_user`](UserStore::insert_user), in this open transaction, which stays open.
    async fn insert_user_in(
        &self,
        transaction: &Transaction<'_>,
        user: NewUserRow,
        key: Option<KeyRow>,
    ) -> Result<UserRow>;

    /// Like [`insert_key`](UserStore::insert_key), in this open transaction, which stays open.
    async fn insert_key_in(&self, transaction: &Transaction<'_>, key: KeyRow) -> Result<()>;

    /// Like [`insert_credential`](CredentialStore::insert_credential), in this open transaction, which
    /// stays open.
    async fn insert_credential_in(
        &self,
        transaction: &Transaction<'_>,
        credential: CredentialRow,
    ) -> Result<bool>;
}

/// A store of users, keys and sessions together, which most applications have.
///
/// Optional capabilities have a method that returns `None` by default.
/// [`AuthBuilder::build`](crate::AuthBuilder::build) refuses a setting that needs a missing capability.
#[async_trait]
pub trait Store: UserStore + SessionStore {
    /// Counts sign-in attempts. If `None`, this store cannot count them, and
    /// [`without_sign_in_limit`](crate::AuthBuilder::without_sign_in_limit) has to be set.
    fn attempts(&self) -> Option<&dyn AttemptStore> {
        None
    }

    /// Stores one-time tokens. If `None`, the calls that create and use them return
    /// [`Error::Misuse`](crate::Error::Misuse).
    fn tokens(&self) -> Option<&dyn TokenStore> {
        None
    }

    /// Stores credentials of users. If `None`, `build` refuses the setting that needs them,
    /// `AuthBuilder::encryption_keys`.
    fn credentials(&self) -> Option<&dyn CredentialStore> {
        None
    }

    /// Stores mails that wait to be sent. If `None`, an [`Outbox`](crate::mail::Outbox) keeps them in
    /// memory.
    fn mails(&self) -> Option<&dyn MailStore> {
        None
    }

    /// Stores users and keys in a transaction of the application. If `None`, `transaction(..)` returns
    /// [`Error::Misuse`](crate::Error::Misuse).
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    fn transactions(&self) -> Option<&dyn TransactionStore> {
        None
    }

    /// Whether [`session_and_user`](Self::session_and_user) can answer with what was committed a moment ago, as
    /// where it reads from a replica. A session that it has can have been renewed since. So lucia asks
    /// [`sessions_and_users`](Self::sessions_and_users), whose sessions are never behind, before it takes such a
    /// session for expired.
    fn lookups_may_lag(&self) -> bool {
        false
    }

    /// A session and its user, in one query: both or neither. Where [lookups may
    /// lag](Self::lookups_may_lag), `None` is still what is so now.
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>>;

    /// Like [`session_and_user`](Self::session_and_user), for several sessions in one query: those that
    /// exist, in any order. No session is returned twice. It is called for the few sessions of a request
    /// that has several session cookies.
    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>>;

    /// Stores a session like [`insert_session`](SessionStore::insert_session), if the key that opened it
    /// still exists and is unchanged: it has this id and this hash, and belongs to the user of the session.
    /// A key that had no password must still have none, and its verification time, or the lack of one, must
    /// be unchanged, which distinguishes it from a key that was claimed since. Otherwise returns `None` and
    /// changes nothing: no session is replaced, and none is ended because of the limit.
    ///
    /// The key stays unchanged until the session is stored. A change or deletion of the key comes either
    /// before, and the session is refused, or after.
    async fn insert_session_by_key(
        &self,
        session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<InsertedSession>>;

    /// Replaces a password and ends the sessions of its user, both or neither. It does so if the key still
    /// exists, belongs to the user and has the [old hash](PasswordChange::old), and if the session to be
    /// kept exists; otherwise it changes nothing. Returns whether it did. No other change of the key comes
    /// between the comparison and the write.
    ///
    /// Sessions that [`insert_session_by_key`](Self::insert_session_by_key) stores at the same time with
    /// the old hash are among the sessions that end.
    async fn change_password(&self, change: PasswordChange) -> Result<bool>;

    /// Writes a key of a user at their own request, if the session or one-time token of the request still
    /// exists and belongs to that user, in one step with that check. Returns whether it did; also `false`
    /// if the key does not exist, or is not as the [write](KeyWrite) needs it.
    ///
    /// Whatever ends the session or deletes the token comes either before, and nothing is written, or
    /// after. In the latter case, [`claim_key`](Self::claim_key) and
    /// [`change_password`](Self::change_password) find what was written.
    async fn write_key(&self, write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> Result<bool>;

    /// Gives a user to the person who has proved to own a key. All or nothing, it
    ///
    /// 1. takes the [one-time token](ClaimedBy::token) of the claim, if it has one;
    /// 2. records that this key was verified, and removes its password;
    /// 3. removes the passwords and verifications of the user's other keys;
    /// 4. ends all sessions of the user, and deletes their [one-time tokens](TokenStore).
    ///
    /// [By a message](ClaimedBy::Message), the claim succeeds if the key still belongs to that user, the
    /// token still exists, no other key of the user is verified or without a password, and no unexpired
    /// [note](ADDRESS_NOTE) names the user.
    ///
    /// [By a note](ClaimedBy::Note), the claim succeeds if the token still exists and the user exists. It
    /// stores the key if there is none, and takes it from another user who has not verified it. It deletes
    /// all other keys of the user, except those that are to stay, and keeps the verification of those that
    /// are to stay verified.
    ///
    /// Sessions that [`insert_session_by_key`](Self::insert_session_by_key) stores at the same time, with a
    /// key as it was before the claim, are ended by the claim or refused. Keys that
    /// [`write_key`](Self::write_key) stores at the same time are seen by the claim, or are not stored.
    async fn claim_key(&self, claim: KeyClaim) -> Result<ClaimOutcome>;
}

/// lucia's own columns of the table of sessions, which attributes cannot be.
pub(crate) const SESSION_COLUMNS: [&str; 10] = [
    "id",
    "user_id",
    "created_at",
    "authenticated_at",
    "renewed_at",
    "active_expires",
    "idle_expires",
    "device",
    "address",
    "persistent",
];

/// Whether a host is not this machine.
#[cfg(any(feature = "postgres", feature = "redis"))]
fn is_distant(host: &str) -> bool {
    let is_loopback = |address: std::net::IpAddr| address.is_loopback();
    host != "localhost" && !host.parse().is_ok_and(is_loopback)
}
