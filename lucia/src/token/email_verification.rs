//! Verifying an address: a link that proves that a person reads its mailbox.

use std::time::Duration;

use super::key_links::{CreateKeyLink, KeyLinkPurpose};
use super::verification::Verification;
use crate::Result;
use crate::auth::Auth;
use crate::session::SessionInfo;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{KeyId, UserKey, VerifiedKey};

const EMAIL_VERIFICATION: KeyLinkPurpose =
    KeyLinkPurpose::own("lucia: verify an address").expires_in(Duration::from_secs(24 * 60 * 60));

/// The key of an address that was just verified.
pub(crate) struct VerifiedAddress {
    pub(crate) key: VerifiedKey,
    /// Whether all that could open the account has ended.
    pub(crate) is_new_owner: bool,
}

impl Auth {
    /// Creates the secret of a link by which this user verifies the address of one of their keys, for a day:
    ///
    /// ```
    /// use lucia::{AuthRequest, Session};
    ///
    /// async fn welcome(auth_request: &AuthRequest, session: &Session, address: &str) -> lucia::Result<()> {
    ///     let created = auth_request
    ///         .auth()
    ///         .create_email_verification(&session.user_id, ("email", address))
    ///         .limit_by(auth_request.client_address());
    ///     if let Some(secret) = created.await? {
    ///         send(address, format!("https://example.com/verify?token={}", secret.expose()));
    ///     }
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// Send it to the address in the key. [`AuthRequest::verify_email`](crate::AuthRequest::verify_email) uses
    /// it, and [`UserKey::verified_at`] then says when. Further links for the key work beside it.
    ///
    /// Returns `None` for a key that is verified, for one that is not this user's, and when ten links and codes
    /// were created for it within an hour.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`](crate::Error::TooManyAttempts);
    /// [`Error::Misuse`](crate::Error::Misuse) for a store without one-time tokens;
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    pub fn create_email_verification<'a>(
        &'a self,
        user_id: &'a UserId,
        key: impl Into<KeyId>,
    ) -> CreateKeyLink<'a> {
        CreateKeyLink::new(self, EMAIL_VERIFICATION, key.into()).unverified_of(user_id)
    }

    /// The key whose address the link verifies, without using the link: for the page that it opens, as
    /// [`check_token`](Self::check_token) says. Where the visitor is not signed in as its
    /// [user](UserKey::user_id), say on the page what
    /// [`verify_email`](crate::AuthRequest::verify_email) does then.
    ///
    /// # Errors
    ///
    /// As [`use_token`](Self::use_token).
    pub async fn check_email_verification(&self, secret: &str) -> Result<UserKey> {
        UserKey::from_row(self.linked_key(EMAIL_VERIFICATION, secret).await?)
    }

    /// Uses the link. `signed_in` is the session of the browser.
    pub(crate) async fn verify_address(
        &self,
        secret: &str,
        signed_in: Option<&SessionInfo>,
    ) -> Result<VerifiedAddress> {
        let row: KeyRow = self.linked_key(EMAIL_VERIFICATION, secret).await?;
        let verification = self.verification(&row, signed_in).await?;
        let is_new_owner = matches!(verification, Verification::ByOwner(_));
        self.use_token(EMAIL_VERIFICATION, secret).await?;
        let row = self.verify(row, verification).await?;
        Ok(VerifiedAddress {
            key: VerifiedKey::from_row(row)?,
            is_new_owner,
        })
    }
}
