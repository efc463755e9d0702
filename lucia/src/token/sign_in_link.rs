//! Signing in by a link ("magic link") that is sent to the address of a key.

use std::time::Duration;

use super::key_links::KeyLinkPurpose;
use super::refusal::Refusal;
use super::verification::Verification;
use crate::auth::Auth;
use crate::event::SignInFailure;
use crate::session::SessionInfo;
use crate::user::UserId;
use crate::user::key::{SignInMethod, UserKey, VerifiedKey};
use crate::{Error, Result};

/// Of a link by which the user of a key signs in, which works as long as ASVS 5.0, 6.5.5, allows.
pub(crate) const SIGN_IN_LINK: KeyLinkPurpose =
    KeyLinkPurpose::own("lucia: sign in by a link").expires_in(Duration::from_secs(10 * 60));

impl Auth {
    /// The key that the link opens. The link is not used. Call it for the page that the link opens, whose
    /// form POSTs the token: see [`check_token`](Self::check_token).
    ///
    /// # Errors
    ///
    /// Those of [`use_token`](Self::use_token).
    pub async fn check_sign_in_link(&self, token: &str) -> Result<UserKey> {
        UserKey::from_row(self.linked_key(SIGN_IN_LINK, token).await?)
    }

    /// Uses the link. `signed_in` is the session of the browser; `owner`, whose key it has to be.
    pub(crate) async fn open_by_link(
        &self,
        token: &str,
        signed_in: Option<&SessionInfo>,
        owner: Option<&UserId>,
    ) -> Result<VerifiedKey> {
        let opening = async {
            let row = self.linked_key(SIGN_IN_LINK, token).await?;
            let refusal = Refusal::at(&row, signed_in);
            if owner.is_some_and(|owner| row.user_id != *owner) {
                let refusal = refusal(Error::InvalidOneTimeToken);
                return Err(refusal.because(SignInFailure::OtherUser));
            }
            let opened = async {
                let verification = Verification::of(&row, signed_in);
                let link = (SIGN_IN_LINK, token);
                let row = self.verify_by_link(link, row, verification).await?;
                VerifiedKey::from_row(row, SignInMethod::Link)
            };
            opened.await.map_err(refusal)
        };
        self.telling_refusal(SignInMethod::Link, None, opening)
            .await
    }
}
