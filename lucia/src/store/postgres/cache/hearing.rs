//! Until when the cache may answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Until when the cache may answer, by what was heard of the database. Each use asks, so it ends
/// by itself: nobody has to notice that nothing is heard any more.
#[derive(Debug)]
pub(super) struct Hearing {
    limit: Duration,
    begin: Instant,
    /// In microseconds since `begin`; zero while it may not.
    until: AtomicU64,
}

impl Hearing {
    /// Nothing heard yet. Once something is, the cache may answer for `limit`.
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self {
            limit,
            begin: now,
            until: AtomicU64::new(0),
        }
    }

    /// The time, as a heartbeat says it.
    pub(super) fn time(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.begin))
    }

    /// A heartbeat of that time has come back, and every change from before it, which all have
    /// been dealt with.
    pub(super) fn heard(&self, sent: u64, now: Instant) {
        // Nothing is heard that was not sent yet.
        let sent = sent.min(self.time(now));
        let until = sent.saturating_add(micros(self.limit));
        // Whoever reads this finds no entry any more that a change before it has removed.
        self.until.fetch_max(until, Ordering::Release);
    }

    pub(super) fn stop(&self) {
        self.until.store(0, Ordering::Release);
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.time(now) < self.until.load(Ordering::Acquire)
    }

    /// How long it may be silent.
    pub(super) fn limit(&self) -> Duration {
        self.limit
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
    fn r54_a_heartbeat_counts_from_when_it_was_sent_and_not_from_when_it_was_heard() {
        let begin = Instant::now();
        let hearing = Hearing::new(LIMIT, begin);
        assert!(!hearing.is_fresh(begin));
        let sent = hearing.time(begin + Duration::from_secs(5));
        hearing.heard(sent, begin + Duration::from_millis(5_900));
        assert!(hearing.is_fresh(begin + Duration::from_micros(5_999_999)));
        assert!(!hearing.is_fresh(begin + Duration::from_secs(6)));
        // An older one changes nothing.
        hearing.heard(0, begin + Duration::from_secs(6));
        assert!(!hearing.is_fresh(begin + Duration::from_secs(6)));
    }

    #[test]
    fn a_heartbeat_from_the_future_is_none() {
        let begin = Instant::now();
        let hearing = Hearing::new(LIMIT, begin);
        hearing.heard(u64::MAX, begin);
        assert!(hearing.is_fresh(begin));
        assert!(!hearing.is_fresh(begin + LIMIT));
    }

    #[test]
    fn what_was_stopped_answers_again_at_the_next_heartbeat() {
        let begin = Instant::now();
        let hearing = Hearing::new(LIMIT, begin);
        hearing.heard(0, begin);
        hearing.stop();
        assert!(!hearing.is_fresh(begin));
        hearing.heard(0, begin);
        assert!(hearing.is_fresh(begin));
    }
}
