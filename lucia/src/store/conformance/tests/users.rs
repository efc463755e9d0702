//! Users and keys in memory.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::faults::Fault;
use super::memory::{self, Memory, State, USER_COLUMNS, USERS};
use crate::error::ConstraintKind;
use crate::store::{
    AttemptStore, CountedAttempt, CountedPlace, KeyDeletion, KeyRow, LastKey, NewAttempt,
    NewUserRow, OldHash, Result, SessionRow, StoreError, TokenRow, UnixMillis, UserRow, UserStore,
    UserTable,
};
use crate::user::UserId;

#[async_trait]
impl UserStore for Memory {
    fn user_table(&self) -> &str {
        USERS
    }

    async fn describe_users(&self) -> Result<UserTable> {
        let mut columns = vec!["id".to_owned()];
        if !self.has(Fault::DescribesTooLittle) {
            columns.extend(USER_COLUMNS.iter().map(|(name, ..)| (*name).to_owned()));
        }
        let state = self.state();
        let first = state.users.first_key_value();
        let first = first.filter(|_| !self.has(Fault::DescribesNobody));
        Ok(UserTable {
            columns,
            sample: first.map(|(id, row)| user_row(id, row)),
        })
    }

    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow> {
        let id = user.id.as_str();
        let mut row = memory::defaults(USER_COLUMNS);
        if self.has(Fault::ForgetsTheDefaultsOfUsers) {
            row.insert("credits".to_owned(), 0.into());
        }
        self.set_columns(&mut row, &user.attributes)?;
        row.insert("id".to_owned(), id.into());
        let is_taken = |state: &State| {
            let key = key.as_ref();
            key.is_some_and(|key| state.keys.contains_key(&key.id))
        };
        let key_is_taken = is_taken(&self.state());
        self.pause(Fault::SignsUpInTwoSteps).await;
        let mut state = self.state();
        let name_is_taken = self.refuse_taken_name(&state, id, &row);
        if self.has(Fault::LooksAtTheNameBeforeTheKey) {
            name_is_taken?;
        }
        if key_is_taken {
            if self.has(Fault::LeavesTheUserOfATakenKey) {
                state.users.insert(id.to_owned(), row);
            }
            return Err(self.refuse(StoreError::DuplicateKey, id));
        }
        if state.users.contains_key(id) && !self.has(Fault::TakesATakenId) {
            return Err(self.refuse(StoreError::DuplicateUser, id));
        }
        if !self.has(Fault::SignsUpInTwoSteps) {
            self.refuse_taken_name(&state, id, &row)?;
        }
        let returned = user_row(id, &row);
        state.users.insert(id.to_owned(), row);
        if let Some(key) = key
            && !self.has(Fault::ForgetsTheKey)
        {
            state.keys.insert(key.id.clone(), key);
        }
        Ok(returned)
    }

