//! When the cache does not receive changes.

use std::pin::Pin;
use std::time::{Duration, Instant};

use lucia::deadpool_postgres::{Connect, Manager, ManagerConfig, Pool};
use lucia::store::SessionStore as _;
use lucia::{Auth, CacheOptions, PgStore};
use lucia_tests::{Database, Proxy};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{Caching, Source, Stage, eventually, on_each_source, sign_up};

const MAX_SILENCE: Duration = Duration::from_millis(400);

/// When the answers have ended, even on a machine that has much else to do. The exact bound is a unit
/// test's, which has the time in its hands.
const END: Duration = Duration::from_secs(10);

on_each_source!(r48_without_a_database_nobody_is_signed_in_out_of_the_cache_for_long);

async fn caching() -> (Stage, Caching) {
    caching_by(Source::Listen).await
}

async fn caching_by(source: Source) -> (Stage, Caching) {
    let stage = Stage::postgres().await;
    let options = CacheOptions::new().max_silence(MAX_SILENCE);
    let caching = Caching::with_source(source, &stage, PgStore::builder(), options).await;
    (stage, caching)
}

/// Whether the health of the store names the cache.
pub(super) async fn is_said_to_be_silent(caching: &Caching) -> bool {
    let health = caching.store.health().await.unwrap();
    let mut reasons = health.reasons.iter();
    reasons.any(|reason| reason.contains("the cache receives no changes"))
}

#[tokio::test]
async fn r54_a_cache_without_heartbeats_stops_in_time_and_starts_empty() {
    let (stage, caching) = caching().await;
    let session = sign_up(&caching.auth, "ada").await;
    let other = sign_up(&caching.auth, "bob").await;
    caching.remember(&stage, &session).await;
    caching.remember(&stage, &other).await;

    caching.listener.stall();
    let stalled = Instant::now();
    // Nobody hears of this.
    let sql = format!("DELETE FROM user_session WHERE id = '{}'", session.id);
    stage.execute(&sql).await;
    eventually(async || !caching.look(&stage, &session).await.0).await;
    let took = stalled.elapsed();
    assert!(took < END, "{took:?}");
    assert!(!caching.store.is_cache_answering());
    assert!(is_said_to_be_silent(&caching).await);
    for _ in 0..3 {
        assert_eq!(caching.look(&stage, &other).await, (true, 1));
    }

    caching.listener.heal();
    caching.answers(true).await;
    assert!(!is_said_to_be_silent(&caching).await);
    assert_eq!(caching.look(&stage, &other).await, (true, 1), "it is empty");
    assert_eq!(caching.look(&stage, &other).await, (true, 0));
    assert!(!caching.look(&stage, &session).await.0);
}

#[tokio::test]
async fn r54_a_cache_whose_connection_is_killed_starts_empty() {
    let (stage, caching) = caching().await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    stage.execute(kill).await;
    caching.answers(false).await;
    assert_eq!(caching.look(&stage, &session).await, (true, 1));
    caching.answers(true).await;
    caching.remember(&stage, &session).await;
    stage.execute("DELETE FROM user_session").await;
    eventually(async || !caching.look(&stage, &session).await.0).await;
}

#[tokio::test]
async fn r54_what_changes_while_nobody_listens_is_seen() {
    let (stage, caching) = caching().await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    caching.listener.cut();
    caching.answers(false).await;
    stage.execute("DELETE FROM user_session").await;
    assert!(!caching.look(&stage, &session).await.0);
    caching.listener.heal();
    caching.answers(true).await;
    assert!(!caching.look(&stage, &session).await.0);
}

async fn r48_without_a_database_nobody_is_signed_in_out_of_the_cache_for_long(source: Source) {
    let (stage, caching) = caching_by(source).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    stage.proxy().cut();
    caching.listener.cut();
    let cut = Instant::now();
    eventually(async || {
        caching
            .auth
            .validate_session(session.token())
            .await
            .is_err()
    })
    .await;
    assert!(cut.elapsed() < END, "{:?}", cut.elapsed());
}

#[tokio::test]
async fn a_listener_at_another_database_is_told_apart_from_one_that_receives() {
    let stage = Stage::postgres().await;
    stage.pg_store().await;
    let other = Database::new().await;
    let logged = lucia_tests::watch(["does not receive what other connections send"]);
    let config = other.url().parse().unwrap();
    let options = CacheOptions::new().max_silence(MAX_SILENCE);
    let builder = PgStore::builder().cache(options);
    let builder = builder.cache_listener(config, NoTls);
    let store = builder.connect(&stage.database().url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    eventually(async || !logged.lines().is_empty()).await;
    assert!(logged.lines()[0].starts_with("ERROR"), "{logged:?}");
    assert!(!store.is_cache_answering());
}

/// Connects to one database until it is told to connect to another, as by a name that moves.
struct Moving {
    to: watch::Receiver<Config>,
}

impl Connect for Moving {
    fn connect(&self, _: &Config) -> Connected<'_> {
        let config = self.to.borrow().clone();
        Box::pin(async move {
            let (client, connection) = config.connect(NoTls).await?;
            let connection = tokio::spawn(async move {
                let _ = connection.await;
            });
            Ok((client, connection))
        })
    }
}

type Connected<'a> = Pin<Box<dyn Future<Output = Connection> + Send + 'a>>;
type Connection = Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

