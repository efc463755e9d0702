//! Password reset: a link that gives a key another password.

use super::key_links::KeyLinkPurpose;
use super::verification::Verification;
use crate::auth::Auth;
use crate::session::SessionInfo;
use crate::user::key::{SignInMethod, UserKey, VerifiedKey};
use crate::{Error, Result};

/// Of a link by which the user of a key sets another password.
pub(crate) const PASSWORD_RESET: KeyLinkPurpose = KeyLinkPurpose::own("lucia: reset a password");

impl Auth {
    /// The key whose password the link resets. The link is not used. Call it for the page that the link
    /// opens: see [`check_token`](Self::check_token).
    ///
    /// # Errors
    ///
    /// Those of [`use_token`](Self::use_token).
    pub async fn check_password_reset(&self, token: &str) -> Result<UserKey> {
        UserKey::from_row(self.linked_key(PASSWORD_RESET, token).await?)
    }

    /// Resets the password. The link is used when nothing is left that could refuse the password.
    ///
    /// The link was sent to the address, so it verifies a key that was not [verified](super::verification). Where
    /// `signed_in`, the session of the browser, is not of its user, the account goes to the owner of the address.
    pub(crate) async fn use_password_reset(
        &self,
        token: &str,
        password: &str,
        signed_in: Option<&SessionInfo>,
    ) -> Result<VerifiedKey> {
        let row = self.linked_key(PASSWORD_RESET, token).await?;
        let hashed_password = self.passwords().hash(password).await?;
        // Before the password: if a step fails, nothing from before is left beside a new password.
        let verification = Verification::of(&row, signed_in);
        let is_claim = matches!(verification, Verification::ByOwner);
        let link = (PASSWORD_RESET, token);
        let row = self.verify_by_link(link, row, verification).await?;
        if !is_claim {
            self.invalidate_user_tokens(&row.user_id).await?;
        }
        let reset = self
            .reset_to(row, hashed_password, SignInMethod::Link)
            .await;
        reset.map_err(|error| match error {
            Error::UnknownKey => Error::InvalidOneTimeToken,
            error => error,
        })
    }
}
