//! What is written of keys together with sessions and one-time tokens.

use super::rows::debug_of;
use super::{KeyRow, TokenRow, UnixMillis};
use crate::session::token::SessionId;
use crate::user::UserId;

debug_of! {
    KeyClaim: key_id, user_id, at, others, verified;
}

/// What is written of a key at the request of its user.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum KeyWrite {
    /// The key is stored. [`DuplicateKey`](super::StoreError::DuplicateKey) if there is one of its id.
    Insert(KeyRow),
    /// The key gets the password of this hash, if it has none.
    SetPassword {
        /// The key.
        id: String,
        /// Whose key it has to be.
        user_id: UserId,
        /// The hash of the password.
        hashed_password: String,
    },
    /// The key is verified.
    Verify {
        /// The key.
        id: String,
        /// Whose key it has to be.
        user_id: UserId,
    },
    /// The key gets another id and is verified. Its password stays.
    /// [`DuplicateKey`](super::StoreError::DuplicateKey) if there is a key of the new id.
    Rename {
        /// The key.
        id: String,
        /// Whose key it has to be.
        user_id: UserId,
        /// The id that it gets.
        new_id: String,
        /// A one-time token, of no user, that is stored with it, in place of the one with the same id.
        note: Option<TokenRow>,
    },
    /// The key is deleted. The last one of its user stays: [`LastKey`](super::StoreError::LastKey), however many
    /// are asked to go at once.
    Delete {
        /// The key.
        id: String,
        /// Whose key it has to be.
        user_id: UserId,
    },
}

impl KeyWrite {
    /// Whose key it is.
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

/// What allows the write: it must exist, and belong to the user of the key.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum WrittenBy<'a> {
    /// A session.
    Session(&'a SessionId),
    /// A one-time token of this id, which stays.
    Token(&'a str),
}

/// A key that a person has proved to be theirs, and what stays of the account.
#[derive(Clone)]
#[non_exhaustive]
pub struct KeyClaim {
    /// The key.
    pub key_id: String,
    /// The user who gets a new owner.
    pub user_id: UserId,
    /// When the key was proved.
    pub at: UnixMillis,
    /// The ids of the other keys that stay.
    pub others: Vec<String>,
    /// Those of them that stay verified if they are.
    pub verified: Vec<String>,
    /// The one-time token that is taken, and lets the user have the key (again).
    pub token: Option<String>,
}

impl KeyClaim {
    /// A claim of a key that its user has, beside which no other key stays.
    #[must_use]
    pub fn new(key_id: impl Into<String>, user_id: UserId, at: UnixMillis) -> Self {
        Self {
            key_id: key_id.into(),
            user_id,
            at,
            others: Vec::new(),
            verified: Vec::new(),
            token: None,
        }
    }
}

/// The result of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimedKey {
    /// The keys that were deleted, and the claimed one where it was taken from another user, as they were, in
    /// any order.
    pub deleted: Vec<KeyRow>,
}
