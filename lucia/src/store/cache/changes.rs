//! What has changed, kept for the lookups that were on their way at the time.

use std::collections::VecDeque;

/// The SHA-256 that a session or a user is known by here: the public id of a session, and the hash
/// of the id of a user.
pub(in super::super) type Digest = [u8; 32];

/// How many changes are kept. A lookup during which there are more is not put into the cache.
pub(super) const KEPT: usize = 1024;

/// What is not any more as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Change {
    Session(Digest),
    /// A user, and with them all of their sessions.
    User(Digest),
    Everything,
}

/// The latest changes, in order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    latest: VecDeque<Change>,
    count: u64,
}

impl Changes {
    /// How many there have been: a point in their order.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, change: Change) {
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(change);
        self.count += 1;
    }

    /// Whether this session, if any, and this user have stayed as they were since there were `count` changes,
    /// as far as can be told.
    pub(super) fn spared(&self, count: u64, session: Option<&Digest>, user: &Digest) -> bool {
        let since = self.count - count;
        let spares = |change: &Change| match change {
            Change::Session(changed) => Some(changed) != session,
            Change::User(changed) => changed != user,
            Change::Everything => false,
        };
        let are_kept = since <= self.latest.len() as u64;
        are_kept && (self.latest.iter().rev().zip(0..since)).all(|(change, _)| spares(change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Digest = [1; 32];
    const USER: Digest = [2; 32];
    const OTHER: Digest = [3; 32];

    /// Whether they are spared by these changes.
    fn spared_by(changes: &[Change]) -> bool {
        let mut all = Changes::default();
        all.push(Change::Everything);
        let count = all.count();
        for change in changes {
            all.push(*change);
        }
        all.spared(count, Some(&SESSION), &USER)
    }

    #[test]
    fn only_what_concerns_a_session_or_its_user_counts_and_only_since_then() {
        assert!(spared_by(&[]));
        assert!(spared_by(&[Change::Session(OTHER), Change::User(OTHER)]));
        // The same bytes under the other kind name another row.
        assert!(spared_by(&[Change::Session(USER), Change::User(SESSION)]));
        for change in [
            Change::Session(SESSION),
            Change::User(USER),
            Change::Everything,
        ] {
            assert!(!spared_by(&[change]), "{change:?}");
            assert!(!spared_by(&[change, Change::Session(OTHER)]), "{change:?}");
        }
    }

    #[test]
    fn where_more_has_changed_than_is_kept_none_is_spared() {
        assert!(spared_by(&[Change::Session(OTHER); KEPT]));
        assert!(!spared_by(&[Change::Session(OTHER); KEPT + 1]));
    }
}
