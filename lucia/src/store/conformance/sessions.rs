//! Sessions. These cases know nothing of users but their ids.

use serde_json::json;

use super::values::{
    HOSTILE, NOW, all, attributes, comparable, expiries, insert_session, insert_user, rotation,
    row, session, session_id, session_ids, stored_session,
};
use crate::session::token::SessionId;
use crate::store::{
    Expiries, HealthStatus, NewSessionRow, Owner, SessionRow, SessionStore, Store, UnixMillis,
};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

/// All users who have a session in these cases.
pub(super) async fn insert_users(store: &dyn Store) {
    for id in [ADA, BOB].into_iter().chain(HOSTILE) {
        insert_user(store, id).await;
    }
}

pub(super) async fn a_session_comes_back_as_it_was_stored(store: &dyn SessionStore) {
    let stored = session(1, ADA);
    let returned = store.insert_session(stored.clone()).await;
    let returned = returned.expect("a session is stored").row;
    assert_eq!(comparable(returned), row(&stored));
    insert_session(store, &session(2, BOB)).await;
    let found = stored_session(store, &session_id(1)).await;
    assert_eq!(found, Some(row(&stored)));
}

pub(super) async fn an_unknown_session_is_none(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    assert_eq!(stored_session(store, &session_id(2)).await, None);
}

pub(super) async fn several_sessions_are_found_at_once(store: &dyn SessionStore) {
    let expired = NewSessionRow {
        expiries: expiries(0),
        ..session(3, ADA)
    };
    for session in [
        &session(1, ADA),
        &session(2, BOB),
        &expired,
        &session(4, ADA),
    ] {
        insert_session(store, session).await;
    }
    for (asked, found) in [
        (
            &[1, 2, 3, 9][..],
            &[row(&session(1, ADA)), row(&session(2, BOB)), row(&expired)][..],
        ),
        (&[8, 4], &[row(&session(4, ADA))]),
        (&[8, 9], &[]),
        (&[], &[]),
    ] {
        let ids: Vec<_> = asked.iter().copied().map(session_id).collect();
        let sessions = store.sessions(&ids).await;
        let sessions = sessions.expect("sessions are found");
        let mut sessions: Vec<_> = sessions.into_iter().map(comparable).collect();
        let mut found = found.to_vec();
        sessions.sort_by(|one, other| one.id.cmp(&other.id));
        found.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(sessions, found, "{asked:?}");
    }
}

pub(super) async fn the_device_and_the_address_are_kept(store: &dyn SessionStore) {
    let texts = HOSTILE.map(|text| Some(text.to_owned()));
    let others = [None, Some(String::new())];
    for (number, text) in (0..).zip(texts.into_iter().chain(others)) {
        let session = NewSessionRow {
            device: text.clone(),
            address: text.map(|text| format!("at {text}")),
            ..session(number, ADA)
        };
        is_kept(store, &session).await;
    }
}

pub(super) async fn a_session_that_nobody_proved_is_kept_as_such(store: &dyn SessionStore) {
    let session = NewSessionRow {
        authenticated_at: None,
        ..session(1, ADA)
    };
    is_kept(store, &session).await;
}

pub(super) async fn a_session_is_persistent_or_not_for_as_long_as_it_lives(
    store: &dyn SessionStore,
) {
    for (number, persistent) in [(1, true), (2, false)] {
        let session = NewSessionRow {
            persistent,
            ..session(number, ADA)
        };
        is_kept(store, &session).await;
        let (first, second) = (session_id(number), session_id(10 + number));
        let renewed = store.renew_session(&first, expiries(NOW)).await;
        assert!(renewed.expect("a session is renewed"));
        let rotated = store.rotate_session(&first, rotation(10 + number, NOW));
        assert!(rotated.await.expect("a session is rotated"));
        let visited = attributes(json!({ "visits": 9 }));
        let updated = store.update_session(&second, visited).await;
        let updated = updated.expect("a session is updated");
        assert_eq!(updated.expect("it is there").persistent, persistent);
        let listed = store.user_sessions(&UserId::from_stored(ADA)).await;
        let listed = listed.expect("sessions are listed");
        let listed = listed.iter().find(|session| session.id == second);
        assert_eq!(listed.expect("it is listed").persistent, persistent);
        let found = stored_session(store, &second).await;
        assert_eq!(found.expect("it is there").persistent, persistent);
    }
}

