//! A cache of lookups: what they gave, kept until it changes.
//!
//! It is the part that does not depend on the store. A [`ChangeFeed`] tells it what changes: `postgres/cache.rs` and
//! `redis/tracking.rs` say how, and why no answer is old for longer than
//! [`max_silence`](CacheOptions::max_silence).
//!
//! - By this store, a change is seen by every lookup that is called after it has returned: the entry is removed
//!   before it returns, whether it succeeds, fails or is dropped ([`PendingChange`]).
//! - By another, it is seen when the feed has told of it. The cache may answer until a sign of life of the feed
//!   is too old. Each use compares that with a monotonic clock ([`freshness`]), so that nothing has to notice that a
//!   feed has fallen silent. A machine that sleeps does not count its sleep.
//! - When a feed ends, all entries are removed, and nothing is kept until it has begun anew.
//!
//! **No answer from before a change becomes an entry after it.** A lookup that finds no entry reads
//! the number of changes received so far before its statement is sent. Its answer becomes
//! an entry only if no later change concerns its session or its user ([`changes`]).
//! An earlier change is in the answer, since it was made before the statement arrived. A later change is in the
//! list, or removes the entry. Both happen under one lock ([`entries`]).

#![cfg_attr(
    not(feature = "postgres"),
    expect(dead_code, reason = "Redis keeps no users")
)]

mod changes;
mod entries;
mod feed;
mod freshness;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{NewSessionRow, SessionRow};
#[cfg(feature = "metrics")]
use crate::measure;
use crate::measure::CacheCounts;
use crate::session::token::SessionId;
use crate::user::UserId;
pub(super) use changes::{Change, Digest};
pub(super) use entries::Begun;
use entries::Entries;
pub(super) use feed::{ChangeFeed, Ending};
use freshness::Freshness;
pub use settings::CacheOptions;

/// The cache of a store, if it has one.
pub(super) struct Cache<F: ChangeFeed>(Option<Active<F>>);

struct Active<F: ChangeFeed> {
    shared: Arc<Shared<F::User>>,
    feed: F,
    /// What hands changes on, which ends with its runtime or with this.
    following: Mutex<Option<JoinHandle<()>>>,
}

/// What a feed of changes shares with lookups.
pub(super) struct Shared<U> {
    entries: Entries<U>,
    pub(super) freshness: Freshness,
    /// Has the feed try again at once.
    wake: Notify,
    counts: CacheCounts,
    /// The kind of store, as logs have it.
    store: &'static str,
}

/// A change by this process that is in flight. When it is dropped, for whatever reason, the change may
/// have happened, and its entries are removed.
#[must_use = "the change ends when this is dropped: bind it to a name, and not to `_`"]
pub(super) struct PendingChange<'a, U>(Option<(&'a Shared<U>, [Option<Change>; 2])>);

impl<F: ChangeFeed> Cache<F> {
    /// A cache of these options, if there are any, that learns of changes by this feed.
    pub(super) fn new(options: Option<(CacheOptions, F)>) -> Self {
        Self(options.map(|(options, feed)| Active {
            shared: Arc::new(Shared {
                entries: Entries::new(options.entries, options.max_age),
                freshness: Freshness::new(options.max_silence, Instant::now()),
                wake: Notify::new(),
                counts: CacheCounts::default(),
                store: F::STORE,
            }),
            feed,
            following: Mutex::new(None),
        }))
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn feed(&self) -> Option<&F> {
        self.0.as_ref().map(|active| &active.feed)
    }

    /// Starts to follow changes if there is a runtime, and again if its runtime has ended.
    pub(super) fn start(&self, parts: &Arc<F::Parts>) {
        let Some(active) = &self.0 else { return };
        let following = active.following.lock();
        let mut following = following.unwrap_or_else(PoisonError::into_inner);
        let works = following.as_ref().is_some_and(|task| !task.is_finished());
        if !works && let Ok(runtime) = Handle::try_current() {
            let parts = Arc::downgrade(parts);
            let run = feed::run(parts, active.shared.clone(), active.feed.clone());
            *following = Some(runtime.spawn(run));
        }
    }

    pub(super) fn find(&self, id: &SessionId) -> Option<(SessionRow, F::User)> {
        self.find_by(|entries, now| entries.find(&digest_of(id), now))
    }

    /// A user whose session is in another store.
    pub(super) fn find_user(&self, id: &UserId) -> Option<F::User> {
        self.find_by(|entries, now| entries.find_user(&digest_of_user(id), now))
    }

    fn find_by<T>(&self, find: impl FnOnce(&Entries<F::User>, Instant) -> Option<T>) -> Option<T> {
        let shared = self.shared()?;
        let now = Instant::now();
        let is_fresh = shared.freshness.is_fresh(now);
        let found = is_fresh.then(|| find(&shared.entries, now)).flatten();
        if found.is_some() {
            shared.counts.hits.add(1);
        }
        found
    }

    /// Call this before a lookup of `missing` rows is sent.
    pub(super) fn begin(&self, parts: &Arc<F::Parts>, missing: usize) -> Option<Begun> {
        let shared = self.shared()?;
        self.start(parts);
        shared.counts.misses.add(missing);
        shared.entries.begin(Instant::now())
    }

    /// Keeps what a lookup gave: a session, and what is kept of the user with this id.
    pub(super) fn put(
        &self,
        begun: Option<Begun>,
        session: &SessionRow,
        user_id: &UserId,
        user: &F::User,
    ) {
        if let (Some(shared), Some(begun)) = (self.shared(), begun) {
            let keys = (digest_of(&session.id), digest_of_user(user_id));
            shared.entries.put(begun, keys, session, user);
        }
    }

    /// As [`put`](Self::put), for a user whose session is in another store.
    pub(super) fn put_user(&self, begun: Option<Begun>, id: &UserId, user: &F::User) {
        if let (Some(shared), Some(begun)) = (self.shared(), begun) {
            let key = digest_of_user(id);
            shared.entries.put_user(begun, key, user);
        }
    }

    pub(super) fn session_changes(&self, id: &SessionId) -> PendingChange<'_, F::User> {
        self.pending(|| [Some(Change::Session(digest_of(id))), None])
    }

