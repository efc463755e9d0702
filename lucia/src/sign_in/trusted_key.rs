//! Opening a key for which the application vouches.

use crate::auth::Auth;
use crate::event::{EventKind, SignInFailure};
use crate::user::key::{KeyId, SignInMethod, VerifiedKey};
use crate::{Error, Result};

impl Auth {
    /// Opens a key that has no password, because the application vouches for the user:
    /// `auth.trusted_key(("github", github_id)).await?`. The call requires no proof, so call it only after
    /// an OAuth provider, a signed link, or the like has proved who the user is.
    ///
    /// It never opens a key that has a password.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`] if the key does not exist or has a password; [`Error::Unavailable`] if
    /// the store is unavailable.
    #[doc(alias = "useKey")]
    pub async fn trusted_key(&self, key: impl Into<KeyId>) -> Result<VerifiedKey> {
        let key = key.into();
        let provider_id = key.provider_id().to_owned();
        let Some(row) = self.find_key(&key).await? else {
            // The first sign-in of a user by an OAuth provider, which is no event.
            tracing::debug!(provider_id, "no such key");
            return Err(Error::InvalidCredentials);
        };
        let user_id = row.user_id.clone();
        if row.hashed_password.is_some() {
            self.tell(EventKind::SignInFailed {
                reason: SignInFailure::HasPassword,
                method: SignInMethod::Application,
                provider_id: Some(provider_id),
                user_id: Some(user_id),
            });
            return Err(Error::InvalidCredentials);
        }
        let key = VerifiedKey::from_row(row, SignInMethod::Application)?;
        self.tell(EventKind::KeyVerified {
            user_id,
            provider_id,
            method: SignInMethod::Application,
        });
        Ok(key)
    }
}
