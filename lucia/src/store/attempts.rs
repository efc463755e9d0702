//! What goes into a store of attempts, and what comes out of it.

use sha2::{Digest, Sha256};

use super::rows::debug_of;
use super::{KeyRow, UnixMillis};
use crate::ascii::Ascii;

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

debug_of! {
    NewAttempt: place, now, expires, limit;
}

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
