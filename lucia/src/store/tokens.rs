//! What goes into a store of one-time tokens, and what comes out of it.

use super::UnixMillis;
use super::rows::debug_of;
use crate::user::UserId;

/// A link or code that works once.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRow {
    /// A SHA-256 in 64 hexadecimal digits: of the purpose and token of a link, or of the purpose and
    /// subject of a code.
    pub id: String,
    /// The purpose.
    pub purpose: String,
    /// The user of the token. It is deleted with this user.
    pub user_id: Option<UserId>,
    /// The application's data, as the text of a JSON value.
    pub data: String,
    /// The hash of a code; `None` for a link.
    pub hashed_code: Option<String>,
    /// How many times a code can still be tried; `None` for a link.
    pub tries_left: Option<u32>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it expires.
    pub expires: UnixMillis,
}

impl TokenRow {
    /// A link without a user, with the JSON value `null` as its data.
    #[must_use]
    pub fn new(id: String, purpose: String, created_at: UnixMillis, expires: UnixMillis) -> Self {
        Self {
            id,
            purpose,
            user_id: None,
            data: "null".to_owned(),
            hashed_code: None,
            tries_left: None,
            created_at,
            expires,
        }
    }
}

debug_of! {
    TokenRow: purpose, user_id, tries_left, created_at, expires;
}

/// What happens to the other tokens of the same user and purpose when one is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormerTokens {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
}