    async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        let state = self.state();
        let any_case = self.has(Fault::FindsUsersOfAnyCase);
        let is_asked = |other: &&String| {
            *other == id.as_str() || any_case && other.eq_ignore_ascii_case(id.as_str())
        };
        let found = state.users.keys().find(is_asked);
        Ok(found.map(|id| user_row(id, &state.users[id])))
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let state = self.state();
        let everybody = self.has(Fault::FindsMoreUsersThanAsked);
        let is_asked = |id: &str| everybody || ids.iter().any(|asked| asked.as_str() == id);
        let users = state.users.iter().filter(|(id, _)| is_asked(id));
        let limit = match self.has(Fault::FindsOneOfSeveralUsers) {
            true => 1,
            false => usize::MAX,
        };
        Ok(users
            .take(limit)
            .map(|(id, row)| user_row(id, row))
            .collect())
    }

    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>> {
        let mut state = self.state();
        let Some(before) = state.users.get(id.as_str()).cloned() else {
            return match self.has(Fault::UpdatesAUserWhoIsNotThere) {
                true => Err(StoreError::UnknownUser),
                false => Ok(None),
            };
        };
        let mut row = before.clone();
        if self.has(Fault::UpdatesTheWholeUser) {
            row = memory::defaults(USER_COLUMNS);
            row.insert("id".to_owned(), id.as_str().into());
            row.insert("username".to_owned(), before["username"].clone());
        }
        self.set_columns(&mut row, &attributes)?;
        if !self.has(Fault::UpdatesToATakenName) {
            self.refuse_taken_name(&state, id.as_str(), &row)?;
        }
        let returned = user_row(id.as_str(), &row);
        state.users.insert(id.as_str().to_owned(), row);
        Ok(Some(returned))
    }

    async fn delete_user(&self, id: &UserId) -> Result<()> {
        let theirs = |state: &State| {
            let sessions = state.sessions.values();
            sessions.filter(|session| session.user_id == *id).count()
        };
        let before = theirs(&self.state());
        self.pause(Fault::DeletesAUserAsTheyWere).await;
        if theirs(&self.state()) > before {
            return Err(StoreError::UnknownUser);
        }
        if self.has(Fault::DeletesSessionsBeforeTheirUser) {
            let is_other = |session: &SessionRow| session.user_id != *id;
            self.state().sessions.retain(|_, session| is_other(session));
            tokio::task::yield_now().await;
            self.state().users.remove(id.as_str());
            return Ok(());
        }
        let mut state = self.state();
        state.users.remove(id.as_str());
        if !self.has(Fault::LeavesTheKeysOfAUser) {
            state.keys.retain(|_, key| key.user_id != *id);
        }
        if !self.has(Fault::LeavesTheTokensOfAUser) {
            let is_theirs = |token: &TokenRow| token.user_id.as_ref() == Some(id);
            state.tokens.retain(|_, token| !is_theirs(token));
        }
        if !self.has(Fault::LeavesTheCredentialsOfAUser) {
            state.credentials.retain(|_, row| row.user_id != *id);
        }
        if !self.has(Fault::LeavesTheSessionsOfAUser) {
            state.sessions.retain(|_, session| session.user_id != *id);
        }
        Ok(())
    }

    async fn insert_key(&self, key: KeyRow) -> Result<()> {
        let mut state = self.state();
        let is_known = state.users.contains_key(key.user_id.as_str());
        if !is_known && !self.has(Fault::TakesKeysOfNobody) {
            return Err(self.refuse(StoreError::UnknownUser, key.user_id.as_str()));
        }
        if state.keys.contains_key(&key.id) && !self.has(Fault::TakesATakenKey) {
            return Err(StoreError::DuplicateKey);
        }
        let mut key = key;
        if self.has(Fault::LosesThePassword) {
            key.hashed_password = None;
        }
        if self.has(Fault::LosesTheVerification) {
            key.verified_at = None;
        }
        state.keys.insert(key.id.clone(), key);
        Ok(())
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRow>> {
        Ok(self.state().keys.get(id).cloned())
    }

    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>> {
        let everybodys = self.has(Fault::ListsEverybodysKeys);
        let state = self.state();
        let keys = state.keys.values();
        let theirs = keys.filter(|key| everybodys || key.user_id == *user_id);
        Ok(theirs.cloned().collect())
    }

    async fn update_key_password(
        &self,
        id: &str,
        user_id: &UserId,
        hashed_password: Option<&str>,
        old: OldHash,
    ) -> Result<bool> {
        let mut state = self.state();
        let Some(key) = state.keys.get_mut(id) else {
            return Ok(self.has(Fault::UpdatesAnUnknownKey));
        };
        let any_owner = match old {
            OldHash::Any => Fault::UpdatesAKeyOfAnybody,
            OldHash::Is(_) => Fault::SwapsThePasswordOfAnybody,
        };
        if key.user_id != *user_id && !self.has(any_owner) {
            return Ok(false);
        }
        let stored = key.hashed_password.as_deref();
        let is_missed = self.has(Fault::TakesNoPasswordForAny) && old.hash().is_none();
        if !old.matches(stored) && !is_missed && !self.has(Fault::SwapsWhateverIsThere) {
            return Ok(false);
        }
        if hashed_password.is_some() || !self.has(Fault::KeepsThePassword) {
            key.hashed_password = hashed_password.map(str::to_owned);
        }
        Ok(true)
    }

    async fn delete_key(&self, id: &str, last: LastKey) -> Result<KeyDeletion> {
        let everybodys = self.has(Fault::CountsEverybodysKeys);
        let (others, owner) = {
            let state = self.state();
            let Some(key) = state.keys.get(id) else {
                return Ok(match self.has(Fault::TakesAnUnknownKeyForTheLast) {
                    true => KeyDeletion::Last,
                    false => KeyDeletion::Unknown,
                });
            };
            let is_other =
                |other: &&KeyRow| other.id != id && (everybodys || other.user_id == key.user_id);
            let others = state.keys.values().filter(is_other).count();
            (others, key.user_id.clone())
        };
        let owner = match self.has(Fault::NamesAnotherOwner) {
            true => UserId::from_stored("somebody else"),
            false => owner,
        };
        self.pause(Fault::DeletesKeysInTwoSteps).await;
        let even_last = last == LastKey::Delete && !self.has(Fault::NeverDeletesTheLastKey);
        if others == 0 && !even_last && !self.has(Fault::DeletesTheLastKey) {
            return Ok(KeyDeletion::Last);
        }
        if !self.has(Fault::DeletesNoKey) {
            self.state().keys.remove(id);
        }
        Ok(KeyDeletion::Deleted(owner))
    }
}

