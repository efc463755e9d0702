//! Sessions that end others as they are created.

use super::values::{
    NOW, all, comparable, expiries, insert_session, rotation, row, session, session_id,
    session_ids, stored_session,
};
use crate::session::token::SessionId;
use crate::store::{Expiries, NewSessionRow, SessionStore, UnixMillis};

const ADA: &str = "ada";
const BOB: &str = "bob";

pub(super) async fn a_session_replaces_another_one(store: &dyn SessionStore) {
    for number in 1..=2 {
        insert_session(store, &session(number, ADA)).await;
    }
    replace(store, 1, &session(3, ADA), &[]).await;
    assert_eq!(session_ids(store, ADA).await, [2, 3].map(session_id));
}

pub(super) async fn a_session_replaces_one_of_somebody_else(store: &dyn SessionStore) {
    for number in 1..=2 {
        insert_session(store, &session(number, BOB)).await;
    }
    replace(store, 1, &session(3, ADA), &[]).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(3)]);
    assert_eq!(session_ids(store, BOB).await, [session_id(2)]);
}

pub(super) async fn a_session_replaces_one_that_is_not_there(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    replace(store, 2, &session(3, ADA), &[]).await;
    assert_eq!(session_ids(store, ADA).await, [1, 3].map(session_id));
}

pub(super) async fn two_sessions_that_replace_one_at_once_are_both_stored(
    store: &dyn SessionStore,
) {
    insert_session(store, &session(1, ADA)).await;
    all((2..=3).map(async |number| replace(store, 1, &session(number, ADA), &[]).await)).await;
    assert_eq!(session_ids(store, ADA).await, [2, 3].map(session_id));
}

pub(super) async fn the_newest_session_and_those_renewed_last_are_kept(store: &dyn SessionStore) {
    // All of them live.
    let session = |number| {
        let session = session(number, ADA);
        NewSessionRow {
            expiries: Expiries {
                idle_expires: UnixMillis(NOW + 90_000_000),
                ..session.expiries
            },
            ..session
        }
    };
    for number in 1..=4 {
        insert_session(store, &session(number)).await;
    }
    // The one used last is the oldest one.
    let late = expiries(NOW + 9_000_000);
    let renewed = store.renew_session(&session_id(1), late).await;
    assert!(renewed.expect("a session is renewed"));
    insert_limited(store, 3, &session(5)).await;
    assert_eq!(session_ids(store, ADA).await, [1, 4, 5].map(session_id));
    insert_limited(store, 2, &session(6)).await;
    assert_eq!(session_ids(store, ADA).await, [1, 6].map(session_id));
    insert_limited(store, 1, &session(7)).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(7)]);
}

pub(super) async fn the_newest_session_is_kept_whatever_its_times(store: &dyn SessionStore) {
    insert_session(store, &session(2, ADA)).await;
    let early = NewSessionRow {
        expiries: expiries(NOW - 9_000_000),
        ..session(1, ADA)
    };
    insert_limited(store, 1, &early).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

pub(super) async fn expired_sessions_go_before_unexpired_ones(store: &dyn SessionStore) {
    let newest = session(5, ADA);
    let now = newest.created_at.0;
    // The expired ones were renewed after the unexpired ones, one of which is at its last moment.
    for (number, idle_expires) in [(1, now), (2, now + 1), (3, now - 1), (4, now - 2)] {
        let session = session(number, ADA);
        let session = NewSessionRow {
            expiries: Expiries {
                idle_expires: UnixMillis(idle_expires),
                ..session.expiries
            },
            ..session
        };
        insert_session(store, &session).await;
    }
    insert_limited(store, 3, &newest).await;
    assert_eq!(session_ids(store, ADA).await, [1, 2, 5].map(session_id));
}

pub(super) async fn no_more_sessions_go_than_are_in_excess(store: &dyn SessionStore) {
    for (number, limit) in [(1, 1), (2, u32::MAX), (3, 4), (4, 4)] {
        insert_limited(store, limit, &session(number, ADA)).await;
    }
    let all = (1..=4).map(session_id);
    assert_eq!(session_ids(store, ADA).await, all.collect::<Vec<_>>());
}

pub(super) async fn the_sessions_of_others_are_never_in_excess(store: &dyn SessionStore) {
    for (number, user) in [(1, BOB), (2, ADA), (3, BOB)] {
        insert_session(store, &session(number, user)).await;
    }
    insert_limited(store, 1, &session(4, ADA)).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(4)]);
    assert_eq!(session_ids(store, BOB).await, [1, 3].map(session_id));
}

