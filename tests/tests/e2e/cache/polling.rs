//! A cache that polls for changes.

use std::time::{Duration, Instant};

use lucia::{Auth, CacheOptions, PgStore, Session};
use lucia_tests::{Bouncer, watch};
use tokio::task::JoinSet;

use super::failures::is_said_to_be_silent;
use crate::support::{Caching, POLL_INTERVAL, Source, Stage, eventually, is_beat, sign_up};

/// Far less than `max_age`, and long enough for a machine that does other things as well.
const SOON: Duration = Duration::from_secs(10);

async fn caching() -> (Stage, Caching) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(Source::Poll, &stage).await;
    (stage, caching)
}

async fn is_good(auth: &Auth, session: &Session) -> bool {
    let found = auth.validate_session(session.token()).await;
    found.unwrap().is_some()
}

/// Waits for a poll that begins from now on, and for what it does.
async fn is_polled(stage: &Stage) {
    for _ in 0..2 {
        stage.proxy().statements();
        eventually(async || stage.proxy().statements().iter().any(is_beat)).await;
    }
}

#[tokio::test]
async fn r54_what_is_committed_late_is_seen_and_is_no_more_when_read_by_its_number() {
    let (stage, caching) = caching().await;
    let [late, other] = [
        sign_up(&caching.auth, "ada").await,
        sign_up(&caching.auth, "bob").await,
    ];
    for session in [&late, &other] {
        caching.remember(&stage, session).await;
    }
    let revoking = stage.database().connect().await;
    let revoke =
        |session: &Session| format!("DELETE FROM user_session WHERE id = '{}'", session.id);
    let begin = format!("BEGIN; {}", revoke(&late));
    revoking.batch_execute(&begin).await.unwrap();
    // Later, and committed before.
    stage.execute(&revoke(&other)).await;
    eventually(async || !caching.look(&stage, &other).await.0).await;
    let highest = "SELECT max(xact) FROM lucia_change WHERE swept IS NULL";
    let highest = stage.value(highest).await.unwrap();
    is_polled(&stage).await;
    assert_eq!(caching.look(&stage, &late).await, (true, 0));

    revoking.batch_execute("COMMIT").await.unwrap();
    let seen = eventually(async || !caching.look(&stage, &late).await.0).await;
    assert!(seen < SOON, "{seen:?}");
    let above = format!("lucia_change WHERE swept IS NULL AND xact > '{highest}'");
    assert_eq!(stage.count(&above).await, 0, "it would have been missed");
}

#[tokio::test]
async fn r54_rows_are_deleted_when_all_polls_have_seen_them() {
    let stage = Stage::postgres().await;
    let options = CacheOptions::new().max_silence(POLL_INTERVAL * 2);
    let processes = [(); 2].map(async |()| {
        let options = options.clone();
        Caching::with_source(Source::Poll, &stage, PgStore::builder(), options).await
    });
    let processes = futures_util::future::join_all(processes).await;
    let auth = &processes[0].auth;
    let late = sign_up(auth, "ada").await;
    let revoking = stage.database().connect().await;
    let begin = format!("BEGIN; DELETE FROM user_session WHERE id = '{}'", late.id);
    revoking.batch_execute(&begin).await.unwrap();
    stage
        .execute("UPDATE auth_user SET username = 'grace'")
        .await;
    // What is under way keeps all that came after it.
    let rows = async || stage.count("lucia_change WHERE swept IS NULL").await;
    assert_eq!(rows().await, 1);
    for process in &processes {
        process.remember(&stage, &late).await;
    }
    revoking.batch_execute("COMMIT").await.unwrap();
    for process in &processes {
        let seen = eventually(async || !process.look(&stage, &late).await.0).await;
        assert!(seen < SOON, "{seen:?}");
    }
    eventually(async || rows().await == 0).await;
    assert_eq!(stage.count("lucia_change").await, 1);
    // And nothing was taken for lost.
    let session = sign_up(auth, "bob").await;
    for process in &processes {
        process.remember(&stage, &session).await;
    }
    stage.execute("DELETE FROM user_session").await;
    for process in &processes {
        let seen = eventually(async || !process.look(&stage, &session).await.0).await;
        assert!(seen < SOON, "{seen:?}");
    }
}

