//! Opening a key on the word of the application.

use crate::auth::Auth;
use crate::user::key::{KeyId, VerifiedKey};
use crate::{Error, Result};

impl Auth {
    /// Opens a key that has no password, because the application vouches for the user:
    /// `auth.trusted_key(("github", github_id)).await?`. It asks for no proof, so call it only after
    /// an OAuth provider, a signed link, or the like has proved who the user is.
    ///
    /// A key that has a password is never opened by this.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`] when the key does not exist or has a password,
    /// [`Error::Unavailable`] when the store is.
    #[doc(alias = "useKey")]
    pub async fn trusted_key(&self, key: impl Into<KeyId>) -> Result<VerifiedKey> {
        let key = key.into();
        let provider_id = key.provider_id();
        match self.find_key(&key).await? {
            Some(row) if row.hashed_password.is_none() => {
                tracing::debug!(user_id = %row.user_id, provider_id, "key accepted");
                VerifiedKey::from_row(row)
            }
            Some(_) => {
                tracing::info!(provider_id, "key refused: it has a password");
                Err(Error::InvalidCredentials)
            }
            // The first sign-in of a user by an OAuth provider.
            None => {
                tracing::debug!(provider_id, "no such key");
                Err(Error::InvalidCredentials)
            }
        }
    }
}