pub(super) async fn times_are_kept_to_the_millisecond_however_far_away(store: &dyn SessionStore) {
    const YEAR_9999: i64 = 253_402_300_799_999;
    for (number, time) in (0..).zip([0, 1, NOW, YEAR_9999, i64::MAX - 4]) {
        let session = NewSessionRow {
            created_at: UnixMillis(time),
            authenticated_at: Some(UnixMillis(time + 3)),
            expiries: Expiries {
                renewed_at: UnixMillis(time + 1),
                active_expires: UnixMillis(time + 2),
                idle_expires: UnixMillis(time + 4),
            },
            ..session(number, ADA)
        };
        is_kept(store, &session).await;
    }
}

pub(super) async fn sessions_of_users_with_hostile_ids_are_kept_apart(store: &dyn SessionStore) {
    for (number, user) in (0..).zip(HOSTILE) {
        insert_session(store, &session(number, user)).await;
    }
    for (number, user) in (0..).zip(HOSTILE) {
        assert_eq!(session_ids(store, user).await, [session_id(number)]);
        let stored = stored_session(store, &session_id(number)).await;
        assert_eq!(stored, Some(row(&session(number, user))));
    }
}

pub(super) async fn the_sessions_of_a_user_are_listed_the_oldest_first(store: &dyn SessionStore) {
    for number in [2, 4, 1, 3] {
        insert_session(store, &session(number, ADA)).await;
    }
    insert_session(store, &session(5, BOB)).await;
    let late = expiries(NOW + 9_000_000);
    let renewed = store.renew_session(&session_id(1), late).await;
    assert!(renewed.expect("a session is renewed"));
    let ids = [1, 2, 3, 4].map(session_id);
    assert_eq!(session_ids(store, ADA).await, ids);

    let listed = store.user_sessions(&UserId::from_stored(BOB)).await;
    let listed = listed.expect("sessions are listed");
    let listed: Vec<_> = listed.into_iter().map(comparable).collect();
    assert_eq!(
        listed,
        [row(&session(5, BOB))],
        "each is listed as it is stored"
    );
}

pub(super) async fn a_user_without_sessions_has_an_empty_list(store: &dyn SessionStore) {
    insert_session(store, &session(1, BOB)).await;
    assert_eq!(session_ids(store, ADA).await, []);
    assert_eq!(session_ids(store, "nobody").await, []);
}

pub(super) async fn a_renewal_moves_the_times_and_nothing_else(store: &dyn SessionStore) {
    let before = session(1, ADA);
    insert_session(store, &before).await;
    insert_session(store, &session(2, ADA)).await;
    let moved = expiries(NOW + 1_000_000);
    let renewed = store.renew_session(&session_id(1), moved).await;
    assert!(renewed.expect("a session is renewed"));
    let after = SessionRow {
        expiries: moved,
        ..row(&before)
    };
    assert_eq!(stored_session(store, &session_id(1)).await, Some(after));
    let other = stored_session(store, &session_id(2)).await;
    assert_eq!(other, Some(row(&session(2, ADA))));
}

pub(super) async fn renewing_an_unknown_session_is_false(store: &dyn SessionStore) {
    let renewed = store.renew_session(&session_id(1), expiries(NOW)).await;
    assert!(!renewed.expect("there is nothing to renew"));
    assert_eq!(stored_session(store, &session_id(1)).await, None);
}

pub(super) async fn a_renewal_does_not_bring_a_deleted_session_back(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    delete(store, 1).await;
    let renewed = store.renew_session(&session_id(1), expiries(NOW)).await;
    assert!(!renewed.expect("there is nothing to renew"));
    assert_eq!(stored_session(store, &session_id(1)).await, None);
}

