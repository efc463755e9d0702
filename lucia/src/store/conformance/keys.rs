//! Keys.

use super::values::{HOSTILE, all, insert_key, insert_user, key, key_ids, long, stored_key};
use crate::store::{KeyDeletion, KeyRow, LastKey, OldHash, Store, StoreError};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

pub(super) async fn a_key_comes_back_as_it_was_stored(store: &dyn Store) {
    insert_user(store, ADA).await;
    let stored = key("username:ada", ADA);
    insert_key(store, &stored).await;
    assert_eq!(stored_key(store, &stored.id).await, Some(stored));
}

pub(super) async fn a_key_can_be_without_a_password(store: &dyn Store) {
    insert_user(store, ADA).await;
    let stored = KeyRow {
        hashed_password: None,
        ..key("github:1", ADA)
    };
    insert_key(store, &stored).await;
    assert_eq!(stored_key(store, &stored.id).await, Some(stored));
}

pub(super) async fn an_unknown_key_is_none(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_key(store, &key("username:ada", ADA)).await;
    for id in ["username:bob", "username:Ada", "ada", ""] {
        assert_eq!(stored_key(store, id).await, None, "{id:?}");
    }
}

pub(super) async fn all_keys_of_a_user_are_listed_and_no_others(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_user(store, BOB).await;
    for (id, user) in [("b:1", ADA), ("a:1", ADA), ("a:2", BOB)] {
        insert_key(store, &key(id, user)).await;
    }
    assert_eq!(key_ids(store, ADA).await, ["a:1", "b:1"]);
    let keys = store.user_keys(&UserId::from_stored(BOB)).await;
    let keys = keys.expect("keys are listed");
    assert_eq!(keys, [key("a:2", BOB)], "each is listed as it is stored");
}

pub(super) async fn a_user_without_keys_has_an_empty_list(store: &dyn Store) {
    insert_user(store, ADA).await;
    assert!(key_ids(store, ADA).await.is_empty());
    assert!(key_ids(store, "nobody").await.is_empty());
}

pub(super) async fn a_key_of_an_unknown_user_is_refused(store: &dyn Store) {
    let refused = store.insert_key(key("username:ada", ADA)).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownUser)),
        "{refused:?}"
    );
    assert_eq!(stored_key(store, "username:ada").await, None);
}

pub(super) async fn a_taken_key_stays_whose_it_is(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_user(store, BOB).await;
    let first = key("username:ada", ADA);
    insert_key(store, &first).await;
    for second in [key(&first.id, BOB), key(&first.id, ADA)] {
        let refused = store.insert_key(second).await;
        assert!(
            matches!(refused, Err(StoreError::DuplicateKey)),
            "{refused:?}"
        );
    }
    assert_eq!(stored_key(store, &first.id).await, Some(first));
    assert!(key_ids(store, BOB).await.is_empty());
}

pub(super) async fn hostile_keys_are_stored_as_they_are(store: &dyn Store) {
    insert_user(store, ADA).await;
    let hostile = HOSTILE.map(|id| format!("username:{id}"));
    for id in hostile.iter().chain([&long()]) {
        let stored = key(id, ADA);
        insert_key(store, &stored).await;
        assert_eq!(stored_key(store, id).await, Some(stored));
    }
    assert_eq!(key_ids(store, ADA).await.len(), HOSTILE.len() + 1);
}

fn is(hash: &str) -> OldHash {
    OldHash::Is(Some(hash.to_owned()))
}

pub(super) async fn a_password_is_replaced_or_taken_away(store: &dyn Store) {
    let ada = UserId::from_stored(ADA);
    insert_user(store, ADA).await;
    insert_key(store, &key("a:1", ADA)).await;
    insert_key(store, &key("a:2", ADA)).await;
    for hash in [Some("another hash"), None, Some("a third one")] {
        let updated = store
            .update_key_password("a:1", &ada, hash, OldHash::Any)
            .await;
        assert!(updated.expect("a password is replaced"));
        let after = KeyRow {
            hashed_password: hash.map(str::to_owned),
            ..key("a:1", ADA)
        };
        assert_eq!(stored_key(store, "a:1").await, Some(after));
    }
    assert_eq!(stored_key(store, "a:2").await, Some(key("a:2", ADA)));
}

