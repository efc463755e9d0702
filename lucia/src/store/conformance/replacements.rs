//! Sessions that end others as they are created.

use super::values::{
    NOW, all, comparable, expiries, insert_session, rotation, row, session, session_id,
    session_ids, stored_session,
};
use crate::store::{Expiries, NewSessionRow, SessionStore, UnixMillis};

const ADA: &str = "ada";
const BOB: &str = "bob";

pub(super) async fn a_session_replaces_another_one(store: &dyn SessionStore) {
    for number in 1..=2 {
        insert_session(store, &session(number, ADA)).await;
    }
    replace(store, 1, &session(3, ADA)).await;
    assert_eq!(session_ids(store, ADA).await, [2, 3].map(session_id));
}

pub(super) async fn a_session_replaces_one_of_somebody_else(store: &dyn SessionStore) {
    for number in 1..=2 {
        insert_session(store, &session(number, BOB)).await;
    }
    replace(store, 1, &session(3, ADA)).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(3)]);
    assert_eq!(session_ids(store, BOB).await, [session_id(2)]);
}

pub(super) async fn a_session_replaces_one_that_is_not_there(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    replace(store, 2, &session(3, ADA)).await;
    assert_eq!(session_ids(store, ADA).await, [1, 3].map(session_id));
}

pub(super) async fn two_sessions_that_replace_one_at_once_are_both_stored(
    store: &dyn SessionStore,
) {
    insert_session(store, &session(1, ADA)).await;
    all((2..=3).map(async |number| replace(store, 1, &session(number, ADA)).await)).await;
    assert_eq!(session_ids(store, ADA).await, [2, 3].map(session_id));
}

pub(super) async fn the_newest_session_and_those_renewed_last_are_kept(store: &dyn SessionStore) {
    for number in 1..=5 {
        insert_session(store, &session(number, ADA)).await;
    }
    // The one used last is the oldest one.
    let late = expiries(NOW + 9_000_000);
    let renewed = store.renew_session(&session_id(1), late).await;
    assert!(renewed.expect("a session is renewed"));
    limit(store, 5, 3).await;
    assert_eq!(session_ids(store, ADA).await, [1, 4, 5].map(session_id));
    limit(store, 5, 2).await;
    assert_eq!(session_ids(store, ADA).await, [1, 5].map(session_id));
    limit(store, 5, 1).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(5)]);
}

pub(super) async fn the_newest_session_is_kept_whatever_its_times(store: &dyn SessionStore) {
    let early = NewSessionRow {
        expiries: expiries(NOW - 9_000_000),
        ..session(1, ADA)
    };
    insert_session(store, &early).await;
    insert_session(store, &session(2, ADA)).await;
    limit(store, 1, 1).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

pub(super) async fn dead_sessions_go_before_living_ones(store: &dyn SessionStore) {
    // The dead ones were renewed after the living ones, one of which is at its last moment.
    for (number, idle_expires) in [(1, NOW), (2, NOW + 1), (3, NOW - 1), (4, NOW - 2), (5, NOW)] {
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
    limit(store, 5, 3).await;
    assert_eq!(session_ids(store, ADA).await, [1, 2, 5].map(session_id));
}

pub(super) async fn no_more_sessions_go_than_are_in_excess(store: &dyn SessionStore) {
    for number in 1..=3 {
        insert_session(store, &session(number, ADA)).await;
    }
    for keep in [u32::MAX, 4, 3] {
        limit(store, 3, keep).await;
        assert_eq!(session_ids(store, ADA).await.len(), 3);
    }
}

pub(super) async fn the_sessions_of_others_are_never_in_excess(store: &dyn SessionStore) {
    for (number, user) in [(1, BOB), (2, ADA), (3, BOB), (4, ADA)] {
        insert_session(store, &session(number, user)).await;
    }
    limit(store, 4, 1).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(4)]);
    assert_eq!(session_ids(store, BOB).await, [1, 3].map(session_id));
}

pub(super) async fn of_fifty_sessions_at_once_as_many_are_left_as_asked(store: &dyn SessionStore) {
    for (keep, first) in [(1, 0), (3, 100)] {
        all((first..first + 50).map(async |number| {
            insert_session(store, &session(number, ADA)).await;
            limit(store, number, keep).await;
        }))
        .await;
        let left = session_ids(store, ADA).await.len();
        assert_eq!(left, usize::try_from(keep).expect("a small number"));
    }
}

pub(super) async fn of_two_limits_at_once_the_sessions_of_one_stay(store: &dyn SessionStore) {
    for first in (0..40).step_by(2) {
        insert_session(store, &session(first, ADA)).await;
        insert_session(store, &session(first + 1, ADA)).await;
        all([first, first + 1].map(async |newest| limit(store, newest, 1).await)).await;
        let left = session_ids(store, ADA).await;
        assert_eq!(left.len(), 1, "{left:?}");
        assert!([first, first + 1].map(session_id).contains(&left[0]));
    }
}

pub(super) async fn a_rotation_beside_a_limit_leaves_no_more_than_asked(store: &dyn SessionStore) {
    for round in (0..20).map(|round| round * 100) {
        for number in round..round + 4 {
            insert_session(store, &session(number, ADA)).await;
        }
        all((round..round + 4).map(async |number| {
            if number == round {
                limit(store, number + 3, 1).await;
            } else {
                let rotation = rotation(number + 10, NOW);
                let rotated = store.rotate_session(&session_id(number), rotation).await;
                rotated.map(drop).expect("rotated or not");
            }
        }))
        .await;
        assert_eq!(session_ids(store, ADA).await.len(), 1);
    }
}

async fn replace(store: &dyn SessionStore, replaced: u64, new: &NewSessionRow) {
    let new = NewSessionRow {
        replaces: Some(session_id(replaced)),
        ..new.clone()
    };
    let inserted = store.insert_session(new.clone()).await;
    let inserted = inserted.expect("a session is stored");
    assert_eq!(comparable(inserted), row(&new));
    let stored = stored_session(store, &new.token.session_id()).await;
    assert_eq!(stored, Some(row(&new)));
    assert_eq!(stored_session(store, &session_id(replaced)).await, None);
}

/// Limits the sessions of Ada.
async fn limit(store: &dyn SessionStore, newest: u64, keep: u32) {
    let newest = session_id(newest);
    let deleted = store
        .delete_excess_sessions(&ADA.into(), &newest, keep, UnixMillis(NOW))
        .await;
    deleted.expect("what is in excess is deleted");
}
