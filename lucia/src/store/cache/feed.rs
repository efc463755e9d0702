//! Where a cache learns of changes: how a feed starts, ends, and begins anew, whatever it is.

use std::error::Error;
use std::mem::discriminant;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Shared;
use crate::measure;

/// How long to wait before the next try, at first and at the most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// How long what the application has still to make may be missing before that is an error in the log.
const GRACE: Duration = Duration::from_secs(3);

/// How changes arrive at the cache of a store.
///
/// A feed hands each change to [`Shared::changed`], and times to [`Shared::heartbeat`]: all changes that
/// were made before such a time have been handed on. It returns when it cannot promise that any more.
pub(in super::super) trait ChangeFeed: Clone + Send + Sync + 'static {
    /// The kind of store, as logs and measurements have it.
    const STORE: &'static str;

    /// What the store consists of.
    type Parts: Send + Sync + 'static;

    /// What is kept of the user of a session.
    type User: Clone + PartialEq + Send + Sync + 'static;

    type End: Ending;

    /// Hands changes on until it cannot any more. `Ok` when the store is gone.
    fn follow(
        &self,
        parts: &Weak<Self::Parts>,
        shared: &Arc<Shared<Self::User>>,
    ) -> impl Future<Output = Result<(), Self::End>> + Send;
}

/// Why a feed hands no changes on any more.
pub(in super::super) trait Ending: Error + Send {
    /// Whether it lasts until somebody changes a setting or the database.
    fn is_lasting(&self) -> bool;

    /// Whether the application may be about to mend it: a store is made before it migrates.
    fn may_be_mended(&self) -> bool {
        false
    }
}

/// Hands changes on for as long as there is a store, and begins anew when that ends.
pub(super) async fn run<F: ChangeFeed>(
    parts: Weak<F::Parts>,
    shared: Arc<Shared<F::User>>,
    feed: F,
) {
    // The end of this task, by whatever reason, stops the cache: also the end of its runtime.
    let _stops = StopOnDrop(&shared);
    let store = F::STORE;
    let started = Instant::now();
    let mut pause = PAUSES[0];
    let mut logged = None;
    loop {
        let Err(end) = feed.follow(&parts, &shared).await else {
            return;
        };
        let was_open = shared.stop();
        if was_open {
            measure::cache_was_interrupted(store);
            pause = PAUSES[0];
            logged = None;
        }
        let is_new = !end.may_be_mended() || was_open || started.elapsed() >= GRACE;
        if is_new && logged.replace(discriminant(&end)) != Some(discriminant(&end)) {
            match (end.is_lasting(), was_open) {
                (true, _) => {
                    tracing::error!(store, reason = %end, "the cache of lookups does not answer");
                }
                (false, true) => {
                    tracing::warn!(store, reason = %end, "the cache of lookups does not answer any more");
                }
                (false, false) => {
                    tracing::warn!(store, reason = %end, "the cache of lookups does not answer yet");
                }
            }
        } else {
            tracing::debug!(store, reason = %end, "the cache of lookups does not answer yet");
        }
        // A migration that has just been made ends the wait.
        let _ = tokio::time::timeout(pause, shared.wake.notified()).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Stops the cache when it is dropped.
struct StopOnDrop<'a, U>(&'a Shared<U>);

impl<U> Drop for StopOnDrop<'_, U> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
