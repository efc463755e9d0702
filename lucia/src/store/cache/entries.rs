//! The entries: what lookups gave, until it changes.

use std::sync::{Arc, PoisonError, Weak};
#[cfg(not(test))]
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::changes::{Change, Changes, Digest};
use crate::store::SessionRow;
// By these, the tests run through the ways in which threads can meet.
#[cfg(test)]
use tests::{Map, Mutex, MutexGuard};

/// A bounded map. What was not asked for lately goes first.
#[cfg(not(test))]
type Map<V> = quick_cache::sync::Cache<Digest, Arc<V>>;

/// Sessions, and what is kept of users beside them, so that one user with many sessions is kept once. Where the
/// sessions are in another store, there are only users; where the users are, nothing is kept of them but that they
/// have not changed.
///
/// A session's entry names the very entry of its user that it came with. It counts only while that
/// one is there: the removal of a user removes all of their sessions. It does not keep it: a
/// user's row that was replaced takes no memory.
pub(super) struct Entries<U> {
    sessions: Map<CachedSession<U>>,
    users: Map<CachedUser<U>>,
    max_age: Duration,
    log: Mutex<Log>,
}

struct CachedSession<U> {
    row: SessionRow,
    user_key: Digest,
    user: Weak<CachedUser<U>>,
    asked_at: Instant,
}

struct CachedUser<U> {
    row: U,
    asked_at: Instant,
}

/// What decides whether an answer may still become an entry. Entries are put and removed under its
/// lock; they are found without it.
struct Log {
    changes: Changes,
    /// Whether all changes are received.
    is_open: bool,
}

/// A lookup that was about to be sent.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Begun {
    /// How many changes there had been.
    changes: u64,
    asked_at: Instant,
}

impl<U> Entries<U> {
    /// None yet, and closed.
    pub(super) fn new(capacity: usize, max_age: Duration) -> Self {
        Self {
            sessions: Map::new(capacity),
            users: Map::new(capacity),
            max_age,
            log: Mutex::new(Log {
                changes: Changes::default(),
                is_open: false,
            }),
        }
    }

    /// A session with its user.
    pub(super) fn find(&self, session: &Digest, now: Instant) -> Option<(SessionRow, U)>
    where
        U: Clone,
    {
        let session = self.sessions.get(session)?;
        let user = self.users.get(&session.user_key)?;
        let is_young = |asked_at| self.is_young(asked_at, now);
        let is_good = Weak::ptr_eq(&session.user, &Arc::downgrade(&user))
            && is_young(session.asked_at)
            && is_young(user.asked_at);
        is_good.then(|| (session.row.clone(), user.row.clone()))
    }

    /// A user, whatever session asks for them.
    pub(super) fn find_user(&self, user: &Digest, now: Instant) -> Option<U>
    where
        U: Clone,
    {
        let user = self.users.get(user)?;
        self.is_young(user.asked_at, now).then(|| user.row.clone())
    }

    /// To be called before a lookup is sent; [`put`](Self::put) takes what it gives. `None` while
    /// closed.
    pub(super) fn begin(&self, now: Instant) -> Option<Begun> {
        let log = self.lock();
        log.is_open.then(|| Begun {
            changes: log.changes.count(),
            asked_at: now,
        })
    }

    /// Puts what a lookup gave, unless it may have changed since the lookup was sent.
    pub(super) fn put(&self, begun: Begun, keys: (Digest, Digest), session: &SessionRow, user: &U)
    where
        U: Clone + PartialEq,
    {
        let (session_key, user_key) = keys;
        let log = self.lock();
        if !log.may_put(begun, Some(&session_key), &user_key) {
            return;
        }
        let user = self.kept_user(begun, user_key, user);
        let session = CachedSession {
            row: session.clone(),
            user_key,
            user: Arc::downgrade(&user),
            asked_at: begun.asked_at,
        };
        self.sessions.insert(session_key, Arc::new(session));
    }

    /// As [`put`](Self::put), for a user alone.
    pub(super) fn put_user(&self, begun: Begun, key: Digest, user: &U)
    where
        U: Clone + PartialEq,
    {
        let log = self.lock();
        if log.may_put(begun, None, &key) {
            self.kept_user(begun, key, user);
        }
    }

    /// The entry of a user: the one that there is, if it says the same.
    fn kept_user(&self, begun: Begun, key: Digest, user: &U) -> Arc<CachedUser<U>>
    where
        U: Clone + PartialEq,
    {
        let known = self
            .users
            .get(&key)
            .filter(|known| known.row == *user && self.is_young(known.asked_at, begun.asked_at));
        known.unwrap_or_else(|| {
            let user = Arc::new(CachedUser {
                row: user.clone(),
                asked_at: begun.asked_at,
            });
            self.users.insert(key, user.clone());
            user
        })
    }

    /// Removes what has changed. What was asked before is not put any more.
    pub(super) fn remove(&self, change: Change) {
        let mut log = self.lock();
        log.changes.push(change);
        match change {
            Change::Session(session) => drop(self.sessions.remove(&session)),
            Change::User(user) => drop(self.users.remove(&user)),
            Change::Everything => self.clear(),
        }
    }

    /// From now on all changes are received. Returns whether they were not before.
    pub(super) fn open(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_open, true)
    }

    /// From now on they are not. Nothing is left, and nothing is put any more. Returns whether they were
    /// received before.
    pub(super) fn close(&self) -> bool {
        let mut log = self.lock();
        log.changes.push(Change::Everything);
        self.clear();
        std::mem::replace(&mut log.is_open, false)
    }

    /// How many sessions there are, and how many users.
    #[cfg(feature = "metrics")]
    pub(super) fn len(&self) -> [usize; 2] {
        [self.sessions.len(), self.users.len()]
    }

    fn clear(&self) {
        self.sessions.clear();
        self.users.clear();
    }

    fn is_young(&self, asked_at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(asked_at) < self.max_age
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Whether what a lookup gave is still so, as far as can be told.
    fn may_put(&self, begun: Begun, session: Option<&Digest>, user: &Digest) -> bool {
        self.is_open && self.changes.spared(begun.changes, session, user)
    }
}

#[cfg(test)]
#[path = "entries/tests.rs"]
mod tests;
