//! A server that is down, stops or starts again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lucia::store::{Result, SessionStore, StoreError};
use lucia::{HealthStatus, RedisStore, StoreHealth};
use lucia_tests::RedisServer;

use crate::support::{ADA, builder, eventually, expiries, id, now, rotation, session, user};

/// Short, so that a call that waits for it in vain does so for a moment.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A machine that is busy takes its time, but not for ever.
const BOUND: Duration = Duration::from_secs(20);

/// A server that keeps what it has answered through being killed, and a store.
async fn durable() -> Option<(RedisServer, RedisStore)> {
    let settings = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"];
    let server = RedisServer::start(&settings).await?;
    let store = builder().timeout(TIMEOUT).connect(&server.url()).await;
    Some((server, store.unwrap()))
}

/// Each call fails within the time-out and says that the store is away.
async fn is_away(store: &RedisStore) {
    let fails = async |name: &str, call: Result<()>| {
        assert!(
            matches!(call, Err(StoreError::Unavailable(_))),
            "{name}: {call:?}"
        );
    };
    let begin = Instant::now();
    fails("find", store.session(&id(1)).await.map(drop)).await;
    fails(
        "insert",
        store.insert_session(session(9, ADA)).await.map(drop),
    )
    .await;
    fails(
        "renew",
        store.renew_session(&id(1), expiries(now())).await.map(drop),
    )
    .await;
    fails(
        "rotate",
        store.rotate_session(&id(1), rotation(8)).await.map(drop),
    )
    .await;
    fails(
        "delete all",
        store.delete_user_sessions(&user(ADA), None).await,
    )
    .await;
    fails("list", store.user_sessions(&user(ADA)).await.map(drop)).await;
    assert!(begin.elapsed() < 6 * BOUND, "{:?}", begin.elapsed());
}

async fn comes_back(store: &RedisStore) {
    eventually(async || store.session(&id(1)).await.is_ok()).await;
    assert!(
        store.session(&id(1)).await.unwrap().is_some(),
        "it is still there"
    );
    assert!(store.renew_session(&id(1), expiries(now())).await.unwrap());
    let listed = store.user_sessions(&user(ADA)).await.unwrap();
    assert!(listed.iter().any(|session| session.id == id(1)));
}

#[tokio::test]
async fn a_server_that_is_killed_is_away_until_it_starts_again() {
    let Some((mut server, store)) = durable().await else {
        return;
    };
    store.insert_session(session(1, ADA)).await.unwrap();
    for _ in 0..2 {
        server.kill();
        is_away(&store).await;
        server.start_again().await;
        comes_back(&store).await;
    }
}

