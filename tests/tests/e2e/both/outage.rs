//! A database that is away, slow, or has no connection to spare.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lucia::{
    Auth, AuthBuilder, HealthStatus, MaybeUser, PgStore, RedisStore, Session, SqliteStore,
};
use lucia_tests::RedisServer;

use super::framework::{Routes, front_page, serve};
use crate::support::{Browser, PASSWORD, Profile, Site, Stage, eventually, sign_up};

/// How long a store may take here.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(700);

/// How much longer a busy machine may take for the rest.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

fn routes() -> Routes {
    front_page().get("/maybe", maybe)
}

async fn maybe(user: MaybeUser<Profile>) -> String {
    user.0
        .map_or("nobody".to_owned(), |user| user.attributes.username)
}

pub(crate) async fn site(store: PgStore) -> (Site, Session) {
    signed_in(Auth::builder(store)).await
}

async fn signed_in(settings: AuthBuilder) -> (Site, Session) {
    let auth = settings.store_timeout(TIMEOUT).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    (serve(auth, routes()).await, session)
}

/// Everything is 503 within the time-out, nothing touches a cookie, and nobody counts as
/// anonymous.
pub(crate) async fn assert_unavailable(browser: &Browser) {
    let cookie = browser.cookie_header();
    let start = Instant::now();
    let form = [("username", "ada"), ("password", PASSWORD)];
    let (gets, posts) = tokio::join!(
        join_all(["/me", "/who", "/maybe"].map(|path| browser.get(path))),
        join_all(["/login", "/logout"].map(|path| browser.post(path, &form))),
    );
    let elapsed = start.elapsed();
    assert!(elapsed < TIMEOUT + GRACE, "{elapsed:?}");
    for reply in gets.iter().chain(&posts) {
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        assert!(reply.header("retry-after").is_some(), "{reply:?}");
    }
    assert_eq!(browser.cookie_header(), cookie);
}

pub(crate) async fn assert_available(browser: &Browser) {
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    assert_eq!(browser.get("/who").await.body, "ada");
    assert_eq!(browser.get("/maybe").await.body, "ada");
}

#[tokio::test]
async fn r48_a_server_that_cannot_be_reached_is_503() {
    let stage = Stage::postgres().await;
    let (site, session) = site(stage.pg_store().await).await;
    let browser = site.browser_of(&session);
    assert_available(&browser).await;
    stage.proxy().cut();
    assert_unavailable(&browser).await;
    stage.proxy().heal();
    assert_available(&browser).await;
}

#[tokio::test]
async fn r48_a_slow_server_is_503_within_the_time_out() {
    let stage = Stage::postgres().await;
    let (site, session) = site(stage.pg_store().await).await;
    let browser = site.browser_of(&session);
    assert_available(&browser).await;
    stage.proxy().stall();
    assert_unavailable(&browser).await;
    stage.proxy().heal();
    assert_available(&browser).await;
}

#[tokio::test]
async fn r48_a_slow_server_is_503_by_the_stores_own_time_out() {
    let stage = Stage::postgres().await;
    let url = stage.database().url_by(stage.proxy().port());
    let store = PgStore::builder()
        .timeout(TIMEOUT)
        .connect(&url)
        .await
        .unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let site = serve(auth, routes()).await;
    let browser = site.browser_of(&session);
    stage.proxy().stall();
    assert_unavailable(&browser).await;
    stage.proxy().heal();
    assert_available(&browser).await;
}

#[tokio::test]
async fn r48_a_pool_without_a_free_connection_is_503() {
    let stage = Stage::postgres().await;
    let url = stage.database().url();
    let store = PgStore::builder().max_connections(2).timeout(TIMEOUT);
    let (site, session) = site(store.connect(&url).await.unwrap()).await;
    let browser = site.browser_of(&session);
    assert_available(&browser).await;

    let client = stage.database().connect().await;
    let lock = "BEGIN; LOCK TABLE user_session, user_key IN ACCESS EXCLUSIVE MODE";
    client.batch_execute(lock).await.unwrap();
    let start = Instant::now();
    let requests = (0..20).map(|_| browser.get("/me"));
    for reply in join_all(requests).await {
        assert_eq!(reply.status, 503);
        assert!(reply.set_cookies().is_empty());
    }
    assert!(start.elapsed() < TIMEOUT + GRACE);
    assert_unavailable(&browser).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_available(&browser).await;
}

