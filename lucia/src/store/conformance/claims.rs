//! Accounts that go to the person who has proved by a message that a key is theirs.

use super::passwords::{changes, new_password};
use super::tokens::{code, found, id, insert, link, take};
use super::values::{
    NOW, all, forty_users, insert_key, insert_session, insert_user, key, rotation, session,
    session_id, session_ids, stored_key, unverified,
};
use crate::store::{
    ADDRESS_NOTE, ClaimOutcome, ClaimedBy, KeyClaim, KeyRow, KeyWrite, LastKey, NewSessionRow,
    OldHash, PasswordChange, Store, TokenRow, UnixMillis, WrittenBy,
};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

/// By a code.
fn claim(id: &str, user: &str) -> KeyClaim {
    by(id, user, ClaimedBy::Message { link: None })
}

fn by_link(id: &str, user: &str, link: u64) -> KeyClaim {
    let link = Some(self::id(link));
    by(id, user, ClaimedBy::Message { link })
}

pub(super) fn by(id: &str, user: &str, by: ClaimedBy) -> KeyClaim {
    KeyClaim::new(id, UserId::from_stored(user), UnixMillis(NOW), by)
}

pub(super) async fn outcome(store: &dyn Store, claim: KeyClaim) -> ClaimOutcome {
    let outcome = store.claim_key(claim).await;
    outcome.expect("a key is claimed or not")
}

/// The keys that a claim has deleted, by their ids.
pub(super) async fn claimed(store: &dyn Store, claim: KeyClaim) -> Vec<KeyRow> {
    match outcome(store, claim).await {
        ClaimOutcome::Claimed { mut deleted } => {
            deleted.sort_by(|one, other| one.id.cmp(&other.id));
            deleted
        }
        refused => panic!("{refused:?}"),
    }
}

pub(super) async fn claims(store: &dyn Store, claim: KeyClaim) -> bool {
    let outcome = outcome(store, claim).await;
    matches!(outcome, ClaimOutcome::Claimed { .. })
}

/// A key that was claimed, or stayed.
pub(super) fn open(key: KeyRow, verified_at: Option<i64>) -> KeyRow {
    KeyRow {
        hashed_password: None,
        verified_at: verified_at.map(UnixMillis),
        ..key
    }
}

/// Ada with three keys that open by their passwords alone, two sessions and a link; Bob with a key and a session.
async fn stuffed(store: &dyn Store) {
    for user in [ADA, BOB] {
        insert_user(store, user).await;
    }
    for id in ["a:1", "a:2", "a:3"] {
        insert_key(store, &unverified(key(id, ADA))).await;
    }
    insert_key(store, &key("b:1", BOB)).await;
    for (number, user) in [(1, ADA), (2, ADA), (3, BOB)] {
        insert_session(store, &session(number, user)).await;
    }
}

async fn still_stuffed(store: &dyn Store) {
    for id in ["a:1", "a:2", "a:3"] {
        assert_eq!(stored_key(store, id).await, Some(unverified(key(id, ADA))));
    }
    assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
    assert_eq!(session_ids(store, ADA).await, [1, 2].map(session_id));
    assert_eq!(session_ids(store, BOB).await, [session_id(3)]);
}

pub(super) async fn a_claimed_key_leaves_no_password_and_no_session_of_the_user(store: &dyn Store) {
    stuffed(store).await;
    assert_eq!(claimed(store, claim("a:2", ADA)).await, []);
    for (id, verified_at) in [("a:1", None), ("a:2", Some(NOW)), ("a:3", None)] {
        let after = open(key(id, ADA), verified_at);
        assert_eq!(stored_key(store, id).await, Some(after));
    }
    assert_eq!(session_ids(store, ADA).await, []);
    assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
    assert_eq!(session_ids(store, BOB).await, [session_id(3)]);

    // What the key itself is does not matter.
    let deleted = store.delete_key("b:1", LastKey::Delete).await;
    deleted.expect("a key is deleted");
    for before in [key("b:2", BOB), open(key("b:2", BOB), Some(NOW - 1))] {
        insert_key(store, &before).await;
        assert_eq!(claimed(store, claim("b:2", BOB)).await, []);
        let after = open(key("b:2", BOB), Some(NOW));
        assert_eq!(stored_key(store, "b:2").await, Some(after));
        let deleted = store.delete_key("b:2", LastKey::Delete).await;
        deleted.expect("a key is deleted");
    }
}

