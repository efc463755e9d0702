use std::sync::atomic::Ordering;

use deadpool_postgres::{Manager, Pool};
use tokio_postgres::{Config, NoTls};

use super::super::StoredIds;
use super::reads::Read;
use super::*;
use crate::store::{Expiries, SessionRow, UnixMillis, UserRow};

/// The bound, in microseconds.
const BOUND: u64 = 1_000_000;

/// The time of a lookup, and of the last heartbeat.
const NOW: Moment = Moment(10 * BOUND);

/// Replicas that nobody can connect to.
fn replicas() -> Replicas {
    let pool = Pool::builder(Manager::new(Config::new(), NoTls)).build();
    let settings = Settings::new([pool.unwrap()], Duration::from_micros(BOUND));
    let tables = TableNames::default();
    let statements = super::super::Statements::new(&tables, None, &[], StoredIds::Hashed);
    let replicas = Replicas::new(
        Some((settings, [7; 16])),
        &tables,
        &statements,
        Duration::from_secs(5),
        false,
    );
    let shared = replicas.shared().unwrap();
    shared.last_sent.store(NOW.0, Ordering::Release);
    replicas
}

fn found() -> Found {
    let (at, user_id) = (UnixMillis(0), UserId::new("ada").unwrap());
    let id = "a".repeat(64).parse().unwrap();
    Found {
        session: SessionRow::new(id, user_id.clone(), at, Expiries::new(at, at, at)),
        user: UserRow {
            id: user_id,
            attributes: "{}".to_owned(),
        },
        is_to_be_hashed: false,
    }
}

fn admitted(shared: &Shared, seen: Option<Moment>) -> Result<(), Fallback> {
    let read = Read {
        found: found(),
        seen,
    };
    shared.admit(read, &shared.replicas[0], NOW).map(drop)
}

#[test]
fn r71_an_answer_counts_by_the_heartbeat_in_its_own_snapshot() {
    let replicas = replicas();
    let shared = replicas.shared().unwrap();
    assert_eq!(admitted(shared, Some(NOW)), Ok(()));
    assert_eq!(admitted(shared, Some(Moment(NOW.0 - BOUND))), Ok(()));
    // However new the data was that others have seen there.
    let too_old = Moment(NOW.0 - BOUND - 1);
    assert_eq!(shared.replicas[0].seen.load(Ordering::Relaxed), NOW.0);
    for seen in [
        None,
        Some(too_old),
        Some(Moment(0)),
        Some(Moment(NOW.0 + 1)),
    ] {
        assert_eq!(admitted(shared, seen), Err(Fallback::Stale), "{seen:?}");
    }
}

#[test]
fn r71_an_answer_counts_only_if_it_has_what_this_process_has_changed() {
    let seen = Moment(NOW.0 - 10);
    for at in [seen.0, seen.0 + 1] {
        for change in 0..5 {
            let replicas = replicas();
            let shared = replicas.shared().unwrap();
            let Found { session, user, .. } = found();
            {
                let mut changes = shared.changes();
                let other = UserId::new("bob").unwrap();
                let changed = match change {
                    0 => changes.session(session.id.as_str()),
                    1 => changes.user(&user.id),
                    _ => changes.user(&other),
                };
                match change {
                    2 => changes.note_all(Moment(at)),
                    _ => changes.note(changed, Moment(at), Moment(0)),
                }
            }
            let expected = match change {
                0..=2 if at > seen.0 => Err(Fallback::Changed),
                _ => Ok(()),
            };
            assert_eq!(admitted(shared, Some(seen)), expected, "{change} {at}");
        }
    }
}

#[test]
fn r71_a_change_counts_from_when_its_call_ends_however_it_does() {
    let replicas = replicas();
    let shared = replicas.shared().unwrap();
    let id = found().session.id;
    let before = shared.now();
    let changing = replicas.session_changes(&id);
    assert_eq!(shared.changes().of_session(&id), Moment(0));
    drop(changing);
    let changed = shared.changes().of_session(&id);
    // No heartbeat of the same microsecond counts.
    assert!(changed > before && changed > shared.now().min(Moment(changed.0 - 1)));

    let user = UserId::new("eve").unwrap();
    let changing = replicas.user_changes(&found().user.id);
    changing.user_changed(&user);
    changing.session_ended(&"b".repeat(64));
    let other = "b".repeat(64).parse().unwrap();
    assert!(shared.changes().of_user(&user) > before);
    assert!(shared.changes().of_session(&other) > before);
    drop(replicas.all_changes());
    let all = "c".repeat(64).parse().unwrap();
    assert!(shared.changes().of_session(&all) >= changed);
}

#[test]
fn a_replica_is_asked_only_if_it_answers_and_was_new_enough() {
    let replicas = replicas();
    let shared = replicas.shared().unwrap();
    let (replica, id) = (&shared.replicas[0], found().session.id);
    let choice = || shared.choose(&id).map(drop);
    assert_eq!(choice(), Err(Fallback::Unavailable));
    assert_eq!(replicas.complaints().len(), 1);
    replica.note(None);
    assert_eq!(choice(), Err(Fallback::Unavailable));
    assert!(replicas.complaints()[0].contains("further behind"));
    replica.saw(shared.now());
    assert_eq!(choice(), Ok(()));
    assert!(replicas.complaints().is_empty());
    drop(replicas.session_changes(&id));
    assert_eq!(choice(), Err(Fallback::Changed));
}
