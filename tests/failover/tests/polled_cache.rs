//! A cache that polls for changes, at a primary that is promoted with an older past, and at one that crashes.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::process::Command;
use std::time::{Duration, Instant};

use lucia::deadpool_postgres::tokio_postgres::{Client, NoTls, connect};
use lucia::store::Store;
use lucia::{Auth, CacheOptions, NewUser, PgStore};
use lucia_tests::{Failover, Pair, Replication, Server, Stop, programs_are_installed, skip, watch};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Far less than `max_age`, after which all is seen anyway.
const SOON: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize, Serialize)]
struct Profile {
    role: String,
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < SOON, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Connects, once the server has recovered if it is about to.
async fn client(server: &Server) -> Client {
    let begin = Instant::now();
    loop {
        match connect(&server.url(), NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                return client;
            }
            Err(error) => assert!(begin.elapsed() < SOON, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn value(client: &Client, sql: &str) -> String {
    let sql = format!("SELECT ({sql})::TEXT");
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r54_after_a_promotion_that_loses_changes_or_a_crash_the_cache_starts_empty() {
    if !programs_are_installed() {
        let name = "r54_after_a_promotion_that_loses_changes_or_a_crash_the_cache_starts_empty";
        skip(name, "no programs of Postgres to start two servers");
        return;
    }
    let logged = watch(["changes may have been lost"]);
    let start = || Pair::start(Replication::Asynchronous);
    let mut pair = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    let store = PgStore::builder().cache(CacheOptions::new());
    let store = store.cache_poll_interval(Duration::from_millis(50));
    let store = store.connect(&pair.url("postgres")).await.unwrap();
    store.migrate(&["role TEXT NOT NULL"]).await.unwrap();
    let auth = Auth::builder(store.clone()).build().unwrap();
    let user = NewUser::without_key().attributes(&json!({ "role": "guest" }));
    let user = auth.create_user(user).await.unwrap();
    let kept = auth.create_session(&user.id).await.unwrap();
    let role = async || {
        let found = Store::session_and_user(&store, &kept.id).await;
        let (_, user) = found.ok().flatten()?;
        let profile: Profile = serde_json::from_str(&user.attributes).unwrap();
        Some(profile.role)
    };

    // The standby hears of nothing that comes from here on.
    let primary = client(pair.primary()).await;
    let standby = client(pair.standby()).await;
    let position = value(&primary, "SELECT pg_current_wal_lsn()").await;
    let has_all = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    eventually("the standby follows", async || {
        value(&standby, &has_all).await == "true"
    })
    .await;
    for sql in [
        "ALTER SYSTEM SET primary_conninfo = ''",
        "SELECT pg_reload_conf()",
    ] {
        standby.batch_execute(sql).await.unwrap();
    }
    let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
    eventually("the standby is cut off", async || {
        value(&standby, receivers).await == "0"
    })
    .await;
    let lost = auth.create_session(&user.id).await.unwrap();
    let admin = json!({ "role": "admin" });
    auth.update_user_attributes::<Profile>(&user.id, &admin)
        .await
        .unwrap();
    eventually("the cache answers", async || store.is_cache_answering()).await;
    for _ in 0..2 {
        assert_eq!(role().await.as_deref(), Some("admin"));
        assert!(auth.validate_session(lost.token()).await.unwrap().is_some());
    }

    let fail_over = move || {
        pair.take_down(Failover::ReadOnly)?;
        pair.promote()?;
        Ok::<_, String>(pair)
    };
    let pair = tokio::task::spawn_blocking(fail_over)
        .await
        .unwrap()
        .unwrap();
    eventually("the lost session is gone", async || {
        matches!(auth.validate_session(lost.token()).await, Ok(None))
    })
    .await;
    eventually("the lost change is gone", async || {
        role().await.as_deref() == Some("guest")
    })
    .await;
    eventually("the log says so", async || !logged.lines().is_empty()).await;
    eventually("the cache answers", async || store.is_cache_answering()).await;
    assert_eq!(role().await.as_deref(), Some("guest"));
    let changed = auth
        .update_user_attributes::<Profile>(&user.id, &admin)
        .await;
    assert_eq!(changed.unwrap().role, "admin");

    // One process of the server dies, and the server starts anew, without a new start time.
    let server = client(pair.primary()).await;
    let mark = "SELECT string_agg(change, '') FROM lucia_change WHERE swept IS NOT NULL";
    let started = "SELECT pg_postmaster_start_time()";
    let (marked, started_at) = (value(&server, mark).await, value(&server, started).await);
    assert_eq!(role().await.as_deref(), Some("admin"));
    let process = value(&server, "SELECT pg_backend_pid()").await;
    let killed = Command::new("kill").args(["-9", &process]).status();
    assert!(killed.unwrap().success());
    // A connection that is made too early ends with the others.
    eventually("there is another mark", async || {
        let Ok((server, connection)) = connect(&pair.primary().url(), NoTls).await else {
            return false;
        };
        tokio::spawn(connection);
        let found = server.query_one(mark, &[]).await;
        let now = found.ok().and_then(|row| row.get::<_, Option<String>>(0));
        now.is_some_and(|now| now != marked)
    })
    .await;
    let server = client(pair.primary()).await;
    eventually("the cache answers", async || store.is_cache_answering()).await;
    assert_eq!(value(&server, started).await, started_at);
    eventually("sessions are found", async || {
        role().await.as_deref() == Some("admin")
    })
    .await;
    server
        .batch_execute("DELETE FROM user_session")
        .await
        .unwrap();
    eventually("a revocation is seen", async || role().await.is_none()).await;
}

/// What is prepared is kept through a crash that empties the table of changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r54_a_change_that_was_prepared_before_a_crash_is_seen() {
    if !programs_are_installed() {
        let name = "r54_a_change_that_was_prepared_before_a_crash_is_seen";
        skip(name, "no programs of Postgres to start a server");
        return;
    }
    let start = || Server::start_with(&["max_prepared_transactions=1", "fsync=off"]);
    let mut server = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    let store = PgStore::builder().cache(CacheOptions::new());
    let store = store.cache_poll_interval(Duration::from_millis(50));
    let store = store.connect(&server.url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let auth = Auth::builder(store.clone()).build().unwrap();
    let user = auth.create_user(NewUser::without_key()).await.unwrap();
    let session = auth.create_session(&user.id).await.unwrap();
    let is_found = async || {
        let found = Store::session_and_user(&store, &session.id).await;
        found.is_ok_and(|found| found.is_some())
    };
    eventually("the cache answers", async || store.is_cache_answering()).await;
    let prepare = "BEGIN; DELETE FROM user_session; PREPARE TRANSACTION 'deletion'";
    client(&server).await.batch_execute(prepare).await.unwrap();
    let crash = move || {
        server.stop(Stop::Kill);
        server.restart();
        server
    };
    let server = tokio::task::spawn_blocking(crash).await.unwrap();
    // For as long as after every loss of its server, the cache answers from before.
    let is_silent = async || !store.is_cache_answering();
    eventually("the cache has noticed", is_silent).await;
    eventually("the session is found", async || is_found().await).await;
    // A cache that answered would have the session now, and until `max_age`.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        assert!(is_found().await);
        assert!(!store.is_cache_answering());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let commit = "COMMIT PREPARED 'deletion'";
    client(&server).await.batch_execute(commit).await.unwrap();
    assert!(!is_found().await);
    eventually("the cache answers", async || store.is_cache_answering()).await;
    assert!(!is_found().await);
}
