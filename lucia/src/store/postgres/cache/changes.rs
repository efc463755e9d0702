//! What has changed, kept for the lookups that were on their way at the time.

use std::collections::VecDeque;

/// The SHA-256 that a session or a user is known by here: the public id of a session, and the hash
/// of the id of a user.
pub(super) type Digest = [u8; 32];

/// How many changes are kept. A lookup during which there are more is not put into the cache.
pub(super) const KEPT: usize = 1024;

/// What is not any more as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Session(Digest),
    /// A user, and with them all of their sessions.
    User(Digest),
    Everything,
}

/// How many changes there had been: a point in their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(u64);

/// The latest changes, in order.
#[derive(Debug)]
pub(super) struct Changes {
    latest: VecDeque<Change>,
    count: u64,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            latest: VecDeque::new(),
            count: 0,
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment(self.count)
    }

    pub(super) fn push(&mut self, change: Change) {
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(change);
        self.count += 1;
    }

    /// Whether this session and its user have stayed as they were since `moment`, as far as can be
    /// told.
    pub(super) fn spared(&self, moment: Moment, session: &Digest, user: &Digest) -> bool {
        let Ok(since) = usize::try_from(self.count - moment.0) else {
            return false;
        };
        since <= self.latest.len()
            && self
                .latest
                .iter()
                .rev()
                .take(since)
                .all(|change| match change {
                    Change::Session(changed) => changed != session,
                    Change::User(changed) => changed != user,
                    Change::Everything => false,
                })
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
        let mut all = Changes::new();
        all.push(Change::Everything);
        let moment = all.now();
        for change in changes {
            all.push(*change);
        }
        all.spared(moment, &SESSION, &USER)
    }

    #[test]
    fn only_what_concerns_a_session_or_its_user_counts_and_only_since_then() {
        assert!(spared_by(&[]));
        assert!(spared_by(&[Change::Session(OTHER), Change::User(OTHER)]));
        // The same bytes under the other kind are somebody else.
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
    fn where_more_has_changed_than_is_kept_nobody_is_spared() {
        assert!(spared_by(&[Change::Session(OTHER); KEPT]));
        assert!(!spared_by(&[Change::Session(OTHER); KEPT + 1]));
    }
}
