//! Sessions with their users, in memory.

use async_trait::async_trait;

use super::faults::Fault;
use super::memory::Memory;
use super::users::user_row;
use crate::session::token::SessionId;
use crate::store::{
    AttemptStore, ClaimOutcome, CredentialStore, InsertedSession, KeyClaim, KeyRow, KeyWrite,
    MailStore, NewSessionRow, PasswordChange, Result, SessionRow, SessionStore, Store, StoreError,
    TokenStore, UnixMillis, UserRow, WrittenBy,
};

#[async_trait]
impl Store for Memory {
    fn attempts(&self) -> Option<&dyn AttemptStore> {
        Some(self)
    }

    fn tokens(&self) -> Option<&dyn TokenStore> {
        Some(self)
    }

    fn mails(&self) -> Option<&dyn MailStore> {
        Some(self)
    }

    fn credentials(&self) -> Option<&dyn CredentialStore> {
        Some(self)
    }

    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let state = self.state();
        let Some(session) = state.sessions.get(id.as_str()).cloned() else {
            return Ok(None);
        };
        if session.expiries.idle_expires.0 < 1000 && self.has(Fault::HidesTheExpired) {
            return Ok(None);
        }
        let user = match self.has(Fault::MixesUpUsers) {
            true => state.users.first_key_value(),
            false => state.users.get_key_value(session.user_id.as_str()),
        };
        Ok(user.map(|(id, row)| (session, user_row(id, row))))
    }

    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
        let mut both = Vec::new();
        for id in ids {
            match self.session_and_user(id).await? {
                Some(found) => both.push(found),
                None if self.has(Fault::FailsForWhatIsNotThere) => {
                    return Err(StoreError::internal("it is not there"));
                }
                None => {}
            }
        }
        if self.has(Fault::FindsOneOfSeveralWithItsUser) {
            both.truncate(1);
        }
        if self.has(Fault::HidesTheExpiredOfSeveral) {
            both.retain(|(session, _)| session.expiries.idle_expires.0 > 1000);
        }
        if self.has(Fault::MixesUpUsersOfSeveral)
            && let Some((_, user)) = both.first().cloned()
        {
            both.iter_mut().for_each(|both| both.1 = user.clone());
        }
        Ok(both)
    }

    async fn insert_session_by_key(
        &self,
        mut session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<InsertedSession>> {
        let found = self.state().keys.get(&key.id).cloned();
        let is_as_opened = found.is_some_and(|found| {
            let is_theirs = found.user_id == session.user_id && key.user_id == session.user_id;
            let is_their_hash = found.hashed_password == key.hashed_password
                || key.hashed_password.is_none() && self.has(Fault::BeginsWithoutThePassword);
            let needs_verification = !self.has(Fault::BeginsWheneverItWasVerified)
                && (found.hashed_password.is_none()
                    || self.has(Fault::BeginsByAPasswordAsItWasVerified));
            (is_theirs || self.has(Fault::BeginsByTheKeyOfSomebodyElse))
                && (is_their_hash || self.has(Fault::BeginsByAnyHash))
                && (!needs_verification || found.verified_at == key.verified_at)
        });
        if !is_as_opened && !self.has(Fault::BeginsByAnyKey) || self.has(Fault::BeginsByNoKey) {
            if let Some(replaced) = &session.replaces
                && self.has(Fault::ReplacesWhenTheKeyIsRefused)
            {
                self.state().sessions.remove(replaced.as_str());
            }
            return Ok(None);
        }
        self.pause(Fault::BeginsInTwoSteps).await;
        if self.has(Fault::BeginsAndEndsNothing) {
            (session.replaces, session.limit) = (None, None);
        }
        self.insert_session(session).await.map(Some)
    }

    async fn change_password(&self, change: PasswordChange) -> Result<bool> {
        let kept = {
            let mut state = self.state();
            let Some(key) = state.keys.get_mut(&change.key_id) else {
                return Ok(false);
            };
            if key.user_id != change.user_id && !self.has(Fault::ChangesEverybodysPassword) {
                return Ok(false);
            }
            let stored = key.hashed_password.as_deref();
            let is_missed =
                self.has(Fault::ChangesWhereNoneWasVerified) && change.old.hash().is_none();
            if !change.old.matches(stored)
                && !is_missed
                && !self.has(Fault::ChangesWhateverPassword)
            {
                return Ok(false);
            }
            if self.has(Fault::ChangesThePasswordFirst) {
                key.hashed_password = Some(change.hashed_password.clone());
            }
            match &change.kept {
                None => None,
                Some((id, rotation)) => match state.sessions.get(id.as_str()) {
                    Some(row)
                        if row.user_id == change.user_id
                            || self.has(Fault::KeepsTheSessionOfAnybody) =>
                    {
                        let mut rotated = self.rotated(row.clone(), rotation);
                        if self.has(Fault::KeepsTheSessionUnderItsOldId) {
                            rotated.id = id.clone();
                        }
                        Some(rotated)
                    }
                    _ => return Ok(false),
                },
            }
        };
        self.pause(Fault::ChangesPasswordsInTwoSteps).await;
        self.pause(Fault::ChangesAfterItHasCompared).await;
        let mut state = self.state();
        if let Some(key) = state.keys.get_mut(&change.key_id)
            && !self.has(Fault::ChangesNoPassword)
        {
            key.hashed_password = Some(change.hashed_password);
        }
        let everybodys = self.has(Fault::EndsEverybodysSessions);
        let ends = |row: &SessionRow| everybodys || row.user_id == change.user_id;
        if !self.has(Fault::EndsNoSession) {
            state.sessions.retain(|_, row| !ends(row));
        }
        if let Some(kept) = kept
            && !self.has(Fault::EndsTheSessionToKeep)
        {
            state.sessions.insert(kept.id.to_string(), kept);
        }
        Ok(true)
    }

    async fn write_key(&self, write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> Result<bool> {
        self.write(write, by, at).await
    }

    async fn claim_key(&self, claim: KeyClaim) -> Result<ClaimOutcome> {
        self.claim(claim).await
    }
}