pub(super) async fn a_renewal_beside_a_deletion_leaves_no_session(store: &dyn SessionStore) {
    for number in 0..20 {
        insert_session(store, &session(number, ADA)).await;
    }
    let meetings = (0..20).map(async |number| {
        let id = session_id(number);
        let both = [true, false].map(async |renews| {
            if renews {
                let renewed = store.renew_session(&id, expiries(NOW)).await;
                renewed.map(drop).expect("renewed or not");
            } else {
                let deleted = store.delete_session(&id, Owner::Anyone).await;
                assert!(deleted.expect("a session is deleted"));
            }
        });
        all(both).await;
    });
    all(meetings).await;
    assert_eq!(session_ids(store, ADA).await, []);
}

pub(super) async fn parallel_renewals_all_find_the_session(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    let id = session_id(1);
    let renewals = (0..50).map(|at| store.renew_session(&id, expiries(NOW + at)));
    for renewed in all(renewals).await {
        assert!(renewed.expect("a session is renewed"));
    }
    let session = stored_session(store, &id).await.expect("it is there");
    let renewed_at = session.expiries.renewed_at.0;
    assert!((NOW..NOW + 50).contains(&renewed_at));
    assert_eq!(
        session.expiries,
        expiries(renewed_at),
        "the times are those of one renewal"
    );
}

pub(super) async fn a_deleted_session_is_gone_and_others_stay(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    insert_session(store, &session(2, ADA)).await;
    delete(store, 1).await;
    assert_eq!(stored_session(store, &session_id(1)).await, None);
    assert_eq!(session_ids(store, ADA).await, [session_id(2)]);
    let again = store.delete_session(&session_id(1), Owner::Anyone).await;
    assert!(!again.expect("it is gone already"));
}

pub(super) async fn deleting_an_unknown_session_is_false(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    let ada = UserId::from_stored(ADA);
    for owner in [Owner::Anyone, Owner::Is(&ada)] {
        let deleted = store.delete_session(&session_id(2), owner).await;
        assert!(!deleted.expect("there is nothing to delete"));
    }
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

pub(super) async fn a_session_is_deleted_for_its_owner_only(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    let id = session_id(1);
    for stranger in [BOB, "nobody", "", "ADA"] {
        let deleted = store
            .delete_session(&id, Owner::Is(&UserId::from_stored(stranger)))
            .await;
        assert!(!deleted.expect("it is not theirs"), "{stranger:?}");
    }
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
    let deleted = store
        .delete_session(&id, Owner::Is(&UserId::from_stored(ADA)))
        .await;
    assert!(deleted.expect("it is theirs"));
    assert_eq!(session_ids(store, ADA).await, []);
}

pub(super) async fn the_sessions_of_a_user_are_deleted_and_no_others(store: &dyn SessionStore) {
    for (number, user) in [(1, ADA), (2, ADA), (3, BOB)] {
        insert_session(store, &session(number, user)).await;
    }
    delete_all(store, ADA, None).await;
    assert_eq!(session_ids(store, ADA).await, []);
    assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
}

pub(super) async fn the_sessions_of_a_user_are_deleted_except_one(store: &dyn SessionStore) {
    for number in 1..=3 {
        insert_session(store, &session(number, ADA)).await;
    }
    delete_all(store, ADA, Some(2)).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(2)]);
}

pub(super) async fn a_session_of_someone_else_is_no_exception(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    insert_session(store, &session(2, BOB)).await;
    delete_all(store, ADA, Some(2)).await;
    assert_eq!(session_ids(store, ADA).await, []);
    assert_eq!(session_ids(store, BOB).await, [session_id(2)]);
}

