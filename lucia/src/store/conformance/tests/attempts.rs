//! Counting attempts to sign in, in memory.

use super::faults::Fault;
use super::memory::Memory;
use crate::store::{CountedAttempt, CountedPlace, NewAttempt, UnixMillis};

/// How many attempts were counted, and from when to when the count lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    attempts: u32,
    started_at: UnixMillis,
    expires: UnixMillis,
    /// What the attempt said that began it.
    limit: u32,
    extended: bool,
}

impl Memory {
    pub(super) async fn count(&self, attempt: NewAttempt) -> CountedAttempt {
        let key_id = attempt.key_id.as_deref();
        let find = || key_id.and_then(|id| self.state().keys.get(id).cloned());
        let mut counted = CountedAttempt::refused(UnixMillis(0));
        let place = attempt.place.clone();
        let client = attempt.client.clone();
        let client = client.filter(|_| !self.has(Fault::CountsForNoClient));
        let mut of_client = None;
        if let Some((place, limit)) = client {
            let limit = match self.has(Fault::CountsForTheClientByTheOtherLimit) {
                true => attempt.limit,
                false => limit,
            };
            let (of_all, expires) = self.count_place(&attempt, place, limit).await;
            if of_all.is_none() {
                if self.has(Fault::CountsForTheClientBehindTheKey) {
                    let place = attempt.place.clone();
                    self.count_place(&attempt, place, attempt.limit).await;
                }
                counted.expires = match self.has(Fault::TellsTheEndOfAnotherPlace) {
                    true => attempt.expires,
                    false => expires,
                };
                return counted;
            }
            of_client = of_all;
        }
        let (first, expires) = self.count_place(&attempt, place, attempt.limit).await;
        counted.expires = expires;
        if first.is_none() && self.has(Fault::TakesTheRefusedBackForTheClient) {
            self.uncount(of_client.as_slice());
        }
        if first.is_some() && !self.has(Fault::NamesNoPlaceOfTheClient) {
            counted.places.extend(of_client);
        }
        if first.is_some() || self.has(Fault::LooksForTheKeyOfTheRefused) {
            counted.key = find();
        }
        if first.is_none() && !self.has(Fault::CountsTheRefusedInTheSecondPlace)
            || self.has(Fault::CountsInTheFirstPlaceAlone)
        {
            counted.places.extend(first);
            return counted;
        }
        let by_asked = self.has(Fault::CountsByTheKeyAsAsked);
        let stored = counted.key.as_ref().filter(|_| !by_asked);
        let second = attempt.stored_place(stored.map(|key| &*key.id));
        let limit = match self.has(Fault::CountsInBothPlacesByOneLimit) {
            true => attempt.limit,
            false => attempt.stored_limit,
        };
        let (second, _) = self.count_place(&attempt, second, limit).await;
        if self.has(Fault::FindsNoKeyOfAnAttempt) {
            counted.key = None;
        }
        if second.is_none() && self.has(Fault::CountsInBothPlacesOrNone) {
            self.uncount(first.as_slice());
        }
        if first.is_some() {
            counted.places.extend(first.into_iter().chain(second));
        }
        counted
    }

    /// Where it is counted now, unless the place is full, and when the count ends.
    async fn count_place(
        &self,
        attempt: &NewAttempt,
        place: String,
        mut limit: u32,
    ) -> (Option<CountedPlace>, UnixMillis) {
        let mut id = place.clone();
        let NewAttempt { now, expires, .. } = *attempt;
        if self.has(Fault::CountsAllAttemptsTogether) {
            id = String::new();
        }
        if self.has(Fault::AdmitsOneAttemptMore) {
            limit += 1;
        }
        let period = expires.0 - now.0;
        let most_ahead = match self.has(Fault::BelievesNoClockThatIsAhead) {
            true => 0,
            false => NewAttempt::MOST_AHEAD,
        };
        let runs = |count: &Count| {
            let length = match self.has(Fault::BelievesTheClockOfTheAttempt) {
                true => period,
                false => count.expires.0 - count.started_at.0,
            };
            count.expires > now
                && (count.started_at.0 - now.0 <= length.max(most_ahead)
                    || self.has(Fault::BelievesEveryClock))
                || self.has(Fault::EndsACountAMomentLater) && count.expires == now
                || self.has(Fault::NeverEndsACount)
        };
        let found = self.state().counts.get(&id).copied().filter(runs);
        self.pause(Fault::CountsAttemptsInTwoSteps).await;
        let mut count = found.unwrap_or(Count {
            attempts: 0,
            started_at: now,
            expires,
            limit,
            extended: false,
        });
        if self.has(Fault::CountsByTheFirstLimit) {
            limit = count.limit;
        }
        let admitted = count.attempts < limit;
        if admitted || self.has(Fault::CountsTheRefused) {
            count.attempts += 1;
        }
        if self.has(Fault::MovesTheStart) {
            count.started_at = now;
        }
        if self.has(Fault::ExtendsACount) {
            count.expires = expires;
        }
        if admitted || self.has(Fault::ExtendsCountsForTheRefused) {
            let passed = (now.0 - count.started_at.0).max(0);
            let from_now = self.has(Fault::ExtendsACountFromNowOn);
            let end = UnixMillis(expires.0 - if from_now { 0 } else { passed });
            let extends = end > count.expires && !self.has(Fault::ExtendsNoCount);
            if extends || self.has(Fault::CutsCountsShort) {
                count.extended |= end != count.expires;
                count.expires = end;
            }
        }
        self.state().counts.insert(id, count);
        let started_at = count.started_at;
        let place = admitted.then_some(CountedPlace { place, started_at });
        match self.has(Fault::TellsTheEndOfItsOwn) {
            true => (place, expires),
            false => (place, count.expires),
        }
    }

    pub(super) fn uncount(&self, places: &[CountedPlace]) {
        let places = match places {
            [first, ..] if self.has(Fault::TakesTheFirstPlaceBackAlone) => {
                std::slice::from_ref(first)
            }
            [.., second] if self.has(Fault::TakesTheSecondPlaceBackAlone) => {
                std::slice::from_ref(second)
            }
            places => places,
        };
        for place in places {
            self.uncount_place(&place.place, place.started_at);
        }
    }

    fn uncount_place(&self, id: &str, started_at: UnixMillis) {
        let mut state = self.state();
        let Some(count) = state.counts.get_mut(id) else {
            return;
        };
        if self.has(Fault::TakesNoAttemptBack)
            || self.has(Fault::TakesNoAttemptBackOnceExtended) && count.extended
            || count.started_at != started_at && !self.has(Fault::TakesAttemptsBackOutOfAnyCount)
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

    pub(super) fn delete_old(&self, now: UnixMillis, limit: u32) -> u64 {
        let limit = match self.has(Fault::DeletesCountsWithoutLimit) {
            true => usize::MAX,
            false => usize::try_from(limit).unwrap(),
        };
        let is_old = |count: &Count| {
            count.expires < now
                || count.expires == now && !self.has(Fault::LeavesCountsOfTheLastMoment)
                || count.started_at.0 - now.0
                    > (count.expires.0 - count.started_at.0).max(NewAttempt::MOST_AHEAD)
                    && !self.has(Fault::LeavesCountsOfAWrongClock)
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
