//! What lucia asks of a database, for those who write a store.
//!
//! A store is plain data access: the rules are in [`Auth`](crate::Auth). It is in order when it
//! passes the [`conformance`] suite (feature `conformance`).
//!
//! # Errors
//!
//! All methods tell what went wrong by the same [`Error`](crate::Error) that applications see:
//!
//! | when | error |
//! |---|---|
//! | a key of this id is there already | [`DuplicateKey`](crate::Error::DuplicateKey) |
//! | a user of this id is there already | [`DuplicateUser`](crate::Error::DuplicateUser) |
//! | a key or session is for a user who is not there | [`UnknownUser`](crate::Error::UnknownUser) |
//! | the user's columns break a rule of the table | [`Constraint`](crate::Error::Constraint) |
//! | a value does not fit its column | [`InvalidAttribute`](crate::Error::InvalidAttribute) |
//! | a table or column is missing or of another type | [`Schema`](crate::Error::Schema) |
//! | the database is away, slow, or out of connections | [`Unavailable`](crate::Error::Unavailable) |
//! | anything else | [`Internal`](crate::Error::Internal) |
//!
//! What is not there is `None`, `false` or an empty list, and never an error. An error, and what
//! it wraps, must not show values: they end in logs.

#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod split;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod tables;

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::Result;
pub use crate::clock::UnixMillis;
pub use crate::session::Expiries;
use crate::token::SessionId;
use crate::user::UserId;

pub(crate) use split::Split;

/// Users and their keys.
#[async_trait]
pub trait UserStore: fmt::Debug + Send + Sync + 'static {
    /// The name of the table of users, for messages.
    fn user_table(&self) -> &str;

    /// What the tables look like.
    ///
    /// # Errors
    ///
    /// [`Schema`](crate::Error::Schema) when one of lucia's own tables or columns is not as the
    /// store needs it.
    async fn describe_users(&self) -> Result<UserTable>;

    /// Stores a user and, in the same transaction, their key. Returns the row as the database
    /// holds it, its defaults included. On an error nothing is stored; where both the key and a
    /// column are taken, the error is [`DuplicateKey`](crate::Error::DuplicateKey).
    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow>;

    /// The user of this id.
    async fn user(&self, id: &UserId) -> Result<Option<UserRow>>;

    /// Sets the given columns of a user's row, and leaves the others as they are. Returns the new
    /// row, or `None` when there is no such user.
    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>>;

    /// Removes a user with their keys, and with their sessions where this store holds those too.
    async fn delete_user(&self, id: &UserId) -> Result<()>;

    /// Stores a key.
    async fn insert_key(&self, key: KeyRow) -> Result<()>;

    /// The key of this id.
    async fn key(&self, id: &str) -> Result<Option<KeyRow>>;

    /// All keys of a user.
    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>>;

    /// Replaces the hash of a key's password; `None` takes the password away. With `only_if`, it
    /// does so only where that hash is still there, as one step that nothing comes between.
    /// Returns whether it did.
    async fn update_key_password(
        &self,
        id: &str,
        hashed_password: Option<&str>,
        only_if: Option<&str>,
    ) -> Result<bool>;

    /// Removes a key.
    async fn delete_key(&self, id: &str) -> Result<()>;

    /// Removes all keys of a user.
    async fn delete_user_keys(&self, user_id: &UserId) -> Result<()>;
}

/// Sessions.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a session. [`UnknownUser`](crate::Error::UnknownUser) where this store knows the
    /// users and this one is not among them.
    async fn insert_session(&self, session: SessionRow) -> Result<()>;

    /// The session of this id, dead or alive.
    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>>;

    /// All sessions of a user, dead or alive, the oldest first.
    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>>;

    /// Moves a session's expiries, if the session is (still) there: returns whether it was. It
    /// never brings a deleted session back, however it meets the deletion.
    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool>;

    /// Removes a session, if `owner` is `None` or its user. Returns whether it did.
    async fn delete_session(&self, id: &SessionId, owner: Option<&UserId>) -> Result<bool>;

    /// Removes the sessions of a user, except the one named.
    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()>;

    /// Removes up to `limit` sessions whose idle expiry is before `now`. Returns how many.
    async fn delete_dead_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64>;
}

/// A store of users, keys and sessions together: what most applications have.
#[async_trait]
pub trait Store: UserStore + SessionStore {
    /// A session and its user, by one query: both or neither.
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>>;
}

/// A user to be stored.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs)]
pub struct NewUserRow {
    /// The id.
    pub id: UserId,
    /// The other columns by name. Columns that are not here get the database's defaults.
    pub attributes: Map<String, Value>,
}

/// A stored user.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The id.
    pub id: UserId,
    /// All columns, `id` included, as the text of a JSON object.
    pub attributes: String,
}

impl fmt::Debug for UserRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRow")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a store knows of its table of users.
#[derive(Clone, Debug)]
pub struct UserTable {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Some user, if there is one.
    pub sample: Option<UserRow>,
}

/// A stored key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// `provider:provider_user_id`.
    pub id: String,
    /// Whose key it is.
    pub user_id: UserId,
    /// The hash of its password, `None` for a key without one.
    pub hashed_password: Option<String>,
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRow")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field(
                "hashed_password",
                &self.hashed_password.as_ref().map(|_| "[redacted]"),
            )
            .finish()
    }
}

/// A stored session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The SHA-256 of the token.
    pub id: SessionId,
    /// Whose session it is.
    pub user_id: UserId,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it was renewed last, its creation if it never was.
    pub renewed_at: UnixMillis,
    /// The end of its active period.
    pub active_expires: UnixMillis,
    /// The end of its idle period.
    pub idle_expires: UnixMillis,
    /// What the application called the device.
    pub device: Option<String>,
}