/// Each takes away, by one transaction, a session and the row that tells of it, or puts something between
/// the polls that did not happen there.
#[tokio::test]
async fn r54_a_cache_that_may_have_missed_a_row_starts_empty() {
    let revoke = "DELETE FROM user_session";
    for lose in [
        "TRUNCATE lucia_change",
        "DELETE FROM lucia_change",
        // As another server would have it.
        "DELETE FROM lucia_change WHERE swept IS NULL; \
         UPDATE lucia_change SET change = 'another' WHERE swept IS NOT NULL",
        // As a process that sweeps while the other one's machine sleeps.
        "DELETE FROM lucia_change WHERE swept IS NULL; \
         UPDATE lucia_change SET swept = (pg_current_xact_id()::TEXT::BIGINT + 1)::TEXT::xid8 \
             WHERE swept IS NOT NULL",
        // As a restored dump of a server that has come further.
        "DELETE FROM lucia_change WHERE swept IS NULL; \
         UPDATE lucia_change SET swept = '9000000000' WHERE swept IS NOT NULL",
        "DELETE FROM lucia_change WHERE swept IS NULL; \
         INSERT INTO lucia_change (xact, change) VALUES ('9000000000', 's')",
    ] {
        let (stage, caching) = caching().await;
        let logged = watch(["changes may have been lost"]);
        let session = sign_up(&caching.auth, "ada").await;
        let other = sign_up(&caching.auth, "bob").await;
        for session in [&session, &other] {
            caching.remember(&stage, session).await;
        }
        let sql = format!(
            "BEGIN; {revoke} WHERE id = '{}'; {lose}; COMMIT",
            session.id
        );
        stage.execute(&sql).await;
        let seen = eventually(async || !caching.look(&stage, &session).await.0).await;
        assert!(seen < SOON, "{lose}: {seen:?}");
        eventually(async || !logged.lines().is_empty()).await;
        // It goes on as before.
        caching.remember(&stage, &other).await;
        stage.execute(revoke).await;
        let seen = eventually(async || !caching.look(&stage, &other).await.0).await;
        assert!(seen < SOON, "{lose}: {seen:?}");
    }
}

#[tokio::test]
async fn r54_a_cache_whose_polls_are_not_answered_stops_in_time_and_goes_on_where_it_was() {
    const MAX_SILENCE: Duration = Duration::from_millis(400);

    let stage = Stage::postgres().await;
    let options = CacheOptions::new().max_silence(MAX_SILENCE);
    let caching = Caching::with_source(Source::Poll, &stage, PgStore::builder(), options).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    let holding = stage.database().connect().await;
    let hold = "BEGIN; LOCK lucia_change; DELETE FROM user_session";
    holding.batch_execute(hold).await.unwrap();
    caching.answers(false).await;
    for _ in 0..2 {
        assert_eq!(caching.look(&stage, &session).await, (true, 1));
    }
    assert!(is_said_to_be_silent(&caching).await);
    holding.batch_execute("COMMIT").await.unwrap();
    caching.answers(true).await;
    assert!(!caching.look(&stage, &session).await.0);
    assert!(!is_said_to_be_silent(&caching).await);
}

#[tokio::test]
async fn a_poll_that_fails_once_costs_nothing() {
    let (stage, caching) = caching().await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    for _ in 0..3 {
        stage.proxy().cut();
        stage.proxy().heal();
        is_polled(&stage).await;
        assert_eq!(caching.look(&stage, &session).await, (true, 0));
    }
}

