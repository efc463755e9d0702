//! Password reset: a link that gives a key another password.

use super::TokenContent;
use super::purpose::TokenPurpose;
use super::secret::OneTimeToken;
use crate::auth::Auth;
use crate::store::KeyRow;
use crate::user::key::{KeyId, UserKey, VerifiedKey};
use crate::{Error, Result};

/// The data is the id of the key.
const PASSWORD_RESET: TokenPurpose<String> = TokenPurpose::own("lucia: reset a password");

impl Auth {
    /// Creates the secret of a link by which the user of this key sets another password, for an hour:
    ///
    /// ```
    /// use lucia::{Auth, AuthRequest};
    ///
    /// async fn forgotten(auth: &Auth, address: &str) -> lucia::Result<()> {
    ///     if let Some(secret) = auth.create_password_reset(("email", address)).await? {
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
    /// Send it to an address that is known to be the user's, and to no address that came with the request.
    /// Sending takes time: do it in another task, or the time of the answer tells who has an account.
    /// Limit how many links are created for an account and by a client.
    ///
    /// Returns `None` for a key that no user has. The database does about the same work for it: a row is
    /// stored that no link opens.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a store without one-time tokens; [`Error::Unavailable`] when the store is.
    pub async fn create_password_reset(
        &self,
        key: impl Into<KeyId>,
    ) -> Result<Option<OneTimeToken>> {
        let Some(row) = self.find_key(&key.into()).await? else {
            self.create_token(PASSWORD_RESET, "").await?;
            return Ok(None);
        };
        let token = self.create_token(PASSWORD_RESET, &*row.id);
        match token.user(&row.user_id).await {
            // Deleted a moment ago.
            Err(Error::UnknownUser) => Ok(None),
            created => created.map(Some),
        }
    }

    /// The key whose password the link resets, without using the link: for the page that it opens, as
    /// [`check_token`](Self::check_token) says.
    ///
    /// # Errors
    ///
    /// As [`use_token`](Self::use_token).
    pub async fn check_password_reset(&self, secret: &str) -> Result<UserKey> {
        UserKey::from_row(self.key_to_reset(secret).await?)
    }

    async fn key_to_reset(&self, secret: &str) -> Result<KeyRow> {
        let TokenContent { user_id, data } = self.check_token(PASSWORD_RESET, secret).await?;
        let row = self.find_key(&KeyId::stored(data)?).await?;
        // The key can have been deleted since, and another user can have one of this id.
        let row = row.filter(|row| user_id.as_ref() == Some(&row.user_id));
        row.ok_or(Error::InvalidOneTimeToken)
    }

    /// Resets the password. The link is used when nothing is left that could refuse the password.
    pub(crate) async fn use_password_reset(
        &self,
        secret: &str,
        password: &str,
    ) -> Result<VerifiedKey> {
        let row = self.key_to_reset(secret).await?;
        let hashed_password = self.passwords().hash(password).await?;
        self.use_token(PASSWORD_RESET, secret).await?;
        // Before the password: if a step fails, no link from before is left beside a new password.
        self.invalidate_user_tokens(&row.user_id).await?;
        match self.reset_to(row, hashed_password).await {
            Err(Error::UnknownKey) => Err(Error::InvalidOneTimeToken),
            reset => reset,
        }
    }
}