pub(super) async fn an_account_with_another_way_in_is_not_claimed(store: &dyn Store) {
    stuffed(store).await;
    for other in [
        key("a:0", ADA),
        open(key("a:0", ADA), None),
        open(key("a:9", ADA), Some(NOW - 1)),
    ] {
        insert_key(store, &other).await;
        let refused = outcome(store, claim("a:2", ADA)).await;
        assert_eq!(refused, ClaimOutcome::Kept, "{other:?}");
        still_stuffed(store).await;
        assert_eq!(stored_key(store, &other.id).await.as_ref(), Some(&other));
        let deleted = store.delete_key(&other.id, LastKey::Keep).await;
        deleted.expect("a key is deleted");
    }
    // That another user has one is of no account.
    insert_key(store, &open(key("b:2", BOB), None)).await;
    assert!(claims(store, claim("a:2", ADA)).await);
}

pub(super) async fn a_key_that_is_unknown_or_somebody_elses_is_not_claimed(store: &dyn Store) {
    stuffed(store).await;
    for (id, user) in [
        ("b:1", ADA),
        ("a:9", ADA),
        ("a:1", BOB),
        ("a:1", "nobody"),
        ("a:1", "ADA"),
    ] {
        let refused = outcome(store, claim(id, user)).await;
        assert_eq!(refused, ClaimOutcome::Unknown, "{id} {user}");
        still_stuffed(store).await;
    }
}

