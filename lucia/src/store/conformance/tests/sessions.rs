//! Sessions in memory.

use std::cmp::Reverse;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::faults::Fault;
use super::memory::{self, Memory, SESSION_COLUMNS, SESSIONS, State};
use crate::session::token::SessionId;
use crate::store::{
    Expiries, HealthStatus, InsertedSession, NewSessionRow, Owner, Result, Rotation,
    SESSION_COLUMNS as OWN_COLUMNS, SessionRow, SessionStore, StoreError, StoreHealth, UnixMillis,
};
use crate::user::UserId;

#[async_trait]
impl SessionStore for Memory {
    fn session_table(&self) -> &str {
        SESSIONS
    }

    fn removes_expired_sessions(&self) -> bool {
        self.has(Fault::RemovesTheLastMomentByItself)
    }

    async fn health(&self) -> Result<StoreHealth> {
        let mut health = StoreHealth::up(self.store_name());
        if self.has(Fault::SaysThatItIsDown) {
            health = health.down("it is not");
        }
        if self.has(Fault::IsDegradedForNoReason) {
            health.status = HealthStatus::Degraded;
        }
        if self.has(Fault::CallsItselfByAnotherName) {
            "another".clone_into(&mut health.name);
        }
        Ok(health)
    }

    async fn insert_session(&self, new: NewSessionRow) -> Result<InsertedSession> {
        let row = self.new_row(&new)?;
        let early = self.has(Fault::LimitsInTwoSteps);
        let early = early.then(|| self.excess(&self.state(), &new, &row));
        self.pause(Fault::LimitsInTwoSteps).await;
        let mut state = self.state();
        if self.has(Fault::ReplacesWhenItRefuses) {
            state.replace(&new);
        }
        let is_known = state.users.contains_key(new.user_id.as_str());
        if !is_known && !self.has(Fault::TakesSessionsOfNobody) {
            return Err(self.refuse(StoreError::UnknownUser, new.user_id.as_str()));
        }
        let replaced = new.replaces.as_ref();
        let replaced = replaced.and_then(|id| state.sessions.get(id.as_str()));
        if new.replaces.is_some() && replaced.is_none() && self.has(Fault::InsistsOnWhatItReplaces)
        {
            return Err(StoreError::internal("it is not there"));
        }
        let is_own = replaced.is_some_and(|row| row.user_id == new.user_id);
        let spares = self.has(Fault::ReplacesItsOwnOnly) && !is_own;
        let excess = early.unwrap_or_else(|| self.excess(&state, &new, &row));
        if !spares && !self.has(Fault::ReplacesNothing) {
            state.replace(&new);
        }
        state.sessions.insert(row.id.to_string(), row.clone());
        let mut in_excess = Vec::new();
        for id in excess {
            if state.sessions.remove(id.as_str()).is_some() {
                in_excess.push(id);
            }
        }
        if self.has(Fault::NamesNoSessionInExcess) {
            in_excess.clear();
        }
        if self.has(Fault::NamesWhatIsReplaced) {
            in_excess.extend(new.replaces);
        }
        let attributes = match self.has(Fault::ReturnsASessionAsItWasGiven) {
            true => Value::Object(new.attributes).to_string(),
            false => row.attributes.clone(),
        };
        Ok(InsertedSession {
            row: SessionRow { attributes, ..row },
            in_excess,
        })
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        Ok(self.state().sessions.get(id.as_str()).cloned())
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let state = self.state();
        let everything = self.has(Fault::FindsMoreThanAsked);
        let rows = state.sessions.values();
        let found = rows.filter(|row| everything || ids.contains(&row.id));
        let limit = match self.has(Fault::FindsOneOfSeveral) {
            true => 1,
            false => usize::MAX,
        };
        Ok(found.take(limit).cloned().collect())
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let everybodys = self.has(Fault::ListsEverybodysSessions);
        let state = self.state();
        let rows = state.sessions.values();
        let theirs = rows.filter(|row| everybodys || row.user_id == *user_id);
        let mut sessions: Vec<_> = theirs.cloned().collect();
        sessions.sort_by_key(|row| row.created_at);
        if self.has(Fault::ListsInAnyOrder) {
            sessions.reverse();
        }
        Ok(sessions)
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        let found = self.state().sessions.get(id.as_str()).cloned();
        let Some(mut row) = found else {
            return Ok(self.has(Fault::RenewsWhatIsNotThere));
        };
        self.pause(Fault::RenewsInTwoSteps).await;
        row.expiries.active_expires = expiries.active_expires;
        row.expiries.idle_expires = expiries.idle_expires;
        if self.has(Fault::RenewsAndRemembers) {
            row.persistent = true;
        }
        if !self.has(Fault::RenewsHalf) {
            row.expiries.renewed_at = expiries.renewed_at;
        }
        self.state().sessions.insert(id.to_string(), row);
        Ok(true)
    }

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        let found = self.state().sessions.get(id.as_str()).cloned();
        let Some(row) = found else {
            return Ok(self.has(Fault::RotatesWhatIsNotThere));
        };
        self.pause(Fault::RotatesInTwoSteps).await;
        let mut state = self.state();
        if !self.has(Fault::RotatesAndKeepsTheOld) {
            state.sessions.remove(id.as_str());
        }
        let row = self.rotated(row, &rotation);
        state.sessions.insert(row.id.to_string(), row);
        Ok(true)
    }

    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        let mut state = self.state();
        let Some(row) = state.sessions.get_mut(id.as_str()) else {
            return match self.has(Fault::UpdatesASessionThatIsNotThere) {
                true => Err(StoreError::internal("it is not there")),
                false => Ok(None),
            };
        };
        let mut all: Map<String, Value> = serde_json::from_str(&row.attributes).unwrap();
        if self.has(Fault::UpdatesTheWholeSession) && !attributes.is_empty()
            || self.has(Fault::EmptiesASession) && attributes.is_empty()
        {
            all = memory::defaults(SESSION_COLUMNS);
        }
        self.set_attributes(&mut all, &attributes)?;
        row.attributes = Value::Object(all).to_string();
        Ok(Some(row.clone()))
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        let mut state = self.state();
        let Some(row) = state.sessions.get(id.as_str()) else {
            return Ok(false);
        };
        let is_theirs = owner.user_id().is_none_or(|owner| row.user_id == *owner);
        if is_theirs || self.has(Fault::IgnoresTheOwner) {
            if !self.has(Fault::DeletesNothing) {
                state.sessions.remove(id.as_str());
            }
            return Ok(true);
        }
        Ok(false)
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        let mut state = self.state();
        let foreign = except.is_some_and(|id| {
            let row = state.sessions.get(id.as_str());
            row.is_some_and(|row| row.user_id != *user_id)
        });
        if foreign && self.has(Fault::SparesEverybodysException) {
            return Ok(());
        }
        let except = except.filter(|_| !self.has(Fault::IgnoresTheException));
        let stays = |row: &SessionRow| row.user_id != *user_id || Some(&row.id) == except;
        state.sessions.retain(|_, row| stays(row));
        Ok(())
    }

    async fn delete_expired_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        let mut left = match self.has(Fault::SweepsWithoutLimit) {
            true => u64::MAX,
            false => u64::from(limit),
        };
        let mut state = self.state();
        let before = state.sessions.len();
        let is_early =
            self.has(Fault::SweepsTheLastMoment) || self.has(Fault::RemovesTheLastMomentByItself);
        let grace = i64::from(is_early);
        state.sessions.retain(|_, row| {
            let is_expired = row.expiries.idle_expires.0 < now.0.saturating_add(grace);
            let dies = left > 0 && is_expired;
            left -= u64::from(dies);
            !dies
        });
        Ok((before - state.sessions.len()) as u64)
    }
}

