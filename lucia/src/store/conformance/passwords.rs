//! Passwords that end sessions.

use super::values::{
    NOW, all, insert_key, insert_session, insert_user, key, rotated, rotation, row, session,
    session_id, session_ids, stored_key, stored_session,
};
use crate::store::{KeyRow, NewSessionRow, OldHash, PasswordChange, Rotation, Store, UnixMillis};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

pub(super) async fn a_new_password_ends_all_sessions_of_its_user_and_no_others(store: &dyn Store) {
    two_users(store).await;
    assert!(change(store, ADA, "a:1", None).await);
    assert_eq!(stored_key(store, "a:1").await, Some(changed("a:1", ADA)));
    assert_eq!(stored_key(store, "a:2").await, Some(key("a:2", ADA)));
    assert_eq!(session_ids(store, ADA).await, []);
    assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
    assert!(change(store, ADA, "a:1", None).await, "without a session");
}

pub(super) async fn a_new_password_keeps_the_session_named_under_its_new_id(store: &dyn Store) {
    two_users(store).await;
    let rotation = Rotation {
        authenticated_at: Some(UnixMillis(NOW + 5)),
        ..rotation(9, NOW + 6)
    };
    assert!(change(store, ADA, "a:1", Some((1, &rotation))).await);
    assert_eq!(stored_key(store, "a:1").await, Some(changed("a:1", ADA)));
    assert_eq!(session_ids(store, ADA).await, [session_id(9)]);
    let kept = stored_session(store, &session_id(9)).await;
    assert_eq!(kept, Some(rotated(row(&session(1, ADA)), &rotation)));
    assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
}

pub(super) async fn a_password_of_an_unknown_key_changes_nothing(store: &dyn Store) {
    two_users(store).await;
    for kept in [None, Some((1, &rotation(9, NOW)))] {
        assert!(!change(store, ADA, "a:3", kept).await);
        unchanged(store).await;
    }
    assert_eq!(stored_key(store, "a:3").await, None);
}

pub(super) async fn a_password_of_somebody_elses_key_changes_nothing(store: &dyn Store) {
    two_users(store).await;
    for kept in [None, Some((1, &rotation(9, NOW)))] {
        assert!(!change(store, ADA, "b:1", kept).await);
        unchanged(store).await;
    }
}

pub(super) async fn a_password_beside_a_session_that_is_gone_changes_nothing(store: &dyn Store) {
    two_users(store).await;
    assert!(!change(store, ADA, "a:1", Some((8, &rotation(9, NOW)))).await);
    unchanged(store).await;
}

pub(super) async fn a_password_beside_a_session_of_somebody_else_changes_nothing(
    store: &dyn Store,
) {
    two_users(store).await;
    assert!(!change(store, ADA, "a:1", Some((3, &rotation(9, NOW)))).await);
    unchanged(store).await;
}

pub(super) async fn a_new_password_takes_the_place_of_the_one_verified(store: &dyn Store) {
    two_users(store).await;
    let verified = OldHash::Is(key("a:1", ADA).hashed_password);
    let kept = rotation(9, NOW);
    let replacing = PasswordChange {
        old: verified.clone(),
        ..new_password(ADA, "a:1", Some((1, &kept)))
    };
    assert!(changes(store, replacing).await);
    assert_eq!(stored_key(store, "a:1").await, Some(changed("a:1", ADA)));
    assert_eq!(session_ids(store, ADA).await, [session_id(9)]);

    insert_key(
        store,
        &KeyRow {
            hashed_password: None,
            ..key("a:3", ADA)
        },
    )
    .await;
    let giving = PasswordChange {
        old: OldHash::Is(None),
        ..new_password(ADA, "a:3", None)
    };
    assert!(changes(store, giving).await);
    assert_eq!(stored_key(store, "a:3").await, Some(changed("a:3", ADA)));
}

pub(super) async fn a_password_that_is_not_the_one_verified_changes_nothing(store: &dyn Store) {
    two_users(store).await;
    let others = [
        "hash of a:2",
        "HASH OF A:1",
        "hash of a:1 ",
        "hash of a:_",
        "",
    ];
    let others = others.map(|hash| Some(hash.to_owned()));
    for old in others.into_iter().chain([None]) {
        for kept in [None, Some((1, &rotation(9, NOW)))] {
            let change = PasswordChange {
                old: OldHash::Is(old.clone()),
                ..new_password(ADA, "a:1", kept)
            };
            assert!(!changes(store, change).await, "{old:?}");
            unchanged(store).await;
        }
    }
}

/// As when an administrator sets a password while the user changes it: the change comes first, or
/// finds another password than the one that was verified.
pub(super) async fn a_password_set_beside_a_change_stays(store: &dyn Store) {
    for number in 0..20 {
        let user = format!("user {number}");
        insert_user(store, &user).await;
        insert_key(store, &key(&format!("a:{number}"), &user)).await;
        insert_session(store, &session(number, &user)).await;
    }
    let meetings = (0..20).map(async |number| {
        let user = format!("user {number}");
        let key_id = format!("a:{number}");
        let kept = rotation(100 + number, NOW);
        // Each comes first in half of the meetings.
        all((0..2).map(async |part| {
            if part == number % 2 {
                let id = UserId::from_stored(user.as_str());
                let hash = Some("a hash that was set");
                let set = store.update_key_password(&key_id, &id, hash, OldHash::Any);
                assert!(set.await.expect("a password is set"));
            } else {
                let change = PasswordChange {
                    old: OldHash::Is(key(&key_id, &user).hashed_password),
                    ..new_password(&user, &key_id, Some((number, &kept)))
                };
                changes(store, change).await;
            }
        }))
        .await;
        let stored = stored_key(store, &key_id).await;
        let hash = stored.and_then(|key| key.hashed_password);
        assert_eq!(hash.as_deref(), Some("a hash that was set"), "{user}");
    });
    all(meetings).await;
}

