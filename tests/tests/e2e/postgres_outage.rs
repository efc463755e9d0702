//! A Postgres that is stopped and started again, has no room left, or is not the primary any more. Other outages are in `both/outage.rs`.

use std::time::Instant;

use futures_util::future::join_all;
use lucia::{Auth, Error, HealthStatus, NewKey, NewUser, PgStore, Session};
use lucia_tests::{
    Database, Pair, Replication, Server, SmallDisk, Stop, programs_are_installed, skip,
};

use tokio::task::block_in_place;

use crate::actix::outage::{GRACE, TIMEOUT, assert_available, assert_unavailable, site};
use crate::support::{Browser, PASSWORD, Profile, Site, eventually};

#[tokio::test]
async fn r48_a_server_that_is_stopped_is_503_and_works_again_when_it_is_started() {
    if !programs_are_installed() {
        return skip(
            "r48_a_server_that_is_stopped",
            "no programs of Postgres to start one",
        );
    }
    let server = tokio::task::spawn_blocking(Server::start_durable).await;
    let mut server = server.unwrap().unwrap();
    let database = Database::on(&server.url()).await;
    let store = PgStore::builder()
        .timeout(TIMEOUT)
        .connect(&database.url())
        .await
        .unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let (site, session) = site(store).await;
    let browser = site.browser_of(&session);
    for how in [Stop::Fast, Stop::Immediate, Stop::Kill] {
        // Several connections, so that none of them is a surprise afterwards.
        let requests = || join_all((0..10).map(|_| browser.get("/me")));
        requests().await;
        server.stop(how);
        // Its processes may outlive a server that is killed, and answer as long as they live.
        while requests().await.iter().any(|reply| reply.status == 200) {}
        assert_unavailable(&browser).await;
        server.restart();
        assert_available(&browser).await;
    }
}

