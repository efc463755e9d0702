//! The rows that a store receives and returns.

use std::fmt;

use serde_json::{Map, Value};

use super::{Expiries, Rotation, UnixMillis};
use crate::session::token::{SessionId, SessionToken};
use crate::user::UserId;

debug_of! {
    UserRow: id;
    PasswordChange: key_id, user_id, old, kept;
    NewSessionRow: token, user_id, replaces, limit;
    SessionRow: id, user_id, created_at, authenticated_at, expiries, persistent;
}

/// A user to be stored.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewUserRow {
    /// The id.
    pub id: UserId,
    /// The other columns by name. Missing columns get their database defaults.
    pub attributes: Map<String, Value>,
}

impl NewUserRow {
    /// A user with this id and these other columns.
    #[must_use]
    pub fn new(id: UserId, attributes: Map<String, Value>) -> Self {
        Self { id, attributes }
    }
}

impl fmt::Debug for NewUserRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.attributes.keys().collect();
        f.debug_struct("NewUserRow")
            .field("id", &self.id)
            .field("columns", &columns)
            .finish_non_exhaustive()
    }
}

/// A stored user.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserRow {
    /// The id.
    pub id: UserId,
    /// All columns, including `id`, as the text of a JSON object.
    pub attributes: String,
}

impl UserRow {
    /// A user with this id and all columns, including `id`, as the text of a JSON object.
    #[must_use]
    pub fn new(id: UserId, attributes: impl Into<String>) -> Self {
        Self {
            id,
            attributes: attributes.into(),
        }
    }
}

/// What a store knows about its user table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserTable {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Some user, if there is one.
    pub sample: Option<UserRow>,
}

impl UserTable {
    /// A table with these columns, and a row of it if there is one.
    #[must_use]
    pub fn new(columns: Vec<String>, sample: Option<UserRow>) -> Self {
        Self { columns, sample }
    }
}

/// A stored key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRow {
    /// `provider:provider_user_id`.
    pub id: String,
    /// The user of the key.
    pub user_id: UserId,
    /// The hash of its password, or `None` if it has none.
    pub hashed_password: Option<String>,
    /// When its user proved to own it. `None` if nothing has proved it yet.
    pub verified_at: Option<UnixMillis>,
}

impl KeyRow {
    /// An unverified key with this id, and the hash of its password if it has one.
    #[must_use]
    pub fn new(id: impl Into<String>, user_id: UserId, hashed_password: Option<String>) -> Self {
        Self {
            id: id.into(),
            user_id,
            hashed_password,
            verified_at: None,
        }
    }

    /// Whether a key in the database is still as it was opened, for
    /// [`insert_session_by_key`](super::Store::insert_session_by_key). One with a password can have been verified
    /// meanwhile: a claim, which verifies as well, leaves no password.
    pub(crate) fn is_as_opened(&self, opened: &Self) -> bool {
        self.user_id == opened.user_id
            && self.hashed_password == opened.hashed_password
            && (self.hashed_password.is_some() || self.verified_at == opened.verified_at)
    }

    /// Whether it keeps the account from the owner of another key's address: it is verified, or opens without a
    /// password.
    pub(crate) fn is_way_in(&self) -> bool {
        self.verified_at.is_some() || self.hashed_password.is_none()
    }

    /// The first half of the id.
    pub(crate) fn provider_id(&self) -> String {
        let halves = self.id.split_once(':');
        halves.map_or_else(String::new, |(provider_id, _)| provider_id.to_owned())
    }
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
            .field("verified_at", &self.verified_at)
            .finish()
    }
}

/// How to treat the deletion of a user's last key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum LastKey {
    /// It stays.
    Keep,
    /// It is deleted like any other.
    Delete,
}

/// The hash that a new password hash replaces.
#[derive(Clone)]
#[allow(clippy::exhaustive_enums)]
pub enum OldHash {
    /// Any hash, or none.
    Any,
    /// This hash, or none for `None`. If the key now has another hash, nothing changes.
    Is(Option<String>),
}

impl OldHash {
    /// Whether a key with this hash, or without one, may get the new one.
    #[must_use]
    pub fn matches(&self, stored: Option<&str>) -> bool {
        self.is_any() || self.hash() == stored
    }

    /// Whether any stored hash matches.
    #[must_use]
    pub fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// The hash that has to be stored: none for `Is(None)`, and for [`Any`](Self::Any).
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Is(hash) => hash.as_deref(),
        }
    }
}

impl fmt::Debug for OldHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "Any",
            Self::Is(_) => "Is([redacted])",
        })
    }
}