pub(super) async fn of_parallel_changes_of_one_verified_password_one_succeeds(store: &dyn Store) {
    two_users(store).await;
    let verified = OldHash::Is(key("a:1", ADA).hashed_password);
    let outcomes = all((0..20).map(async |number| {
        let change = PasswordChange {
            hashed_password: format!("hash {number}"),
            old: verified.clone(),
            ..new_password(ADA, "a:1", None)
        };
        changes(store, change).await
    }))
    .await;
    let winners: Vec<_> = (0..20).filter(|number| outcomes[*number]).collect();
    assert_eq!(winners.len(), 1, "changes that succeeded");
    let stored = stored_key(store, "a:1").await;
    let hash = stored.and_then(|key| key.hashed_password);
    assert_eq!(hash, Some(format!("hash {}", winners[0])));
}

pub(super) async fn of_two_new_passwords_that_keep_one_session_one_wins(store: &dyn Store) {
    for number in 0..10 {
        let user = format!("user {number}");
        insert_user(store, &user).await;
        insert_key(store, &key(&format!("a:{number}"), &user)).await;
        insert_session(store, &session(number, &user)).await;
    }
    let meetings = (0..10).map(async |number| {
        let user = format!("user {number}");
        let both = [100, 200].map(async |tens| {
            let rotation = rotation(tens + number, NOW);
            let key = format!("a:{number}");
            change(store, &user, &key, Some((number, &rotation))).await
        });
        all(both).await
    });
    for (number, wins) in (0..).zip(all(meetings).await) {
        assert_eq!(wins.iter().filter(|wins| **wins).count(), 1, "{wins:?}");
        let winner = if wins[0] { 100 } else { 200 };
        let left = session_ids(store, &format!("user {number}")).await;
        assert_eq!(left, [session_id(winner + number)]);
    }
}

pub(super) async fn new_passwords_beside_all_that_ends_sessions_do_not_get_stuck(
    store: &dyn Store,
) {
    let ada = UserId::from_stored(ADA);
    two_users(store).await;
    for round in 1..=3 {
        let first = round * 100;
        for number in first..first + 20 {
            insert_session(store, &session(number, ADA)).await;
        }
        all((first..first + 60).map(async |number| match number % 6 {
            0 => {
                let kept = (number, &rotation(1000 + number, NOW));
                change(store, ADA, "a:1", Some(kept)).await;
            }
            1 => assert!(change(store, ADA, "a:2", None).await),
            2 => {
                let except = session_id(number);
                let deleted = store.delete_user_sessions(&ada, Some(&except)).await;
                deleted.expect("sessions are deleted");
            }
            3 => {
                let new = NewSessionRow {
                    limit: Some(3),
                    ..session(4000 + number, ADA)
                };
                let by_key = store.insert_session_by_key(new, key("a:2", ADA)).await;
                by_key.map(drop).expect("stored or refused");
            }
            4 => {
                let new = NewSessionRow {
                    replaces: Some(session_id(number - 40)),
                    ..session(2000 + number, ADA)
                };
                insert_session(store, &new).await;
            }
            _ => {
                let rotation = rotation(3000 + number, NOW);
                let rotated = store.rotate_session(&session_id(number), rotation).await;
                rotated.map(drop).expect("rotated or not");
            }
        }))
        .await;
    }
    assert!(change(store, ADA, "a:1", None).await);
    assert_eq!(session_ids(store, ADA).await, []);
    assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
}

/// Ada with two keys and two sessions, Bob with one of each.
pub(super) async fn two_users(store: &dyn Store) {
    for user in [ADA, BOB] {
        insert_user(store, user).await;
    }
    for (id, user) in [("a:1", ADA), ("a:2", ADA), ("b:1", BOB)] {
        insert_key(store, &key(id, user)).await;
    }
    for (number, user) in [(1, ADA), (2, ADA), (3, BOB)] {
        insert_session(store, &session(number, user)).await;
    }
}

/// All is as [`two_users`] left it.
pub(super) async fn unchanged(store: &dyn Store) {
    for (id, user) in [("a:1", ADA), ("a:2", ADA), ("b:1", BOB)] {
        assert_eq!(stored_key(store, id).await, Some(key(id, user)));
    }
    for (number, user) in [(1, ADA), (2, ADA), (3, BOB)] {
        let stored = stored_session(store, &session_id(number)).await;
        assert_eq!(stored, Some(row(&session(number, user))));
    }
    assert_eq!(session_ids(store, ADA).await.len(), 2);
}

fn changed(id: &str, user: &str) -> KeyRow {
    KeyRow {
        hashed_password: Some("another hash".to_owned()),
        ..key(id, user)
    }
}

async fn change(
    store: &dyn Store,
    user: &str,
    key_id: &str,
    kept: Option<(u64, &Rotation)>,
) -> bool {
    changes(store, new_password(user, key_id, kept)).await
}

/// Whatever the old one is.
pub(super) fn new_password(
    user: &str,
    key_id: &str,
    kept: Option<(u64, &Rotation)>,
) -> PasswordChange {
    let hash = "another hash".to_owned();
    PasswordChange {
        kept: kept.map(|(number, rotation)| (session_id(number), rotation.clone())),
        ..PasswordChange::new(key_id, UserId::from_stored(user), hash)
    }
}

pub(super) async fn changes(store: &dyn Store, change: PasswordChange) -> bool {
    let changed = store.change_password(change).await;
    changed.expect("a password is changed or not")
}