#[tokio::test]
async fn r54_more_changes_than_one_poll_reads_are_all_seen() {
    let (stage, caching) = caching().await;
    let mut sessions = vec![sign_up(&caching.auth, "ada").await];
    let user = sessions[0].user_id.clone();
    for _ in 0..3 {
        sessions.push(caching.auth.create_session(&user).await.unwrap());
    }
    for session in &sessions {
        caching.remember(&stage, session).await;
    }
    let many = "DO $$ BEGIN FOR n IN 1..2000 LOOP \
         INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
             SELECT lpad(n::TEXT, 64, '0'), id, 0, 0 FROM auth_user; \
         DELETE FROM user_session WHERE id = lpad(n::TEXT, 64, '0'); \
         END LOOP; END $$; DELETE FROM user_session";
    stage.execute(many).await;
    for session in &sessions {
        let seen = eventually(async || !caching.look(&stage, session).await.0).await;
        assert!(seen < SOON, "{seen:?}");
    }
    caching.answers(true).await;
}

#[tokio::test]
async fn r54_a_process_that_listens_and_one_that_polls_see_the_same_changes() {
    let stage = Stage::postgres().await;
    let listening = Caching::by(Source::Listen, &stage).await;
    let polling = Caching::by(Source::Poll, &stage).await;
    assert_eq!(stage.count("pg_trigger WHERE NOT tgisinternal").await, 12);
    let session = sign_up(&listening.auth, "ada").await;
    for process in [&listening, &polling] {
        process.remember(&stage, &session).await;
    }
    stage.execute("DELETE FROM user_session").await;
    for process in [&listening, &polling] {
        let seen = eventually(async || !process.look(&stage, &session).await.0).await;
        assert!(seen < SOON, "{seen:?}");
    }
    // The one goes on when the other kind is gone.
    stage.execute("DROP FUNCTION lucia_changed() CASCADE").await;
    listening.answers(false).await;
    polling.answers(true).await;
}

#[tokio::test]
async fn a_poller_ends_with_its_store() {
    let (stage, caching) = caching().await;
    let Caching { store, auth, .. } = caching;
    drop(auth);
    drop(store);
    let connections = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND query LIKE '%pg_current_snapshot%' \
                           AND pid <> pg_backend_pid()";
    eventually(async || stage.value(connections).await.unwrap() == "0").await;
}

/// All of two processes is behind it: nothing but the pooler reaches the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r54_behind_a_pooler_in_transaction_mode_a_revocation_is_seen_within_a_second() {
    const REVOCATIONS: usize = 200;
    const INTERVAL: Duration = Duration::from_millis(250);

    let stage = Stage::postgres().await;
    let settings = ["pool_mode = transaction", "default_pool_size = 4"];
    let Some(bouncer) = Bouncer::before(stage.database(), &settings).await else {
        return;
    };
    let builder = PgStore::builder().cache(CacheOptions::new());
    let builder = builder.cache_poll_interval(INTERVAL);
    let store = builder.connect(bouncer.url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let here = Auth::builder(store.clone()).build().unwrap();
    let elsewhere = PgStore::connect(bouncer.url()).await.unwrap();
    let elsewhere = Auth::builder(elsewhere).build().unwrap();
    eventually(async || store.is_cache_answering()).await;
    let user = sign_up(&elsewhere, "ada").await.user_id.clone();
    let mut sessions = Vec::new();
    for _ in 0..REVOCATIONS {
        let session = elsewhere.create_session(&user).await.unwrap();
        assert!(is_good(&here, &session).await);
        sessions.push(session);
    }
    // Once all of them are in the cache.
    let mut seen = JoinSet::new();
    for session in sessions {
        elsewhere.invalidate_session(&session.id).await.unwrap();
        let (revoked, here) = (Instant::now(), here.clone());
        seen.spawn(async move {
            while is_good(&here, &session).await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            revoked.elapsed()
        });
    }
    lucia_tests::are_seen_within_a_second(seen.join_all().await);
}
