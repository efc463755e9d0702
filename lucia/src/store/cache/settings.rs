//! The settings of a cache.

use std::time::Duration;

use crate::{Error, Result};

/// The shortest and the longest [`max_silence`](CacheOptions::max_silence).
const SILENCES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// The cache of a [`PgStore`](crate::PgStore), switched on by
/// [`PgStoreBuilder::cache`](crate::PgStoreBuilder::cache), or of a `RedisStore`, switched on by
/// `RedisStoreBuilder::cache`.
///
/// ```no_run
/// # async fn f() -> lucia::Result<()> {
/// use lucia::{CacheOptions, PgStore};
///
/// let store = PgStore::builder()
///     .cache(CacheOptions::new().entries(50_000))
///     .connect("postgres://app@localhost/app")
///     .await?;
/// store.migrate(&[]).await?; // makes the triggers that tell the cache what changes
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options take effect by `builder.cache(options)`"]
pub struct CacheOptions {
    pub(super) entries: usize,
    pub(super) max_age: Duration,
    pub(in super::super) max_silence: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            entries: 10_000,
            max_age: Duration::from_secs(60),
            max_silence: SILENCES[1],
        }
    }
}

impl CacheOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many sessions are kept at most, and as many users; 10,000 by default. It bounds their
    /// number and not their size: a user's row takes what its columns take, so fetch no large ones
    /// ([`fetched_user_columns`](crate::PgStoreBuilder::fetched_user_columns)), or keep fewer entries.
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// How long an entry is kept at most; 60 seconds by default. It bounds how long a change that is not reported
    /// can go unseen. In Postgres, these are changes while triggers are off, as during logical replication, and of
    /// composite types and functions that columns consist of. In Redis, these are `SWAPDB`, an expiry that was set by
    /// hand, and changes behind a proxy that has replaced its own connection.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// The cache stops answering if it has received no heartbeat or poll for this long: 1 second by default and at
    /// most, and at least 100 ms. It bounds how long a change by another process can go unseen when the network
    /// fails. Four heartbeats are sent in this time.
    pub fn max_silence(mut self, max_silence: Duration) -> Self {
        self.max_silence = max_silence;
        self
    }

    pub(in super::super) fn check(&self) -> Result<()> {
        let [shortest, longest] = SILENCES;
        if self.entries == 0 {
            return Err(Error::setting("cache.entries", "it would keep nothing"));
        }
        if self.max_age.is_zero() {
            return Err(Error::setting("cache.max_age", "it would keep nothing"));
        }
        if self.max_silence > longest {
            let reason = "a revocation could go unseen for longer than a second";
            return Err(Error::setting("cache.max_silence", reason));
        }
        if self.max_silence < shortest {
            let reason = "below 100 ms, an ordinary delay would switch the cache off";
            return Err(Error::setting("cache.max_silence", reason));
        }
        Ok(())
    }
}
