//! What it means that a person has received a message at the address of a key.
//!
//! People can sign up with an address that is not theirs, and wait for its owner: with the password that
//! they chose, a session that goes on, or an open link. (The literature calls it pre-hijacking, and the
//! password a stuffed one.) A message proves who reads the mailbox, and not who signed up. In a browser that
//! is signed in as the user, both are one person: the key counts as verified, and nothing else changes.
//! Anywhere else, the account goes to the owner of the mailbox, and to nobody else: in one step, the link is used,
//! the passwords of the user's keys are removed, all sessions and open links and codes end, and the key counts as
//! verified. What a session writes lands before this step or not at all. Then the browser is signed in. A second
//! link to set a password would go to the same mailbox and prove nothing more; and an application needs no password
//! page if its users have no passwords.
//!
//! Some accounts have another key that is verified, or that has no password and so opens on the word of an
//! OAuth provider. Such an account is not given away. Its user can have mistyped an address, whose owner would
//! get an account that is in use. And if it was stuffed, the other key would open it still. There, the user
//! has to sign in first. The same applies while a change of address can still be undone, because the former address
//! could take the account back. The check is part of the same step. A key that is added just before it keeps the
//! account from being given away, like an older key, and the link still works.

use super::links::{refused, token_id, used};
use super::purpose::TokenPurpose;
use crate::auth::Auth;
use crate::event::EventKind;
use crate::session::SessionInfo;
use crate::session::token::SessionId;
use crate::store::{ClaimOutcome, ClaimedBy, KeyClaim, KeyRow, KeyWrite};
use crate::{Error, Result};

/// What has to happen before a key counts as verified, now that its address is proved.
#[derive(Debug)]
pub(super) enum Verification {
    /// Nothing: it was verified before.
    Known,
    /// The browser is signed in as its user, by this session.
    ByUser(SessionId),
    /// The browser is not, so everything ends that could open the account.
    ByOwner,
}

impl Verification {
    /// `signed_in` is the session of the browser.
    pub(super) fn of(row: &KeyRow, signed_in: Option<&SessionInfo>) -> Self {
        match signed_in {
            _ if row.verified_at.is_some() => Self::Known,
            Some(session) if session.user_id == row.user_id => Self::ByUser(session.id.clone()),
            _ => Self::ByOwner,
        }
    }
}

impl Auth {
    /// Uses a link to the address of a key, and verifies the key. Returns it as it is then.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where the user has to sign in first, and the link still works.
    pub(super) async fn verify_by_link<T: serde::de::DeserializeOwned>(
        &self,
        (purpose, token): (TokenPurpose<T>, &str),
        row: KeyRow,
        verification: Verification,
    ) -> Result<KeyRow> {
        if let Verification::ByOwner = verification {
            return self.claim_by_link(purpose, token, row).await;
        }
        // The key first, which is refused where the session has ended. Another request by the same link may have
        // ended it.
        let row = match self.verify(row, verification).await {
            Err(Error::Unauthenticated) => {
                self.check_token(purpose, token).await?;
                return Err(Error::Unauthenticated);
            }
            verified => verified?,
        };
        self.use_token(purpose, token).await?;
        Ok(row)
    }

    /// Verifies a key whose user has typed a code that was sent to its address. Returns it as it is then.
    pub(super) async fn verify(&self, row: KeyRow, verification: Verification) -> Result<KeyRow> {
        match verification {
            Verification::Known => Ok(row),
            Verification::ByUser(session_id) => self.note_verification(row, &session_id).await,
            Verification::ByOwner => {
                let by = ClaimedBy::Message { link: None };
                let claim = KeyClaim::new(row.id, row.user_id, self.now(), by);
                self.claim_account(claim, None).await
            }
        }
    }

    /// Uses a link, and with it ends all that opens the account, and verifies the key.
    pub(super) async fn claim_by_link<T>(
        &self,
        purpose: TokenPurpose<T>,
        token: &str,
        row: KeyRow,
    ) -> Result<KeyRow> {
        let link = Some(token_id(purpose, token)?);
        let by = ClaimedBy::Message { link };
        let claim = KeyClaim::new(row.id, row.user_id, self.now(), by);
        let claimed = self.claim_account(claim, None).await;
        match &claimed {
            Ok(row) => self.tell(used(purpose.name, Some(row.user_id.clone()))),
            Err(Error::InvalidOneTimeToken) => self.tell(refused(purpose.name)),
            Err(_) => {}
        }
        claimed
    }

    /// Claims a key. `undone` is told first, where a change of its address is undone by that. Returns the key as
    /// it is then.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where the user has to sign in first.
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
        let is_claimed = |outcome: &ClaimOutcome| matches!(outcome, ClaimOutcome::Claimed { .. });
        let deleted = match self.change(first, claiming, is_claimed).await? {
            ClaimOutcome::Claimed { deleted } => deleted,
            ClaimOutcome::Kept => {
                tracing::info!(
                    user_id = %claimed.user_id,
                    "address not verified: the user has another way to sign in, or a change of address can still be undone"
                );
                return Err(Error::Unauthenticated);
            }
            ClaimOutcome::Unknown => return Err(Error::InvalidOneTimeToken),
        };
        second.into_iter().for_each(|told| self.tell(told));
        // All of it is told before anything is waited for, in which the call can be dropped.
        for key in &deleted {
            let (provider_id, user_id) = (key.provider_id(), key.user_id.clone());
            tracing::warn!(%user_id, provider_id, "key deleted: the owner of an address has not had it");
            self.tell(EventKind::KeyDeleted {
                user_id: Some(user_id),
                provider_id,
            });
        }
        #[cfg(feature = "oauth")]
        for key in deleted {
            self.forget_secrets(&key.user_id, &key.id).await;
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
        if !self.write_key(write, session_id, now, told).await? {
            return Err(Error::InvalidOneTimeToken);
        }
        row.verified_at = Some(now);
        Ok(row)
    }
}
