//! Credentials of users.

use super::values::{HOSTILE, NOW, all, give_way, insert_user, long, stored_user};
use crate::store::{CredentialRow, CredentialStore, Store, StoreError, UnixMillis};
use crate::user::UserId;

const KIND: &str = "test";

pub(super) async fn a_credential_comes_back_as_it_was_stored(store: &dyn Store) {
    insert_user(store, "ada").await;
    let mut stored = vec![credential(0, "ada"), used(credential(1, "ada"))];
    for (number, text) in (10..).zip(HOSTILE) {
        stored.push(CredentialRow {
            id: format!("{number} {text}"),
            kind: text.to_owned(),
            name: Some(text.to_owned()),
            data: serde_json::json!({ text: [text, "\0", u64::MAX, 0.1, null] }).to_string(),
            ..credential(number, "ada")
        });
    }
    for (number, data) in (30..).zip(["null", "7", "\"1e5\"", "[]", "{ \"b\": 1,  \"a\":2 }"]) {
        stored.push(CredentialRow {
            data: data.to_owned(),
            ..credential(number, "ada")
        });
    }
    stored.push(CredentialRow {
        data: serde_json::json!(long()).to_string(),
        created_at: UnixMillis(i64::MAX),
        last_used_at: Some(UnixMillis(i64::MIN)),
        ..credential(40, "ada")
    });
    for row in &stored {
        assert!(insert(store, row).await);
    }
    for row in &stored {
        let found = credentials_of(store).credential(&row.id).await;
        assert_eq!(found.expect("a credential is found").as_ref(), Some(row));
    }
}

pub(super) async fn an_unknown_credential_is_none(store: &dyn Store) {
    insert_user(store, "ada").await;
    assert!(insert(store, &credential(1, "ada")).await);
    assert_eq!(found(store, 2).await, None);
    assert!(!replace(store, 2, "1", "2", None).await);
    assert!(!delete(store, 2, "ada", None).await);
    assert!(list(store, "nobody", KIND).await.is_empty());
    assert_eq!(found(store, 1).await, Some(credential(1, "ada")));
}

pub(super) async fn a_credential_takes_the_place_of_the_one_with_its_id(store: &dyn Store) {
    insert_user(store, "ada").await;
    assert!(insert(store, &used(credential(1, "ada"))).await);
    let second = CredentialRow {
        name: Some("another".to_owned()),
        data: "\"another\"".to_owned(),
        created_at: UnixMillis(NOW + 7),
        ..credential(1, "ada")
    };
    assert!(insert(store, &second).await);
    assert_eq!(found(store, 1).await, Some(second));
    // One of those that are stored at once, as a whole.
    let rows: Vec<_> = (0..50)
        .map(|number| CredentialRow {
            id: id(1),
            ..credential(number, "ada")
        })
        .collect();
    let stored = all(rows.iter().map(async |row| insert(store, row).await)).await;
    assert_eq!(stored, [true; 50]);
    let left = found(store, 1).await.expect("a credential is left");
    assert!(rows.contains(&left), "{left:?}");
}

pub(super) async fn a_credential_of_another_user_or_kind_stays_as_it_is(store: &dyn Store) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    assert!(insert(store, &credential(1, "ada")).await);
    let data = "\"another\"".to_owned();
    let of_bob = CredentialRow {
        data: data.clone(),
        ..credential(1, "bob")
    };
    let of_another_kind = CredentialRow {
        data,
        kind: "another".to_owned(),
        ..credential(1, "ada")
    };
    for other in [of_bob, of_another_kind] {
        assert!(!insert(store, &other).await);
        assert_eq!(found(store, 1).await, Some(credential(1, "ada")));
    }
}

