//! One-time tokens.

use super::values::{HOSTILE, NOW, all, give_way, insert_user, long, stored_user};
use crate::store::{FormerTokens, Store, StoreError, TokenRow, TokenStore, UnixMillis};
use crate::user::UserId;

/// How many times a code can be tried.
const TRIES: u32 = 3;

pub(super) async fn a_token_comes_back_as_it_was_stored(store: &dyn Store) {
    insert_user(store, "ada").await;
    let mut stored = vec![link(0, None), link(1, Some("ada")), code(2, None)];
    stored.push(code(3, Some("ada")));
    for (number, text) in (10..).zip(HOSTILE) {
        stored.push(TokenRow {
            purpose: text.to_owned(),
            data: serde_json::json!({ text: [text, "\0", u64::MAX, 0.1, null] }).to_string(),
            hashed_code: Some(text.to_owned()),
            ..code(number, Some("ada"))
        });
    }
    let data = serde_json::json!(long()).to_string();
    stored.push(TokenRow {
        data,
        expires: UnixMillis(i64::MAX),
        ..link(20, None)
    });
    for data in ["null", "7", "\"1e5\"", "[]", "{}", "true"] {
        let data = data.to_owned();
        let token = TokenRow {
            data,
            ..link(21, None)
        };
        insert(store, &token).await;
        assert_eq!(found(store, 21).await, Some(token));
    }
    for token in &stored {
        insert(store, token).await;
    }
    for token in &stored {
        let found = tokens_of(store).token(&token.id).await;
        assert_eq!(found.expect("a token is found").as_ref(), Some(token));
        let taken = tokens_of(store).take_token(&token.id, token.hashed_code.as_deref());
        assert_eq!(taken.await.expect("a token is taken").as_ref(), Some(token));
    }
}

pub(super) async fn an_unknown_token_is_none(store: &dyn Store) {
    insert(store, &link(1, None)).await;
    assert_eq!(found(store, 2).await, None);
    assert_eq!(take(store, 2, None).await, None);
    assert_eq!(take(store, 2, Some("hash 2")).await, None);
    assert_eq!(tried(store, 2).await, None);
    assert!(found(store, 1).await.is_some());
}

pub(super) async fn a_token_is_taken_once_and_looked_at_before(store: &dyn Store) {
    insert(store, &link(1, None)).await;
    insert(store, &link(2, None)).await;
    for _ in 0..2 {
        assert!(found(store, 1).await.is_some());
    }
    assert!(take(store, 1, None).await.is_some());
    assert_eq!(take(store, 1, None).await, None);
    assert_eq!(found(store, 1).await, None);
    assert!(found(store, 2).await.is_some());
}

pub(super) async fn of_fifty_that_take_a_token_at_once_one_gets_it(store: &dyn Store) {
    for (number, hash) in [(1, None), (2, Some("hash 2"))] {
        let token = if hash.is_some() {
            code(number, None)
        } else {
            link(number, None)
        };
        insert(store, &token).await;
        let taken = all((0..50).map(async |_| take(store, number, hash).await)).await;
        assert_eq!(taken.iter().flatten().count(), 1, "{token:?}");
    }
}

pub(super) async fn a_code_is_taken_by_its_hash_alone(store: &dyn Store) {
    insert(store, &code(1, None)).await;
    insert(store, &link(2, None)).await;
    for hash in [None, Some(""), Some("hash 2"), Some("HASH 1")] {
        assert_eq!(take(store, 1, hash).await, None, "{hash:?}");
    }
    assert_eq!(take(store, 2, Some("hash 2")).await, None);
    assert!(take(store, 1, Some("hash 1")).await.is_some());
    assert!(take(store, 2, None).await.is_some());
}

pub(super) async fn a_code_is_tried_until_no_try_is_left(store: &dyn Store) {
    insert(store, &code(1, None)).await;
    insert(store, &code(2, None)).await;
    for left in (0..TRIES).rev() {
        let token = tried(store, 1).await.expect("a try is left");
        assert_eq!(
            token,
            TokenRow {
                tries_left: Some(left),
                ..code(1, None)
            }
        );
        assert_eq!(found(store, 1).await, Some(token));
    }
    for _ in 0..2 {
        assert_eq!(tried(store, 1).await, None);
    }
    assert_eq!(
        found(store, 1).await.and_then(|token| token.tries_left),
        Some(0)
    );
    assert_eq!(found(store, 2).await, Some(code(2, None)));
}

pub(super) async fn of_fifty_tries_at_once_as_many_are_admitted_as_are_left(store: &dyn Store) {
    insert(store, &code(1, None)).await;
    let tried = all((0..50).map(async |_| tried(store, 1).await)).await;
    let mut left: Vec<_> = tried
        .into_iter()
        .flatten()
        .map(|it| it.tries_left)
        .collect();
    left.sort_unstable();
    assert_eq!(left, [Some(0), Some(1), Some(2)]);
}