impl State {
    fn replace(&mut self, new: &NewSessionRow) {
        if let Some(replaced) = &new.replaces {
            self.sessions.remove(replaced.as_str());
        }
    }
}

impl Memory {
    /// What is stored of a session.
    fn new_row(&self, new: &NewSessionRow) -> Result<SessionRow> {
        let mut attributes = memory::defaults(SESSION_COLUMNS);
        if self.has(Fault::ForgetsTheDefaultsOfSessions) {
            attributes.insert("visits".to_owned(), 0.into());
        }
        if let Err(error) = self.set_attributes(&mut attributes, &new.attributes) {
            if self.has(Fault::LimitsWhenItRefuses) {
                let rows = &mut self.state().sessions;
                rows.retain(|_, row| row.user_id != new.user_id);
            }
            return Err(error);
        }
        let mut row = SessionRow {
            id: new.token.session_id(),
            user_id: new.user_id.clone(),
            created_at: new.created_at,
            authenticated_at: new.authenticated_at,
            expiries: new.expiries,
            device: new.device.clone(),
            address: new.address.clone(),
            persistent: new.persistent,
            attributes: Value::Object(attributes).to_string(),
        };
        if self.has(Fault::LosesTheDevice) {
            row.device = None;
        }
        if self.has(Fault::LosesTheAddress) {
            row.address = None;
        }
        if self.has(Fault::RemembersEverySession) {
            row.persistent = true;
        }
        if self.has(Fault::LosesTheProof) {
            row.authenticated_at = None;
        }
        if self.has(Fault::CountsInSeconds) {
            row.expiries.idle_expires.0 -= row.expiries.idle_expires.0 % 1000;
        }
        Ok(row)
    }