/// The first call after a restart meets a broken connection, and is sent again.
#[tokio::test]
async fn a_restart_between_two_calls_is_not_noticed() {
    let Some((mut server, store)) = durable().await else {
        return;
    };
    for number in 1..=5 {
        store.insert_session(session(number, ADA)).await.unwrap();
        server.kill();
        server.start_again().await;
        assert!(store.session(&id(number)).await.unwrap().is_some());
        server.kill();
        server.start_again().await;
        assert!(
            store
                .renew_session(&id(number), expiries(now()))
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_server_that_stops_is_away_until_it_goes_on() {
    let Some((server, store)) = durable().await else {
        return;
    };
    store.insert_session(session(1, ADA)).await.unwrap();
    server.pause();
    let begin = Instant::now();
    let found = store.session(&id(1)).await;
    assert!(
        matches!(found, Err(StoreError::Unavailable(_))),
        "{found:?}"
    );
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    server.resume();
    comes_back(&store).await;
    // All at once: the next calls do not wait for those before.
    server.pause();
    let begin = Instant::now();
    let first = id(1);
    let lookups = (0..100).map(|_| store.session(&first));
    for found in futures_util::future::join_all(lookups).await {
        assert!(
            matches!(found, Err(StoreError::Unavailable(_))),
            "{found:?}"
        );
    }
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    server.resume();
    comes_back(&store).await;
}

/// Its sessions are there when it has read them. Until then nobody is logged out.
#[tokio::test]
async fn no_session_is_lost_while_a_server_loads_its_data() {
    let settings = ["--appendonly", "yes", "--enable-debug-command", "local"];
    let Some(mut server) = RedisServer::start(&settings).await else {
        return;
    };
    let store = builder().connect(&server.url()).await.unwrap();
    store.insert_session(session(1, ADA)).await.unwrap();
    // Loading each key takes a moment.
    server.set("--key-load-delay", "100");
    server.set("--loading-process-events-interval-bytes", "65536");
    server
        .ask::<()>(&["DEBUG", "POPULATE", "20000", "other", "1000"])
        .await;
    server.ask::<String>(&["BGREWRITEAOF"]).await;
    eventually(async || {
        let info: String = server.ask(&["INFO", "persistence"]).await;
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    })
    .await;
    server.kill();
    server.start_loading();
    let refused = AtomicUsize::new(0);
    eventually(async || match store.session(&id(1)).await {
        Ok(found) => {
            assert!(found.is_some(), "the session is lost");
            true
        }
        Err(StoreError::Unavailable(source)) => {
            let is_loading = source.to_string().contains("LOADING");
            refused.fetch_add(usize::from(is_loading), Ordering::Relaxed);
            false
        }
        Err(other) => panic!("{other:?}"),
    })
    .await;
    assert!(refused.into_inner() > 0, "it was not loading");
}

/// As a failover behind one address does.
#[tokio::test]
async fn a_server_that_becomes_a_replica_is_away_and_no_session_is_lost() {
    let Some((server, store)) = durable().await else {
        return;
    };
    store.insert_session(session(1, ADA)).await.unwrap();
    server.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let renewed = store.renew_session(&id(1), expiries(now())).await;
    assert!(
        matches!(renewed, Err(StoreError::Unavailable(_))),
        "{renewed:?}"
    );
    server.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    comes_back(&store).await;
}

#[tokio::test]
async fn a_server_whose_memory_is_full_takes_no_session_and_ends_those_that_are_there() {
    let Some((server, store)) = durable().await else {
        return;
    };
    for number in 1..=2 {
        store.insert_session(session(number, ADA)).await.unwrap();
    }
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let inserted = store.insert_session(session(3, ADA)).await;
    assert!(
        matches!(inserted, Err(StoreError::Unavailable(_))),
        "{inserted:?}"
    );
    assert!(store.session(&id(1)).await.unwrap().is_some());
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    comes_back(&store).await;
}

#[tokio::test]
async fn health_tells_what_is_wrong_with_a_server() {
    let Some((mut server, store)) = durable().await else {
        return;
    };
    let up = StoreHealth::up("redis");
    let set = async |name: &str, value: &str| {
        server.ask::<()>(&["CONFIG", "SET", name, value]).await;
    };
    let lacks = async |reason: &str| {
        let health = store.health().await.unwrap();
        assert_eq!(health.status, HealthStatus::Degraded, "{health:?}");
        assert_eq!(health.reasons.len(), 1, "{health:?}");
        assert!(health.reasons[0].contains(reason), "{health:?}");
    };
    assert_eq!(store.health().await.unwrap(), up);
    set("maxmemory", "1").await;
    lacks("memory of the server is full").await;
    set("maxmemory", "100mb").await;
    set("maxmemory-policy", "allkeys-lru").await;
    lacks("evicts keys").await;
    set("maxmemory", "0").await;
    set("appendonly", "no").await;
    lacks("`appendonly yes`").await;
    set("appendonly", "yes").await;
    server.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]).await;
    lacks("is a replica").await;
    server.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(store.health().await.unwrap(), up);

    let is_down = async || {
        let begin = Instant::now();
        let health = store.health().await;
        let is_down = matches!(health, Err(StoreError::Unavailable(_)));
        assert!(is_down, "{health:?}");
        assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    };
    server.pause();
    is_down().await;
    server.resume();
    eventually(async || store.health().await.is_ok()).await;
    server.kill();
    is_down().await;
    server.start_again().await;
    eventually(async || store.health().await.is_ok()).await;
    // One call meets the broken connection, and asks by another one.
    server.kill();
    server.start_again().await;
    assert_eq!(store.health().await.unwrap(), up);
}
