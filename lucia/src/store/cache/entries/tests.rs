//! What is found, on one thread; and by a model, on several: each test of it runs once for each
//! way in which the threads can take turns.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use loom::sync::{Mutex, MutexGuard};
use loom::thread;

use super::*;
use crate::store::{Expiries, UnixMillis, UserRow};

const MAX_AGE: Duration = Duration::from_secs(60);
const USER: Digest = [9; 32];

/// A map whose every call is a step that the model may interrupt.
pub(super) struct Map<V>(Mutex<HashMap<Digest, Arc<V>>>);

impl<V> Map<V> {
    pub(super) fn new(_: usize) -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(super) fn get(&self, key: &Digest) -> Option<Arc<V>> {
        self.lock().get(key).cloned()
    }

    pub(super) fn insert(&self, key: Digest, value: Arc<V>) {
        self.lock().insert(key, value);
    }

    pub(super) fn remove(&self, key: &Digest) -> Option<Arc<V>> {
        self.lock().remove(key)
    }

    #[cfg(feature = "metrics")]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Arc<V>>> {
        self.0.lock().expect("no thread panics in it")
    }
}

fn entries() -> Entries<UserRow> {
    let entries = Entries::new(100, MAX_AGE);
    entries.open();
    entries
}

/// A session and its user. `version` is what changes of the user.
fn row(session: u8, version: u32) -> (SessionRow, UserRow) {
    let id = format!("{session:02x}").repeat(32).parse().unwrap();
    let zero = UnixMillis(0);
    let expiries = Expiries::new(zero, zero, zero);
    let session = SessionRow::new(id, "ada".parse().unwrap(), zero, expiries);
    let user = UserRow {
        id: "ada".parse().unwrap(),
        attributes: format!("{{\"version\":{version}}}"),
    };
    (session, user)
}

/// Puts what a lookup gave.
fn put_row(
    entries: &Entries<UserRow>,
    begun: Begun,
    keys: (Digest, Digest),
    (session, user): &(SessionRow, UserRow),
) {
    entries.put(begun, keys, session, user);
}

fn put(entries: &Entries<UserRow>, session: u8, version: u32, now: Instant) {
    let begun = entries.begin(now).unwrap();
    put_row(
        entries,
        begun,
        ([session; 32], USER),
        &row(session, version),
    );
}

/// Runs a test of one thread, where the model's locks work.
fn alone(test: impl Fn(Entries<UserRow>, Instant) + Send + Sync + 'static) {
    loom::model(move || test(entries(), Instant::now()));
}

#[test]
fn what_was_put_is_found_until_it_is_removed() {
    alone(|entries, now| {
        put(&entries, 1, 0, now);
        assert_eq!(entries.find(&[1; 32], now), Some(row(1, 0)));
        assert_eq!(entries.find(&[2; 32], now), None);
        entries.remove(Change::Session([1; 32]));
        assert_eq!(entries.find(&[1; 32], now), None);
    });
}

#[test]
fn a_user_who_changes_takes_all_of_their_sessions_along_for_good() {
    alone(|entries, now| {
        put(&entries, 1, 0, now);
        put(&entries, 2, 0, now);
        entries.remove(Change::User(USER));
        assert_eq!(entries.find(&[1; 32], now), None);
        put(&entries, 2, 1, now);
        assert_eq!(entries.find(&[2; 32], now), Some(row(2, 1)));
        // Also when the user is there again, the other session is not.
        assert_eq!(entries.find(&[1; 32], now), None);
    });
}

#[test]
fn the_row_of_a_user_who_changes_takes_no_memory_any_more() {
    alone(|entries, now| {
        let held = |entries: &Entries<UserRow>| Arc::downgrade(&entries.users.get(&USER).unwrap());
        put(&entries, 1, 0, now);
        let first = held(&entries);
        put(&entries, 2, 1, now);
        assert!(first.upgrade().is_none());
        let second = held(&entries);
        assert!(second.upgrade().is_some());
        entries.remove(Change::User(USER));
        assert!(second.upgrade().is_none());
        // Their sessions are there, and count for nothing.
        assert!(entries.sessions.get(&[2; 32]).is_some());
        assert_eq!(entries.find(&[2; 32], now), None);
    });
}

#[test]
fn a_session_that_ends_leaves_the_others_of_its_user() {
    alone(|entries, now| {
        put(&entries, 1, 0, now);
        put(&entries, 2, 0, now);
        entries.remove(Change::Session([1; 32]));
        assert_eq!(entries.find(&[2; 32], now), Some(row(2, 0)));
    });
}

