//! The cache of sessions.

mod changes;
mod conformance;
mod failures;
mod messages;

use lucia::store::{SessionRow, SessionStore};
use lucia::{CacheOptions, RedisStore};
use lucia_tests::RedisServer;
use std::time::Duration;

use crate::support::{ADA, Place, eventually, id, session};

/// So that whatever is gone has not gone by its age.
fn options() -> CacheOptions {
    CacheOptions::new().max_age(Duration::from_secs(60 * 60))
}

/// A store whose cache answers.
async fn cached(place: &Place) -> RedisStore {
    let builder = place.builder().cache(options());
    answering(builder.connect(&place.server.url()).await.unwrap()).await
}

async fn answering(store: RedisStore) -> RedisStore {
    eventually(async || store.is_cache_answering()).await;
    store
}

/// Looks a session up as a request does, and leaves it in the cache.
async fn look_up(store: &RedisStore, number: u64) -> Option<SessionRow> {
    let id = id(number);
    match store.cached_session(&id) {
        Some(session) => Some(session),
        None => store.session(&id).await.unwrap(),
    }
}

/// Has the cache keep a session, whose creation may still be on its way to it.
async fn keep(store: &RedisStore, number: u64) {
    eventually(async || {
        assert!(look_up(store, number).await.is_some());
        store.cached_session(&id(number)).is_some()
    })
    .await;
}

/// How many lookups a server has answered.
async fn lookups(server: &RedisServer) -> u64 {
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_hmget:calls="))
        .and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[tokio::test]
async fn what_it_has_asks_no_server() {
    let Some(server) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let builder = RedisStore::builder().cache(options());
    let store = answering(builder.connect(&server.url()).await.unwrap()).await;
    store.insert_session(session(1, ADA)).await.unwrap();
    assert_eq!(store.cached_session(&id(1)), None);
    keep(&store, 1).await;
    let before = lookups(&server).await;
    let found = look_up(&store, 1).await;
    assert_eq!(lookups(&server).await, before);
    assert_eq!(found, store.session(&id(1)).await.unwrap());
    assert_eq!(lookups(&server).await, before + 1, "`session` is current");
    // A session that is not there is not kept.
    assert_eq!(look_up(&store, 2).await, None);
    assert_eq!(look_up(&store, 2).await, None);
    assert_eq!(lookups(&server).await, before + 3);
}

#[tokio::test]
async fn each_store_has_its_own_part_of_a_server() {
    let (Some(one), Some(other)) = (Place::new().await, Place::new().await) else {
        return;
    };
    let (one, other) = (cached(&one).await, cached(&other).await);
    one.insert_session(session(1, ADA)).await.unwrap();
    keep(&one, 1).await;
    assert_eq!(look_up(&other, 1).await, None);
}
