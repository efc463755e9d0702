//! Password reset: a link that gives a key another password.

use super::key_links::{CreateKeyLink, KeyLinkPurpose};
use crate::auth::Auth;
use crate::user::key::{KeyId, UserKey, VerifiedKey};
use crate::{Error, Result};

const PASSWORD_RESET: KeyLinkPurpose = KeyLinkPurpose::own("lucia: reset a password");

impl Auth {
    /// Creates the secret of a link by which the user of this key sets another password, for an hour:
    ///
    /// ```
    /// use lucia::AuthRequest;
    ///
    /// async fn forgotten(auth_request: &AuthRequest, address: &str) -> lucia::Result<()> {
    ///     let created = auth_request
    ///         .auth()
    ///         .create_password_reset(("email", address))
    ///         .limit_by(auth_request.client_address());
    ///     if let Some(secret) = created.await? {
    ///         send(address, format!("https://example.com/reset?token={}", secret.expose()));
    ///     }
    ///     Ok(()) // the same answer for every address
    /// }
    ///
    /// async fn reset(auth_request: &AuthRequest, secret: &str, password: &str) -> lucia::Result<()> {
    ///     auth_request.reset_password(secret, password).await?;
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// If the key is an e-mail address, send the link there. If it is a username, send it to the address in your
    /// database, and never to one that came with the request.
    /// Sending takes time: do it in another task, or the time of the answer tells who has an account.
    ///
    /// Returns `None` for a key that no user has, after about the same work, and when ten links and codes were
    /// created for the key within an hour.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`]; [`Error::Misuse`] for a store without one-time tokens;
    /// [`Error::Unavailable`] when the store is.
    pub fn create_password_reset(&self, key: impl Into<KeyId>) -> CreateKeyLink<'_> {
        CreateKeyLink::new(self, PASSWORD_RESET, key.into())
    }

    /// The key whose password the link resets, without using the link: for the page that it opens, as
    /// [`check_token`](Self::check_token) says.
    ///
    /// # Errors
    ///
    /// As [`use_token`](Self::use_token).
    pub async fn check_password_reset(&self, secret: &str) -> Result<UserKey> {
        UserKey::from_row(self.linked_key(PASSWORD_RESET, secret).await?)
    }

    /// Resets the password. The link is used when nothing is left that could refuse the password.
    ///
    /// The link was sent to the address, so it verifies a key that was not [verified](super::verification), and
    /// the account goes to the owner of the address.
    pub(crate) async fn use_password_reset(
        &self,
        secret: &str,
        password: &str,
    ) -> Result<VerifiedKey> {
        let row = self.linked_key(PASSWORD_RESET, secret).await?;
        let others = match row.verified_at {
            Some(_) => None,
            None => Some(self.keys_to_claim(&row).await?),
        };
        let hashed_password = self.passwords().hash(password).await?;
        self.use_token(PASSWORD_RESET, secret).await?;
        // Before the password: if a step fails, nothing from before is left beside a new password.
        let row = match others {
            Some(others) => self.claim(row, others).await?,
            None => {
                self.invalidate_user_tokens(&row.user_id).await?;
                row
            }
        };
        let reset = self.reset_to(row, hashed_password).await;
        reset.map_err(|error| match error {
            Error::UnknownKey => Error::InvalidOneTimeToken,
            error => error,
        })
    }
}
