//! The suite on a store of sessions alone: it passes as it should be, and each fault is found.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use async_trait::async_trait;

use super::{Case, SessionCase};
use crate::Result;
use crate::store::{Expiries, SessionRow, SessionStore, UnixMillis};
use crate::token::SessionId;
use crate::user::UserId;

/// Sessions in a map.
#[derive(Debug, Default)]
struct Sessions {
    rows: Mutex<BTreeMap<String, SessionRow>>,
    fault: Option<Fault>,
}

/// What can be wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    LosesTheDevice,
    CountsInSeconds,
    ListsInAnyOrder,
    ListsEverybodys,
    RenewsWhatIsNotThere,
    RenewsHalf,
    IgnoresTheOwner,
    IgnoresTheException,
    SparesEverybodysException,
    SweepsTheLastMoment,
    SweepsWithoutLimit,
    DeletesNothing,
}

impl Sessions {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn insert_session(&self, mut session: SessionRow) -> Result<()> {
        if self.has(Fault::LosesTheDevice) {
            session.device = None;
        }
        if self.has(Fault::CountsInSeconds) {
            session.idle_expires.0 -= session.idle_expires.0 % 1000;
        }
        let mut rows = self.rows.lock().unwrap();
        rows.insert(session.id.to_string(), session);
        Ok(())
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        Ok(self.rows.lock().unwrap().get(id.as_str()).cloned())
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let rows = self.rows.lock().unwrap();
        let everybodys = self.has(Fault::ListsEverybodys);
        let theirs = rows
            .values()
            .filter(|row| everybodys || row.user_id == *user_id);
        let mut sessions: Vec<_> = theirs.cloned().collect();
        sessions.sort_by_key(|row| row.created_at);
        if self.has(Fault::ListsInAnyOrder) {
            sessions.reverse();
        }
        Ok(sessions)
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        match self.rows.lock().unwrap().get_mut(id.as_str()) {
            Some(row) => {
                row.active_expires = expiries.active_expires;
                row.idle_expires = expiries.idle_expires;
                if !self.has(Fault::RenewsHalf) {
                    row.renewed_at = expiries.renewed_at;
                }
                Ok(true)
            }
            None => Ok(self.has(Fault::RenewsWhatIsNotThere)),
        }
    }

    async fn delete_session(&self, id: &SessionId, owner: Option<&UserId>) -> Result<bool> {
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.get(id.as_str()) else {
            return Ok(false);
        };
        let is_theirs = owner.is_none_or(|owner| row.user_id == *owner);
        if is_theirs || self.has(Fault::IgnoresTheOwner) {
            if !self.has(Fault::DeletesNothing) {
                rows.remove(id.as_str());
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
        let mut rows = self.rows.lock().unwrap();
        let foreign = except.is_some_and(|id| {
            let row = rows.get(id.as_str());
            row.is_some_and(|row| row.user_id != *user_id)
        });
        if foreign && self.has(Fault::SparesEverybodysException) {
            return Ok(());
        }
        let except = except.filter(|_| !self.has(Fault::IgnoresTheException));
        rows.retain(|_, row| row.user_id != *user_id || Some(&row.id) == except);
        Ok(())
    }

    async fn delete_dead_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        let mut rows = self.rows.lock().unwrap();
        let mut left = if self.has(Fault::SweepsWithoutLimit) {
            u64::MAX
        } else {
            u64::from(limit)
        };
        let before = rows.len();
        let grace = i64::from(self.has(Fault::SweepsTheLastMoment));
        rows.retain(|_, row| {
            let dies = left > 0 && row.idle_expires.0 < now.0.saturating_add(grace);
            left -= u64::from(dies);
            !dies
        });
        Ok((before - rows.len()) as u64)
    }
}

async fn on_a_fresh_store(case: SessionCase) {
    case.run(&Sessions::default()).await;
}

crate::session_store_conformance!(
    #[tokio::test]
    on_a_fresh_store
);

#[test]
fn each_fault_of_a_store_is_found() {
    let finds = |fault: Fault| {
        let fails = |case: SessionCase| {
            let store = Sessions {
                fault: Some(fault),
                ..Sessions::default()
            };
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.build().unwrap();
            let run = AssertUnwindSafe(|| runtime.block_on(case.run(&store)));
            std::panic::catch_unwind(run).is_err()
        };
        SessionCase::all().any(fails)
    };
    for fault in [
        Fault::LosesTheDevice,
        Fault::CountsInSeconds,
        Fault::ListsInAnyOrder,
        Fault::ListsEverybodys,
        Fault::RenewsWhatIsNotThere,
        Fault::RenewsHalf,
        Fault::IgnoresTheOwner,
        Fault::IgnoresTheException,
        Fault::SparesEverybodysException,
        Fault::SweepsTheLastMoment,
        Fault::SweepsWithoutLimit,
        Fault::DeletesNothing,
    ] {
        assert!(finds(fault), "{fault:?}");
    }
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = Case::all().map(|case| case.name()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for case in SessionCase::all() {
        assert_eq!(Case::named(case.name()).name(), case.name());
    }
}
