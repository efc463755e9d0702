//! Freshness: until when the cache may answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Until when the cache may answer, by the last heartbeat. Each lookup compares it with the clock, so
/// the cache stops by itself when heartbeats stop.
#[derive(Debug)]
pub(in super::super) struct Freshness {
    /// How long the cache may answer without a heartbeat.
    pub(in super::super) limit: Duration,
    begin: Instant,
    /// In microseconds since `begin`; zero while it may not.
    until: AtomicU64,
}

impl Freshness {
    /// Stale until the first heartbeat. A heartbeat lets the cache answer for `limit` from its sending.
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self {
            limit,
            begin: now,
            until: AtomicU64::new(0),
        }
    }

    /// How long after one heartbeat the next one is sent: a few fit into the time for which one is good.
    pub(in super::super) fn pause(&self) -> Duration {
        self.limit / 4
    }

    /// The time in the form that heartbeats carry.
    pub(in super::super) fn time(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.begin))
    }

    /// A heartbeat that was sent at `sent` has arrived, after all changes that were made before.
    pub(super) fn heartbeat(&self, sent: u64, now: Instant) {
        // A heartbeat from the future counts as one of now.
        let sent = sent.min(self.time(now));
        let until = sent.saturating_add(micros(self.limit));
        // A lookup that reads this sees all removals of entries before it.
        self.until.fetch_max(until, Ordering::Release);
    }

    pub(super) fn stop(&self) {
        self.until.store(0, Ordering::Release);
    }

    pub(in super::super) fn is_fresh(&self, now: Instant) -> bool {
        self.time(now) < self.until.load(Ordering::Acquire)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    #[test]
    fn r54_a_heartbeat_counts_from_when_it_was_sent_and_not_from_when_it_was_received() {
        let begin = Instant::now();
        let freshness = Freshness::new(LIMIT, begin);
        assert!(!freshness.is_fresh(begin));
        let sent = freshness.time(begin + Duration::from_secs(5));
        freshness.heartbeat(sent, begin + Duration::from_millis(5_900));
        assert!(freshness.is_fresh(begin + Duration::from_micros(5_999_999)));
        assert!(!freshness.is_fresh(begin + Duration::from_secs(6)));
        // An older one changes nothing.
        freshness.heartbeat(0, begin + Duration::from_secs(6));
        assert!(!freshness.is_fresh(begin + Duration::from_secs(6)));
    }

    #[test]
    fn a_heartbeat_from_the_future_is_none() {
        let begin = Instant::now();
        let freshness = Freshness::new(LIMIT, begin);
        freshness.heartbeat(u64::MAX, begin);
        assert!(freshness.is_fresh(begin));
        assert!(!freshness.is_fresh(begin + LIMIT));
    }

    #[test]
    fn what_was_stopped_answers_again_at_the_next_heartbeat() {
        let begin = Instant::now();
        let freshness = Freshness::new(LIMIT, begin);
        freshness.heartbeat(0, begin);
        freshness.stop();
        assert!(!freshness.is_fresh(begin));
        freshness.heartbeat(0, begin);
        assert!(freshness.is_fresh(begin));
    }
}