/// Whichever comes first, nothing is left of what the key began, by a password or without any.
pub(super) async fn no_session_of_a_password_outlives_the_claim_of_a_key(store: &dyn Store) {
    let users = forty_users(store).await;
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let mut opened = key(&format!("a:{user}"), user);
        if number % 3 == 0 {
            let (id, user_id) = (&opened.id, &opened.user_id);
            let removed = store.update_key_password(id, user_id, None, OldHash::Any);
            assert!(removed.await.expect("a password is taken away"));
            opened.hashed_password = None;
        }
        // The claim, or a change that keeps a session, at another place among them each time.
        let meeting = (0..7).map(async |part| {
            if part == number % 7 {
                assert!(claims(store, claim(&opened.id, user)).await);
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

/// What a session writes comes before the claim, and is closed by it or keeps the account, or comes after, and is not
/// written.
pub(super) async fn no_key_of_a_session_opens_beside_the_owner_of_another(store: &dyn Store) {
    let users = forty_users(store).await;
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let id = format!("a:{user}");
        // The claim at another place among them each time, beside keys that it closes, and those that it must not
        // come beside.
        let outcomes = all((0..5).map(async |part| {
            if part == number % 5 {
                return Some(outcome(store, claim(&id, user)).await);
            }
            let written = unverified(key(&format!("b:{number}:{part}"), user));
            let written = match number % 4 {
                0 => open(written, None),
                1 => open(written, Some(NOW)),
                _ => written,
            };
            let (written, by) = (KeyWrite::Insert(written), session_id(number));
            let written = store.write_key(written, WrittenBy::Session(&by), UnixMillis(NOW));
            written.await.map(drop).expect("a key is written or not");
            None
        }));
        let outcome = outcomes.await.into_iter().flatten().next();
        let keys = store.user_keys(&UserId::from_stored(user.as_str())).await;
        let keys = keys.expect("keys are listed");
        let (claimed, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.id == id);
        match outcome.expect("an outcome") {
            ClaimOutcome::Claimed { deleted } => {
                assert_eq!(deleted, []);
                assert_eq!(claimed, [open(key(&id, user), Some(NOW))]);
                let are_closed = |key: &KeyRow| *key == open(key.clone(), None);
                assert!(others.iter().all(are_closed), "{others:?}");
                assert!(others.is_empty() || number % 4 > 1, "{others:?}");
                assert_eq!(session_ids(store, user).await, []);
            }
            ClaimOutcome::Kept => {
                assert_eq!(claimed, [key(&id, user)]);
                assert!(number % 4 < 2 && !others.is_empty(), "{others:?}");
            }
            ClaimOutcome::Unknown => panic!("the key of {user} is there"),
        }
    });
    all(meetings).await;
}

pub(super) async fn a_claimed_key_leaves_no_tokens_of_its_user(store: &dyn Store) {
    stuffed(store).await;
    for token in [
        link(1, Some(ADA)),
        code(2, Some(ADA)),
        link(3, Some(BOB)),
        link(4, None),
    ] {
        insert(store, &token).await;
    }
    for (id, is_left) in [("b:1", true), ("a:1", false)] {
        assert_eq!(claims(store, claim(id, ADA)).await, !is_left);
        for number in [1, 2] {
            assert_eq!(found(store, number).await.is_some(), is_left, "{number}");
        }
        for number in [3, 4] {
            assert!(found(store, number).await.is_some(), "{number}");
        }
    }
}

pub(super) async fn a_user_who_can_undo_a_change_of_address_keeps_the_account(store: &dyn Store) {
    stuffed(store).await;
    let note = |number, user: &str, expires| TokenRow {
        purpose: ADDRESS_NOTE.to_owned(),
        data: serde_json::json!({ "former": "a:0", "user_id": user }).to_string(),
        expires: UnixMillis(expires),
        ..link(number, None)
    };
    insert(store, &note(1, ADA, NOW + 1)).await;
    // Another kind of token whose data looks like it.
    let purpose = "test".to_owned();
    let other = TokenRow {
        purpose,
        ..note(4, BOB, NOW + 1)
    };
    insert(store, &other).await;
    assert_eq!(outcome(store, claim("a:1", ADA)).await, ClaimOutcome::Kept);
    assert_eq!(
        stored_key(store, "a:1").await,
        Some(unverified(key("a:1", ADA)))
    );
    assert!(claims(store, claim("b:1", BOB)).await);

    assert!(take(store, 1, None).await.is_some());
    insert(store, &note(2, ADA, NOW)).await;
    insert(store, &note(3, BOB, NOW + 1)).await;
    assert!(claims(store, claim("a:1", ADA)).await);
}

/// The link and the account go together, or neither.
pub(super) async fn a_claim_takes_its_link_or_leaves_it(store: &dyn Store) {
    stuffed(store).await;
    for token in [link(1, Some(ADA)), link(2, None), link(3, Some(BOB))] {
        insert(store, &token).await;
    }
    let others = async |store: &dyn Store| (found(store, 2).await, found(store, 3).await);
    let before = (Some(link(2, None)), Some(link(3, Some(BOB))));
    insert_key(store, &open(key("a:9", ADA), None)).await;
    for (key_id, link_of, refused) in [
        ("a:1", 1, ClaimOutcome::Kept),
        // One that is gone is not worth a sign-in.
        ("a:1", 9, ClaimOutcome::Unknown),
        ("b:1", 1, ClaimOutcome::Unknown),
        ("a:8", 1, ClaimOutcome::Unknown),
    ] {
        let claim = by_link(key_id, ADA, link_of);
        assert_eq!(outcome(store, claim).await, refused, "{key_id} {link_of}");
        still_stuffed(store).await;
        assert_eq!(found(store, 1).await, Some(link(1, Some(ADA))));
        assert_eq!(others(store).await, before);
    }
    let deleted = store.delete_key("a:9", LastKey::Keep).await;
    deleted.expect("a key is deleted");
    let gone = outcome(store, by_link("a:1", ADA, 9)).await;
    assert_eq!(gone, ClaimOutcome::Unknown);
    still_stuffed(store).await;

    // Of several uses at once, one gets the account, and keeps what it begins there.
    let outcomes = all((0..10).map(async |number| {
        let won = claims(store, by_link("a:1", ADA, 1)).await;
        if won {
            insert_session(store, &session(100 + number, ADA)).await;
        }
        won
    }));
    let outcomes = outcomes.await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
    assert_eq!(session_ids(store, ADA).await.len(), 1);
    assert_eq!(found(store, 1).await, None);
    assert_eq!(others(store).await, before);

    // A link of nobody is taken as well.
    insert_key(store, &unverified(key("e:1", BOB))).await;
    let deleted = store.delete_key("b:1", LastKey::Keep).await;
    deleted.expect("a key is deleted");
    assert!(claims(store, by_link("e:1", BOB, 2)).await);
    assert_eq!(others(store).await, (None, None));
}