pub(super) async fn a_session_that_is_replaced_is_not_in_excess(store: &dyn SessionStore) {
    for (number, user) in [(1, ADA), (2, ADA), (3, BOB), (4, BOB)] {
        insert_session(store, &session(number, user)).await;
    }
    // It is the youngest one, and goes all the same.
    for (new, replaced) in [(5, 2), (6, 5)] {
        let new = NewSessionRow {
            limit: Some(2),
            ..session(new, ADA)
        };
        replace(store, replaced, &new, &[]).await;
    }
    assert_eq!(session_ids(store, ADA).await, [1, 6].map(session_id));
    // One of another user makes no room here.
    let new = NewSessionRow {
        limit: Some(2),
        ..session(7, ADA)
    };
    replace(store, 3, &new, &[session_id(1)]).await;
    assert_eq!(session_ids(store, ADA).await, [6, 7].map(session_id));
    assert_eq!(session_ids(store, BOB).await, [session_id(4)]);
}

pub(super) async fn of_fifty_sessions_at_once_as_many_are_left_as_asked(store: &dyn SessionStore) {
    for (limit, first) in [(1, 0), (3, 100)] {
        let insertions = (first..first + 50).map(async |number| {
            insert_session(store, &limited(limit, &session(number, ADA))).await;
        });
        all(insertions).await;
        let left = session_ids(store, ADA).await.len();
        assert_eq!(left, usize::try_from(limit).expect("a small number"));
    }
}

pub(super) async fn of_two_limits_at_once_the_sessions_of_one_stay(store: &dyn SessionStore) {
    for first in (0..40).step_by(2) {
        let both = [first, first + 1];
        let insertions = both.map(async |number| {
            insert_session(store, &limited(1, &session(number, ADA))).await;
        });
        all(insertions).await;
        let left = session_ids(store, ADA).await;
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(both.map(session_id).contains(&left[0]));
    }
}

pub(super) async fn a_rotation_beside_a_limit_leaves_no_more_than_asked(store: &dyn SessionStore) {
    for round in (0..20).map(|round| round * 100) {
        for number in round..round + 4 {
            insert_session(store, &session(number, ADA)).await;
        }
        all((round..round + 4).map(async |number| {
            if number == round {
                // The one that it replaces may have another id when its turn comes.
                let new = NewSessionRow {
                    replaces: Some(session_id(round + 1)),
                    limit: Some(1),
                    ..session(round + 4, ADA)
                };
                insert_session(store, &new).await;
            } else {
                let rotation = rotation(number + 10, NOW);
                let rotated = store.rotate_session(&session_id(number), rotation).await;
                rotated.map(drop).expect("rotated or not");
            }
        }))
        .await;
        assert_eq!(session_ids(store, ADA).await, [session_id(round + 4)]);
    }
}

/// Stores a session in place of another one. The store has to name those that are in excess, and no others.
async fn replace(
    store: &dyn SessionStore,
    replaced: u64,
    new: &NewSessionRow,
    in_excess: &[SessionId],
) {
    let new = NewSessionRow {
        replaces: Some(session_id(replaced)),
        ..new.clone()
    };
    let inserted = store.insert_session(new.clone()).await;
    let inserted = inserted.expect("a session is stored");
    assert_eq!(inserted.in_excess, in_excess);
    assert_eq!(comparable(inserted.row), row(&new));
    let stored = stored_session(store, &new.token.session_id()).await;
    assert_eq!(stored, Some(row(&new)));
    assert_eq!(stored_session(store, &session_id(replaced)).await, None);
}

/// A session of a user who has so many at the most.
fn limited(limit: u32, new: &NewSessionRow) -> NewSessionRow {
    NewSessionRow {
        limit: Some(limit),
        ..new.clone()
    }
}

/// Stores a session of a user who has so many at the most. The store has to name those that end by it.
async fn insert_limited(store: &dyn SessionStore, limit: u32, new: &NewSessionRow) {
    let new = limited(limit, new);
    let before = session_ids(store, new.user_id.as_str()).await;
    let inserted = store.insert_session(new.clone()).await;
    let mut in_excess = inserted.expect("a session is stored").in_excess;
    let left = session_ids(store, new.user_id.as_str()).await;
    let is_gone = |id: &&SessionId| !left.contains(id) && new.replaces.as_ref() != Some(id);
    let mut gone: Vec<_> = before.iter().filter(is_gone).cloned().collect();
    gone.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    in_excess.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    assert_eq!(in_excess, gone, "the sessions in excess");
}
