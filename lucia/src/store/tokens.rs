//! Stores of one-time tokens: what goes in, and what comes out.

use async_trait::async_trait;

use super::{Result, UnixMillis, UserStore};
use crate::user::UserId;

/// One-time tokens: links and codes that work once.
///
/// The rules are in [`Auth`](crate::Auth), as always: a store checks neither the time nor the purpose of a
/// token that it finds.
#[async_trait]
pub trait TokenStore: UserStore {
    /// Checks that tokens can be stored.
    ///
    /// # Errors
    ///
    /// [`Schema`](super::StoreError::Schema) if the table for them is not as the store needs it.
    async fn check_tokens(&self) -> Result<()>;

    /// Stores a token, and replaces the one with the same id if there is one. With
    /// [`FormerTokens::Delete`], all other tokens of the same user and purpose are deleted in the same
    /// step. If several tokens are stored at once in this way, one is left.
    /// [`UnknownUser`](super::StoreError::UnknownUser) if its user does not exist.
    async fn insert_token(&self, token: TokenRow, former: FormerTokens) -> Result<()>;

    /// The token with this id. It is not deleted.
    async fn token(&self, id: &str) -> Result<Option<TokenRow>>;

    /// Deletes the token with this id and returns it, if it still has this hash of a code, or none. Of any
    /// number of concurrent calls, one gets it.
    async fn take_token(&self, id: &str, hashed_code: Option<&str>) -> Result<Option<TokenRow>>;

    /// Counts a try of a code before the code is compared: uses one of the remaining tries. Returns the
    /// token as it is afterwards, or `None` if there is no token or no try is left. However many calls run
    /// at once, no more of them get the token than tries were left.
    async fn try_code(&self, id: &str) -> Result<Option<TokenRow>>;

    /// Deletes the tokens of a user. Tokens that are stored at the same time are deleted as well, or stored
    /// afterwards.
    async fn delete_user_tokens(&self, user_id: &UserId) -> Result<()>;

    /// Deletes up to `limit` tokens that have expired at `now`. Returns how many.
    async fn delete_expired_tokens(&self, now: UnixMillis, limit: u32) -> Result<u64>;
}

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

debug_of!(TokenRow: purpose, user_id, tries_left, created_at, expires);

/// What happens to the other tokens of the same user and purpose when one is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormerTokens {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
}