/// Sessions, users and one-time tokens until none fits any more. Each of them is refused as a store that is away,
/// and leaves nothing behind.
async fn until_full(auth: &Auth, session: &Session) {
    /// More than the rest of a page or a write-ahead log holds.
    const MANY: usize = 5000;

    let mut refused = None;
    for _ in 0..MANY {
        refused = auth.create_session(&session.user_id).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(
        matches!(refused, Some(Error::Unavailable(_))),
        "{refused:?}"
    );
    for number in 0..MANY {
        let name = format!("eve{number}");
        let profile = Profile {
            username: name.clone(),
        };
        let new_user = NewUser::with_key(NewKey::without_password(("username", &*name)));
        let new_user = new_user.attributes(&profile);
        match auth.create_user(new_user).await {
            Ok(_) => {}
            Err(Error::Unavailable(_)) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("there is room");
}

/// Whoever is signed in stays so and can sign out, and nobody can sign in or up. Nothing touches a cookie.
async fn assert_full(site: &Site, browser: &Browser) {
    let cookie = browser.cookie_header();
    assert_available(browser).await;
    let form = [("username", "ada"), ("password", PASSWORD)];
    for path in ["/login", "/signup"] {
        let start = Instant::now();
        let form = match path {
            "/signup" => [("username", "mallory"), form[1]],
            _ => form,
        };
        let reply = browser.post(path, &form).await;
        assert_eq!(reply.status, 503, "{path}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
        assert!(start.elapsed() < TIMEOUT + GRACE, "{path}");
    }
    assert_eq!(browser.cookie_header(), cookie);
    let health = site.auth.health().await;
    assert_ne!(health.status, HealthStatus::Down, "{health:?}");
}

/// First the tables have no room, then the write-ahead log, by which the server goes down.
#[tokio::test]
async fn r48_a_disk_of_postgres_that_is_full_is_503_and_signs_nobody_out() {
    let name = "r48_a_disk_of_postgres_that_is_full_is_503";
    if !programs_are_installed() {
        return skip(name, "no programs of Postgres to start one");
    }
    // Room for some files of a write-ahead log, of 16 MiB each, and for some tables.
    let Some(disk) = SmallDisk::mount(64) else {
        return skip(name, "nobody may mount a filesystem here");
    };
    let started = tokio::task::spawn_blocking(move || (Server::start_on(&disk), disk)).await;
    let (server, disk) = started.unwrap();
    let mut server = server.unwrap();
    let database = Database::on(&server.url()).await;
    let client = database.connect().await;
    let sql = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_tablespace = small', \
               current_database()); END $$";
    client.batch_execute(sql).await.unwrap();
    let store = PgStore::builder().timeout(TIMEOUT);
    let store = store.connect(&database.url()).await.unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let (site, session) = site(store).await;
    let browser = site.browser_of(&session);
    let leaving = site.auth.create_session(&session.user_id).await.unwrap();
    assert_available(&browser).await;

    disk.fill();
    until_full(&site.auth, &session).await;
    assert_full(&site, &browser).await;
    let leaving = site.browser_of(&leaving);
    assert_eq!(leaving.post("/logout", &[]).await.status, 204);
    let client = database.connect().await;
    let partial = "SELECT 1 FROM auth_user u FULL JOIN user_key k ON k.user_id = u.id \
                   WHERE u.id IS NULL OR k.id IS NULL";
    assert!(client.query(partial, &[]).await.unwrap().is_empty());
    disk.free();
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(site.browser().post("/login", &form).await.status, 204);

    let acknowledged = site.auth.create_session(&session.user_id).await.unwrap();
    disk.fill();
    // The next write needs another file.
    let _ = client.batch_execute("SELECT pg_switch_wal()").await;
    let refused = async || {
        let created = site.auth.create_session(&session.user_id).await;
        match created {
            Err(Error::Unavailable(_)) => true,
            Ok(_) => false,
            Err(other) => panic!("{other:?}"),
        }
    };
    eventually(refused).await;
    let reply = browser.post("/login", &form).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    for path in ["/me", "/who", "/maybe"] {
        let reply = browser.get(path).await;
        assert!(matches!(reply.status, 200 | 503), "{path}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
    }
    disk.free();
    // It recovers by itself, or ends when it finds no room for that, which can be a moment ago.
    eventually(async || {
        if server.has_ended() {
            server.stop(Stop::Immediate);
            server.restart();
        }
        browser.post("/login", &form).await.status == 204
    })
    .await;
    let acknowledged = site.browser_of(&acknowledged);
    assert_available(&acknowledged).await;
    assert_eq!(leaving.get("/me").await.status, 401);
}

/// The old primary lives on after a promotion, and one process still reaches no other server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_a_primary_that_lives_on_acknowledges_nothing_where_the_standby_is_synchronous() {
    if !programs_are_installed() {
        return skip(
            "r48_a_primary_that_lives_on",
            "no programs of Postgres to start two servers",
        );
    }
    let mut pair = block_in_place(|| Pair::start(Replication::Synchronous)).unwrap();
    let database = Database::on(&pair.primary().url()).await;
    let columns = ["username TEXT NOT NULL UNIQUE"];
    let over = async |url: String| {
        let store = PgStore::builder().timeout(TIMEOUT);
        store.connect(&url).await.unwrap()
    };
    let old = over(database.url()).await;
    old.migrate(&columns).await.unwrap();
    let (old, session) = site(old).await;
    let stolen = old.auth.create_session(&session.user_id).await.unwrap();
    let (browser, thief) = (old.browser_of(&session), old.browser_of(&stolen));
    assert_available(&browser).await;
    assert_eq!(old.auth.health().await.status, HealthStatus::Up);

    block_in_place(|| pair.promote()).unwrap();
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let promoted = pair.primary().url();
    let promoted = promoted.strip_suffix("postgres").unwrap();
    let new = Auth::builder(over(format!("{promoted}{name}")).await);
    let new = new.build().unwrap();

    // It answers lookups as they were, and acknowledges no write, not even to itself.
    let form = [("username", "ada"), ("password", PASSWORD)];
    for path in ["/login", "/logout"] {
        let start = Instant::now();
        let reply = browser.post(path, &form).await;
        assert_eq!(reply.status, 503, "{path}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
        assert!(start.elapsed() < TIMEOUT + GRACE, "{path}");
    }
    let ended = old.auth.invalidate_user_sessions(&session.user_id).await;
    assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
    assert_available(&browser).await;
    let health = old.auth.health().await;
    assert_eq!(health.status, HealthStatus::Degraded, "{health:?}");
    assert!(
        health.stores[0].reasons[0].contains("standby"),
        "{health:?}"
    );

    // What the new one acknowledges counts, and the old one does not know of it.
    new.invalidate_session(&stolen.id).await.unwrap();
    assert!(
        new.validate_session(stolen.token())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        new.validate_session(session.token())
            .await
            .unwrap()
            .is_some()
    );
    let begun = new.create_session(&session.user_id).await.unwrap();
    assert_eq!(thief.get("/me").await.status, 200, "a documented window");

    // It follows the new one again.
    block_in_place(|| pair.follow()).unwrap();
    eventually(async || thief.get("/me").await.status == 401).await;
    assert_available(&browser).await;
    assert_available(&old.browser_of(&begun)).await;
}