#[tokio::test]
async fn r54_a_listener_that_is_left_behind_at_an_old_primary_ends_the_answers() {
    let stage = Stage::postgres().await;
    let config = |database: &Database| -> Config { database.url().parse().unwrap() };
    let old = config(stage.database());
    let (moves, to) = watch::channel(old.clone());
    let manager = Manager::from_connect(old.clone(), Moving { to }, ManagerConfig::default());
    let pool = Pool::builder(manager).build().unwrap();
    let options = CacheOptions::new().max_silence(MAX_SILENCE);
    let builder = PgStore::builder().cache(options);
    let builder = builder.cache_listener(old, NoTls);
    let store = builder.build(pool.clone()).unwrap();
    let columns = ["username TEXT NOT NULL UNIQUE"];
    store.migrate(&columns).await.unwrap();
    eventually(async || store.is_cache_answering()).await;

    // The new one has the same tables, and the old one lives on.
    let new = Database::new().await;
    // It is logged once, and on a slow disk while the tables are still being made.
    let logged = lucia_tests::watch(["does not receive what other connections send"]);
    moves.send_replace(config(&new));
    pool.retain(|_, _| false);
    store.migrate(&columns).await.unwrap();
    eventually(async || !store.is_cache_answering()).await;
    eventually(async || !logged.lines().is_empty()).await;
    assert!(!store.is_cache_answering());
}

#[tokio::test]
async fn a_listener_ends_with_its_store() {
    let (stage, caching) = caching().await;
    let listeners = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let listeners = async || stage.value(listeners).await.unwrap();
    eventually(async || listeners().await == "1").await;
    let Caching { store, auth, .. } = caching;
    drop(auth);
    drop(store);
    eventually(async || listeners().await == "0").await;
}

#[test]
fn a_store_outlives_the_runtime_that_its_listener_was_on() {
    for source in [Source::Listen, Source::Poll] {
        outlives_its_runtime(source);
    }
}

fn outlives_its_runtime(source: Source) {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let lasting = runtime();
    let first = runtime();
    let stage = lasting.block_on(Stage::postgres());
    let store = first.block_on(async {
        let url = stage.database().url();
        let builder = source.of(PgStore::builder().cache(CacheOptions::new()), &url);
        let store = builder.connect(&url).await.unwrap();
        store.migrate(&[]).await.unwrap();
        eventually(async || store.is_cache_answering()).await;
        store
    });
    drop(first);
    assert!(!store.is_cache_answering());
    lasting.block_on(async {
        let session = sign_up(&stage.auth().await, "ada").await;
        let auth = Auth::builder(store.clone()).build().unwrap();
        // Its first connections have ended with their runtime, too.
        let token = session.token();
        eventually(async || auth.validate_session(token).await.is_ok()).await;
        eventually(async || store.is_cache_answering()).await;
    });
}

#[test]
fn r54_a_listener_that_gets_no_time_ends_the_answers_all_the_same() {
    for source in [Source::Listen, Source::Poll] {
        gets_no_time(source);
    }
}

fn gets_no_time(source: Source) {
    let mut lasting = tokio::runtime::Builder::new_multi_thread();
    let lasting = lasting.worker_threads(1).enable_all().build().unwrap();
    // Nothing on it goes on unless it is blocked on.
    let mut starved = tokio::runtime::Builder::new_current_thread();
    let starved = starved.enable_all().build().unwrap();
    let (stage, caching, session) = lasting.block_on(async {
        let (stage, caching) = caching_by(source).await;
        let session = sign_up(&caching.auth, "ada").await;
        (stage, caching, session)
    });
    let url = stage.database().url();
    let pool = Pool::builder(Manager::new(url.parse().unwrap(), NoTls));
    let pool = pool.build().unwrap();
    let options = CacheOptions::new().max_silence(MAX_SILENCE);
    let builder = source.of(PgStore::builder().cache(options), &url);
    let auth = starved.block_on(async {
        let store = builder.build(pool.clone()).unwrap();
        eventually(async || store.is_cache_answering()).await;
        let auth = Auth::builder(store).build().unwrap();
        let found = auth.validate_session(session.token()).await;
        assert!(found.unwrap().is_some());
        auth
    });
    // These connections get no time, either.
    pool.retain(|_, _| false);
    lasting.block_on(async {
        let begin = Instant::now();
        caching.auth.invalidate_session(&session.id).await.unwrap();
        let token = session.token();
        eventually(async || auth.validate_session(token).await.unwrap().is_none()).await;
        assert!(begin.elapsed() < END, "{:?}", begin.elapsed());
    });
}

/// Its listener is behind a proxy, and so farther away than the pool, so that the answer to a heartbeat is there
/// before the heartbeat.
#[tokio::test]
async fn a_cache_answers_by_its_first_heartbeat() {
    let stage = Stage::postgres().await;
    Caching::on(&stage).await;
    for _ in 0..5 {
        let listener = Proxy::before(stage.database()).await;
        let config: Config = stage.database().url_by(listener.port()).parse().unwrap();
        let store = PgStore::builder().cache(CacheOptions::new());
        let store = store.cache_listener(config, NoTls);
        let store = store.connect(&stage.database().url()).await.unwrap();
        eventually(async || store.is_cache_answering()).await;
        let mut statements = listener.statements();
        statements.retain(|statement| statement.sql.starts_with("LISTEN"));
        assert_eq!(statements.len(), 2, "it began anew");
    }
}