/// Whose sessions are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Owner<'a> {
    /// Those of all users.
    Anyone,
    /// Those of this user, and no others.
    Is(&'a UserId),
}

impl<'a> Owner<'a> {
    /// The user, if it is a particular one.
    #[must_use]
    pub fn user_id(self) -> Option<&'a UserId> {
        match self {
            Self::Anyone => None,
            Self::Is(id) => Some(id),
        }
    }
}

/// The result of deleting a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum KeyDeletion {
    /// It was deleted, and belonged to this user.
    Deleted(UserId),
    /// It did not exist.
    Unknown,
    /// It was not deleted, because it is the last key of its user.
    Last,
}

/// A password to be replaced, and the sessions that end with the old one.
#[derive(Clone)]
#[non_exhaustive]
pub struct PasswordChange {
    /// The key.
    pub key_id: String,
    /// The user to whom the key has to belong.
    pub user_id: UserId,
    /// The hash of the new password.
    pub hashed_password: String,
    /// The hash that the key has to have: the one that was verified.
    pub old: OldHash,
    /// The session of the user that continues, with a new token. All other sessions end.
    pub kept: Option<(SessionId, Rotation)>,
}

impl PasswordChange {
    /// A change of the password of this user's key, whatever it was, that ends all their sessions.
    #[must_use]
    pub fn new(key_id: impl Into<String>, user_id: UserId, hashed_password: String) -> Self {
        Self {
            key_id: key_id.into(),
            user_id,
            hashed_password,
            old: OldHash::Any,
            kept: None,
        }
    }
}

/// A session to be stored.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewSessionRow {
    /// Its secret token, whose SHA-256 is the id of the row.
    pub token: SessionToken,
    /// The user of the session.
    pub user_id: UserId,
    /// When it is created.
    pub created_at: UnixMillis,
    /// When its user authenticated.
    pub authenticated_at: Option<UnixMillis>,
    /// The times of its renewal.
    pub expiries: Expiries,
    /// The application's name for the device.
    pub device: Option<String>,
    /// The address from which it is created.
    pub address: Option<String>,
    /// Whether its cookie outlives the browser. This never changes.
    pub persistent: bool,
    /// The application's columns, by name. Missing columns get their database defaults.
    pub attributes: Map<String, Value>,
    /// The session that it replaces, of any user. That session may no longer exist.
    pub replaces: Option<SessionId>,
    /// How many sessions its user may have, including this one; at least one.
    /// [`created_at`](Self::created_at) determines which sessions have expired.
    pub limit: Option<u32>,
}

impl NewSessionRow {
    /// A session of this user, with nothing else set.
    #[must_use]
    pub fn new(
        token: SessionToken,
        user_id: UserId,
        created_at: UnixMillis,
        expiries: Expiries,
    ) -> Self {
        Self {
            token,
            user_id,
            created_at,
            authenticated_at: None,
            expiries,
            device: None,
            address: None,
            persistent: true,
            attributes: Map::new(),
            replaces: None,
            limit: None,
        }
    }
}

/// A session that was just stored, and the sessions that its limit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InsertedSession {
    /// The session.
    pub row: SessionRow,
    /// The sessions of the user that exceeded the limit, including expired ones. The replaced session is
    /// not among them.
    pub in_excess: Vec<SessionId>,
}

impl InsertedSession {
    /// A session that exceeded no limit.
    #[must_use]
    pub fn new(row: SessionRow) -> Self {
        Self {
            row,
            in_excess: Vec::new(),
        }
    }
}

/// A stored session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRow {
    /// The SHA-256 of the token.
    pub id: SessionId,
    /// The user of the session.
    pub user_id: UserId,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When its user last authenticated: at its creation, or later. `None` if the user has not
    /// authenticated in this session.
    pub authenticated_at: Option<UnixMillis>,
    /// The times of its last renewal, or of its creation if it was never renewed.
    pub expiries: Expiries,
    /// The application's name for the device.
    pub device: Option<String>,
    /// The address from which it was created.
    pub address: Option<String>,
    /// Whether its cookie outlives the browser.
    pub persistent: bool,
    /// The application's columns, as the text of a JSON object.
    pub attributes: String,
}

impl SessionRow {
    /// A session with this id and user, with nothing else set.
    #[must_use]
    pub fn new(id: SessionId, user_id: UserId, created_at: UnixMillis, expiries: Expiries) -> Self {
        Self {
            id,
            user_id,
            created_at,
            authenticated_at: None,
            expiries,
            device: None,
            address: None,
            persistent: true,
            attributes: "{}".to_owned(),
        }
    }
}
