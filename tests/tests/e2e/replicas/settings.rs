//! Settings of replicas that make no sense.

use std::time::Duration;

use lucia::deadpool_postgres::Pool;
use lucia::{Auth, CacheOptions, Error, PgStore, PgStoreBuilder, SqliteStore};
use lucia_tests::Database;
use tokio_postgres::{Config, NoTls};

use super::pool;
use crate::support::Profile;

const BOUND: Duration = Duration::from_secs(1);

fn nowhere() -> Pool {
    // Nobody is there.
    pool("postgres://app:swordfish@127.0.0.1:1/app")
}

fn refused(builder: PgStoreBuilder) -> (&'static str, String) {
    match builder.build(nowhere()) {
        Err(Error::Setting { setting, reason }) => (setting, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r71_a_bound_is_long_enough_to_be_useful_and_no_longer_than_ten_seconds() {
    let with = |bound| PgStore::builder().replicas([nowhere()], bound);
    let millis = Duration::from_millis;
    for bound in [Duration::ZERO, millis(99), millis(10_001), Duration::MAX] {
        assert_eq!(refused(with(bound)).0, "replicas.max_staleness");
    }
    for bound in [millis(100), millis(10_000)] {
        with(bound).build(nowhere()).unwrap();
    }
    assert_eq!(
        refused(PgStore::builder().replicas([], BOUND)).0,
        "replicas"
    );
    let shown = format!("{:?}", with(BOUND));
    assert!(!shown.contains("swordfish"), "{shown}");
    let named = PgStore::builder().session_table("lucia_heartbeat");
    assert_eq!(refused(named).0, "session_table");
}

#[tokio::test]
async fn r71_replicas_beside_a_cache_or_for_sessions_alone_are_refused() {
    let builder = || PgStore::builder().replicas([nowhere()], BOUND);
    let cached = builder().cache(CacheOptions::new());
    let cached = cached.cache_listener(Config::new(), NoTls);
    let (setting, reason) = refused(cached);
    assert_eq!(setting, "replicas");
    assert!(reason.contains("cache"), "{reason}");

    let store = builder().build(nowhere()).unwrap();
    let sessions = SqliteStore::in_memory().await.unwrap();
    match Auth::builder(store).sessions(sessions).build() {
        Err(Error::Setting { setting, .. }) => assert_eq!(setting, "replicas"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_table_of_heartbeats_says_what_to_run() {
    let database = Database::new().await;
    PgStore::connect(&database.url())
        .await
        .unwrap()
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let replica = pool(&database.url());
    let store = PgStore::builder().replicas([replica], BOUND);
    let store = store.connect(&database.url()).await.unwrap();
    let auth = Auth::builder(store.clone()).build().unwrap();
    match auth.check_schema::<Profile>().await {
        Err(Error::Schema { table, reason, .. }) => {
            assert_eq!(table, "lucia_heartbeat");
            assert!(
                reason.contains("migrations/postgres/replicas.sql"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
    for _ in 0..2 {
        store.migrate(&[]).await.unwrap();
        auth.check_schema::<Profile>().await.unwrap();
    }
    let client = database.connect().await;
    let dropping = "ALTER TABLE lucia_heartbeat DROP COLUMN sent_at";
    client.batch_execute(dropping).await.unwrap();
    match auth.check_schema::<Profile>().await {
        Err(Error::Schema { column, .. }) => assert_eq!(column.as_deref(), Some("sent_at")),
        other => panic!("{other:?}"),
    }
}