    /// The sessions that are too many with a new one.
    fn excess(&self, state: &State, new: &NewSessionRow, row: &SessionRow) -> Vec<SessionId> {
        let Some(limit) = new.limit.filter(|_| !self.has(Fault::LimitsNothing)) else {
            return Vec::new();
        };
        let everybodys = self.has(Fault::LimitsEverybody);
        let rows = state.sessions.values().filter(|row| {
            let is_replaced = Some(&row.id) == new.replaces.as_ref();
            (everybodys || row.user_id == new.user_id)
                && (!is_replaced || self.has(Fault::CountsWhatIsReplaced))
        });
        let mut theirs: Vec<_> = rows.chain([row]).collect();
        let grace = i64::from(self.has(Fault::LimitsTheLastMoment));
        theirs.sort_by_key(|other| {
            let is_newest = other.id == row.id && !self.has(Fault::LimitsTheNewest);
            let is_alive = other.expiries.idle_expires.0 >= new.created_at.0 + grace;
            let is_alive = is_alive != self.has(Fault::LimitsTheUnexpiredFirst);
            let moment = match self.has(Fault::LimitsByAge) {
                true => other.created_at,
                false => other.expiries.renewed_at,
            };
            Reverse((is_newest, is_alive, moment))
        });
        let one_more = u32::from(self.has(Fault::LimitsOneMore));
        let kept = usize::try_from(limit - one_more).unwrap();
        let excess = theirs.into_iter().skip(kept);
        excess.map(|row| row.id.clone()).collect()
    }

    /// A session under another token.
    pub(super) fn rotated(&self, mut row: SessionRow, rotation: &Rotation) -> SessionRow {
        row.id = rotation.token.session_id();
        if !self.has(Fault::RotatesAndDoesNotRenew) {
            row.expiries = rotation.expiries;
        }
        if rotation.authenticated_at.is_some() || self.has(Fault::RotatesAndForgetsTheProof) {
            row.authenticated_at = rotation.authenticated_at;
        }
        if self.has(Fault::RotatesAsAProof) {
            row.authenticated_at = Some(rotation.expiries.renewed_at);
        }
        if self.has(Fault::RotatesAndRemembers) {
            row.persistent = true;
        }
        if self.has(Fault::RotatesAndForgetsTheRest) {
            row.attributes = Value::Object(memory::defaults(SESSION_COLUMNS)).to_string();
        }
        row
    }

    fn set_attributes(
        &self,
        row: &mut Map<String, Value>,
        given: &Map<String, Value>,
    ) -> Result<()> {
        let own = given.keys().find(|name| OWN_COLUMNS.contains(&&***name));
        if let Some(own) = own
            && !self.has(Fault::WritesItsOwnColumns)
        {
            return Err(StoreError::Misuse(format!("`{own}` is not an attribute")));
        }
        let anything = self.has(Fault::TakesAnyAttributeOfASession);
        let mut given = given.clone();
        if self.has(Fault::WritesItsOwnColumns) {
            given.retain(|name, _| !OWN_COLUMNS.contains(&name.as_str()));
        }
        memory::set(row, &given, SESSIONS, SESSION_COLUMNS, anything)?;
        if self.has(Fault::TakesNothingForSomething) {
            return Ok(());
        }
        memory::check(row, SESSIONS, SESSION_COLUMNS)
    }
}