pub(super) async fn a_link_is_not_tried(store: &dyn Store) {
    insert(store, &link(1, None)).await;
    assert_eq!(tried(store, 1).await, None);
    assert_eq!(found(store, 1).await, Some(link(1, None)));
}

pub(super) async fn a_token_takes_the_place_of_the_one_with_its_id(store: &dyn Store) {
    insert_user(store, "ada").await;
    insert(store, &code(1, None)).await;
    tried(store, 1).await;
    let second = TokenRow {
        purpose: "another".to_owned(),
        data: "\"another\"".to_owned(),
        hashed_code: Some("another hash".to_owned()),
        created_at: UnixMillis(NOW + 7),
        expires: UnixMillis(NOW + 9),
        ..code(1, Some("ada"))
    };
    insert(store, &second).await;
    assert_eq!(found(store, 1).await, Some(second));
    assert_eq!(take(store, 1, Some("hash 1")).await, None);
    // One of those that are stored at once, as a whole.
    let codes: Vec<_> = (0..50)
        .map(|number| TokenRow {
            id: id(1),
            ..code(number, None)
        })
        .collect();
    all(codes.iter().map(async |code| insert(store, code).await)).await;
    let left = found(store, 1).await.expect("a code is left");
    assert!(codes.contains(&left), "{left:?}");
}

pub(super) async fn the_former_tokens_of_user_and_purpose_go_when_it_is_asked_for(
    store: &dyn Store,
) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    for token in [
        link(1, Some("ada")),
        link(2, Some("ada")),
        link(3, Some("bob")),
        link(4, None),
    ] {
        insert(store, &token).await;
    }
    let purpose = "another".to_owned();
    insert(
        store,
        &TokenRow {
            purpose,
            ..link(5, Some("ada"))
        },
    )
    .await;
    replace(store, &link(6, Some("ada")))
        .await
        .expect("a token is stored");
    for (number, is_left) in [
        (1, false),
        (2, false),
        (3, true),
        (4, true),
        (5, true),
        (6, true),
    ] {
        assert_eq!(found(store, number).await.is_some(), is_left, "{number}");
    }
    // Where it was not asked for, all stay.
    insert(store, &link(7, Some("ada"))).await;
    assert!(found(store, 6).await.is_some());
    // One that has the place of its own former.
    replace(store, &link(7, Some("ada")))
        .await
        .expect("a token is stored");
    assert!(found(store, 7).await.is_some() && found(store, 6).await.is_none());
}

pub(super) async fn of_fifty_that_replace_each_other_at_once_one_is_left(store: &dyn Store) {
    insert_user(store, "ada").await;
    let replaced = all((0..50).map(async |number| {
        replace(store, &link(number, Some("ada")))
            .await
            .expect("a token is stored");
    }));
    replaced.await;
    let found = all((0..50).map(async |number| found(store, number).await)).await;
    assert_eq!(found.iter().flatten().count(), 1);
}

pub(super) async fn a_token_of_an_unknown_user_is_refused(store: &dyn Store) {
    for former in [FormerTokens::Keep, FormerTokens::Delete] {
        let refused = tokens_of(store)
            .insert_token(link(1, Some("nobody")), former)
            .await;
        assert!(
            matches!(refused, Err(StoreError::UnknownUser)),
            "{refused:?}"
        );
    }
    assert_eq!(found(store, 1).await, None);
}

pub(super) async fn a_deleted_user_leaves_no_tokens(store: &dyn Store) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    for token in [
        link(1, Some("ada")),
        code(2, Some("ada")),
        link(3, Some("bob")),
        link(4, None),
    ] {
        insert(store, &token).await;
    }
    let deleted = store.delete_user(&UserId::from_stored("ada")).await;
    deleted.expect("a user is deleted");
    for (number, is_left) in [(1, false), (2, false), (3, true), (4, true)] {
        assert_eq!(found(store, number).await.is_some(), is_left, "{number}");
    }
}