pub(super) async fn the_credentials_of_a_user_and_kind_are_listed_the_oldest_first(
    store: &dyn Store,
) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    let at = |number: u64, at: i64| CredentialRow {
        created_at: UnixMillis(NOW + at),
        ..credential(number, "ada")
    };
    let another_kind = CredentialRow {
        kind: "another".to_owned(),
        ..credential(4, "ada")
    };
    for row in [
        at(1, 3),
        at(2, 1),
        at(3, 2),
        another_kind.clone(),
        credential(5, "bob"),
    ] {
        assert!(insert(store, &row).await);
    }
    assert_eq!(
        list(store, "ada", KIND).await,
        [at(2, 1), at(3, 2), at(1, 3)]
    );
    assert_eq!(list(store, "ada", "another").await, [another_kind]);
    assert_eq!(list(store, "bob", KIND).await, [credential(5, "bob")]);
    assert!(list(store, "bob", "another").await.is_empty());
}

pub(super) async fn data_is_replaced_where_it_is_still_the_same(store: &dyn Store) {
    insert_user(store, "ada").await;
    for number in [1, 2] {
        assert!(insert(store, &credential(number, "ada")).await);
    }
    let before = credential(1, "ada");
    for old in ["null", "{\"number\": 1}", "{\"number\":2}", ""] {
        assert!(!replace(store, 1, old, "7", Some(NOW + 5)).await, "{old}");
    }
    assert_eq!(found(store, 1).await.as_ref(), Some(&before));
    assert!(replace(store, 1, &before.data, "[ 7]", Some(NOW + 5)).await);
    let replaced = CredentialRow {
        data: "[ 7]".to_owned(),
        last_used_at: Some(UnixMillis(NOW + 5)),
        ..before.clone()
    };
    assert_eq!(found(store, 1).await.as_ref(), Some(&replaced));
    assert!(!replace(store, 1, &before.data, "8", None).await);
    // The former use stays where nothing is said.
    assert!(replace(store, 1, "[ 7]", "8", None).await);
    let data = "8".to_owned();
    assert_eq!(
        found(store, 1).await,
        Some(CredentialRow { data, ..replaced })
    );
    assert_eq!(found(store, 2).await, Some(credential(2, "ada")));
}

pub(super) async fn of_fifty_replacements_of_the_same_data_at_once_one_happens(store: &dyn Store) {
    insert_user(store, "ada").await;
    let before = credential(1, "ada");
    assert!(insert(store, &before).await);
    let replaced = all((0..50).map(async |number| {
        let new = format!("\"{number}\"");
        replace(store, 1, &before.data, &new, None).await
    }))
    .await;
    assert_eq!(replaced.iter().filter(|replaced| **replaced).count(), 1);
    let winner = replaced.iter().position(|replaced| *replaced);
    let left = found(store, 1).await.expect("it is there");
    assert_eq!(left.data, format!("\"{}\"", winner.unwrap_or_default()));
}

pub(super) async fn a_credential_is_deleted_for_its_user_alone(store: &dyn Store) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    for number in [1, 2] {
        assert!(insert(store, &credential(number, "ada")).await);
    }
    for user in ["bob", "nobody"] {
        assert!(!delete(store, 1, user, None).await);
        assert!(found(store, 1).await.is_some());
    }
    assert!(delete(store, 1, "ada", None).await);
    assert!(!delete(store, 1, "ada", None).await);
    assert_eq!(found(store, 1).await, None);
    assert!(found(store, 2).await.is_some());
}

pub(super) async fn a_credential_is_deleted_where_its_data_is_still_the_same(store: &dyn Store) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    let row = credential(1, "ada");
    assert!(insert(store, &row).await);
    assert!(!delete(store, 1, "ada", Some("null")).await);
    assert!(!delete(store, 1, "bob", Some(&row.data)).await);
    assert!(found(store, 1).await.is_some());
    assert!(delete(store, 1, "ada", Some(&row.data)).await);
    assert_eq!(found(store, 1).await, None);
}

