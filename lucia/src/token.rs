//! One-time tokens: links and codes that prove, once, that a message was received.
//!
//! The token of a link has more than 128 bits and is found by its SHA-256. A code is short enough to be
//! typed and to be guessed. So it is found by its subject, each try is counted before it is compared, and
//! its hash is that of a password.

mod codes;
mod email_change;
mod email_verification;
mod key_links;
mod links;
mod password_reset;
mod purpose;
mod refusal;
mod secret;
mod sign_in_code;
mod sign_in_link;
mod verification;

pub use codes::CreateCode;
pub use key_links::{KeyCode, KeyLink};
pub use links::CreateToken;
pub use purpose::{CodePurpose, TokenPurpose};
pub use secret::{OneTimeCode, OneTimeToken};

pub(crate) use password_reset::PASSWORD_RESET;
pub(crate) use sign_in_link::SIGN_IN_LINK;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::Auth;
use crate::event::EventKind;
use crate::store::TokenRow;
use crate::user::UserId;
use crate::{Error, Result};

/// The content of a one-time link or code.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenContent<T> {
    /// The user for whom it was created, if any.
    pub user_id: Option<UserId>,
    /// The data with which it was created.
    pub data: T,
}

debug_of!(TokenContent<T>: user_id);

impl Auth {
    /// Invalidates all open links and codes that were created for this user, whatever their purpose.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable.
    pub async fn invalidate_user_tokens(&self, user_id: &UserId) -> Result<()> {
        let told = EventKind::OneTimeTokensInvalidated {
            user_id: user_id.clone(),
        };
        let deletion = self.tokens()?.delete_user_tokens(user_id);
        self.change(told, deletion, |()| true).await
    }

    /// The content of a token that was found, unless it has expired.
    fn content<T: DeserializeOwned>(&self, row: Option<TokenRow>) -> Result<TokenContent<T>> {
        let now = self.now();
        let row = row.filter(|row| now < row.expires);
        let row = row.ok_or(Error::InvalidOneTimeToken)?;
        let data = serde_json::from_str(&row.data).map_err(|error| {
            // Without the text of the error, which quotes values.
            tracing::error!(
                purpose = row.purpose,
                category = ?error.classify(),
                "the data of a one-time token is not of its type (any more)"
            );
            Error::InvalidOneTimeToken
        })?;
        let user_id = row.user_id;
        Ok(TokenContent { user_id, data })
    }
}

/// The data of a token that is to be created, as JSON.
fn json(purpose: &str, data: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(data).map_err(|error| {
        let category = error.classify();
        Error::Misuse(format!(
            "the data of the one-time token `{purpose}` cannot be written as JSON ({category:?})"
        ))
    })
}