#[test]
fn nothing_is_older_than_the_age_that_is_allowed() {
    alone(|entries, now| {
        put(&entries, 1, 0, now);
        let before = now + MAX_AGE - Duration::from_millis(1);
        assert!(entries.find(&[1; 32], before).is_some());
        assert!(entries.find(&[1; 32], now + MAX_AGE).is_none());
        // A younger session does not make its user younger.
        put(&entries, 2, 0, before);
        assert!(entries.find(&[2; 32], before).is_some());
        assert!(entries.find(&[2; 32], now + MAX_AGE).is_none());
        put(&entries, 2, 0, now + MAX_AGE);
        assert!(entries.find(&[2; 32], now + MAX_AGE).is_some());
    });
}

#[test]
fn what_is_closed_is_empty_and_stays_so_for_lookups_from_before() {
    alone(|entries, now| {
        put(&entries, 1, 0, now);
        let begun = entries.begin(now).unwrap();
        entries.close();
        assert_eq!(entries.find(&[1; 32], now), None);
        assert!(entries.begin(now).is_none());
        put_row(&entries, begun, ([2; 32], USER), &row(2, 0));
        entries.open();
        put_row(&entries, begun, ([3; 32], USER), &row(3, 0));
        for session in 1..=3 {
            assert_eq!(entries.find(&[session; 32], now), None);
        }
    });
}

/// A session in a database, and its user at a version; and a cache before it.
struct Model {
    entries: Entries<UserRow>,
    stored: Mutex<Option<u32>>,
    /// The changes that can be polled for.
    recorded: Mutex<Vec<Change>>,
    now: Instant,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            entries: entries(),
            stored: Mutex::new(Some(0)),
            recorded: Mutex::new(Vec::new()),
            now: Instant::now(),
        })
    }

    fn read(&self) -> Option<u32> {
        *self.stored.lock().unwrap()
    }

    /// What a request does.
    fn look_up(&self) -> Option<u32> {
        if let Some((_, user)) = self.entries.find(&[1; 32], self.now) {
            return version(&user);
        }
        let begun = self.entries.begin(self.now);
        let found = self.read()?;
        if let Some(begun) = begun {
            put_row(&self.entries, begun, ([1; 32], USER), &row(1, found));
        }
        Some(found)
    }

    /// What a request does whose session is in another store.
    fn look_up_user(&self) -> Option<u32> {
        if let Some(user) = self.entries.find_user(&USER, self.now) {
            return version(&user);
        }
        let begun = self.entries.begin(self.now);
        let found = self.read()?;
        if let Some(begun) = begun {
            self.entries.put_user(begun, USER, &row(1, found).1);
        }
        Some(found)
    }

    /// A change, and what is done when it is heard of.
    fn change(&self, to: Option<u32>, change: Change) {
        *self.stored.lock().unwrap() = to;
        self.entries.remove(change);
    }
}

impl Model {
    /// A change by one transaction, which a poll will find.
    fn change_and_record(&self, to: Option<u32>, change: Change) {
        let mut stored = self.stored.lock().unwrap();
        *stored = to;
        self.recorded.lock().unwrap().push(change);
    }

    /// Removes what one statement finds that was recorded after the first `seen` changes.
    fn poll(&self, seen: &mut usize) {
        let stored = self.stored.lock().unwrap();
        let found = self.recorded.lock().unwrap()[*seen..].to_vec();
        drop(stored);
        *seen += found.len();
        for change in found {
            self.entries.remove(change);
        }
    }
}

fn version(user: &UserRow) -> Option<u32> {
    user.attributes
        .trim_matches(|letter: char| !letter.is_ascii_digit())
        .parse()
        .ok()
}

const KINDS: [Change; 3] = [
    Change::Session([1; 32]),
    Change::User(USER),
    Change::Everything,
];

#[test]
fn r54_a_lookup_on_its_way_puts_no_revoked_session_back() {
    for kind in KINDS {
        loom::model(move || {
            let model = Model::new();
            let lookup = thread::spawn({
                let model = model.clone();
                move || model.look_up()
            });
            model.change(None, kind);
            assert_eq!(model.look_up(), None, "revoked by {kind:?}");
            lookup.join().unwrap();
            assert_eq!(model.look_up(), None, "revoked by {kind:?}");
        });
    }
}