    /// A change of a user or of any of their sessions.
    pub(super) fn user_changes(&self, id: &UserId) -> PendingChange<'_, F::User> {
        self.pending(|| [Some(Change::User(digest_of_user(id))), None])
    }

    /// What the insertion of a session may end: sessions of its user under a limit, and the one that
    /// it replaces, which may be another user's.
    pub(super) fn insertion_changes(&self, new: &NewSessionRow) -> PendingChange<'_, F::User> {
        self.pending(|| {
            let excess = new
                .limit
                .map(|_| Change::User(digest_of_user(&new.user_id)));
            let replaced = new.replaces.as_ref();
            [excess, replaced.map(|id| Change::Session(digest_of(id)))]
        })
    }

    /// A change of anything.
    pub(super) fn all_changes(&self) -> PendingChange<'_, F::User> {
        self.pending(|| [Some(Change::Everything), None])
    }

    fn pending(&self, changes: impl FnOnce() -> [Option<Change>; 2]) -> PendingChange<'_, F::User> {
        PendingChange(self.shared().map(|shared| (shared, changes())))
    }

    pub(super) fn is_answering(&self) -> bool {
        self.shared()
            .is_some_and(|shared| shared.freshness.is_fresh(Instant::now()))
    }

    /// Why the health of the store is degraded by it, if it is.
    pub(super) fn complaint(&self) -> Option<&'static str> {
        (self.is_on() && !self.is_answering()).then_some(
            "the cache receives no changes, and does not answer: all lookups go to the server",
        )
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self) {
        if let Some(shared) = self.shared() {
            measure::cache(
                F::STORE,
                self.is_answering(),
                shared.entries.len(),
                &shared.counts,
            );
        }
    }

    /// Has the feed try again at once.
    pub(super) fn wake(&self) {
        if let Some(shared) = self.shared() {
            shared.wake.notify_one();
        }
    }

    fn shared(&self) -> Option<&Shared<F::User>> {
        self.0.as_ref().map(|active| &*active.shared)
    }
}

impl<U> Shared<U> {
    /// Removes what has changed, as the feed tells.
    pub(super) fn changed(&self, change: Change) {
        self.counts.invalidations.add(1);
        self.entries.remove(change);
    }

    /// Removes all entries, because the feed cannot tell what has changed.
    pub(super) fn forget(&self) {
        self.entries.remove(Change::Everything);
    }

    /// Counts a heartbeat that was sent at that time: all that was changed before has been handed on.
    /// `false` if it is too late: the entries have not counted for a while.
    pub(super) fn heartbeat(&self, sent: u64) -> bool {
        let now = Instant::now();
        if self.entries.open() {
            tracing::info!(store = self.store, "the cache of lookups answers");
        } else if !self.freshness.is_fresh(now) {
            return false;
        }
        self.freshness.heartbeat(sent, now);
        true
    }

    /// Stops answering. Returns whether the cache answered.
    fn stop(&self) -> bool {
        self.freshness.stop();
        self.entries.close()
    }
}

impl<F: ChangeFeed> Drop for Active<F> {
    fn drop(&mut self) {
        let following = self.following.get_mut();
        if let Some(task) = following.unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl<U> PendingChange<'_, U> {
    /// The session of this public id has ended by it.
    pub(super) fn session_ended(&self, id: &str) {
        if let (Some((shared, _)), Some(session)) = (&self.0, read_digest(id)) {
            shared.entries.remove(Change::Session(session));
        }
    }

    /// The user whom the database knows by this id has changed by it.
    pub(super) fn user_changed(&self, id: &UserId) {
        if let Some((shared, _)) = &self.0 {
            shared.entries.remove(Change::User(digest_of_user(id)));
        }
    }
}

impl<U> Drop for PendingChange<'_, U> {
    fn drop(&mut self) {
        if let Some((shared, changes)) = self.0 {
            for change in changes.into_iter().flatten() {
                shared.entries.remove(change);
            }
        }
    }
}

/// The hash that a session's id is the text of.
fn digest_of(id: &SessionId) -> Digest {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    };
    let (pairs, _) = id.as_str().as_bytes().as_chunks::<2>();
    let mut digest = [0; 32];
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = value(*high) << 4 | value(*low);
    }
    digest
}

/// A hash out of its hexadecimal digits.
pub(super) fn read_digest(text: &str) -> Option<Digest> {
    text.parse().ok().map(|id| digest_of(&id))
}

fn digest_of_user(id: &UserId) -> Digest {
    Sha256::digest(id.as_str()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_64_hexadecimal_digits() {
        let id = Sha256::digest("a token");
        let text = id
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        assert_eq!(read_digest(&text), Some(id.into()));
        for text in [
            "",
            "*",
            &text[1..],
            &text[2..],
            &text.to_uppercase(),
            &"é".repeat(32),
        ] {
            assert_eq!(read_digest(text), None, "{text}");
        }
    }
}
