//! What this process has changed lately, which a replica may not have yet.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use super::Moment;
use crate::session::token::SessionId;
use crate::user::UserId;

/// How many changes are remembered. They take about a megabyte.
const KEPT: usize = 16 * 1024;

/// What has changed, known by a hash with a random key: where two have the same one, a lookup goes to the
/// primary that could have gone to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Changed(u64);

/// The latest changes, and when each had happened.
///
/// Those that are forgotten count as changes of everything. So a replica that has the oldest one which is
/// remembered has them, too.
#[derive(Debug)]
pub(super) struct Changes {
    hasher: RandomState,
    latest: HashMap<Changed, Moment>,
    in_order: VecDeque<(Moment, Changed)>,
    /// All changes until then may be forgotten.
    forgotten: Moment,
    kept: usize,
}

impl Default for Changes {
    fn default() -> Self {
        Self::keeping(KEPT)
    }
}

impl Changes {
    fn keeping(kept: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            latest: HashMap::new(),
            in_order: VecDeque::new(),
            forgotten: Moment::default(),
            kept,
        }
    }

    pub(super) fn session(&self, id: &str) -> Changed {
        Changed(self.hasher.hash_one(("session", id)))
    }

    pub(super) fn user(&self, id: &UserId) -> Changed {
        Changed(self.hasher.hash_one(("user", id.as_str())))
    }

    /// Notes a change that has happened by `now`. Those until `over` are of no use any more.
    pub(super) fn note(&mut self, changed: Changed, now: Moment, over: Moment) {
        while let Some((at, _)) = self.in_order.front()
            && (*at <= over || self.in_order.len() >= self.kept)
        {
            self.forget();
        }
        self.latest.insert(changed, now);
        self.in_order.push_back((now, changed));
    }

    fn forget(&mut self) {
        let Some((at, changed)) = self.in_order.pop_front() else {
            return;
        };
        self.forgotten = self.forgotten.max(at);
        // It may have changed once more since.
        if self.latest.get(&changed) == Some(&at) {
            self.latest.remove(&changed);
        }
    }

    /// Notes that everything has changed by `now`.
    pub(super) fn note_all(&mut self, now: Moment) {
        self.latest.clear();
        self.in_order.clear();
        self.forgotten = self.forgotten.max(now);
    }

    /// When a session changed last, as far as is known.
    pub(super) fn of_session(&self, id: &SessionId) -> Moment {
        self.last(self.session(id.as_str()))
    }

    /// When a user changed last, as far as is known.
    pub(super) fn of_user(&self, id: &UserId) -> Moment {
        self.last(self.user(id))
    }

    fn last(&self, changed: Changed) -> Moment {
        let last = self.latest.get(&changed).copied();
        last.map_or(self.forgotten, |last| last.max(self.forgotten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Moment = Moment(0);

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_change_counts_for_what_has_changed_and_for_nothing_else() {
        let mut changes = Changes::default();
        let id: SessionId = "a".repeat(64).parse().unwrap();
        let other: SessionId = "b".repeat(64).parse().unwrap();
        changes.note(changes.session(id.as_str()), Moment(5), NEVER);
        changes.note(changes.user(&user("ada")), Moment(6), NEVER);
        assert_eq!(changes.of_session(&id), Moment(5));
        assert_eq!(changes.of_user(&user("ada")), Moment(6));
        assert_eq!(changes.of_session(&other), NEVER);
        assert_eq!(changes.of_user(&user("bob")), NEVER);
        // The same text as another kind.
        assert_eq!(changes.of_user(&user(id.as_str())), NEVER);

        changes.note_all(Moment(7));
        assert_eq!(changes.of_session(&other), Moment(7));
        assert_eq!(changes.of_user(&user("ada")), Moment(7));
    }

    #[test]
    fn a_change_that_is_forgotten_counts_as_one_of_everything() {
        let mut changes = Changes::keeping(2);
        let [ada, bob, eve] = ["ada", "bob", "eve"].map(user);
        changes.note(changes.user(&ada), Moment(1), NEVER);
        changes.note(changes.user(&ada), Moment(2), NEVER);
        // The first one is forgotten, and not the second, which is of the same user.
        changes.note(changes.user(&bob), Moment(3), NEVER);
        assert_eq!(changes.of_user(&ada), Moment(2));
        assert_eq!(changes.of_user(&eve), Moment(1));
        changes.note(changes.user(&eve), Moment(4), NEVER);
        assert_eq!(changes.of_user(&ada), Moment(2));
        assert_eq!(changes.of_user(&bob), Moment(3));
        assert_eq!(changes.latest.len(), 2);
        assert_eq!(changes.in_order.len(), 2);
    }

    #[test]
    fn what_no_answer_can_lack_any_more_is_forgotten() {
        let mut changes = Changes::default();
        changes.note(changes.user(&user("ada")), Moment(10), NEVER);
        changes.note(changes.user(&user("bob")), Moment(20), Moment(10));
        assert_eq!(changes.latest.len(), 1);
        assert_eq!(changes.of_user(&user("ada")), Moment(10));
        assert_eq!(changes.of_user(&user("bob")), Moment(20));
    }
}