pub(super) async fn deleting_a_user_beside_their_tokens_leaves_none(store: &dyn Store) {
    for round in 0..10_u64 {
        let user = format!("user {round}");
        let user = &*user;
        insert_user(store, user).await;
        let first = 1000 * round;
        let storing = all((0..5).map(async |part| {
            for number in 0..20 {
                // New ones, ones in the place of others, and ones that replace.
                let number = first + number * 10 + if part == 0 { 0 } else { part };
                let token = if part == 1 {
                    code(first, Some(user))
                } else {
                    link(number, Some(user))
                };
                let stored = match part {
                    2 | 3 => replace(store, &token).await,
                    _ => {
                        tokens_of(store)
                            .insert_token(token, FormerTokens::Keep)
                            .await
                    }
                };
                if let Err(StoreError::UnknownUser) = stored {
                    return;
                }
                stored.expect("a token is stored beside a deletion");
                give_way().await;
            }
        }));
        let deleting = async {
            for _ in 0..round {
                give_way().await;
            }
            let ended = tokens_of(store)
                .delete_user_tokens(&UserId::from_stored(user))
                .await;
            ended.expect("tokens are deleted beside others that are stored");
            let deleted = store.delete_user(&UserId::from_stored(user)).await;
            deleted.expect("a user is deleted beside their tokens");
            Vec::new()
        };
        let both: [std::pin::Pin<Box<dyn Future<Output = Vec<()>> + Send + '_>>; 2] =
            [Box::pin(storing), Box::pin(deleting)];
        all(both).await;
        assert!(stored_user(store, user).await.is_none());
        for number in first..first + 210 {
            assert_eq!(found(store, number).await, None, "{number}");
        }
    }
}

pub(super) async fn the_tokens_of_a_user_are_deleted_and_no_others(store: &dyn Store) {
    insert_user(store, "ada").await;
    insert_user(store, "bob").await;
    for token in [
        link(1, Some("ada")),
        code(2, Some("ada")),
        link(3, Some("bob")),
        link(4, None),
    ] {
        insert(store, &token).await;
    }
    for user in ["ada", "nobody"] {
        let deleted = tokens_of(store)
            .delete_user_tokens(&UserId::from_stored(user))
            .await;
        deleted.expect("the tokens of a user are deleted");
    }
    for (number, is_left) in [(1, false), (2, false), (3, true), (4, true)] {
        assert_eq!(found(store, number).await.is_some(), is_left, "{number}");
    }
}

pub(super) async fn tokens_that_have_expired_are_deleted_and_no_others(store: &dyn Store) {
    for (number, expires) in [(1, NOW - 1), (2, NOW), (3, NOW + 1), (4, NOW)] {
        let token = if number == 4 {
            code(number, None)
        } else {
            link(number, None)
        };
        let expires = UnixMillis(expires);
        insert(store, &TokenRow { expires, ..token }).await;
    }
    assert_eq!(delete_expired(store, NOW, 100).await, 3);
    assert_eq!(delete_expired(store, NOW, 100).await, 0);
    for (number, is_left) in [(1, false), (2, false), (3, true), (4, false)] {
        assert_eq!(found(store, number).await.is_some(), is_left, "{number}");
    }
}

pub(super) async fn no_more_tokens_are_deleted_than_asked(store: &dyn Store) {
    for number in 0..7 {
        insert(store, &link(number, None)).await;
    }
    for (limit, deleted) in [(0, 0), (5, 5), (5, 2), (5, 0)] {
        assert_eq!(delete_expired(store, i64::MAX, limit).await, deleted);
    }
}

fn tokens_of(store: &dyn Store) -> &dyn TokenStore {
    store.tokens().expect("a store of one-time tokens")
}

pub(super) fn id(number: u64) -> String {
    format!("{number:064x}")
}

pub(super) fn link(number: u64, user: Option<&str>) -> TokenRow {
    let (purpose, created_at) = ("test".to_owned(), UnixMillis(NOW + 1));
    TokenRow {
        user_id: user.map(UserId::from_stored),
        data: format!("{{\"number\":{number}}}"),
        ..TokenRow::new(id(number), purpose, created_at, UnixMillis(NOW + 2))
    }
}

pub(super) fn code(number: u64, user: Option<&str>) -> TokenRow {
    TokenRow {
        hashed_code: Some(format!("hash {number}")),
        tries_left: Some(TRIES),
        ..link(number, user)
    }
}

pub(super) async fn insert(store: &dyn Store, token: &TokenRow) {
    let inserted = tokens_of(store).insert_token(token.clone(), FormerTokens::Keep);
    inserted.await.expect("a token is stored");
}

async fn replace(store: &dyn Store, token: &TokenRow) -> Result<(), StoreError> {
    let tokens = tokens_of(store);
    tokens
        .insert_token(token.clone(), FormerTokens::Delete)
        .await
}

pub(super) async fn found(store: &dyn Store, number: u64) -> Option<TokenRow> {
    let found = tokens_of(store).token(&id(number)).await;
    found.expect("a token is looked for")
}

pub(super) async fn take(store: &dyn Store, number: u64, hash: Option<&str>) -> Option<TokenRow> {
    let taken = tokens_of(store).take_token(&id(number), hash).await;
    taken.expect("a token is taken")
}

async fn tried(store: &dyn Store, number: u64) -> Option<TokenRow> {
    let tried = tokens_of(store).try_code(&id(number)).await;
    tried.expect("a code is tried")
}

async fn delete_expired(store: &dyn Store, now: i64, limit: u32) -> u64 {
    let deleted = tokens_of(store).delete_expired_tokens(UnixMillis(now), limit);
    deleted.await.expect("tokens are deleted")
}
