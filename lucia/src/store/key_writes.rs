//! What is written of keys together with sessions and one-time tokens.

use std::fmt;

use super::{KeyRow, TokenRow, UnixMillis};
use crate::session::token::SessionId;
use crate::user::UserId;

debug_of!(KeyClaim: key_id, user_id, at, by);

/// A write to a key at the request of its user.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum KeyWrite {
    /// Stores the key. [`DuplicateKey`](super::StoreError::DuplicateKey) if a key with its id exists.
    Insert(KeyRow),
    /// Sets a password on the key, if it has none.
    SetPassword {
        /// The key.
        id: String,
        /// The user to whom the key has to belong.
        user_id: UserId,
        /// The hash of the password.
        hashed_password: String,
    },
    /// Marks the key as verified, if it is not.
    Verify {
        /// The key.
        id: String,
        /// The user to whom the key has to belong.
        user_id: UserId,
    },
    /// Gives the key another id, and marks it as verified. Its password stays.
    /// [`DuplicateKey`](super::StoreError::DuplicateKey) if a key with the new id exists.
    Rename {
        /// The key.
        id: String,
        /// The user to whom the key has to belong.
        user_id: UserId,
        /// The new id.
        new_id: String,
        /// A one-time token without a user, which is stored with the key and replaces an expired token with the same
        /// id. If the token with this id has not expired, nothing is written.
        note: Option<TokenRow>,
    },
    /// Deletes the key. The last key of a user stays, even if several deletions run at once:
    /// [`LastKey`](super::StoreError::LastKey).
    Delete {
        /// The key.
        id: String,
        /// The user to whom the key has to belong.
        user_id: UserId,
    },
}

impl KeyWrite {
    /// The user of the key.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        match self {
            Self::Insert(key) => &key.user_id,
            Self::SetPassword { user_id, .. }
            | Self::Verify { user_id, .. }
            | Self::Rename { user_id, .. }
            | Self::Delete { user_id, .. } => user_id,
        }
    }
}

/// The purpose of the one-time token that notes a change of address, and so lets the former address undo it. Its
/// data is a JSON object with the id of the user as `user_id`.
pub const ADDRESS_NOTE: &str = "lucia: changed address";

/// What allows the write: it must exist, and belong to the user of the key.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum WrittenBy<'a> {
    /// A session.
    Session(&'a SessionId),
    /// The one-time token with this id, which is not deleted.
    Token(&'a str),
}

/// A claim: a person has proved to own a key, and therefore gets the account.
#[derive(Clone)]
#[non_exhaustive]
pub struct KeyClaim {
    /// The key.
    pub key_id: String,
    /// The user who gets a new owner.
    pub user_id: UserId,
    /// When the key was proved.
    pub at: UnixMillis,
    /// What proved it.
    pub by: ClaimedBy,
}

/// What proves that a person owns a key.
#[derive(Clone)]
#[allow(clippy::exhaustive_enums)]
pub enum ClaimedBy {
    /// A message to the address of the key.
    Message {
        /// The one-time token of the link in the message, which is taken with the claim. `None` for a code,
        /// which is used before the claim.
        link: Option<String>,
    },
    /// The note of a change of address, which is undone.
    Note {
        /// The one-time token without a user that is taken with the claim.
        id: String,
        /// The ids of the other keys that stay.
        others: Vec<String>,
        /// Those of them that stay verified if they are.
        verified: Vec<String>,
    },
}

impl ClaimedBy {
    /// The one-time token that is taken.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Message { link } => link.as_deref(),
            Self::Note { id, .. } => Some(id),
        }
    }
}

impl fmt::Debug for ClaimedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message { .. } => "Message",
            Self::Note { .. } => "Note",
        })
    }
}

impl KeyClaim {
    /// A claim of a key of this user.
    #[must_use]
    pub fn new(key_id: impl Into<String>, user_id: UserId, at: UnixMillis, by: ClaimedBy) -> Self {
        Self {
            key_id: key_id.into(),
            user_id,
            at,
            by,
        }
    }
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum ClaimOutcome {
    /// The user has a new owner.
    Claimed {
        /// The deleted keys, and the claimed key if it was taken from another user. Each is as it was
        /// before, in any order.
        deleted: Vec<KeyRow>,
    },
    /// Nothing has happened: the user keeps the account. Another key of theirs is verified or has no password,
    /// or a change of their address can still be [undone](ADDRESS_NOTE).
    Kept,
    /// Nothing has happened: the key, the token or the user does not exist, or the key belongs to another
    /// user.
    Unknown,
}
