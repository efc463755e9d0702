//! Verifying an address: a link that proves that a person reads its mailbox.

use std::net::IpAddr;
use std::time::Duration;

use super::key_links::{KeyLink, KeyLinkPurpose};
use super::verification::Verification;
use crate::Result;
use crate::auth::Auth;
use crate::session::SessionInfo;
use crate::user::UserId;
use crate::user::key::{KeyId, SignInMethod, UserKey, VerifiedKey};

const EMAIL_VERIFICATION: KeyLinkPurpose =
    KeyLinkPurpose::own("lucia: verify an address").expires_in(Duration::from_secs(24 * 60 * 60));

/// The key of an address that was just verified.
pub(crate) struct VerifiedAddress {
    pub(crate) key: VerifiedKey,
    /// Whether all that could open the account has ended.
    pub(crate) is_new_owner: bool,
}

impl Auth {
    /// Creates a link for the user of this key, unless it is verified or another user's.
    pub(crate) async fn create_address_verification(
        &self,
        user_id: &UserId,
        key: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<Option<KeyLink>> {
        self.tokens()?;
        let row = self.find_key(key).await?;
        let row = row.filter(|row| row.user_id == *user_id && row.verified_at.is_none());
        // What is not sent uses up no mail of the key's own user.
        let asker = KeyId::from((key.provider_id(), user_id.as_str()));
        let counted = row.as_ref().map_or(&asker, |_| key);
        let purpose = EMAIL_VERIFICATION.name;
        let mail = self.count_mail(purpose, counted, address).await?;
        let recipient = row.filter(|_| mail.is_allowed);
        self.link_to(EMAIL_VERIFICATION, recipient).await
    }

    /// The key whose address the link verifies. The link is not used. Call it for the page that the link
    /// opens: see [`check_token`](Self::check_token). If the visitor is not signed in as the
    /// [user](UserKey::user_id) of the key, say on the page what
    /// [`verify_email`](crate::AuthRequest::verify_email) then does.
    ///
    /// # Errors
    ///
    /// Those of [`use_token`](Self::use_token).
    pub async fn check_email_verification(&self, token: &str) -> Result<UserKey> {
        UserKey::from_row(self.linked_key(EMAIL_VERIFICATION, token).await?)
    }

    /// Uses the link. `signed_in` is the session of the browser.
    pub(crate) async fn verify_address(
        &self,
        token: &str,
        signed_in: Option<&SessionInfo>,
    ) -> Result<VerifiedAddress> {
        let row = self.linked_key(EMAIL_VERIFICATION, token).await?;
        let verification = Verification::of(&row, signed_in);
        let is_new_owner = matches!(verification, Verification::ByOwner);
        let link = (EMAIL_VERIFICATION, token);
        let row = self.verify_by_link(link, row, verification).await?;
        Ok(VerifiedAddress {
            key: VerifiedKey::from_row(row, SignInMethod::Link)?,
            is_new_owner,
        })
    }
}
