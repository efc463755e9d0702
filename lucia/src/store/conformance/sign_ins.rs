//! Sessions by the key that was opened for them.

use super::values::{
    NOW, all, comparable, forty_users, insert_key, insert_session, insert_user, key, rotation, row,
    session, session_id, session_ids, stored_key, unverified,
};
use crate::store::{KeyRow, LastKey, NewSessionRow, OldHash, PasswordChange, Store, UnixMillis};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

pub(super) async fn a_session_begins_by_the_key_that_was_opened(store: &dyn Store) {
    two_users(store).await;
    let by_password = session(11, ADA);
    let inserted = sign_in(store, &by_password, &key("a:1", ADA)).await;
    assert_eq!(inserted.map(comparable), Some(row(&by_password)));
    let by_provider = session(12, ADA);
    let inserted = sign_in(store, &by_provider, &without_password("a:2", ADA)).await;
    assert_eq!(inserted.map(comparable), Some(row(&by_provider)));
    insert_key(store, &unverified(without_password("a:4", ADA))).await;
    let opened = unverified(without_password("a:4", ADA));
    assert!(sign_in(store, &session(13, ADA), &opened).await.is_some());
    // Where there is a password, it alone opens the key. Its user can have verified the key meanwhile.
    let opened = unverified(key("a:1", ADA));
    assert!(sign_in(store, &session(14, ADA), &opened).await.is_some());
    assert_eq!(
        session_ids(store, ADA).await,
        [1, 2, 11, 12, 13, 14].map(session_id)
    );
    assert_eq!(stored_key(store, "a:1").await, Some(key("a:1", ADA)));
}

pub(super) async fn a_session_by_a_key_replaces_one_and_holds_the_limit(store: &dyn Store) {
    two_users(store).await;
    let new = NewSessionRow {
        replaces: Some(session_id(3)),
        limit: Some(2),
        ..session(11, ADA)
    };
    assert!(sign_in(store, &new, &key("a:1", ADA)).await.is_some());
    assert_eq!(session_ids(store, ADA).await, [2, 11].map(session_id));
    assert_eq!(session_ids(store, BOB).await, []);
}

pub(super) async fn a_key_that_is_not_as_it_was_opened_begins_no_session(store: &dyn Store) {
    two_users(store).await;
    insert_key(store, &unverified(without_password("a:4", ADA))).await;
    let verified_before = |key: KeyRow| KeyRow {
        verified_at: key.verified_at.map(|at| UnixMillis(at.0 - 1)),
        ..key
    };
    let other_hash = |key: KeyRow| KeyRow {
        hashed_password: Some("another hash".to_owned()),
        ..key
    };
    for (user, opened) in [
        // Another password, none any more, one by now.
        (ADA, other_hash(key("a:1", ADA))),
        (ADA, without_password("a:1", ADA)),
        (ADA, other_hash(without_password("a:2", ADA))),
        // Without a password, claimed since or not verified any more, which looks like another key.
        (ADA, unverified(without_password("a:2", ADA))),
        (ADA, verified_before(without_password("a:2", ADA))),
        (ADA, without_password("a:4", ADA)),
        // Gone, and another user's.
        (ADA, key("a:3", ADA)),
        (ADA, key("b:1", ADA)),
        (ADA, key("b:1", BOB)),
        (BOB, key("a:1", ADA)),
        ("nobody", key("c:1", "nobody")),
    ] {
        let new = NewSessionRow {
            replaces: Some(session_id(1)),
            limit: Some(1),
            ..session(11, user)
        };
        assert_eq!(
            sign_in(store, &new, &opened).await,
            None,
            "{user} {opened:?}"
        );
        let unlimited = NewSessionRow { limit: None, ..new };
        let refused = sign_in(store, &unlimited, &opened).await;
        assert_eq!(refused, None, "{user} {opened:?}");
        assert_eq!(session_ids(store, ADA).await, [1, 2].map(session_id));
        assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
    }
}

pub(super) async fn of_fifty_sessions_by_a_key_as_many_are_left_as_asked(store: &dyn Store) {
    two_users(store).await;
    let sign_ins = (100..150).map(async |number| {
        let new = NewSessionRow {
            limit: Some(3),
            ..session(number, ADA)
        };
        sign_in(store, &new, &key("a:1", ADA)).await
    });
    let stored = all(sign_ins).await;
    assert!(stored.iter().all(Option::is_some));
    assert_eq!(session_ids(store, ADA).await.len(), 3);
}