pub(super) async fn updating_the_password_of_an_unknown_key_is_false(store: &dyn Store) {
    let ada = UserId::from_stored(ADA);
    for old in [OldHash::Any, is("a hash")] {
        let updated = store.update_key_password("a:1", &ada, Some("a hash"), old);
        assert!(!updated.await.expect("there is nothing to update"));
    }
    assert_eq!(stored_key(store, "a:1").await, None);
}

/// As when it was deleted, and created for another user, while the new password was hashed.
pub(super) async fn a_password_of_a_key_that_is_somebody_elses_by_now_stays(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_user(store, BOB).await;
    insert_key(store, &key("a:1", BOB)).await;
    for user in [ADA, "nobody", "", "BOB"] {
        let user = UserId::from_stored(user);
        for hash in [Some("a hash"), None] {
            for old in [OldHash::Any, is("hash of a:1")] {
                let updated = store.update_key_password("a:1", &user, hash, old);
                assert!(!updated.await.expect("the key is another user's"), "{user}");
            }
        }
    }
    assert_eq!(stored_key(store, "a:1").await, Some(key("a:1", BOB)));
}

pub(super) async fn a_password_is_swapped_when_its_hash_is_still_there(store: &dyn Store) {
    let ada = UserId::from_stored(ADA);
    insert_user(store, ADA).await;
    insert_key(store, &key("a:1", ADA)).await;
    insert_key(store, &key("a:2", ADA)).await;
    for (old, new) in [
        ("hash of a:1", Some("another hash")),
        ("another hash", Some("another hash")),
        ("another hash", None),
    ] {
        let swapped = store.update_key_password("a:1", &ada, new, is(old)).await;
        assert!(swapped.expect("a password is swapped"));
        assert_eq!(stored_hash(store, "a:1").await.as_deref(), new);
    }
    assert_eq!(stored_key(store, "a:2").await, Some(key("a:2", ADA)));
}

pub(super) async fn a_password_that_changed_is_not_swapped(store: &dyn Store) {
    let ada = UserId::from_stored(ADA);
    insert_user(store, ADA).await;
    insert_key(store, &key("a:1", ADA)).await;
    for old in [
        "hash of a:2",
        "HASH OF A:1",
        "hash of a:1 ",
        "hash of a:_",
        "",
    ] {
        let swapped = store.update_key_password("a:1", &ada, Some("a hash"), is(old));
        assert!(!swapped.await.expect("nothing is swapped"), "{old:?}");
    }
    let given = store.update_key_password("a:1", &ada, Some("a hash"), OldHash::Is(None));
    assert!(!given.await.expect("it has a password"));
    assert_eq!(stored_key(store, "a:1").await, Some(key("a:1", ADA)));

    let taken_away = store
        .update_key_password("a:1", &ada, None, OldHash::Any)
        .await;
    assert!(taken_away.expect("a password is taken away"));
    for old in ["hash of a:1", ""] {
        let swapped = store.update_key_password("a:1", &ada, Some("a hash"), is(old));
        assert!(!swapped.await.expect("nothing is swapped"), "{old:?}");
    }
    assert_eq!(stored_hash(store, "a:1").await, None);

    let given = store.update_key_password("a:1", &ada, Some("a hash"), OldHash::Is(None));
    assert!(given.await.expect("it had no password"));
    assert_eq!(stored_hash(store, "a:1").await.as_deref(), Some("a hash"));
}

