//! Sessions that get another token.

use serde_json::json;

use super::values::{
    NOW, all, attributes, insert_session, rotated, rotation, row, session, session_id, session_ids,
    stored_session,
};
use crate::store::{NewSessionRow, Owner, Rotation, SessionStore, UnixMillis};
use crate::user::UserId;

const ADA: &str = "ada";

pub(super) async fn a_rotation_changes_the_id_and_the_times_and_nothing_else(
    store: &dyn SessionStore,
) {
    let before = NewSessionRow {
        attributes: attributes(json!({ "country": "NL", "visits": 7 })),
        ..session(1, ADA)
    };
    insert_session(store, &before).await;
    insert_session(store, &session(2, ADA)).await;
    let rotation = rotation(3, NOW + 1_000_000);
    assert!(rotate(store, 1, &rotation).await);
    assert_eq!(stored_session(store, &session_id(1)).await, None);
    let after = stored_session(store, &session_id(3)).await;
    assert_eq!(after, Some(rotated(row(&before), &rotation)));
    let other = stored_session(store, &session_id(2)).await;
    assert_eq!(other, Some(row(&session(2, ADA))));
    assert_eq!(session_ids(store, ADA).await, [3, 2].map(session_id));
}

pub(super) async fn a_rotation_is_a_proof_when_it_says_so(store: &dyn SessionStore) {
    let unproven = NewSessionRow {
        authenticated_at: None,
        ..session(2, ADA)
    };
    for (number, before) in [(1, session(1, ADA)), (2, unproven)] {
        insert_session(store, &before).await;
        let rotation = Rotation {
            authenticated_at: Some(UnixMillis(NOW + 7)),
            ..rotation(10 + number, NOW + 8)
        };
        assert!(rotate(store, number, &rotation).await);
        let after = stored_session(store, &session_id(10 + number)).await;
        let after = after.expect("it is there");
        assert_eq!(after.authenticated_at, Some(UnixMillis(NOW + 7)));
        assert_eq!(after, rotated(row(&before), &rotation));
    }
}

pub(super) async fn rotating_an_unknown_session_is_false(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    assert!(!rotate(store, 2, &rotation(3, NOW)).await);
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

pub(super) async fn a_session_is_rotated_again_and_again(store: &dyn SessionStore) {
    insert_session(store, &session(0, ADA)).await;
    for number in 1..5 {
        assert!(rotate(store, number - 1, &rotation(number, NOW)).await);
        assert!(!rotate(store, number - 1, &rotation(100, NOW)).await);
        assert_eq!(session_ids(store, ADA).await, [session_id(number)]);
    }
}

pub(super) async fn a_rotation_beside_a_deletion_leaves_no_session(store: &dyn SessionStore) {
    for number in 0..20 {
        insert_session(store, &session(number, ADA)).await;
    }
    let user = UserId::from_stored(ADA);
    // Both ways to delete, of which only the second finds a session under its new id.
    all((0..21).map(async |number| {
        if number == 20 {
            let deleted = store.delete_user_sessions(&user, None).await;
            deleted.expect("sessions are deleted");
            return;
        }
        let id = session_id(number);
        let both = [true, false].map(async |rotates| {
            if rotates {
                rotate(store, number, &rotation(100 + number, NOW)).await;
            } else if number % 2 == 0 {
                let deleted = store.delete_session(&id, Owner::Anyone).await;
                deleted.map(drop).expect("deleted or not");
            }
        });
        all(both).await;
    }))
    .await;
    assert_eq!(session_ids(store, ADA).await, []);
}

pub(super) async fn of_two_rotations_at_once_one_wins(store: &dyn SessionStore) {
    for number in 0..20 {
        insert_session(store, &session(number, ADA)).await;
    }
    let meetings = (0..20).map(async |number| {
        let rotations =
            [100, 200].map(async |tens| rotate(store, number, &rotation(tens + number, NOW)).await);
        all(rotations).await
    });
    for (number, wins) in (0..).zip(all(meetings).await) {
        assert_eq!(wins.iter().filter(|wins| **wins).count(), 1, "{wins:?}");
        for (tens, wins) in [100, 200].into_iter().zip(wins) {
            let stored = stored_session(store, &session_id(tens + number)).await;
            assert_eq!(stored.is_some(), wins);
        }
    }
    assert_eq!(session_ids(store, ADA).await.len(), 20);
}

async fn rotate(store: &dyn SessionStore, number: u64, rotation: &Rotation) -> bool {
    let id = session_id(number);
    let rotated = store.rotate_session(&id, rotation.clone()).await;
    rotated.expect("a session is rotated or not")
}
