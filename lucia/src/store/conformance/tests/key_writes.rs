//! Keys that are written together with sessions and one-time tokens, in memory.

use super::faults::Fault;
use super::memory::{Memory, State};
use crate::store::{
    ADDRESS_NOTE, ClaimOutcome, ClaimedBy, KeyClaim, KeyDeletion, KeyRow, KeyWrite, LastKey,
    Result, SessionRow, StoreError, TokenRow, UnixMillis, UserStore as _, WrittenBy,
};
use crate::user::UserId;

impl Memory {
    pub(super) async fn write(
        &self,
        write: KeyWrite,
        by: WrittenBy<'_>,
        at: UnixMillis,
    ) -> Result<bool> {
        let is_there = self.is_there(&self.state(), by, write.user_id());
        self.pause(Fault::WritesInTwoSteps).await;
        if !is_there && !self.has(Fault::WritesByNothing) {
            return Ok(false);
        }
        match write {
            KeyWrite::Insert(key) => {
                if !self.has(Fault::WritesNoKey) {
                    self.insert_key(key).await?;
                }
                Ok(true)
            }
            KeyWrite::SetPassword {
                id,
                user_id,
                hashed_password,
            } => Ok(self.of_user(&id, &user_id, |key| {
                let is_free = key.hashed_password.is_none();
                if is_free || self.has(Fault::SetsAPasswordOverAnother) {
                    key.hashed_password = Some(hashed_password);
                }
                is_free
            })),
            KeyWrite::Verify { id, user_id } => {
                if self.has(Fault::VerifiesAllKeys) {
                    let mut state = self.state();
                    state
                        .keys
                        .values_mut()
                        .for_each(|key| key.verified_at = Some(at));
                }
                Ok(self.of_user(&id, &user_id, |key| {
                    let is_new = key.verified_at.is_none() || self.has(Fault::VerifiesAgain);
                    if is_new && !self.has(Fault::VerifiesNoKey) {
                        key.verified_at = Some(at);
                    }
                    is_new
                }))
            }
            KeyWrite::Rename {
                id,
                user_id,
                new_id,
                note,
            } => self.rename((&id, &user_id, new_id), note, at).await,
            KeyWrite::Delete { id, user_id } => {
                let is_theirs = self.of_user(&id, &user_id, |_| true);
                if !is_theirs || self.has(Fault::DeletesNoKeyOfItsUser) {
                    return Ok(is_theirs);
                }
                let last = match self.has(Fault::DeletesTheLastKeyOfItsUser) {
                    true => LastKey::Delete,
                    false => LastKey::Keep,
                };
                match self.delete_key(&id, last).await? {
                    KeyDeletion::Deleted(_) => Ok(true),
                    KeyDeletion::Unknown => Ok(false),
                    KeyDeletion::Last => Err(StoreError::LastKey),
                }
            }
        }
    }

    async fn rename(
        &self,
        (id, user_id, new_id): (&str, &UserId, String),
        note: Option<TokenRow>,
        at: UnixMillis,
    ) -> Result<bool> {
        let is_taken = self.state().keys.contains_key(&new_id);
        let is_in_use = |state: &State| {
            let former = note.as_ref().and_then(|note| state.tokens.get(&note.id));
            former.is_some_and(|former| at < former.expires)
        };
        let was_noted = is_in_use(&self.state());
        self.pause(Fault::RenamesInTwoSteps).await;
        self.pause(Fault::NotesInTwoSteps).await;
        let mut state = self.state();
        let is_noted = match self.has(Fault::NotesInTwoSteps) {
            true => was_noted,
            false => is_in_use(&state),
        };
        let note = note.filter(|_| !self.has(Fault::RenamesWithoutTheNote));
        if self.has(Fault::NotesWhatItDoesNotRename) {
            state
                .tokens
                .extend(note.clone().map(|note| (note.id.clone(), note)));
        }
        let any_owner = self.has(Fault::WritesAKeyOfAnybody);
        let is_asked = |key: &&KeyRow| any_owner || key.user_id == *user_id;
        let Some(mut key) = state.keys.get(id).filter(is_asked).cloned() else {
            return Ok(false);
        };
        if is_taken && !self.has(Fault::RenamesToATakenKey) {
            return Err(StoreError::DuplicateKey);
        }
        if is_noted && !self.has(Fault::ReplacesANoteThatIsInUse) {
            return Ok(false);
        }
        if !self.has(Fault::RenamesAndKeepsTheOld) {
            state.keys.remove(id);
        }
        key.id = new_id;
        if !self.has(Fault::RenamesAndVerifiesNothing) {
            key.verified_at = Some(at);
        }
        if self.has(Fault::RenamesAndForgetsThePassword) {
            key.hashed_password = None;
        }
        state.keys.insert(key.id.clone(), key);
        if let Some(note) = note {
            let is_kept =
                self.has(Fault::KeepsTheFormerNote) && state.tokens.contains_key(&note.id);
            if !is_kept {
                state.tokens.insert(note.id.clone(), note);
            }
        }
        Ok(true)
    }

