//! Accounts that go to the person who has proved that a key is theirs.

use super::passwords::{changes, new_password, two_users, unchanged};
use super::tokens::{code, found, id, insert, link};
use super::values::{
    NOW, all, forty_users, insert_key, insert_session, insert_user, key, key_ids, rotation,
    session, session_id, session_ids, stored_key,
};
use crate::store::{
    ClaimedKey, KeyClaim, KeyRow, KeyWrite, LastKey, NewSessionRow, OldHash, PasswordChange, Store,
    UnixMillis, WrittenBy,
};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

fn claim(id: &str, user: &str, at: i64) -> KeyClaim {
    KeyClaim::new(id, UserId::from_stored(user), UnixMillis(at))
}

async fn claimed(store: &dyn Store, claim: KeyClaim) -> Option<ClaimedKey> {
    let claimed = store.claim_key(claim).await;
    claimed.expect("a key is claimed or not")
}

async fn claims(store: &dyn Store, claim: KeyClaim) -> bool {
    claimed(store, claim).await.is_some()
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn unverified(id: &str, user: &str) -> KeyRow {
    KeyRow {
        verified_at: None,
        ..key(id, user)
    }
}

/// A key that was claimed, or stayed.
fn open(key: KeyRow, verified_at: Option<i64>) -> KeyRow {
    KeyRow {
        hashed_password: None,
        verified_at: verified_at.map(UnixMillis),
        ..key
    }
}

pub(super) async fn a_claimed_key_leaves_no_password_and_no_session_of_the_user(store: &dyn Store) {
    two_users(store).await;
    for id in ["a:3", "a:4"] {
        insert_key(store, &unverified(id, ADA)).await;
    }
    for at in [NOW, NOW + 1] {
        let claim = KeyClaim {
            others: owned(&["a:1", "a:2", "a:4", "a:9", "b:1"]),
            verified: owned(&["a:1", "a:4"]),
            ..claim("a:3", ADA, at)
        };
        let claimed = claimed(store, claim).await;
        assert_eq!(claimed.expect("a key is claimed").deleted, []);
        for after in [
            open(key("a:1", ADA), Some(NOW - 1)),
            open(key("a:2", ADA), None),
            open(key("a:3", ADA), Some(at)),
            open(key("a:4", ADA), None),
        ] {
            assert_eq!(stored_key(store, &after.id).await.as_ref(), Some(&after));
        }
        assert_eq!(session_ids(store, ADA).await, []);
        assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
        assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
    }
}

pub(super) async fn other_keys_than_those_that_stay_are_deleted_by_a_claim(store: &dyn Store) {
    two_users(store).await;
    let hostile = ["a:'", "a:\"", "a:\\", "a:{}", "a:,"];
    for id in hostile {
        insert_key(store, &key(id, ADA)).await;
    }
    let stay = KeyClaim {
        others: owned(&hostile),
        ..claim("a:1", ADA, NOW)
    };
    let gone = claimed(store, stay).await.expect("a key is claimed");
    assert_eq!(gone.deleted, [key("a:2", ADA)]);
    let mut left = owned(&hostile);
    left.push("a:1".to_owned());
    left.sort();
    assert_eq!(key_ids(store, ADA).await, left);
    assert_eq!(key_ids(store, BOB).await, ["b:1"]);

    let mut gone = claimed(store, claim("a:1", ADA, NOW))
        .await
        .expect("a key is claimed");
    gone.deleted.sort_by(|one, other| one.id.cmp(&other.id));
    let mut before = hostile.map(|id| open(key(id, ADA), None));
    before.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(gone.deleted, before);
    assert_eq!(key_ids(store, ADA).await, ["a:1"]);
    assert_eq!(key_ids(store, BOB).await, ["b:1"]);
}

pub(super) async fn a_key_that_is_unknown_or_somebody_elses_is_not_claimed(store: &dyn Store) {
    two_users(store).await;
    for (id, user) in [
        ("b:1", ADA),
        ("a:9", ADA),
        ("a:1", BOB),
        ("a:1", "nobody"),
        ("a:1", "ADA"),
    ] {
        let claimed = claims(store, claim(id, user, NOW)).await;
        assert!(!claimed, "{id} {user}");
        unchanged(store).await;
    }
}

/// Whichever comes first, nothing is left of what a password began.
pub(super) async fn no_session_of_a_password_outlives_the_claim_of_a_key(store: &dyn Store) {
    let users = forty_users(store).await;
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let opened = key(&format!("a:{user}"), user);
        // The claim, or a change that keeps a session, at another place among them each time.
        let meeting = (0..7).map(async |part| {
            if part == number % 7 {
                assert!(claims(store, claim(&opened.id, user, NOW)).await);
            } else if part == (number + 3) % 7 {
                let rotation = rotation(100_000 + number, NOW);
                let change = PasswordChange {
                    old: OldHash::Is(opened.hashed_password.clone()),
                    ..new_password(user, &opened.id, Some((number, &rotation)))
                };
                changes(store, change).await;
            } else {
                let new = NewSessionRow {
                    limit: (part % 2 == 0).then_some(20),
                    ..session(1000 + 10 * number + part, user)
                };
                let stored = store.insert_session_by_key(new, opened.clone()).await;
                stored.map(drop).expect("a session is stored or refused");
            }
        });
        all(meeting).await;
    });
    all(meetings).await;
    for user in &users {
        assert_eq!(session_ids(store, user).await, [], "{user}");
        let left = stored_key(store, &format!("a:{user}")).await;
        assert_eq!(left.expect("the key stays").hashed_password, None, "{user}");
    }
}

