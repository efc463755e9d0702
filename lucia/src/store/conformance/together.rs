//! Sessions with their users.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::values::{
    NOW, all, attributes, columns, comparable, give_way, insert_key, insert_session, insert_user,
    key, key_ids, rotation, row, session, session_id, session_ids, stored_session, stored_user,
};
use crate::store::{
    Expiries, LastKey, NewSessionRow, PasswordChange, SessionRow, Store, StoreError, UnixMillis,
    UserRow,
};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

pub(super) async fn a_session_and_its_user_come_together(store: &dyn Store) {
    insert_user(store, ADA).await;
    let bob = insert_user(store, BOB).await;
    insert_session(store, &session(1, ADA)).await;
    insert_session(store, &session(2, BOB)).await;
    let (session_of_bob, user) = both(store, 2).await.expect("both");
    assert_eq!(session_of_bob, row(&session(2, BOB)));
    assert_eq!(user.id, bob.id);
    assert_eq!(columns(&user), columns(&bob));
}

pub(super) async fn a_expired_session_still_comes_with_its_user(store: &dyn Store) {
    insert_user(store, ADA).await;
    let expired = NewSessionRow {
        expiries: Expiries {
            renewed_at: UnixMillis(0),
            active_expires: UnixMillis(1),
            idle_expires: UnixMillis(2),
        },
        ..session(1, ADA)
    };
    insert_session(store, &expired).await;
    let (found, _) = both(store, 1).await.expect("both");
    assert_eq!(
        found,
        row(&expired),
        "whether it is alive is not the store's to say"
    );
}

pub(super) async fn an_unknown_session_comes_without_a_user(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_session(store, &session(1, ADA)).await;
    assert!(both(store, 2).await.is_none());
}

pub(super) async fn several_sessions_and_their_users_come_together(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_user(store, BOB).await;
    let expired = NewSessionRow {
        expiries: Expiries {
            renewed_at: UnixMillis(0),
            active_expires: UnixMillis(1),
            idle_expires: UnixMillis(2),
        },
        ..session(3, BOB)
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
        (&[3, 1, 9, 2][..], &[(1, ADA), (2, BOB), (3, BOB)][..]),
        (&[4, 1], &[(1, ADA), (4, ADA)]),
        (&[8, 9], &[]),
        (&[], &[]),
    ] {
        let ids: Vec<_> = asked.iter().copied().map(session_id).collect();
        let both = store.sessions_and_users(&ids).await;
        let both = both.expect("sessions and users are found").into_iter();
        let mut both: Vec<_> = both
            .map(|(session, user)| (session.id, session.user_id, user.id))
            .collect();
        both.sort();
        let mut found: Vec<_> = found
            .iter()
            .map(|(number, user)| {
                (
                    session_id(*number),
                    UserId::from_stored(*user),
                    UserId::from_stored(*user),
                )
            })
            .collect();
        found.sort();
        assert_eq!(both, found, "{asked:?}");
    }
}

pub(super) async fn a_deleted_user_leaves_neither_session_nor_user(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_session(store, &session(1, ADA)).await;
    let deleted = store.delete_user(&UserId::from_stored(ADA)).await;
    deleted.expect("a user is deleted");
    assert!(both(store, 1).await.is_none());
}

pub(super) async fn a_session_of_an_unknown_user_is_refused(store: &dyn Store) {
    let refused = store.insert_session(session(1, ADA)).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownUser)),
        "{refused:?}"
    );
    assert_eq!(session_ids(store, ADA).await, []);
}

pub(super) async fn a_refused_session_replaces_nothing(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_session(store, &session(1, ADA)).await;
    let refused = NewSessionRow {
        replaces: Some(session_id(1)),
        ..session(2, BOB)
    };
    let refused = store.insert_session(refused).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownUser)),
        "{refused:?}"
    );
    let stays = stored_session(store, &session_id(1)).await;
    assert_eq!(stays, Some(row(&session(1, ADA))));
    assert_eq!(session_ids(store, BOB).await, []);
}

pub(super) async fn a_session_that_cannot_be_stored_ends_no_other(store: &dyn Store) {
    insert_user(store, ADA).await;
    for number in 1..=2 {
        insert_session(store, &session(number, ADA)).await;
    }
    let refused = NewSessionRow {
        replaces: Some(session_id(1)),
        limit: Some(1),
        attributes: attributes(json!({ "visits": null })),
        ..session(3, ADA)
    };
    let refused = store.insert_session(refused).await;
    assert!(
        matches!(refused, Err(StoreError::Constraint(_))),
        "{refused:?}"
    );
    assert_eq!(session_ids(store, ADA).await, [1, 2].map(session_id));
}

pub(super) async fn deleting_a_user_beside_their_sign_ins_leaves_no_session(store: &dyn Store) {
    insert_user(store, ADA).await;
    let ada = UserId::from_stored(ADA);
    for number in 100..121 {
        insert_session(store, &session(number, ADA)).await;
    }
    // The deletion in the middle of the queue.
    let meeting = (0..21).map(async |number| {
        if number == 10 {
            let deleted = store.delete_user(&ada).await;
            deleted.expect("a user is deleted beside sign-ins");
        } else {
            let new = NewSessionRow {
                replaces: Some(session_id(100 + number)),
                ..session(number, ADA)
            };
            match store.insert_session(new).await {
                Ok(_) | Err(StoreError::UnknownUser) => {}
                Err(other) => panic!("signing in to a deleted account: {other:?}"),
            }
        }
    });
    all(meeting).await;
    assert!(stored_user(store, ADA).await.is_none());
    assert_eq!(session_ids(store, ADA).await, []);
}