/// Whichever comes first, nothing is left of what the old password began.
pub(super) async fn no_session_of_an_old_password_outlives_the_change(store: &dyn Store) {
    let users = forty_users(store).await;
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let old = key(&format!("a:{user}"), user);
        // With a limit and without, and the change at another place among them each time.
        let meeting = (0..7).map(async |part| {
            if part == number % 7 {
                let kept = (number % 2 == 0).then(|| {
                    let rotation = rotation(100_000 + number, NOW);
                    (session_id(number), rotation)
                });
                let hash = "another hash".to_owned();
                let change = PasswordChange {
                    kept,
                    ..PasswordChange::new(&*old.id, old.user_id.clone(), hash)
                };
                let changed = store.change_password(change).await;
                assert!(changed.expect("a password is changed"));
            } else {
                let new = NewSessionRow {
                    limit: (part % 2 == 0).then_some(20),
                    ..session(1000 + 10 * number + part, user)
                };
                sign_in(store, &new, &old).await;
            }
        });
        all(meeting).await;
        // No session is stored afterwards either.
        let late = session(200_000 + number, user);
        assert_eq!(sign_in(store, &late, &old).await, None);
    });
    all(meetings).await;
    for (number, user) in (0..).zip(&users) {
        let kept = (number % 2 == 0).then(|| session_id(100_000 + number));
        let left = session_ids(store, user).await;
        assert_eq!(left, kept.into_iter().collect::<Vec<_>>(), "{user}");
    }
}

pub(super) async fn a_key_that_changes_beside_its_sign_ins_does_not_get_stuck(store: &dyn Store) {
    two_users(store).await;
    let (opened, changed) = (key("a:1", ADA), "another hash");
    for round in (1..=5).map(|round| round * 100) {
        all((round..round + 20).map(async |number| match number % 5 {
            0 => {
                let change = store
                    .update_key_password(
                        "a:1",
                        &UserId::from_stored(ADA),
                        Some(changed),
                        OldHash::Any,
                    )
                    .await;
                assert!(change.expect("a password is replaced"));
            }
            1 => {
                let hash = opened.hashed_password.as_deref();
                let change = store
                    .update_key_password(
                        "a:1",
                        &UserId::from_stored(ADA),
                        hash,
                        OldHash::Is(Some(changed.to_owned())),
                    )
                    .await;
                change.map(drop).expect("a password is swapped or not");
            }
            2 => {
                let deletion = store.delete_key("a:2", LastKey::Keep).await;
                deletion.map(drop).expect("a key is deleted or not");
            }
            _ => {
                let new = NewSessionRow {
                    replaces: Some(session_id(number - 100)),
                    limit: (number % 2 == 0).then_some(2),
                    ..session(number, ADA)
                };
                sign_in(store, &new, &opened).await;
            }
        }))
        .await;
    }
    let deleted = store.delete_key("a:1", LastKey::Delete).await;
    deleted.expect("a key is deleted");
    assert_eq!(sign_in(store, &session(1000, ADA), &opened).await, None);
}

/// Ada with a key with a password, another one without, and two sessions; Bob with one of each.
async fn two_users(store: &dyn Store) {
    for user in [ADA, BOB] {
        insert_user(store, user).await;
    }
    insert_key(store, &key("a:1", ADA)).await;
    insert_key(store, &without_password("a:2", ADA)).await;
    insert_key(store, &key("b:1", BOB)).await;
    for (number, user) in [(1, ADA), (2, ADA), (3, BOB)] {
        insert_session(store, &session(number, user)).await;
    }
}

fn without_password(id: &str, user: &str) -> KeyRow {
    KeyRow {
        hashed_password: None,
        ..key(id, user)
    }
}

async fn sign_in(
    store: &dyn Store,
    new: &NewSessionRow,
    opened: &KeyRow,
) -> Option<crate::store::SessionRow> {
    let inserted = store
        .insert_session_by_key(new.clone(), opened.clone())
        .await;
    let inserted = inserted.expect("a session is stored or refused");
    inserted.map(|inserted| inserted.row)
}
