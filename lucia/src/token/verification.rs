//! What it means that a person has received a message at the address of a key.
//!
//! People can sign up with an address that is not theirs, and wait for its owner: with the password that
//! they chose, a session that goes on, or an open link. (The literature calls it pre-hijacking, and the
//! password a stuffed one.) A message proves who reads the mailbox, and not who signed up. In a browser that
//! is signed in as the user, both are one person: the key counts as verified, and nothing else changes.
//! Anywhere else, the account goes to the owner of the mailbox, and to nobody else: the passwords of the
//! user's keys are removed and all sessions and open links and codes end, before the key counts as verified.
//! Then the browser is signed in. A second link to set a password would go to the same mailbox and prove
//! nothing more; and an application needs no password page if its users have no passwords.
//!
//! Some accounts have another key that is verified, or that has no password and so opens on the word of an
//! OAuth provider. Such an account is not given away. Its user can have mistyped an address, whose owner would
//! get an account that is in use. And if it was stuffed, the other key would open it still. There, the user
//! has to sign in first.

use crate::auth::Auth;
use crate::event::EventKind;
use crate::store::{KeyDeletion, KeyRow, LastKey};
use crate::user::UserId;
use crate::{Error, Result};

/// What has to happen before a key counts as verified, now that its address is proved.
#[derive(Debug)]
pub(super) enum Verification {
    /// Nothing: it was verified before.
    Known,
    /// The browser is signed in as its user.
    ByUser,
    /// The browser is not, so everything ends that could open the account. The ids of the user's other keys,
    /// which open by their passwords alone.
    ByOwner(Vec<String>),
}

impl Auth {
    /// Decides, before a link is used. `signed_in` is the user that the browser is signed in as.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where the user has to sign in first.
    pub(super) async fn verification(
        &self,
        row: &KeyRow,
        signed_in: Option<&UserId>,
    ) -> Result<Verification> {
        if row.verified_at.is_some() {
            return Ok(Verification::Known);
        }
        if signed_in == Some(&row.user_id) {
            return Ok(Verification::ByUser);
        }
        let others = self.keys_to_claim(row).await?;
        Ok(Verification::ByOwner(others))
    }

    /// The ids of the other keys of a user, where the owner of this key's address gets the account.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where the user has to sign in first.
    pub(super) async fn keys_to_claim(&self, row: &KeyRow) -> Result<Vec<String>> {
        let others = self.keys_with_passwords_beside(row).await?;
        others.ok_or_else(|| {
            tracing::info!(
                user_id = %row.user_id,
                "address not verified: the user has another way to sign in, and has not"
            );
            Error::Unauthenticated
        })
    }

    /// Does what was decided. Returns the key as it is then.
    pub(super) async fn verify(
        &self,
        mut row: KeyRow,
        verification: Verification,
    ) -> Result<KeyRow> {
        match verification {
            Verification::Known => return Ok(row),
            Verification::ByUser => return self.note_verification(row).await,
            Verification::ByOwner(others) => self.claim(&mut row, &others).await?,
        }
        Ok(row)
    }

    /// Ends all that opens the account, and verifies the key.
    pub(super) async fn claim_for_owner(&self, row: &mut KeyRow) -> Result<()> {
        let (now, user_id) = (self.now(), &row.user_id);
        let claimed = self.store().claim_key(&row.id, user_id, now);
        let told = EventKind::EmailClaimed {
            user_id: user_id.clone(),
            provider_id: row.provider_id(),
        };
        if !self.change(told, claimed, |claimed| *claimed).await? {
            return Err(Error::InvalidOneTimeToken);
        }
        row.hashed_password = None;
        row.verified_at = Some(now);
        Ok(())
    }

    async fn claim(&self, row: &mut KeyRow, others: &[String]) -> Result<()> {
        self.claim_for_owner(row).await?;
        let user_id = &row.user_id;
        // What a request has added that was under way is not the owner's.
        for key in self.ask(self.store().user_keys(user_id)).await? {
            if key.id != row.id && !others.contains(&key.id) {
                self.delete_foreign_key(&key).await?;
            }
        }
        Ok(())
    }

    /// Deletes a key of an address or account that is somebody else's.
    pub(super) async fn delete_foreign_key(&self, row: &KeyRow) -> Result<()> {
        let deleted = self.store().delete_key(&row.id, LastKey::Delete);
        let told = EventKind::KeyDeleted {
            user_id: Some(row.user_id.clone()),
            provider_id: row.provider_id(),
        };
        let is_deleted = |deletion: &KeyDeletion| matches!(deletion, KeyDeletion::Deleted(_));
        self.change(told, deleted, is_deleted).await?;
        #[cfg(feature = "oauth")]
        self.forget_secrets(&row.user_id, &row.id).await;
        tracing::warn!(user_id = %row.user_id, "the key that was deleted is not the user's own");
        Ok(())
    }

    /// The ids of the other keys of a user, if these open by their passwords alone.
    async fn keys_with_passwords_beside(&self, row: &KeyRow) -> Result<Option<Vec<String>>> {
        let keys = self.ask(self.store().user_keys(&row.user_id)).await?;
        let others = keys.into_iter().filter(|key| key.id != row.id);
        let with_password = |key: KeyRow| {
            (key.hashed_password.is_some() && key.verified_at.is_none()).then_some(key.id)
        };
        Ok(others.map(with_password).collect())
    }

    pub(super) async fn note_verification(&self, mut row: KeyRow) -> Result<KeyRow> {
        let now = self.now();
        let verified = self.store().verify_key(&row.id, &row.user_id, now);
        let told = EventKind::EmailVerified {
            user_id: row.user_id.clone(),
            provider_id: row.provider_id(),
        };
        if !self.change(told, verified, |verified| *verified).await? {
            return Err(Error::InvalidOneTimeToken);
        }
        row.verified_at = Some(now);
        Ok(row)
    }
}
