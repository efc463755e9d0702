//! What `Auth::health` says of stores that work, work with less than they should, and are away.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use lucia::HealthStatus::{Degraded, Down, Up};
use lucia::deadpool_postgres::{Manager, Pool};
use lucia::{Auth, Health, HealthStatus, PgStore, SqliteStore};
use lucia_tests::{Database, Proxy, Server, Stop, programs_are_installed, skip};
use tokio_postgres::NoTls;

use crate::isolation::for_the_database;
use crate::support::{Stage, eventually};

const TIMEOUT: Duration = Duration::from_millis(700);

/// How much longer a busy machine may take for the rest.
const GRACE: Duration = Duration::from_secs(5);

/// A pool of two connections by this URL, and an application over it.
fn over(url: &str) -> (Pool, Auth) {
    let manager = Manager::new(url.parse().unwrap(), NoTls);
    let pool = Pool::builder(manager).max_size(2).build().unwrap();
    let store = PgStore::builder().timeout(TIMEOUT).build(pool.clone());
    (pool, Auth::builder(store.unwrap()).build().unwrap())
}

/// One store, its status, and a part of its only reason.
fn assert_says(health: &Health, store: usize, name: &str, status: HealthStatus, reason: &str) {
    let told = &health.stores[store];
    assert_eq!((&*told.name, told.status), (name, status), "{health:?}");
    let reasons = usize::from(status != Up);
    assert_eq!(told.reasons.len(), reasons, "{health:?}");
    let is_told = |told: &String| told.contains(reason) && !told.contains("127.0.0.1");
    assert!(told.reasons.iter().all(is_told), "{reason}: {health:?}");
}

async fn health_in_time(auth: &Auth) -> Health {
    let asked = Instant::now();
    let health = auth.health().await;
    assert!(asked.elapsed() < TIMEOUT + GRACE, "{:?}", asked.elapsed());
    health
}

#[tokio::test]
async fn r48_health_tells_what_is_wrong_with_postgres() {
    if !programs_are_installed() {
        return skip("r48_health_tells_what_is_wrong", "no programs of Postgres");
    }
    let server = tokio::task::spawn_blocking(Server::start_durable).await;
    let mut server = server.unwrap().unwrap();
    let database = Database::on(&server.url()).await;
    let migrated = PgStore::connect(&database.url()).await.unwrap();
    migrated.migrate(&[]).await.unwrap();
    let (pool, auth) = over(&database.url());
    assert_says(&auth.health().await, 0, "postgres", Up, "");

    // No connection is left, and somebody waits for one.
    let held = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    let waiting = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.get().await })
    };
    eventually(async || pool.status().waiting == 1).await;
    let health = health_in_time(&auth).await;
    assert_says(&health, 0, "postgres", Down, "none came free in time");
    {
        let mut asking = pin!(auth.health());
        assert!(asking.as_mut().now_or_never().is_none());
        drop(held);
        assert_says(&asking.await, 0, "postgres", Degraded, "callers wait");
    }
    drop(waiting.await.unwrap());
    assert_says(&auth.health().await, 0, "postgres", Up, "");

    let client = database.connect().await;
    for (setting, value, usual, reason) in [
        (
            "synchronous_commit",
            "off",
            "on",
            "`synchronous_commit` is off",
        ),
        ("default_transaction_read_only", "on", "off", "is read-only"),
    ] {
        let set = async |value| {
            let sql = for_the_database(setting, value);
            let sql = format!("BEGIN READ WRITE; {sql}; COMMIT");
            client.batch_execute(&sql).await.unwrap();
        };
        set(value).await;
        // Connections that are made from now on have it.
        let health = over(&database.url()).1.health().await;
        assert_says(&health, 0, "postgres", Degraded, reason);
        assert_eq!(health.status, Degraded);
        set(usual).await;
    }

    let proxy = Proxy::before(&database).await;
    let (_, behind) = over(&database.url_by(proxy.port()));
    assert_says(&behind.health().await, 0, "postgres", Up, "");
    proxy.stall();
    let health = health_in_time(&behind).await;
    assert_says(&health, 0, "postgres", Down, "no answer within 700 ms");

    // With sessions elsewhere, each store is told of.
    let (pool, _) = over(&database.url());
    let sessions = SqliteStore::in_memory().await.unwrap();
    let split = Auth::builder(PgStore::new(pool)).sessions(sessions);
    let split = split.build().unwrap();
    let health = split.health().await;
    assert_eq!((health.status, health.stores.len()), (Up, 2));
    server.stop(Stop::Fast);
    let health = health_in_time(&split).await;
    assert_says(&health, 0, "postgres", Down, "");
    assert_says(&health, 1, "sqlite", Up, "");
    assert_eq!(health.status, Down);
    assert_says(&health_in_time(&auth).await, 0, "postgres", Down, "");
    server.restart();
    eventually(async || auth.health().await.status == Up).await;
}

/// The probe is a store that says nothing of its health.
#[tokio::test]
async fn r48_a_store_of_ones_own_is_asked_for_a_session_within_the_time_out() {
    let stage = Stage::sqlite().await;
    let sessions = SqliteStore::in_memory().await.unwrap();
    let auth = stage.builder_over(Arc::new(sessions.clone()));
    let auth = auth.sessions(sessions).store_timeout(TIMEOUT);
    let auth = auth.build().unwrap();
    // It has no table of sessions.
    let health = auth.health().await;
    assert_says(&health, 0, "store", Down, "answers with an error");
    assert_says(&health, 1, "sqlite", Up, "");

    let auth = stage.builder().await.store_timeout(TIMEOUT);
    let auth = auth.build().unwrap();
    stage.probe.calls();
    assert_says(&auth.health().await, 0, "store", Up, "");
    assert_eq!(stage.probe.calls(), ["session"]);
    stage.probe.set_down(true);
    assert_says(&auth.health().await, 0, "store", Down, "does not answer");
    stage.probe.set_down(false);
    stage.probe.halt("session");
    assert_says(
        &health_in_time(&auth).await,
        0,
        "store",
        Down,
        "does not answer",
    );
    stage.probe.release("session");

    // Two stores are asked at once.
    let other = stage.probe.before(stage.store().await);
    let auth = stage.builder().await.sessions(other);
    let auth = auth.build().unwrap();
    stage.probe.halt("session");
    let both_are_asked = async {
        stage.probe.arrived("session").await;
        stage.probe.arrived("session").await;
        stage.probe.release("session");
    };
    let (health, ()) = tokio::join!(auth.health(), both_are_asked);
    assert_eq!((health.status, health.stores.len()), (Up, 2));
}