    /// Changes a key if it is this user's. Returns what the change says.
    fn of_user(
        &self,
        id: &str,
        user_id: &UserId,
        change: impl FnOnce(&mut KeyRow) -> bool,
    ) -> bool {
        let mut state = self.state();
        let Some(key) = state.keys.get_mut(id) else {
            return self.has(Fault::WritesAnUnknownKey);
        };
        let is_theirs = key.user_id == *user_id || self.has(Fault::WritesAKeyOfAnybody);
        is_theirs && change(key)
    }

    /// Whether what a key is written by is there.
    fn is_there(&self, state: &State, by: WrittenBy<'_>, user_id: &UserId) -> bool {
        let owner = match by {
            WrittenBy::Session(id) => state.sessions.get(id.as_str()).map(|row| &row.user_id),
            WrittenBy::Token(id) => state.tokens.get(id).and_then(|row| row.user_id.as_ref()),
        };
        owner.is_some_and(|owner| owner == user_id || self.has(Fault::WritesByThatOfAnybody))
    }

    pub(super) async fn claim(&self, claim: KeyClaim) -> Result<ClaimOutcome> {
        let refused = self.refusal(&self.state(), &claim);
        let known: Vec<_> = self.state().keys.keys().cloned().collect();
        if refused.is_none() && !self.has(Fault::ClaimsAndKeepsTheSessions) {
            self.end_sessions(&claim.user_id);
        }
        self.pause(Fault::ClaimsInTwoSteps).await;
        self.pause(Fault::ClaimsTheKeysThatItKnew).await;
        self.pause(Fault::ClaimsBesideWhatCameMeanwhile).await;
        let mut state = self.state();
        let refused = match self.has(Fault::ClaimsBesideWhatCameMeanwhile) {
            true => refused,
            false => self.refusal(&state, &claim),
        };
        let keeps_the_token = match &refused {
            Some(_) => !self.has(Fault::RefusesAndTakesTheLink),
            None => self.has(Fault::ClaimsAndKeepsItsToken),
        };
        if let Some(token) = claim.by.token()
            && !keeps_the_token
        {
            state.tokens.remove(token);
        }
        if let Some(refused) = refused {
            return Ok(refused);
        }
        let (user_id, everybodys) = (&claim.user_id, self.has(Fault::ClaimsEverybody));
        if !self.has(Fault::ClaimsAndKeepsTheTokens) {
            let is_theirs = |token: &TokenRow| token.user_id.as_ref() == Some(user_id);
            state
                .tokens
                .retain(|_, token| !everybodys && !is_theirs(token));
        }
        let is_seen =
            |key: &KeyRow| known.contains(&key.id) || !self.has(Fault::ClaimsTheKeysThatItKnew);
        let mut deleted = Vec::new();
        if let ClaimedBy::Note { others, .. } = &claim.by {
            let former = state.keys.get(&claim.key_id);
            let foreign = former.filter(|key| key.user_id != *user_id).cloned();
            if foreign.is_some() || former.is_none() {
                let given = KeyRow::new(&*claim.key_id, user_id.clone(), None);
                state.keys.insert(given.id.clone(), given);
                deleted.extend(foreign);
            }
            let is_added = |key: &KeyRow| {
                key.user_id == *user_id
                    && key.id != claim.key_id
                    && !others.contains(&key.id)
                    && is_seen(key)
            };
            if !self.has(Fault::ClaimsAndKeepsAddedKeys) {
                let added = state.keys.values().filter(|key| is_added(key));
                deleted.extend(added.cloned());
                state.keys.retain(|_, key| !is_added(key));
            }
        }
        if self.has(Fault::ClaimsAndDeletesAllKeys) {
            state
                .keys
                .retain(|id, key| key.user_id != *user_id || *id == claim.key_id);
        }
        if self.has(Fault::NamesNoDeletedKey) {
            deleted.clear();
        }
        let verified = match &claim.by {
            ClaimedBy::Note { verified, .. } => &verified[..],
            ClaimedBy::Message { .. } => &[],
        };
        let theirs = state.keys.values_mut();
        let theirs = theirs.filter(|key| everybodys || key.user_id == *user_id && is_seen(key));
        for key in theirs {
            let is_claimed = key.id == claim.key_id;
            if is_claimed || !self.has(Fault::ClaimsAndKeepsOtherPasswords) {
                key.hashed_password = None;
            }
            let stays = verified.contains(&key.id) && !self.has(Fault::ClaimsAndVerifiesNoOther)
                || self.has(Fault::ClaimsAndKeepsVerifications);
            if is_claimed && !self.has(Fault::ClaimsAndVerifiesNothing)
                || self.has(Fault::ClaimsAndVerifiesAllKeys)
            {
                key.verified_at = Some(claim.at);
            } else if !is_claimed && !stays {
                key.verified_at = None;
            }
        }
        Ok(ClaimOutcome::Claimed { deleted })
    }

