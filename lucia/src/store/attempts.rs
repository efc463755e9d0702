//! Stores of attempts: what goes in, and what comes out.

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{KeyRow, Result, UnixMillis, UserStore};
use crate::ascii::Ascii;

/// Counts attempts to open the keys of a store with their passwords.
#[async_trait]
pub trait AttemptStore: UserStore {
    /// Checks that sign-in attempts can be counted. It is called only if they are counted.
    ///
    /// # Errors
    ///
    /// [`Schema`](super::StoreError::Schema) if the table for them is not as the store needs it.
    async fn check_attempts(&self) -> Result<()>;

    /// Counts an attempt in two or three places and finds its key, in one step. If the step fails, or the
    /// caller stops waiting for an answer, the attempt is counted completely or not at all.
    ///
    /// 0. If the attempt has a [`NewAttempt::client`], the place of the client comes before the others. If
    ///    this place is full, nothing else happens.
    /// 1. The first place is that of [`NewAttempt::place`]. If it is full, nothing else happens: the key is
    ///    not looked up, so the answer takes the same time whether or not the key exists. The attempt stays
    ///    counted for the client.
    /// 2. The key is looked up, as by [`key`](UserStore::key).
    /// 3. The second place is that of [`NewAttempt::stored_place`], for the id that the key has in the
    ///    database. If it is full, the attempt stays counted in the first one. So an unknown key, and a key
    ///    that other spellings have used up, fill the first place in the same way.
    ///
    /// A place is full if the number of attempts counted there has reached the limit that this attempt has
    /// for it. Its count then does not change. However many attempts are made at once, no more are
    /// admitted. The first attempt after the end of a count starts a new count.
    ///
    /// Only the stored row says how long its count lasts, from its start to its end. An admitted attempt
    /// moves the end to a later time if its own period, measured from the start of the count, ends later.
    /// No attempt moves the end to an earlier time.
    ///
    /// If a count starts further in the future of the attempt than the count lasts, and than
    /// [`NewAttempt::MOST_AHEAD`], a wrong clock started it, and the count has ended. (A start in the nearer future
    /// does not mean this: the clocks of two servers differ, and of two attempts at the same time, the later one can
    /// be counted first.)
    async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt>;

    /// Removes one attempt from the counts of these places that started at the given times, all or none,
    /// and deletes a count that has no other attempt. Does nothing if a count no longer exists. The places
    /// are those of one attempt, in the order in which it was counted; lock them in this order.
    async fn uncount_attempt(&self, places: &[CountedPlace]) -> Result<()>;

    /// Deletes up to `limit` counts that have ended at `now`, including those that a wrong clock started.
    /// Returns how many.
    async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64>;
}

/// An attempt to open a key with its password that is about to be made.
///
/// It is counted in two or three places. Attempts in the same place are counted together. The name of a
/// place has 64 hexadecimal digits.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewAttempt {
    /// The place of the client, which comes before the two others, and how many attempts are admitted there until a
    /// count ends. It counts the attempts of a client at all keys together.
    pub client: Option<(String, u32)>,
    /// The first place: the same for all spellings of the key that lucia treats as one.
    pub place: String,
    /// The id of the key as it was requested. `None` for an id that no key can have.
    pub key_id: Option<String>,
    /// What [`stored_place`](Self::stored_place) hashes in front of the id of a key that was found.
    pub salt: String,
    /// The second place of an attempt that finds no key.
    pub unknown_place: String,
    /// When the attempt is made: the start of the count, if this attempt starts one.
    pub now: UnixMillis,
    /// The end of the count, if this attempt starts one. A count has ended at this time and later.
    pub expires: UnixMillis,
    /// How many attempts are admitted in the first place until a count ends. Attempts in one count can have
    /// different limits and periods, because an application can change its settings, and two applications
    /// can share a table.
    pub limit: u32,
    /// Like [`limit`](Self::limit), in the second place.
    pub stored_limit: u32,
}

impl NewAttempt {
    /// How far ahead of an attempt a count can start that a right clock has started, however short the count is, in
    /// milliseconds: an hour. Otherwise two servers whose clocks are further apart than a count lasts would start
    /// it again, attempt after attempt.
    pub const MOST_AHEAD: i64 = 60 * 60 * 1000;

    /// The second place: that of the key with this id in the database, or of an attempt that finds no key.
    /// For a key it is the SHA-256 of `salt` followed by the id, in lower-case hexadecimal digits.
    #[must_use]
    pub fn stored_place(&self, key_id: Option<&str>) -> String {
        match key_id {
            Some(key_id) => attempt_place(&self.salt, key_id),
            None => self.unknown_place.clone(),
        }
    }
}

/// The second place of attempts at a key.
pub(crate) fn attempt_place(salt: &str, key_id: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(key_id);
    Ascii::hex(digest.finalize().into()).as_str().to_owned()
}

debug_of!(NewAttempt: place, now, expires, limit);

/// A place in which an attempt is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountedPlace {
    /// The name of the place.
    pub place: String,
    /// When the count started, which distinguishes it from other counts of the same place.
    pub started_at: UnixMillis,
}

impl CountedPlace {
    /// A place with a count that started at `started_at`.
    #[must_use]
    pub fn new(place: impl Into<String>, started_at: UnixMillis) -> Self {
        Self {
            place: place.into(),
            started_at,
        }
    }
}

/// The result of counting an attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CountedAttempt {
    /// The places that the attempt is counted in, in their order. There are none if the attempt is refused, because the
    /// place of the client or the first place is full. If only the second place is full, all others are listed.
    /// Otherwise all are listed.
    pub places: Vec<CountedPlace>,
    /// When the count of the first place ends, or that of the client's place if the client's place is full.
    pub expires: UnixMillis,
    /// The key, if there is one and the attempt is not refused.
    pub key: Option<KeyRow>,
}

impl CountedAttempt {
    /// An attempt that is counted in these places.
    #[must_use]
    pub fn new(places: Vec<CountedPlace>, expires: UnixMillis, key: Option<KeyRow>) -> Self {
        Self {
            places,
            expires,
            key,
        }
    }

    /// An attempt that is refused until the count ends.
    #[must_use]
    pub fn refused(expires: UnixMillis) -> Self {
        Self::new(Vec::new(), expires, None)
    }
}