pub(super) async fn deleting_the_sessions_of_an_unknown_user_is_silent(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    delete_all(store, "nobody", None).await;
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

pub(super) async fn a_session_at_its_last_moment_is_not_expired(store: &dyn SessionStore) {
    for (number, idle_expires) in [(1, NOW - 1), (2, NOW), (3, NOW + 1)] {
        insert_session(store, &expired_at(number, idle_expires)).await;
    }
    is_swept(store, sweep(store, NOW, 100).await, 1);
    assert_eq!(unexpired(store).await, [2, 3].map(session_id));
}

pub(super) async fn no_more_expired_sessions_are_deleted_than_asked(store: &dyn SessionStore) {
    for number in 0..7 {
        insert_session(store, &expired_at(number, NOW - 1)).await;
    }
    insert_session(store, &expired_at(7, NOW + 1)).await;
    for (limit, deleted, left) in [(0, 0, 8), (3, 3, 5), (3, 3, 2), (3, 1, 1), (3, 0, 1)] {
        is_swept(store, sweep(store, NOW, limit).await, deleted);
        if store.removes_expired_sessions() {
            assert_eq!(unexpired(store).await, [session_id(7)]);
        } else {
            assert_eq!(session_ids(store, ADA).await.len(), left);
        }
    }
}

pub(super) async fn sweeping_where_nothing_is_expired_deletes_nothing(store: &dyn SessionStore) {
    assert_eq!(sweep(store, NOW, 100).await, 0);
    insert_session(store, &expired_at(1, i64::MAX)).await;
    assert_eq!(sweep(store, NOW, u32::MAX).await, 0);
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

pub(super) async fn two_sweepers_at_once_delete_each_expired_session_once(
    store: &dyn SessionStore,
) {
    for number in 0..40 {
        let idle_expires = if number % 2 == 0 { NOW - 1 } else { NOW + 1 };
        insert_session(store, &expired_at(number, idle_expires)).await;
    }
    let deleted = all((0..2).map(|_| sweep(store, NOW, 100))).await;
    is_swept(store, deleted.iter().sum(), 20);
    let left = (1..40).step_by(2).map(session_id);
    assert_eq!(unexpired(store).await, left.collect::<Vec<_>>());
}

/// As many expired sessions were deleted as there were, or at the most so many where the store can have removed
/// some of them before.
fn is_swept(store: &dyn SessionStore, deleted: u64, expired: u64) {
    if store.removes_expired_sessions() {
        assert!(deleted <= expired, "{deleted} of {expired} were deleted");
    } else {
        assert_eq!(deleted, expired);
    }
}

/// It may work with less than it should, and says why.
pub(super) async fn a_store_that_works_says_so(store: &dyn SessionStore) {
    let health = store
        .health()
        .await
        .expect("the store is asked whether it works");
    assert_eq!(health.name, store.store_name());
    assert_ne!(health.status, HealthStatus::Down, "{health:?}");
    let is_up = health.status == HealthStatus::Up;
    assert_eq!(is_up, health.reasons.is_empty(), "{health:?}");
}

/// The sessions that are not expired, and no others where the store leaves expired ones to the sweeper.
async fn unexpired(store: &dyn SessionStore) -> Vec<SessionId> {
    if !store.removes_expired_sessions() {
        return session_ids(store, ADA).await;
    }
    let sessions = store.user_sessions(&UserId::from_stored(ADA)).await;
    let mut sessions = sessions.expect("sessions are listed");
    sessions.retain(|session| session.expiries.idle_expires.0 >= NOW);
    sessions.into_iter().map(|session| session.id).collect()
}

async fn is_kept(store: &dyn SessionStore, session: &NewSessionRow) {
    insert_session(store, session).await;
    let stored = stored_session(store, &session.token.session_id()).await;
    assert_eq!(stored, Some(row(session)));
}

fn expired_at(number: u64, idle_expires: i64) -> NewSessionRow {
    let session = session(number, ADA);
    NewSessionRow {
        expiries: Expiries {
            idle_expires: UnixMillis(idle_expires),
            ..session.expiries
        },
        ..session
    }
}

async fn sweep(store: &dyn SessionStore, now: i64, limit: u32) -> u64 {
    let deleted = store.delete_expired_sessions(UnixMillis(now), limit).await;
    deleted.expect("expired sessions are deleted")
}

async fn delete(store: &dyn SessionStore, number: u64) {
    let deleted = store
        .delete_session(&session_id(number), Owner::Anyone)
        .await;
    assert!(deleted.expect("a session is deleted"));
}

async fn delete_all(store: &dyn SessionStore, user: &str, except: Option<u64>) {
    let except = except.map(session_id);
    let user = UserId::from_stored(user);
    let deleted = store.delete_user_sessions(&user, except.as_ref()).await;
    deleted.expect("sessions are deleted");
}
