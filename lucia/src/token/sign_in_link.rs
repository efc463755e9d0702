//! Signing in by a link ("magic link") that is sent to the address of a key.

use std::time::Duration;

use super::key_links::{CreateKeyLink, KeyLinkPurpose};
use crate::auth::Auth;
use crate::session::SessionInfo;
use crate::user::UserId;
use crate::user::key::{KeyId, UserKey, VerifiedKey};
use crate::{Error, Result};

/// As long as ASVS 5.0, 6.5.5, allows.
const SIGN_IN_LINK: KeyLinkPurpose =
    KeyLinkPurpose::own("lucia: sign in by a link").expires_in(Duration::from_secs(10 * 60));

impl Auth {
    /// Creates the secret of a link by which the user of this key signs in, for 10 minutes (OWASP ASVS 5.0,
    /// 6.5.5):
    ///
    /// ```
    /// use lucia::{AuthRequest, SignInLink};
    ///
    /// async fn send_link(auth_request: &AuthRequest, address: &str) -> lucia::Result<()> {
    ///     let created = auth_request
    ///         .auth()
    ///         .create_sign_in_link(("email", address))
    ///         .limit_by(auth_request.client_address());
    ///     if let Some(secret) = created.await? {
    ///         send(address, format!("https://example.com/sign-in?token={}", secret.expose()));
    ///     }
    ///     Ok(()) // the same answer for every address
    /// }
    ///
    /// async fn sign_in(auth_request: &AuthRequest, secret: &str) -> lucia::Result<()> {
    ///     auth_request.sign_in(SignInLink::new(secret)).await?;
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// Send it to the address in the key, in another task than the response: the time that sending takes would
    /// tell who has an account. Returns `None` for a key that no user has, after about the same work, and when
    /// ten links and codes were created for the key within an hour.
    ///
    /// The link opens the key whether it has a password or not.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`]; [`Error::Misuse`] for a store without one-time tokens;
    /// [`Error::Unavailable`] when the store is.
    #[doc(alias = "magic link")]
    pub fn create_sign_in_link(&self, key: impl Into<KeyId>) -> CreateKeyLink<'_> {
        CreateKeyLink::new(self, SIGN_IN_LINK, key.into())
    }

    /// The key that the link opens, without using the link: for the page that it opens, whose form POSTs the
    /// secret, as [`check_token`](Self::check_token) says.
    ///
    /// # Errors
    ///
    /// As [`use_token`](Self::use_token).
    pub async fn check_sign_in_link(&self, secret: &str) -> Result<UserKey> {
        UserKey::from_row(self.linked_key(SIGN_IN_LINK, secret).await?)
    }

    /// Uses the link. `signed_in` is the session of the browser; `owner`, whose key it has to be.
    pub(crate) async fn open_by_link(
        &self,
        secret: &str,
        signed_in: Option<&SessionInfo>,
        owner: Option<&UserId>,
    ) -> Result<VerifiedKey> {
        let row = self.linked_key(SIGN_IN_LINK, secret).await?;
        if owner.is_some_and(|owner| row.user_id != *owner) {
            return Err(Error::InvalidOneTimeToken);
        }
        let verification = self.verification(&row, signed_in).await?;
        self.use_token(SIGN_IN_LINK, secret).await?;
        VerifiedKey::from_row(self.verify(row, verification).await?)
    }
}
