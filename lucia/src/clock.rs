//! The time, from a source that tests replace, and random bytes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Error, Result};

/// Tells the time.
///
/// The application's clock, never the database's, decides whether a session has expired. Every function
/// that returns a [`SystemTime`] is a clock, so a test can pass a closure over an adjustable time to
/// [`AuthBuilder::clock`](crate::AuthBuilder::clock).
pub trait TimeSource: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> SystemTime;
}

impl<F> TimeSource for F
where
    F: Fn() -> SystemTime + Send + Sync + 'static,
{
    fn now(&self) -> SystemTime {
        self()
    }
}

/// Bytes of the operating system's generator.
pub(crate) fn random_bytes<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// A string of `length` characters of `[a-z0-9]`, each equally likely.
pub(crate) fn random_text(length: usize) -> Result<String> {
    text_of(random_bytes, length)
}

fn text_of(random: impl Fn() -> Result<[u8; 64]>, length: usize) -> Result<String> {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    /// The largest multiple of 36 in a byte: bytes from here on would favour the first letters.
    const FAIR: u8 = 252;

    let mut text = String::with_capacity(length);
    while text.len() < length {
        let fair = random()?.into_iter().filter(|byte| *byte < FAIR);
        let letters = fair.map(|byte| char::from(ALPHABET[usize::from(byte % 36)]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}

/// A moment as the tables store it: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This moment and `duration` more, at most the last representable one.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This moment and `duration` less, at least the first representable one.
    #[cfg(feature = "oauth")]
    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after `self` the moment `later` is; zero when it is not later.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for UnixMillis {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(millis(since)),
            Err(before) => Self(-millis(before.duration())),
        }
    }
}

impl From<UnixMillis> for SystemTime {
    fn from(time: UnixMillis) -> Self {
        let distance = Duration::from_millis(time.0.unsigned_abs());
        let moment = if time.0 < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        moment.unwrap_or(UNIX_EPOCH)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_fails_is_an_error_and_not_a_weak_token() {
        let broken = || Err(Error::internal("no entropy"));
        assert!(matches!(text_of(broken, 40), Err(Error::Internal(_))));
    }

    #[test]
    fn moments_survive_the_way_to_the_database_and_back() {
        for millis in [0, 1, -1, 1_700_000_000_123, -62_135_596_800_000] {
            assert_eq!(
                UnixMillis::from(SystemTime::from(UnixMillis(millis))).0,
                millis
            );
        }
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        assert_eq!(
            UnixMillis(i64::MAX).plus(Duration::from_secs(1)).0,
            i64::MAX
        );
        let _ = SystemTime::from(UnixMillis(i64::MAX));
        let _ = SystemTime::from(UnixMillis(i64::MIN));
    }
}
