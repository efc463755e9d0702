//! Mistakes of an application that are logged once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Mistakes in how an application is set up that have been logged. Each request would repeat them.
#[derive(Debug, Default)]
pub(crate) struct LoggedOnce(Mutex<BTreeSet<String>>);

impl LoggedOnce {
    /// More than an application has mistakes; a bound, since a part of it can come with requests.
    const MOST: usize = 64;

    /// Whether this is said for the first time.
    pub(crate) fn is_first(&self, mistake: &str) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logged.len() < Self::MOST && !logged.contains(mistake) && logged.insert(mistake.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::LoggedOnce;

    #[test]
    fn each_is_said_once_and_there_is_an_end_to_it() {
        let logged = LoggedOnce::default();
        let first = (0..100).filter(|i| logged.is_first(&i.to_string())).count();
        let again = (0..100).filter(|i| logged.is_first(&i.to_string())).count();
        assert_eq!((first, again), (LoggedOnce::MOST, 0));
    }
}