#[async_trait]
impl AttemptStore for Memory {
    async fn check_attempts(&self) -> Result<()> {
        Ok(())
    }

    async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
        Ok(self.count(attempt).await)
    }

    async fn uncount_attempt(&self, places: &[CountedPlace]) -> Result<()> {
        self.uncount(places);
        Ok(())
    }

    async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        Ok(self.delete_old(now, limit))
    }
}

impl Memory {
    fn set_columns(&self, row: &mut Map<String, Value>, given: &Map<String, Value>) -> Result<()> {
        let mut given = given.clone();
        if given.contains_key("id") {
            if !self.has(Fault::WritesTheId) {
                return Err(StoreError::Misuse("`id` is not an attribute".to_owned()));
            }
            given.remove("id");
        }
        let anything = self.has(Fault::TakesAnyAttributeOfAUser);
        let written = memory::set(row, &given, USERS, USER_COLUMNS, anything);
        let checked = written.and_then(|()| memory::check(row, USERS, USER_COLUMNS));
        match checked {
            Err(StoreError::Constraint(_)) if self.has(Fault::TakesNobodysName) => Ok(()),
            Err(StoreError::InvalidAttribute { table, reason, .. })
                if self.has(Fault::NamesNoColumn) =>
            {
                Err(StoreError::invalid_attribute(&table, None, reason))
            }
            other => other,
        }
    }

    fn refuse_taken_name(&self, state: &State, id: &str, row: &Map<String, Value>) -> Result<()> {
        let mut others = state.users.iter().filter(|(other, _)| *other != id);
        if others.any(|(_, other)| other["username"] == row["username"])
            && !self.has(Fault::TakesATakenName)
        {
            let error = memory::violation(ConstraintKind::Unique, USERS, "username");
            return Err(self.refuse(error, &row["username"].to_string()));
        }
        Ok(())
    }
}

pub(super) fn user_row(id: &str, row: &Map<String, Value>) -> UserRow {
    UserRow {
        id: UserId::from_stored(id),
        attributes: Value::Object(row.clone()).to_string(),
    }
}