pub(super) async fn of_parallel_swaps_of_a_password_one_succeeds(store: &dyn Store) {
    let ada = UserId::from_stored(ADA);
    insert_user(store, ADA).await;
    insert_key(store, &key("a:1", ADA)).await;
    let hashes: Vec<_> = (0..20).map(|number| format!("hash {number}")).collect();
    let swaps = hashes
        .iter()
        .map(|new| store.update_key_password("a:1", &ada, Some(new), is("hash of a:1")));
    let outcomes = all(swaps).await.into_iter().zip(&hashes);
    let winners: Vec<_> = outcomes
        .filter(|(swapped, _)| *swapped.as_ref().expect("an answer"))
        .map(|(_, hash)| hash)
        .collect();
    assert_eq!(winners.len(), 1, "swaps that succeeded");
    assert_eq!(stored_hash(store, "a:1").await.as_ref(), Some(winners[0]));
}

pub(super) async fn a_deleted_key_is_gone_and_others_stay(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_key(store, &key("a:1", ADA)).await;
    insert_key(store, &key("a:2", ADA)).await;
    assert_eq!(delete(store, "a:1", LastKey::Keep).await, gone(ADA));
    assert_eq!(stored_key(store, "a:1").await, None);
    assert_eq!(key_ids(store, ADA).await, ["a:2"]);
}

pub(super) async fn the_last_key_of_a_user_stays(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_user(store, BOB).await;
    insert_key(store, &key("a:1", ADA)).await;
    for id in ["b:1", "b:2"] {
        insert_key(store, &key(id, BOB)).await;
    }
    assert_eq!(delete(store, "a:1", LastKey::Keep).await, KeyDeletion::Last);
    assert_eq!(stored_key(store, "a:1").await, Some(key("a:1", ADA)));
}

pub(super) async fn the_last_key_of_a_user_goes_when_it_is_asked_for(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_key(store, &key("a:1", ADA)).await;
    insert_key(store, &key("a:2", ADA)).await;
    for id in ["a:1", "a:2"] {
        assert_eq!(delete(store, id, LastKey::Delete).await, gone(ADA));
    }
    assert!(key_ids(store, ADA).await.is_empty());
}

pub(super) async fn of_two_keys_deleted_at_once_one_stays(store: &dyn Store) {
    for round in 0..10 {
        let user = format!("user {round}");
        insert_user(store, &user).await;
        let ids = [1, 2].map(|number| format!("{round}:{number}"));
        for id in &ids {
            insert_key(store, &key(id, &user)).await;
        }
    }
    let rounds = (0..10).map(async |round| {
        let both = (1..=2)
            .map(async |number| delete(store, &format!("{round}:{number}"), LastKey::Keep).await);
        all(both).await
    });
    for (round, mut both) in (0..).zip(all(rounds).await) {
        both.sort_by_key(|deletion| *deletion == KeyDeletion::Last);
        let user = format!("user {round}");
        let deleted = gone(&user);
        assert_eq!(both, [deleted, KeyDeletion::Last]);
        assert_eq!(key_ids(store, &user).await.len(), 1);
    }
}

pub(super) async fn deleting_an_unknown_key_says_so(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_key(store, &key("a:1", ADA)).await;
    for last in [LastKey::Keep, LastKey::Delete] {
        let deletion = delete(store, "a:2", last).await;
        assert_eq!(deletion, KeyDeletion::Unknown);
    }
    assert_eq!(key_ids(store, ADA).await, ["a:1"]);
}

async fn stored_hash(store: &dyn Store, id: &str) -> Option<String> {
    let key = stored_key(store, id).await;
    key.expect("the key is there").hashed_password
}

/// The answer where a key of this user was deleted.
fn gone(user: &str) -> KeyDeletion {
    KeyDeletion::Deleted(UserId::from_stored(user))
}

async fn delete(store: &dyn Store, id: &str, last: LastKey) -> KeyDeletion {
    let deletion = store.delete_key(id, last).await;
    deletion.expect("a key is deleted or not")
}
