//! Accounts that go back to the person who had a key before, by the note of a change.

use super::claims::{by, claimed, claims, open, outcome};
use super::passwords::{two_users, unchanged};
use super::tokens::{found, id, insert, link};
use super::values::{
    NOW, all, forty_users, insert_key, insert_session, insert_user, key, key_ids, session,
    session_id, session_ids, stored_key, unverified,
};
use crate::store::{
    ClaimOutcome, ClaimedBy, KeyClaim, KeyWrite, LastKey, Store, UnixMillis, WrittenBy,
};

const ADA: &str = "ada";
const BOB: &str = "bob";

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// As when a change of an address is undone.
fn again(key_id: &str, user: &str, note: u64) -> KeyClaim {
    noted(key_id, user, note, owned(&["a:2"]), Vec::new())
}

fn noted(
    key_id: &str,
    user: &str,
    note: u64,
    others: Vec<String>,
    verified: Vec<String>,
) -> KeyClaim {
    let note = ClaimedBy::Note {
        id: id(note),
        others,
        verified,
    };
    by(key_id, user, note)
}

pub(super) async fn a_claim_by_a_note_leaves_the_keys_that_it_names(store: &dyn Store) {
    two_users(store).await;
    insert_key(store, &unverified(key("a:3", ADA))).await;
    insert_key(store, &unverified(key("a:4", ADA))).await;
    for number in [1, 2] {
        insert(store, &link(number, None)).await;
        let others = owned(&["a:1", "a:2", "a:4", "a:9", "b:1"]);
        let note = noted("a:3", ADA, number, others, owned(&["a:1", "a:4"]));
        assert_eq!(claimed(store, note).await, []);
        for after in [
            open(key("a:1", ADA), Some(NOW - 1)),
            open(key("a:2", ADA), None),
            open(key("a:3", ADA), Some(NOW)),
            open(key("a:4", ADA), None),
        ] {
            assert_eq!(stored_key(store, &after.id).await.as_ref(), Some(&after));
        }
        assert_eq!(session_ids(store, ADA).await, []);
        assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
        assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
    }
}

pub(super) async fn a_claim_by_a_note_deletes_other_keys_than_it_names(store: &dyn Store) {
    two_users(store).await;
    for number in [1, 2] {
        insert(store, &link(number, None)).await;
    }
    let hostile = ["a:'", "a:\"", "a:\\", "a:{}", "a:,"];
    for id in hostile {
        insert_key(store, &key(id, ADA)).await;
    }
    let stay = noted("a:1", ADA, 1, owned(&hostile), Vec::new());
    assert_eq!(claimed(store, stay).await, [key("a:2", ADA)]);
    let mut left = owned(&hostile);
    left.push("a:1".to_owned());
    left.sort();
    assert_eq!(key_ids(store, ADA).await, left);
    assert_eq!(key_ids(store, BOB).await, ["b:1"]);

    let gone = claimed(store, noted("a:1", ADA, 2, Vec::new(), Vec::new())).await;
    let mut before = hostile.map(|id| open(key(id, ADA), None));
    before.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(gone, before);
    assert_eq!(key_ids(store, ADA).await, ["a:1"]);
    assert_eq!(key_ids(store, BOB).await, ["b:1"]);
}

/// What a session adds comes before the claim, and goes with it, or comes after, and is not written.
pub(super) async fn no_key_of_a_session_outlives_a_claim_by_a_note(store: &dyn Store) {
    let users = forty_users(store).await;
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let id = format!("a:{user}");
        insert(store, &link(number, None)).await;
        // The claim at another place among them each time.
        all((0..5).map(async |part| {
            if part == number % 5 {
                let note = noted(&id, user, number, Vec::new(), Vec::new());
                assert!(claims(store, note).await);
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

pub(super) async fn a_claim_by_a_note_gives_the_user_the_key(store: &dyn Store) {
    two_users(store).await;
    insert_user(store, "eve").await;
    insert_key(store, &unverified(key("e:1", "eve"))).await;
    insert_session(store, &session(9, "eve")).await;
    // One that they have, one that nobody has, and one that another user has not verified.
    for (number, key_id, deleted) in [
        (1, "a:1", vec![]),
        (2, "a:7", vec![open(key("a:1", ADA), Some(NOW))]),
        (
            3,
            "e:1",
            vec![
                open(key("a:7", ADA), Some(NOW)),
                unverified(key("e:1", "eve")),
            ],
        ),
    ] {
        insert(store, &link(number, None)).await;
        insert_session(store, &session(100 + number, ADA)).await;
        let gone = claimed(store, again(key_id, ADA, number)).await;
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

pub(super) async fn a_claim_by_a_note_is_refused_without_the_note_or_the_user(store: &dyn Store) {
    two_users(store).await;
    insert(store, &link(1, None)).await;
    for (key_id, user, token) in [
        ("a:1", ADA, 2),
        ("a:9", ADA, 2),
        ("a:9", "nobody", 1),
        // Another user has verified it.
        ("b:1", ADA, 1),
    ] {
        let refused = outcome(store, again(key_id, user, token)).await;
        assert_eq!(refused, ClaimOutcome::Unknown, "{key_id} {user}");
        unchanged(store).await;
        assert_eq!(stored_key(store, "a:9").await, None);
        assert!(found(store, 1).await.is_some(), "{key_id} {user}");
    }
}

pub(super) async fn of_ten_claims_by_one_note_one_succeeds(store: &dyn Store) {
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