pub(super) async fn a_credential_of_an_unknown_user_is_refused(store: &dyn Store) {
    let refused = credentials_of(store)
        .insert_credential(credential(1, "nobody"))
        .await;
    assert!(
        matches!(refused, Err(StoreError::UnknownUser)),
        "{refused:?}"
    );
    assert_eq!(found(store, 1).await, None);
}

pub(super) async fn a_deleted_user_leaves_no_credentials(store: &dyn Store) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    for row in [credential(1, "ada"), credential(2, "bob")] {
        assert!(insert(store, &row).await);
    }
    let deleted = store.delete_user(&UserId::from_stored("ada")).await;
    deleted.expect("a user is deleted");
    assert_eq!(found(store, 1).await, None);
    assert!(found(store, 2).await.is_some());
    assert!(list(store, "ada", KIND).await.is_empty());
}

pub(super) async fn deleting_a_user_beside_their_credentials_leaves_none(store: &dyn Store) {
    for round in 0..20 {
        let user = &format!("user {round}");
        let first = round * 1000;
        insert_user(store, user).await;
        let storing = (0..7).map(|task| async move {
            for number in 0..30 {
                let row = credential(first + task * 30 + number, user);
                match credentials_of(store).insert_credential(row).await {
                    Err(StoreError::UnknownUser) => return,
                    stored => assert!(stored.expect("a credential is stored beside a deletion")),
                }
                give_way().await;
            }
        });
        let storing = async {
            all(storing).await;
        };
        let deleting = async {
            for _ in 0..round {
                give_way().await;
            }
            let deleted = store.delete_user(&UserId::from_stored(user.as_str())).await;
            deleted.expect("a user is deleted beside their credentials");
        };
        let both: [std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>; 2] =
            [Box::pin(storing), Box::pin(deleting)];
        all(both).await;
        assert!(stored_user(store, user).await.is_none());
        assert!(list(store, user, KIND).await.is_empty());
        for number in first..first + 210 {
            assert_eq!(found(store, number).await, None, "{number}");
        }
    }
}

fn credentials_of(store: &dyn Store) -> &dyn CredentialStore {
    store.credentials().expect("a store of credentials")
}

fn id(number: u64) -> String {
    format!("{number:064x}")
}

fn credential(number: u64, user: &str) -> CredentialRow {
    let data = format!("{{\"number\":{number}}}");
    let user_id = UserId::from_stored(user);
    CredentialRow {
        name: Some(format!("name {number}")),
        ..CredentialRow::new(id(number), user_id, KIND.to_owned(), data, UnixMillis(NOW))
    }
}

fn used(row: CredentialRow) -> CredentialRow {
    CredentialRow {
        last_used_at: Some(UnixMillis(NOW + 1)),
        ..row
    }
}

async fn insert(store: &dyn Store, row: &CredentialRow) -> bool {
    let inserted = credentials_of(store).insert_credential(row.clone()).await;
    inserted.expect("a credential is stored")
}

async fn found(store: &dyn Store, number: u64) -> Option<CredentialRow> {
    let found = credentials_of(store).credential(&id(number)).await;
    found.expect("a credential is found")
}

async fn list(store: &dyn Store, user: &str, kind: &str) -> Vec<CredentialRow> {
    let user_id = UserId::from_stored(user);
    let listed = credentials_of(store).user_credentials(&user_id, kind).await;
    listed.expect("credentials are listed")
}

async fn replace(
    store: &dyn Store,
    number: u64,
    old: &str,
    new: &str,
    used_at: Option<i64>,
) -> bool {
    let (id, used_at) = (id(number), used_at.map(UnixMillis));
    let replaced = credentials_of(store).replace_credential_data(&id, old, new, used_at);
    replaced.await.expect("data is replaced")
}

async fn delete(store: &dyn Store, number: u64, user: &str, data: Option<&str>) -> bool {
    let (id, user_id) = (id(number), UserId::from_stored(user));
    let deleted = credentials_of(store).delete_credential(&id, &user_id, data);
    deleted.await.expect("a credential is deleted")
}