/// A server that keeps its connections and says nothing, and one that is gone: alone, and while the users are away as
/// well, of which either comes back first. Nobody is signed out by it.
#[tokio::test]
async fn r48_a_redis_with_the_sessions_that_is_away_is_503() {
    let stage = Stage::postgres().await;
    let settings = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"];
    let Some(mut redis) = RedisServer::start(&settings).await else {
        return;
    };
    let sessions = RedisStore::connect(&redis.url()).await.unwrap();
    let settings = Auth::builder(stage.pg_store().await).sessions(sessions);
    let (site, session) = signed_in(settings).await;
    let browser = site.browser_of(&session);
    assert_available(&browser).await;
    let comes_back = async || {
        eventually(async || browser.get("/me").await.status == 200).await;
        assert_available(&browser).await;
    };
    // The users, and the sessions.
    let are_down = async || {
        let health = site.auth.health().await;
        [0, 1].map(|store: usize| health.stores[store].status == HealthStatus::Down)
    };
    redis.pause();
    assert_unavailable(&browser).await;
    assert_eq!(are_down().await, [false, true]);
    stage.proxy().stall();
    assert_unavailable(&browser).await;
    assert_eq!(are_down().await, [true, true]);
    redis.resume();
    eventually(async || are_down().await == [true, false]).await;
    assert_unavailable(&browser).await;
    stage.proxy().heal();
    comes_back().await;
    redis.kill();
    assert_unavailable(&browser).await;
    stage.proxy().cut();
    assert_unavailable(&browser).await;
    assert_eq!(are_down().await, [true, true]);
    stage.proxy().heal();
    eventually(async || are_down().await == [false, true]).await;
    assert_unavailable(&browser).await;
    redis.start_again().await;
    comes_back().await;
}

/// The session was found valid, and stays so until its idle period ends. The next request renews it.
#[tokio::test]
async fn r48_a_session_that_cannot_be_renewed_goes_on() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = serve(auth, routes()).await;
    let browser = site.browser_of(&session);
    stage.clock.set(session.idle_expires);
    for path in ["/me", "/who", "/maybe"] {
        stage.proxy().cut_after(1);
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(reply.body.contains("ada"), "{path}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{path}");
    }
    let reply = browser.get("/me").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.set_cookies().len(), 1, "{reply:?}");
}

/// While the renewal is on its way, the session ends.
#[tokio::test]
async fn r48_a_session_that_cannot_be_renewed_goes_on_no_longer_than_it_lives() {
    for is_deleted in [true, false] {
        let stage = Stage::postgres().await;
        let auth = stage.auth().await;
        let session = sign_up(&auth, "ada").await;
        let site = serve(auth, routes()).await;
        let browser = site.browser_of(&session);
        stage.clock.set(session.idle_expires);
        stage.probe.refuse("renew_session");
        assert_eq!(browser.get("/me").await.status, 200);
        stage.probe.halt("renew_session");
        let (reply, ()) = tokio::join!(browser.get("/me"), async {
            stage.probe.arrived("renew_session").await;
            match is_deleted {
                true => stage.execute("DELETE FROM user_session").await,
                false => stage.clock.advance(Duration::from_millis(1)),
            }
            stage.probe.release("renew_session");
        });
        assert_eq!(reply.status, 401, "{is_deleted}: {reply:?}");
    }
}

#[tokio::test]
async fn r48_a_locked_file_is_503_within_the_time_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    let store = SqliteStore::builder()
        .timeout(TIMEOUT)
        .open(&file)
        .await
        .unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let (site, session) = signed_in(Auth::builder(store)).await;
    let browser = site.browser_of(&session);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let form = [("username", "ada"), ("password", PASSWORD)];
    for path in ["/login", "/logout", "/signup"] {
        let start = Instant::now();
        let reply = browser.post(path, &form).await;
        assert_eq!(reply.status, 503, "{path}: {reply:?}");
        assert!(start.elapsed() < TIMEOUT + GRACE, "{path}");
        assert!(reply.set_cookies().is_empty(), "{path}");
    }
    // Readers do not mind.
    assert_available(&browser).await;
    connection.execute_batch("ROLLBACK").unwrap();
    assert_eq!(browser.post("/logout", &[]).await.status, 204);
}
