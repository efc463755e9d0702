//! A server that is down, stops or starts again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lucia::store::{Owner, Result, SessionStore, StoreError};
use lucia::{HealthStatus, RedisStore, StoreHealth};
use lucia_tests::RedisServer;

use crate::support::{
    ADA, builder, eventually, expiries, id, now, prefix, rotation, session, user, with_replica,
};

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

fn store_is_away<T>(call: &Result<T>) -> bool {
    matches!(call, Err(StoreError::Unavailable(_)))
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
    for number in 1..=6 {
        store.insert_session(session(number, ADA)).await.unwrap();
    }
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let is_away = |refused: Result<()>| {
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    };
    is_away(store.insert_session(session(9, ADA)).await.map(drop));
    is_away(store.rotate_session(&id(1), rotation(8)).await.map(drop));
    for id in (1..=6).map(id) {
        assert!(store.session(&id).await.unwrap().is_some());
        let renewed = store.renew_session(&id, expiries(now()));
        assert!(renewed.await.unwrap());
    }
    assert!(store.delete_session(&id(6), Owner::Anyone).await.unwrap());
    assert_eq!(store.session(&id(6)).await.unwrap(), None);
    store
        .delete_user_sessions(&user(ADA), Some(&id(1)))
        .await
        .unwrap();
    for number in 2..=5 {
        assert_eq!(store.session(&id(number)).await.unwrap(), None);
    }
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    comes_back(&store).await;
    for number in [8, 9] {
        assert_eq!(store.session(&id(number)).await.unwrap(), None);
    }
}

/// As with a full disk, below a snapshot.
#[tokio::test]
async fn a_server_that_cannot_write_to_its_disk_takes_no_writes_and_finds_sessions() {
    let Some(server) = RedisServer::start(&["--save", "3600 1"]).await else {
        return;
    };
    let store = builder().timeout(TIMEOUT).connect(&server.url()).await;
    let store = store.unwrap();
    store.insert_session(session(1, ADA)).await.unwrap();
    // A directory is in the place of the snapshot.
    std::fs::create_dir_all(server.directory().join("dump.rdb/full")).unwrap();
    server.ask::<String>(&["BGSAVE"]).await;
    let ends = async |how: &str| {
        let status = format!("rdb_last_bgsave_status:{how}");
        let info = ["INFO", "persistence"];
        eventually(async || server.ask::<String>(&info).await.contains(&status)).await;
    };
    ends("err").await;
    assert!(store.session(&id(1)).await.unwrap().is_some());
    for refused in [
        store.insert_session(session(2, ADA)).await.map(drop),
        store.renew_session(&id(1), expiries(now())).await.map(drop),
        store.rotate_session(&id(1), rotation(8)).await.map(drop),
        store.delete_user_sessions(&user(ADA), None).await,
    ] {
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
    let health = store.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Degraded, "{health:?}");
    let says = |reason: &String| reason.contains("disk");
    assert!(health.reasons.iter().any(says), "{health:?}");
    std::fs::remove_dir_all(server.directory().join("dump.rdb")).unwrap();
    server.ask::<String>(&["BGSAVE"]).await;
    ends("ok").await;
    comes_back(&store).await;
}

/// A primary that is cut off from its replica, which takes over. The primary goes on, and some reach no other server.
#[tokio::test]
async fn a_primary_that_is_cut_off_acknowledges_nothing_where_replicas_have_to_be_there() {
    let settings = [
        "--save",
        "",
        "--min-replicas-to-write",
        "1",
        "--min-replicas-max-lag",
        "1",
    ];
    let Some((old, new)) = with_replica(&settings).await else {
        return;
    };
    let prefix = prefix();
    let builder = RedisStore::builder().prefix(&prefix).timeout(TIMEOUT);
    let stale = builder.clone().connect(&old.url()).await.unwrap();
    for number in 1..=2 {
        stale.insert_session(session(number, ADA)).await.unwrap();
    }
    let (index, second) = (format!("{prefix}:u:{ADA}"), id(2).to_string());
    eventually(async || new.ask(&["HEXISTS", &index, &second]).await).await;
    new.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    new.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"])
        .await;
    let moved = builder.connect(&new.url()).await.unwrap();

    // As soon as it has noticed, it takes no writes, and finds what it had.
    eventually(async || store_is_away(&stale.insert_session(session(3, ADA)).await)).await;
    let ended = stale.delete_user_sessions(&user(ADA), None).await;
    assert!(store_is_away(&ended), "{ended:?}");
    assert!(stale.session(&id(1)).await.unwrap().is_some());
    let health = stale.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Degraded, "{health:?}");
    let says = |reason: &String| reason.contains("no replica follows");
    assert!(health.reasons.iter().any(says), "{health:?}");

    // What the new one acknowledges counts, and the old one does not know of it.
    assert!(moved.delete_session(&id(1), Owner::Anyone).await.unwrap());
    moved.insert_session(session(4, ADA)).await.unwrap();
    assert!(stale.session(&id(1)).await.unwrap().is_some());
    let port = new.port().to_string();
    old.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]).await;
    eventually(async || matches!(stale.session(&id(1)).await, Ok(None))).await;
    for number in [2, 4] {
        assert!(stale.session(&id(number)).await.unwrap().is_some());
    }
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
