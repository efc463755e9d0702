//! What it means that a person has received a message at the address of a key.
//!
//! People can sign up with an address that is not theirs, and wait for its owner: with the password that
//! they chose, a session that goes on, or an open link. (The literature calls it pre-hijacking, and the
//! password a stuffed one.) A message proves who reads the mailbox, and not who signed up. In a browser that
//! is signed in as the user, both are one person: the key counts as verified, and nothing else changes.
//! Anywhere else, the account goes to the owner of the mailbox, and to nobody else: in one step, the passwords of
//! the user's keys are removed, all sessions and open links and codes end, keys that were added or verified
//! after the decision are no way in, and the key counts as verified. What a session writes lands before this step
//! or not at all. Then the browser is signed in. A second link to set a password would go to the same mailbox and prove
//! nothing more; and an application needs no password page if its users have no passwords.
//!
//! Some accounts have another key that is verified, or that has no password and so opens on the word of an
//! OAuth provider. Such an account is not given away. Its user can have mistyped an address, whose owner would
//! get an account that is in use. And if it was stuffed, the other key would open it still. There, the user
//! has to sign in first.

use crate::auth::Auth;
use crate::event::EventKind;
use crate::session::SessionInfo;
use crate::session::token::SessionId;
use crate::store::{KeyClaim, KeyRow, KeyWrite};
use crate::{Error, Result};

/// What has to happen before a key counts as verified, now that its address is proved.
#[derive(Debug)]
pub(super) enum Verification {
    /// Nothing: it was verified before.
    Known,
    /// The browser is signed in as its user, by this session.
    ByUser(SessionId),
    /// The browser is not, so everything ends that could open the account. The ids of the user's other keys,
    /// which open by their passwords alone.
    ByOwner(Vec<String>),
}

impl Auth {
    /// Decides, before a link is used. `signed_in` is the session of the browser.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where the user has to sign in first.
    pub(super) async fn verification(
        &self,
        row: &KeyRow,
        signed_in: Option<&SessionInfo>,
    ) -> Result<Verification> {
        if row.verified_at.is_some() {
            return Ok(Verification::Known);
        }
        match signed_in {
            Some(session) if session.user_id == row.user_id => {
                Ok(Verification::ByUser(session.id.clone()))
            }
            _ => Ok(Verification::ByOwner(self.keys_to_claim(row).await?)),
        }
    }

    /// The ids of the other keys of a user, where the owner of this key's address gets the account.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where the user has to sign in first.
    pub(super) async fn keys_to_claim(&self, row: &KeyRow) -> Result<Vec<String>> {
        let keys = self.ask(self.store().user_keys(&row.user_id)).await?;
        let others = keys.into_iter().filter(|key| key.id != row.id);
        let with_password = |key: KeyRow| {
            (key.hashed_password.is_some() && key.verified_at.is_none()).then_some(key.id)
        };
        others
            .map(with_password)
            .collect::<Option<_>>()
            .ok_or_else(|| {
                tracing::info!(
                    user_id = %row.user_id,
                    "address not verified: the user has another way to sign in, and has not"
                );
                Error::Unauthenticated
            })
    }

    /// Does what was decided. Returns the key as it is then.
    pub(super) async fn verify(&self, row: KeyRow, verification: Verification) -> Result<KeyRow> {
        match verification {
            Verification::Known => Ok(row),
            Verification::ByUser(session_id) => self.note_verification(row, &session_id).await,
            Verification::ByOwner(others) => self.claim(row, others).await,
        }
    }

    /// Ends all that opens the account, and verifies the key. Of the other keys, these stay.
    pub(super) async fn claim(&self, row: KeyRow, others: Vec<String>) -> Result<KeyRow> {
        let claim = KeyClaim {
            others,
            ..KeyClaim::new(&*row.id, row.user_id, self.now())
        };
        self.claim_account(claim, None).await
    }

    /// Claims a key. `undone` is told first, where a change of its address is undone by that. Returns the key as
    /// it is then.
    pub(super) async fn claim_account(
        &self,
        claim: KeyClaim,
        undone: Option<EventKind>,
    ) -> Result<KeyRow> {
        let claimed = KeyRow {
            verified_at: Some(claim.at),
            ..KeyRow::new(&*claim.key_id, claim.user_id.clone(), None)
        };
        let told = EventKind::EmailClaimed {
            user_id: claimed.user_id.clone(),
            provider_id: claimed.provider_id(),
        };
        let (first, second) = match undone {
            None => (told, None),
            Some(undone) => (undone, Some(told)),
        };
        let claiming = self.store().claim_key(claim);
        let gone = self.change(first, claiming, Option::is_some).await?;
        let gone = gone.ok_or(Error::InvalidOneTimeToken)?;
        second.into_iter().for_each(|told| self.tell(told));
        for key in gone.deleted {
            #[cfg(feature = "oauth")]
            self.forget_secrets(&key.user_id, &key.id).await;
            let (provider_id, user_id) = (key.provider_id(), key.user_id);
            tracing::warn!(%user_id, provider_id, "key deleted: the owner of an address has not had it");
            self.tell(EventKind::KeyDeleted {
                user_id: Some(user_id),
                provider_id,
            });
        }
        Ok(claimed)
    }

    async fn note_verification(&self, mut row: KeyRow, session_id: &SessionId) -> Result<KeyRow> {
        let write = KeyWrite::Verify {
            id: row.id.clone(),
            user_id: row.user_id.clone(),
        };
        let told = EventKind::EmailVerified {
            user_id: row.user_id.clone(),
            provider_id: row.provider_id(),
        };
        let now = self.now();
        if !self.write_key(write, session_id, told).await? {
            return Err(Error::InvalidOneTimeToken);
        }
        row.verified_at = Some(now);
        Ok(row)
    }
}