/// A deletion that sees less than is there by the time it acts fails, or leaves something behind.
pub(super) async fn deleting_a_user_succeeds_however_often_they_sign_in(store: &dyn Store) {
    for round in 0..80 {
        let user = format!("user {round}");
        let id = UserId::from_stored(user.as_str());
        insert_user(store, &user).await;
        insert_key(store, &key(&format!("a:{user}"), &user)).await;
        let is_deleted = AtomicBool::new(false);
        // One to eight of them sign in again and again; the last one deletes the user.
        let sign_ins = 1 + round % 8;
        let meeting = (0..=sign_ins).map(async |part| {
            if part == sign_ins {
                for _ in 0..=round % 3 {
                    give_way().await;
                    assert!(stored_user(store, &user).await.is_some());
                }
                let deleted = store.delete_user(&id).await;
                deleted.expect("a user is deleted however often they sign in");
                is_deleted.store(true, Ordering::SeqCst);
                return;
            }
            for number in 0.. {
                let is_late = is_deleted.load(Ordering::SeqCst);
                let first = 1_000_000 * round + 100_000 * part;
                let kind = (round + part) % 4;
                let new = NewSessionRow {
                    replaces: (kind == 1).then(|| session_id(first + number - number.min(1))),
                    limit: (kind == 2).then_some(3),
                    ..session(first + number, &user)
                };
                let signed_in = if kind == 3 {
                    let opened = key(&format!("a:{user}"), &user);
                    store.insert_session_by_key(new, opened).await
                } else {
                    store.insert_session(new).await.map(Some)
                };
                match signed_in {
                    Ok(Some(_)) => assert!(!is_late, "a sign-in of a user who is deleted"),
                    Ok(None) | Err(StoreError::UnknownUser) => return,
                    Err(other) => panic!("signing in beside a deletion: {other:?}"),
                }
                give_way().await;
            }
        });
        all(meeting).await;
        assert!(stored_user(store, &user).await.is_none());
        assert!(key_ids(store, &user).await.is_empty());
        assert_eq!(session_ids(store, &user).await, []);
    }
}

pub(super) async fn deleting_users_beside_all_that_they_do_leaves_nothing(store: &dyn Store) {
    let users: Vec<String> = (0..10).map(|number| format!("user {number}")).collect();
    for (number, user) in (0..).zip(&users) {
        insert_user(store, user).await;
        for at in 0..3 {
            insert_key(store, &key(&format!("{at}:{user}"), user)).await;
            insert_session(store, &session(10 * number + at, user)).await;
        }
    }
    // Everything of theirs that takes more than one row, or makes one.
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let (id, first) = (UserId::from_stored(user.as_str()), 10 * number);
        let meeting = (0..10).map(async |part| match part {
            0 => store
                .delete_key(&format!("0:{user}"), LastKey::Keep)
                .await
                .map(drop),
            1 => store
                .delete_key(&format!("1:{user}"), LastKey::Delete)
                .await
                .map(drop),
            2 => store.delete_user(&id).await,
            3 | 4 => {
                let new = NewSessionRow {
                    replaces: Some(session_id(first + part - 3)),
                    ..session(first + part, user)
                };
                store.insert_session(new).await.map(drop)
            }
            5 => {
                let hash = "another hash".to_owned();
                let change = PasswordChange {
                    kept: Some((session_id(first + 2), rotation(first + 5, NOW))),
                    ..PasswordChange::new(format!("2:{user}"), id.clone(), hash)
                };
                store.change_password(change).await.map(drop)
            }
            6 => store.delete_user_sessions(&id, None).await,
            7 => store.insert_key(key(&format!("3:{user}"), user)).await,
            8 => {
                let new = NewSessionRow {
                    limit: Some(1),
                    ..session(first + 6, user)
                };
                store.insert_session(new).await.map(drop)
            }
            _ => {
                let key = key(&format!("1:{user}"), user);
                let new = NewSessionRow {
                    limit: Some(2),
                    ..session(first + 7, user)
                };
                store.insert_session_by_key(new, key).await.map(drop)
            }
        });
        for (part, outcome) in all(meeting).await.into_iter().enumerate() {
            match outcome {
                Ok(()) | Err(StoreError::UnknownUser) => {}
                Err(other) => panic!("part {part} beside a deletion: {other:?}"),
            }
        }
    });
    all(meetings).await;
    for user in &users {
        assert!(stored_user(store, user).await.is_none());
        assert!(key_ids(store, user).await.is_empty());
        assert_eq!(session_ids(store, user).await, []);
    }
}

async fn both(store: &dyn Store, number: u64) -> Option<(SessionRow, UserRow)> {
    let found = store.session_and_user(&session_id(number)).await;
    let found = found.expect("a session is looked up");
    found.map(|(session, user)| (comparable(session), user))
}
