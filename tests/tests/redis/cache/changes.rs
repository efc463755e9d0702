//! Changes by the store itself, by another one and by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lucia::store::{Owner, SessionStore};
use serde_json::json;

use super::{answering, cached, keep, look_up};
use crate::support::{ADA, BOB, Place, eventually, expiries, id, now, rotation, session, user};
use lucia::CacheOptions;

/// Each is seen by the very next lookup.
#[tokio::test]
async fn r54_own_changes_are_seen_at_once() {
    let Some(place) = Place::new().await else {
        return;
    };
    let builder = place.builder().cache(CacheOptions::new());
    let builder = builder.session_attributes(json!({ "visits": 1 }));
    let store = answering(builder.connect(&place.server.url()).await.unwrap()).await;
    for number in 1..=8 {
        store.insert_session(session(number, ADA)).await.unwrap();
        keep(&store, number).await;
    }

    let visits = json!({ "visits": 2 }).as_object().unwrap().clone();
    let updated = store.update_session(&id(1), visits).await.unwrap();
    assert_eq!(look_up(&store, 1).await, updated);

    let renewed = expiries(now() + 5_000);
    assert!(store.renew_session(&id(2), renewed).await.unwrap());
    assert_eq!(look_up(&store, 2).await.unwrap().expiries, renewed);

    assert!(store.rotate_session(&id(3), rotation(30)).await.unwrap());
    assert_eq!(look_up(&store, 3).await, None);
    assert!(look_up(&store, 30).await.is_some());

    assert!(store.delete_session(&id(4), Owner::Anyone).await.unwrap());
    assert_eq!(look_up(&store, 4).await, None);

    // It replaces one, and ends those in excess.
    let mut new = session(50, ADA);
    new.replaces = Some(id(5));
    new.limit = Some(3);
    let inserted = store.insert_session(new).await.unwrap();
    assert_eq!(look_up(&store, 5).await, None);
    assert!(!inserted.in_excess.is_empty());
    for number in (1..=8).filter(|number| inserted.in_excess.contains(&id(*number))) {
        assert_eq!(look_up(&store, number).await, None, "{number}");
    }

    keep(&store, 50).await;
    keep(&store, 8).await;
    store
        .delete_user_sessions(&user(ADA), Some(&id(50)))
        .await
        .unwrap();
    assert_eq!(look_up(&store, 8).await, None);
    assert!(look_up(&store, 50).await.is_some());
}

/// Where another call has ended a session a moment ago, the message of it may still be on its way.
#[tokio::test]
async fn r54_a_call_that_finds_a_session_gone_leaves_none_behind() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (store, other) = (cached(&place).await, place.store().await);
    for round in 0..50 {
        let [one, two] = [2 * round + 1, 2 * round + 2];
        for number in [one, two] {
            store.insert_session(session(number, ADA)).await.unwrap();
            keep(&store, number).await;
        }
        other.delete_session(&id(one), Owner::Anyone).await.unwrap();
        store.delete_session(&id(one), Owner::Anyone).await.unwrap();
        assert_eq!(look_up(&store, one).await, None);
        other.delete_user_sessions(&user(ADA), None).await.unwrap();
        store.delete_user_sessions(&user(ADA), None).await.unwrap();
        assert_eq!(look_up(&store, two).await, None);
    }
}

#[tokio::test]
async fn r54_changes_by_others_are_seen() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (store, other) = (cached(&place).await, place.store().await);
    for number in 1..=5 {
        store.insert_session(session(number, ADA)).await.unwrap();
        keep(&store, number).await;
    }
    store.insert_session(session(6, BOB)).await.unwrap();
    keep(&store, 6).await;
    let is_gone = async |number| eventually(async || look_up(&store, number).await.is_none()).await;

    other.delete_session(&id(1), Owner::Anyone).await.unwrap();
    is_gone(1).await;
    let renewed = expiries(now() + 5_000);
    other.renew_session(&id(2), renewed).await.unwrap();
    eventually(async || look_up(&store, 2).await.unwrap().expiries == renewed).await;
    other.rotate_session(&id(3), rotation(30)).await.unwrap();
    is_gone(3).await;
    // By hand.
    place.server.ask::<()>(&["DEL", &place.hash_key(4)]).await;
    is_gone(4).await;
    place
        .server
        .ask::<()>(&["PEXPIRE", &place.hash_key(5), "1"])
        .await;
    is_gone(5).await;
    other.delete_user_sessions(&user(ADA), None).await.unwrap();
    is_gone(2).await;
    assert!(
        store.cached_session(&id(6)).is_some(),
        "it is another user's"
    );
}

#[tokio::test]
async fn r54_a_server_that_is_emptied_empties_it() {
    let Some(server) = lucia_tests::RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let builder = lucia::RedisStore::builder().cache(CacheOptions::new());
    let store = answering(builder.connect(&server.url()).await.unwrap()).await;
    for command in ["FLUSHALL", "FLUSHDB"] {
        store.insert_session(session(1, ADA)).await.unwrap();
        keep(&store, 1).await;
        server.ask::<()>(&[command]).await;
        eventually(async || look_up(&store, 1).await.is_none()).await;
    }
}

/// Lookups that are on their way while a session ends bring it back into the cache never.
#[tokio::test(flavor = "multi_thread")]
async fn r54_no_lookup_after_a_sign_out_finds_the_session_however_many_are_on_their_way() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = cached(&place).await;
    for number in 1..=100 {
        store.insert_session(session(number, ADA)).await.unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..4)
            .map(|_| {
                let (store, is_over) = (store.clone(), is_over.clone());
                tokio::spawn(async move {
                    while !is_over.load(Ordering::Relaxed) {
                        look_up(&store, number).await;
                    }
                })
            })
            .collect();
        look_up(&store, number).await;
        store
            .delete_session(&id(number), Owner::Anyone)
            .await
            .unwrap();
        for _ in 0..20 {
            assert_eq!(look_up(&store, number).await, None);
            tokio::task::yield_now().await;
        }
        is_over.store(true, Ordering::Relaxed);
        for task in busy {
            task.await.unwrap();
        }
        assert_eq!(look_up(&store, number).await, None);
    }
}
