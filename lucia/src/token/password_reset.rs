//! Password reset: a link that gives a key another password.

use std::net::IpAddr;

use super::key_links::{KeyLink, KeyLinkPurpose};
use crate::auth::Auth;
use crate::event::EventKind;
use crate::store::OldHash;
use crate::user::key::{KeyId, SignInMethod, UserKey, VerifiedKey};
use crate::{Error, Result};

const PASSWORD_RESET: KeyLinkPurpose = KeyLinkPurpose::own("lucia: reset a password");

impl Auth {
    /// Creates a link by which the user of this key sets another password.
    pub(crate) async fn create_reset_link(
        &self,
        key: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<Option<KeyLink>> {
        self.create_key_link(PASSWORD_RESET, key, address).await
    }

    /// The key whose password the link resets, without using the link: for the page that it opens, as
    /// [`check_token`](Self::check_token) says.
    ///
    /// # Errors
    ///
    /// As [`use_token`](Self::use_token).
    pub async fn check_password_reset(&self, token: &str) -> Result<UserKey> {
        UserKey::from_row(self.linked_key(PASSWORD_RESET, token).await?)
    }

    /// Resets the password. The link is used when nothing is left that could refuse the password.
    ///
    /// The link was sent to the user, so it verifies a key that was not [verified](super::verification): then
    /// no other key of the user keeps a password from before.
    pub(crate) async fn use_password_reset(
        &self,
        token: &str,
        password: &str,
    ) -> Result<VerifiedKey> {
        let row = self.linked_key(PASSWORD_RESET, token).await?;
        let others = match row.verified_at {
            Some(_) => None,
            None => Some(self.keys_to_claim(&row).await?),
        };
        let hashed_password = self.passwords().hash(password).await?;
        self.use_token(PASSWORD_RESET, token).await?;
        // Before the password: if a step fails, no link from before is left beside a new password.
        self.invalidate_user_tokens(&row.user_id).await?;
        for id in others.iter().flatten() {
            let store = self.store();
            let removed = store.update_key_password(id, &row.user_id, None, OldHash::Any);
            let told = EventKind::PasswordRemoved {
                user_id: row.user_id.clone(),
                provider_id: row.provider_id(),
            };
            self.change(told, removed, |removed| *removed).await?;
        }
        let reset = self
            .reset_to(row, hashed_password, SignInMethod::Link)
            .await;
        let key = reset.map_err(|error| match error {
            Error::UnknownKey => Error::InvalidOneTimeToken,
            error => error,
        })?;
        match others {
            Some(_) => {
                let row = self.note_verification(key.row()).await?;
                VerifiedKey::from_row(row, SignInMethod::Link)
            }
            None => Ok(key),
        }
    }
}