    fn end_sessions(&self, user_id: &UserId) {
        let everybodys = self.has(Fault::ClaimsEverybody);
        let is_other = |row: &SessionRow| !everybodys && row.user_id != *user_id;
        self.state().sessions.retain(|_, row| is_other(row));
    }

    /// Why nothing is to happen.
    fn refusal(&self, state: &State, claim: &KeyClaim) -> Option<ClaimOutcome> {
        let key = state.keys.get(&claim.key_id);
        let is_theirs = key.is_some_and(|key| key.user_id == claim.user_id);
        let is_there = |token: &str| state.tokens.contains_key(token);
        let (is_kept, is_claimable) = match &claim.by {
            ClaimedBy::Message { link } => {
                let is_there = link.as_deref().is_none_or(is_there);
                (
                    self.is_kept(state, claim),
                    (is_there || self.has(Fault::ClaimsWhereTheLinkIsGone))
                        && (is_theirs || self.has(Fault::ClaimsByAnyKey) && key.is_some()),
                )
            }
            ClaimedBy::Note { id, .. } => {
                let is_verified = key.is_some_and(|key| key.verified_at.is_some());
                let is_free =
                    is_theirs || !is_verified || self.has(Fault::ClaimsWhatAnotherHasVerified);
                let is_known = state.users.contains_key(claim.user_id.as_str());
                (
                    false,
                    (is_there(id) || self.has(Fault::ClaimsByAnyToken))
                        && is_free
                        && (is_known || self.has(Fault::ClaimsForNobody)),
                )
            }
        };
        match (is_claimable, is_kept) {
            (true, false) => None,
            (true, true) => Some(ClaimOutcome::Kept),
            (false, true) if self.has(Fault::RefusesBeforeItLooksForTheLink) => {
                Some(ClaimOutcome::Kept)
            }
            (false, _) => Some(ClaimOutcome::Unknown),
        }
    }

    /// Whether another key of the user keeps the account.
    fn is_kept(&self, state: &State, claim: &KeyClaim) -> bool {
        let anybodys = self.has(Fault::ClaimsBesideAnybodysKeys);
        let is_other =
            |key: &&KeyRow| (anybodys || key.user_id == claim.user_id) && key.id != claim.key_id;
        let has_key = state.keys.values().filter(is_other).any(|key| {
            key.verified_at.is_some() && !self.has(Fault::ClaimsBesideAVerifiedKey)
                || key.hashed_password.is_none()
                    && !self.has(Fault::ClaimsBesideAKeyWithoutAPassword)
        });
        let can_undo = |token: &TokenRow| {
            let data: serde_json::Value = serde_json::from_str(&token.data).expect("it is JSON");
            let is_theirs = data["user_id"] == claim.user_id.as_str();
            token.purpose == ADDRESS_NOTE
                && (is_theirs || self.has(Fault::ClaimsNotBesideAnyNote))
                && (claim.at < token.expires || self.has(Fault::ClaimsNotBesideAnOldNote))
        };
        let ignores_notes = self.has(Fault::ClaimsBesideANote);
        has_key || !ignores_notes && state.tokens.values().any(can_undo)
    }
}
