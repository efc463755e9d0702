//! Counting attempts to sign in, in memory.

use super::faults::Fault;
use super::memory::Memory;
use crate::store::{CountedAttempt, NewAttempt, UnixMillis};

/// How many attempts were counted, and when the count ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    attempts: u32,
    expires: UnixMillis,
}

impl Memory {
    pub(super) async fn count(&self, attempt: NewAttempt) -> CountedAttempt {
        let NewAttempt {
            mut id,
            now,
            expires,
            mut limit,
        } = attempt;
        if self.has(Fault::CountsAllAttemptsTogether) {
            id = String::new();
        }
        if self.has(Fault::AdmitsOneAttemptMore) {
            limit += 1;
        }
        let period = expires.0 - now.0;
        let runs = |count: &Count| {
            count.expires > now
                && (count.expires.0 - expires.0 <= period || self.has(Fault::BelievesEveryClock))
                || self.has(Fault::EndsACountAMomentLater) && count.expires == now
                || self.has(Fault::NeverEndsACount)
        };
        let found = self.state().counts.get(&id).copied().filter(runs);
        self.pause(Fault::CountsAttemptsInTwoSteps).await;
        let mut count = found.unwrap_or(Count {
            attempts: 0,
            expires,
        });
        if self.has(Fault::ExtendsACount) {
            count.expires = expires;
        }
        let admitted = count.attempts < limit;
        if admitted || self.has(Fault::CountsTheRefused) {
            count.attempts += 1;
        }
        self.state().counts.insert(id, count);
        let own_end = self.has(Fault::TellsTheEndOfItsOwn);
        CountedAttempt {
            admitted,
            expires: if own_end { expires } else { count.expires },
        }
    }

    pub(super) fn uncount(&self, id: &str, expires: UnixMillis) {
        let mut state = self.state();
        let Some(count) = state.counts.get_mut(id) else {
            return;
        };
        if self.has(Fault::TakesNoAttemptBack)
            || count.expires != expires && !self.has(Fault::TakesAttemptsBackOutOfAnyCount)
        {
            return;
        }
        count.attempts = match count.attempts {
            0 => 0,
            _ if self.has(Fault::TakesAllAttemptsBack) => 0,
            attempts => attempts - 1,
        };
        if count.attempts == 0 && !self.has(Fault::KeepsCountsOfNothing) {
            state.counts.remove(id);
        }
    }

    pub(super) fn forget(&self, id: &str) {
        let everybodys = self.has(Fault::ForgetsEverybodysAttempts);
        let stays = |other: &String| other != id && !everybodys;
        if !self.has(Fault::ForgetsNoAttempts) {
            self.state().counts.retain(|other, _| stays(other));
        }
    }

    pub(super) fn delete_old(&self, now: UnixMillis, latest: UnixMillis, limit: u32) -> u64 {
        let limit = match self.has(Fault::DeletesCountsWithoutLimit) {
            true => usize::MAX,
            false => usize::try_from(limit).unwrap(),
        };
        let is_old = |count: &Count| {
            count.expires < now
                || count.expires == now && !self.has(Fault::LeavesCountsOfTheLastMoment)
                || count.expires > latest && !self.has(Fault::LeavesCountsOfAWrongClock)
                || self.has(Fault::DeletesCountsThatGoOn)
        };
        let mut state = self.state();
        let old = state.counts.iter().filter(|(_, count)| is_old(count));
        let old: Vec<_> = old.map(|(id, _)| id.clone()).take(limit).collect();
        for id in &old {
            state.counts.remove(id);
        }
        u64::try_from(old.len()).unwrap()
    }
}
