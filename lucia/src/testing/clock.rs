use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that stands still until you move it. Clones show the same time: pass one to
/// [`AuthBuilder::clock`](crate::AuthBuilder::clock), and keep the other in the test.
///
/// ```
/// use std::time::Duration;
/// use lucia::testing::Clock;
///
/// let clock = Clock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), before + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<SystemTime>>);

impl Clock {
    /// A clock that shows the current time, in whole seconds, because cookies have no fractions.
    #[must_use]
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        Self(Arc::new(Mutex::new(
            UNIX_EPOCH + Duration::from_secs(seconds),
        )))
    }

    /// The time that the clock shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock forward.
    ///
    /// # Panics
    ///
    /// If the result is out of range.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Sets the clock to a moment, which may be earlier.
    pub fn set(&self, to: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl crate::TimeSource for Clock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}
