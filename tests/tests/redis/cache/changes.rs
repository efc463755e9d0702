//! Changes by the store itself, by another one and by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use lucia::RedisStore;
use lucia::store::{Owner, SessionRow, SessionStore};
use serde_json::json;

use super::{answering, cached, keep, look_up, options};
use crate::proxy::Proxy;
use crate::support::{ADA, BOB, Place, eventually, expiries, id, now, rotation, session, user};

/// A store that learns of no change while its messages are held back, and another one without a cache.
struct Alone {
    store: RedisStore,
    other: RedisStore,
    proxy: Proxy,
}

impl Alone {
    async fn new() -> Option<Self> {
        let place = Place::new().await?;
        let proxy = Proxy::before(place.server).await;
        let builder = || place.builder().session_attributes(json!({ "visits": 1 }));
        let store = builder()
            .cache(options())
            .connect(&proxy.url())
            .await
            .unwrap();
        let other = builder().connect(&place.server.url()).await.unwrap();
        for number in 1..=3 {
            store.insert_session(session(number, ADA)).await.unwrap();
        }
        Some(Self {
            store,
            other,
            proxy,
        })
    }

    /// The cache has these sessions, and learns of nothing from now on. It answers for another second. A
    /// machine that is busy may take longer, so all is tried until the cache has answered to the end.
    async fn deaf(&self) {
        self.proxy.hold_messages(false);
        eventually(async || self.store.is_cache_answering()).await;
        for number in 1..=3 {
            keep(&self.store, number).await;
        }
        self.proxy.hold_messages(true);
    }
}

/// Makes a change, and looks at what is found then, without the help of messages.
async fn is_seen_at_once(
    change: impl AsyncFn(&Alone),
    is_seen: impl Fn(&[Option<SessionRow>; 3]) -> bool,
) {
    loop {
        let Some(alone) = Alone::new().await else {
            return;
        };
        alone.deaf().await;
        change(&alone).await;
        let mut found = [const { None }; 3];
        for (number, found) in (1..).zip(&mut found) {
            *found = look_up(&alone.store, number).await;
        }
        let has_answered = alone.store.is_cache_answering();
        assert!(is_seen(&found), "{found:?}");
        if has_answered {
            return;
        }
    }
}

#[tokio::test]
async fn r54_own_changes_are_seen_at_once() {
    let visits = json!({ "visits": 2 }).as_object().unwrap().clone();
    let update = async |alone: &Alone| {
        let updated = alone.store.update_session(&id(1), visits.clone()).await;
        assert!(updated.unwrap().is_some());
    };
    is_seen_at_once(update, |[one, ..]| {
        one.as_ref().unwrap().attributes == r#"{"visits":2}"#
    })
    .await;

    let renewed = expiries(now() + 5_000);
    let renew = async |alone: &Alone| {
        assert!(alone.store.renew_session(&id(1), renewed).await.unwrap());
    };
    is_seen_at_once(renew, |[one, ..]| one.as_ref().unwrap().expiries == renewed).await;

    let rotate = async |alone: &Alone| {
        assert!(
            alone
                .store
                .rotate_session(&id(1), rotation(30))
                .await
                .unwrap()
        );
        assert!(look_up(&alone.store, 30).await.is_some());
    };
    is_seen_at_once(rotate, |[one, two, _]| one.is_none() && two.is_some()).await;

    let delete = async |alone: &Alone| {
        assert!(
            alone
                .store
                .delete_session(&id(1), Owner::Anyone)
                .await
                .unwrap()
        );
    };
    is_seen_at_once(delete, |[one, two, _]| one.is_none() && two.is_some()).await;

    // It replaces one, and ends those in excess.
    let insert = async |alone: &Alone| {
        let mut new = session(50, ADA);
        new.replaces = Some(id(3));
        new.limit = Some(2);
        let inserted = alone.store.insert_session(new).await.unwrap();
        assert_eq!(inserted.in_excess, [id(1)]);
    };
    is_seen_at_once(insert, |[one, two, three]| {
        one.is_none() && two.is_some() && three.is_none()
    })
    .await;

    let delete_all = async |alone: &Alone| {
        let deleted = alone
            .store
            .delete_user_sessions(&user(ADA), Some(&id(2)))
            .await;
        deleted.unwrap();
    };
    is_seen_at_once(delete_all, |[one, two, three]| {
        one.is_none() && two.is_some() && three.is_none()
    })
    .await;
}

/// Where another call has ended a session a moment ago, the message of it may still be on its way.
#[tokio::test]
async fn r54_a_call_that_finds_a_session_gone_leaves_none_behind() {
    let delete = async |alone: &Alone| {
        for store in [&alone.other, &alone.store] {
            store.delete_session(&id(1), Owner::Anyone).await.unwrap();
        }
    };
    is_seen_at_once(delete, |[one, two, _]| one.is_none() && two.is_some()).await;
    let delete_all = async |alone: &Alone| {
        for store in [&alone.other, &alone.store] {
            store.delete_user_sessions(&user(ADA), None).await.unwrap();
        }
    };
    is_seen_at_once(delete_all, |found| found.iter().all(Option::is_none)).await;
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

/// Prints how soon.
#[tokio::test]
async fn r54_what_another_process_revokes_is_seen_within_a_second_by_messages_of_redis() {
    const REVOCATIONS: usize = 200;

    let Some(place) = Place::new().await else {
        return;
    };
    let (store, other) = (cached(&place).await, place.store().await);
    let mut seen = Vec::new();
    for number in 1..=REVOCATIONS as u64 {
        other.insert_session(session(number, ADA)).await.unwrap();
        keep(&store, number).await;
        other
            .delete_session(&id(number), Owner::Anyone)
            .await
            .unwrap();
        let revoked = Instant::now();
        while look_up(&store, number).await.is_some() {
            tokio::task::yield_now().await;
        }
        seen.push(revoked.elapsed());
    }
    lucia_tests::are_seen_within_a_second(seen);
}

#[tokio::test]
async fn r54_a_server_that_is_emptied_empties_it() {
    let Some(server) = lucia_tests::RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let builder = RedisStore::builder().cache(options());
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