/// What a session writes comes before the claim, and goes with it, or comes after, and is not written.
pub(super) async fn no_key_of_a_session_outlives_the_claim_of_a_key(store: &dyn Store) {
    let users = forty_users(store).await;
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let id = format!("a:{user}");
        // The claim at another place among them each time.
        all((0..5).map(async |part| {
            if part == number % 5 {
                assert!(claims(store, claim(&id, user, NOW)).await);
            } else {
                let written = KeyWrite::Insert(key(&format!("b:{number}:{part}"), user));
                let session = session_id(number);
                let written =
                    store.write_key(written, WrittenBy::Session(&session), UnixMillis(NOW));
                written.await.map(drop).expect("a key is written or not");
            }
        }))
        .await;
    });
    all(meetings).await;
    for user in &users {
        assert_eq!(key_ids(store, user).await, [format!("a:{user}")]);
    }
}

pub(super) async fn a_claimed_key_leaves_no_tokens_of_its_user(store: &dyn Store) {
    two_users(store).await;
    for token in [
        link(1, Some(ADA)),
        code(2, Some(ADA)),
        link(3, Some(BOB)),
        link(4, None),
    ] {
        insert(store, &token).await;
    }
    for (id, is_left) in [("b:1", true), ("a:1", false)] {
        assert_eq!(claims(store, claim(id, ADA, NOW)).await, !is_left);
        for number in [1, 2] {
            assert_eq!(found(store, number).await.is_some(), is_left, "{number}");
        }
        for number in [3, 4] {
            assert!(found(store, number).await.is_some(), "{number}");
        }
    }
}

/// As when a change of an address is undone.
fn again(key_id: &str, user: &str, token: u64) -> KeyClaim {
    KeyClaim {
        others: owned(&["a:2"]),
        token: Some(id(token)),
        ..claim(key_id, user, NOW)
    }
}

pub(super) async fn a_claim_by_a_token_gives_the_user_the_key(store: &dyn Store) {
    two_users(store).await;
    insert_user(store, "eve").await;
    insert_key(store, &unverified("e:1", "eve")).await;
    insert_session(store, &session(9, "eve")).await;
    // One that they have, one that nobody has, and one that another user has not verified.
    for (number, key_id, deleted) in [
        (1, "a:1", vec![]),
        (2, "a:7", vec![open(key("a:1", ADA), Some(NOW))]),
        (
            3,
            "e:1",
            vec![open(key("a:7", ADA), Some(NOW)), unverified("e:1", "eve")],
        ),
    ] {
        insert(store, &link(number, None)).await;
        insert_session(store, &session(100 + number, ADA)).await;
        let gone = claimed(store, again(key_id, ADA, number)).await;
        let mut gone = gone.expect("a key is claimed").deleted;
        gone.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(gone, deleted, "{key_id}");
        let after = open(key(key_id, ADA), Some(NOW));
        assert_eq!(stored_key(store, key_id).await, Some(after));
        assert_eq!(
            stored_key(store, "a:2").await,
            Some(open(key("a:2", ADA), None))
        );
        assert_eq!(key_ids(store, ADA).await.len(), 2);
        assert_eq!(session_ids(store, ADA).await, []);
        assert_eq!(found(store, number).await, None, "{key_id}");
    }
    assert_eq!(key_ids(store, "eve").await, Vec::<String>::new());
    assert_eq!(session_ids(store, "eve").await, [session_id(9)]);
    assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
}

pub(super) async fn a_claim_by_a_token_is_refused_without_the_token_or_the_user(store: &dyn Store) {
    two_users(store).await;
    insert(store, &link(1, None)).await;
    for (key_id, user, token) in [
        ("a:1", ADA, 2),
        ("a:9", ADA, 2),
        ("a:9", "nobody", 1),
        // Another user has verified it.
        ("b:1", ADA, 1),
    ] {
        let claimed = claims(store, again(key_id, user, token)).await;
        assert!(!claimed, "{key_id} {user}");
        unchanged(store).await;
        assert_eq!(stored_key(store, "a:9").await, None);
        assert!(found(store, 1).await.is_some(), "{key_id} {user}");
    }
}

pub(super) async fn of_ten_claims_by_one_token_one_succeeds(store: &dyn Store) {
    two_users(store).await;
    insert(store, &link(1, None)).await;
    let outcomes = all((0..10).map(async |_| claims(store, again("a:7", ADA, 1)).await)).await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
    assert_eq!(key_ids(store, ADA).await, ["a:2", "a:7"]);
    let deleted = store.delete_key("a:7", LastKey::Delete).await;
    deleted.expect("a key is deleted");
    assert!(!claims(store, again("a:7", ADA, 1)).await);
    assert_eq!(stored_key(store, "a:7").await, None);
}