#[test]
fn r54_a_poll_that_begins_after_a_change_leaves_no_old_answer() {
    for kind in KINDS {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let model = Model::new();
            let lookup = thread::spawn({
                let model = model.clone();
                move || model.look_up()
            });
            let change = thread::spawn({
                let model = model.clone();
                move || model.change_and_record(None, kind)
            });
            let mut seen = 0;
            model.poll(&mut seen);
            change.join().unwrap();
            model.poll(&mut seen);
            assert_eq!(model.look_up(), None, "revoked by {kind:?}");
            lookup.join().unwrap();
            assert_eq!(model.look_up(), None, "revoked by {kind:?}");
        });
    }
}

#[test]
fn r54_a_lookup_on_its_way_puts_no_old_user_back() {
    for kind in [Change::User(USER), Change::Everything] {
        loom::model(move || {
            let model = Model::new();
            let lookup = thread::spawn({
                let model = model.clone();
                move || model.look_up()
            });
            model.change(Some(1), kind);
            assert_eq!(model.look_up(), Some(1), "changed by {kind:?}");
            lookup.join().unwrap();
            assert_eq!(model.look_up(), Some(1), "changed by {kind:?}");
        });
    }
}

#[test]
fn a_user_alone_is_found_until_they_change_or_are_too_old() {
    alone(|entries, now| {
        let put = |version, now| {
            let begun = entries.begin(now).unwrap();
            entries.put_user(begun, USER, &row(1, version).1);
        };
        let found = |now| entries.find_user(&USER, now).as_ref().and_then(version);
        put(0, now);
        assert_eq!(found(now), Some(0));
        // Of sessions nothing is said.
        entries.remove(Change::Session(USER));
        assert_eq!(found(now), Some(0));
        assert_eq!(entries.find(&[1; 32], now), None);
        entries.remove(Change::User(USER));
        assert_eq!(found(now), None);
        put(1, now);
        assert_eq!(found(now + MAX_AGE - Duration::from_millis(1)), Some(1));
        assert_eq!(found(now + MAX_AGE), None);
        let begun = entries.begin(now).unwrap();
        entries.close();
        entries.put_user(begun, USER, &row(1, 2).1);
        assert_eq!(found(now), None);
    });
}

#[test]
fn r54_a_lookup_on_its_way_puts_no_old_user_back_whose_session_is_elsewhere() {
    for (to, kind) in [
        (Some(1), Change::User(USER)),
        (None, Change::User(USER)),
        (Some(1), Change::Everything),
    ] {
        loom::model(move || {
            let model = Model::new();
            let lookup = thread::spawn({
                let model = model.clone();
                move || model.look_up_user()
            });
            model.change(to, kind);
            assert_eq!(model.look_up_user(), to, "changed by {kind:?}");
            lookup.join().unwrap();
            assert_eq!(model.look_up_user(), to, "changed by {kind:?}");
        });
    }
}

#[test]
fn r54_two_lookups_on_their_way_put_no_revoked_session_back() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let model = Model::new();
        let lookups = [(); 2].map(|()| {
            let model = model.clone();
            thread::spawn(move || model.look_up())
        });
        model.change(None, Change::Session([1; 32]));
        assert_eq!(model.look_up(), None);
        for lookup in lookups {
            lookup.join().unwrap();
        }
        assert_eq!(model.look_up(), None);
    });
}

#[test]
fn r54_a_lookup_on_its_way_puts_nothing_into_what_was_closed_meanwhile() {
    loom::model(|| {
        let model = Model::new();
        let lookup = thread::spawn({
            let model = model.clone();
            move || model.look_up()
        });
        // The channel is lost, the revocation not heard of, and the channel there again.
        model.entries.close();
        *model.stored.lock().unwrap() = None;
        model.entries.open();
        assert_eq!(model.look_up(), None);
        lookup.join().unwrap();
        assert_eq!(model.look_up(), None);
    });
}

/// That the model finds what it is to find: a lookup that takes its moment too late.
#[test]
#[should_panic(expected = "the old answer is back")]
fn the_model_finds_a_lookup_that_takes_its_moment_when_its_answer_is_there() {
    loom::model(|| {
        let model = Model::new();
        let lookup = thread::spawn({
            let model = model.clone();
            move || {
                if let Some(found) = model.read()
                    && let Some(begun) = model.entries.begin(model.now)
                {
                    put_row(&model.entries, begun, ([1; 32], USER), &row(1, found));
                }
            }
        });
        model.change(None, Change::Session([1; 32]));
        lookup.join().unwrap();
        assert_eq!(model.look_up(), None, "the old answer is back");
    });
}
