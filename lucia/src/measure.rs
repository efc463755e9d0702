//! What lucia measures of itself, for operators, through the facade crate `metrics`. Without the feature of
//! that name it measures nothing.
//!
//! All names but those of events are here; `docs/monitoring.md` lists them. An exporter may take a lock for each
//! record. So what happens on the way of a request is added to a [`Count`], and told with the gauges when
//! [`Auth::record_metrics`](crate::Auth::record_metrics) asks for them. What happens in the background is told at
//! once.

#![cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, reason = "without the feature it measures nothing")
)]

use std::time::Duration;

/// A number that grows on the way of requests, without a lock.
#[derive(Debug, Default)]
pub(crate) struct Count(#[cfg(feature = "metrics")] std::sync::atomic::AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        #[cfg(feature = "metrics")]
        self.0
            .fetch_add(more as u64, std::sync::atomic::Ordering::Relaxed);
    }

    /// What was added since it was last taken.
    #[cfg(feature = "metrics")]
    fn take(&self) -> u64 {
        self.0.swap(0, std::sync::atomic::Ordering::Relaxed)
    }
}

/// The passwords and codes that are hashed in one `Auth`.
#[cfg(feature = "metrics")]
pub(crate) fn hashes(running: usize, waiting: usize, refused: &Count) {
    metrics::gauge!("lucia_hashes_running").set(running as f64);
    metrics::gauge!("lucia_hashes_waiting").set(waiting as f64);
    metrics::counter!("lucia_hashes_refused_total").increment(refused.take());
}

/// The connections of a store.
#[cfg(all(feature = "metrics", any(feature = "postgres", feature = "sqlite")))]
pub(crate) fn pool(store: &'static str, max: usize, in_use: usize, waiting: usize) {
    metrics::gauge!("lucia_pool_connections_max", "store" => store).set(max as f64);
    metrics::gauge!("lucia_pool_connections_in_use", "store" => store).set(in_use as f64);
    metrics::gauge!("lucia_pool_waiting", "store" => store).set(waiting as f64);
}

/// The lookups of a store that go out in batches.
#[cfg(feature = "metrics")]
pub(crate) fn batches(store: &str, statements: &Count, lookups: &Count) {
    metrics::counter!("lucia_batch_statements_total", "store" => store.to_owned())
        .increment(statements.take());
    metrics::counter!("lucia_batch_lookups_total", "store" => store.to_owned())
        .increment(lookups.take());
}

/// The lookups that wait for the next batch.
#[cfg(feature = "metrics")]
pub(crate) fn batch_waiting(store: &str, waiting: usize) {
    metrics::gauge!("lucia_batch_waiting", "store" => store.to_owned()).set(waiting as f64);
}

/// The lookups of a store with replicas.
#[cfg(all(feature = "metrics", feature = "postgres"))]
pub(crate) fn replicas(counts: &ReplicaCounts) {
    metrics::counter!("lucia_replica_lookups_total").increment(counts.lookups.take());
    for (reason, count) in [
        ("changed", &counts.changed),
        ("unknown", &counts.unknown),
        ("stale", &counts.stale),
        ("unavailable", &counts.unavailable),
    ] {
        metrics::counter!("lucia_replica_fallbacks_total", "reason" => reason)
            .increment(count.take());
    }
}

/// How old the newest data is that a replica has shown.
#[cfg(all(feature = "metrics", feature = "postgres"))]
pub(crate) fn replica_lag(replica: usize, lag: Duration) {
    metrics::gauge!("lucia_replica_lag_seconds", "replica" => replica.to_string())
        .set(lag.as_secs_f64());
}

/// What becomes of lookups where there are replicas: those that replicas answer, and why others go to the
/// primary.
#[cfg(feature = "postgres")]
#[derive(Debug, Default)]
pub(crate) struct ReplicaCounts {
    pub(crate) lookups: Count,
    pub(crate) changed: Count,
    pub(crate) unknown: Count,
    pub(crate) stale: Count,
    pub(crate) unavailable: Count,
}

/// The cache of lookups.
#[cfg(all(
    feature = "metrics",
    feature = "cache",
    any(feature = "postgres", feature = "redis")
))]
pub(crate) fn cache(
    store: &'static str,
    answers: bool,
    [sessions, users]: [usize; 2],
    counts: &CacheCounts,
) {
    metrics::gauge!("lucia_cache_answering", "store" => store).set(f64::from(u8::from(answers)));
    for (of, count) in [("sessions", sessions), ("users", users)] {
        metrics::gauge!("lucia_cache_entries", "store" => store, "of" => of).set(count as f64);
    }
    metrics::counter!("lucia_cache_hits_total", "store" => store).increment(counts.hits.take());
    metrics::counter!("lucia_cache_misses_total", "store" => store).increment(counts.misses.take());
    metrics::counter!("lucia_cache_invalidations_total", "store" => store)
        .increment(counts.invalidations.take());
}

/// What happens in a cache of lookups.
#[cfg(all(feature = "cache", any(feature = "postgres", feature = "redis")))]
#[derive(Debug, Default)]
pub(crate) struct CacheCounts {
    pub(crate) hits: Count,
    pub(crate) misses: Count,
    pub(crate) invalidations: Count,
}

/// A cache that answered does not receive changes any more.
#[cfg(all(feature = "cache", any(feature = "postgres", feature = "redis")))]
#[cfg_attr(not(feature = "metrics"), expect(unused_variables))]
pub(crate) fn cache_was_interrupted(store: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lucia_cache_interruptions_total", "store" => store).increment(1);
}

/// A connection to Redis did not answer, or leads to a replica by now, and another one takes its place.
#[cfg(feature = "redis")]
pub(crate) fn redis_was_reconnected() {
    #[cfg(feature = "metrics")]
    metrics::counter!("lucia_redis_reconnections_total").increment(1);
}

/// What the health of a store is: 0 for up, 1 for degraded, 2 for down.
pub(crate) fn store_status(store: &str, status: u8) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lucia_store_status", "store" => store.to_owned()).set(f64::from(status));
}

/// So many rows of this kind were swept.
pub(crate) fn swept(rows: &'static str, deleted: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lucia_sweep_deleted_total", "rows" => rows).increment(deleted);
}

/// Rows of this kind could not be swept.
pub(crate) fn sweep_failed(rows: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lucia_sweep_failures_total", "rows" => rows).increment(1);
}

/// How long a sweep took, its pauses included.
pub(crate) fn sweep_took(duration: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("lucia_sweep_duration_seconds").record(duration);
}

/// What became of a try to send a mail.
pub(crate) fn mail(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lucia_mails_total", "outcome" => outcome).increment(1);
}

/// How many mails wait in the memory of this process.
pub(crate) fn mails_in_memory(mails: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lucia_mails_in_memory").set(mails as f64);
}
