//! Lookups of sessions that meet, on Postgres.

mod crowd;

use std::collections::HashSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use futures_util::future::join_all;
use futures_util::poll;
use lucia::store::Store as _;
use lucia::{Auth, Error, PgStore, Result, Session};

use super::support::{Stage, sign_up};

type Lookup<'a> = Pin<Box<dyn Future<Output = Result<Option<Session>>> + 'a>>;

async fn stage_with(count: usize) -> (Stage, Auth, Vec<Session>) {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    let first = sign_up(&auth, "ada").await;
    let mut sessions = vec![first];
    while sessions.len() < count {
        let user_id = sessions[0].user_id.clone();
        sessions.push(auth.create_session(&user_id).await.unwrap());
    }
    // Both statements are prepared from here on.
    join_all(
        sessions
            .iter()
            .map(|session| auth.validate_session(session.token())),
    )
    .await;
    stage.proxy().statements();
    (stage, auth, sessions)
}

/// A pool of the application's own, with so many connections, and lucia over it.
fn over_pool(stage: &Stage, max_size: usize) -> (Pool, Auth) {
    let config = stage.database().url().parse().unwrap();
    let manager = Manager::new(config, tokio_postgres::NoTls);
    let pool = Pool::builder(manager).max_size(max_size).build().unwrap();
    let auth = Auth::builder(PgStore::new(pool.clone()));
    let auth = auth.clock(stage.clock.reader()).build().unwrap();
    (pool, auth)
}

/// Lookups that all have been called, and of which the first is on its way.
async fn called<'a>(auth: &'a Auth, sessions: &'a [Session]) -> Vec<Lookup<'a>> {
    let mut lookups: Vec<Lookup<'a>> = Vec::new();
    for session in sessions {
        let mut lookup: Lookup<'a> = Box::pin(auth.validate_session(session.token()));
        assert!(poll!(&mut lookup).is_pending());
        lookups.push(lookup);
    }
    lookups
}

#[tokio::test]
async fn those_that_arrive_while_one_is_on_its_way_share_a_statement() {
    let (stage, auth, sessions) = stage_with(40).await;
    stage.proxy().stall();
    let lookups = called(&auth, &sessions).await;
    stage.proxy().heal();
    for (found, session) in join_all(lookups).await.into_iter().zip(&sessions) {
        assert_eq!(found.unwrap().unwrap().id, session.id);
    }
    assert_eq!(stage.proxy().statements().len(), 2);
}

#[tokio::test]
async fn a_lookup_that_waits_for_others_takes_little_memory() {
    let (stage, _, sessions) = stage_with(1).await;
    let store = stage.pg_store().await;
    let lookup = store.session_and_user(&sessions[0].id);
    // The allocator of glibc is slow from 1,033 bytes on, and each request has one of these.
    assert!(size_of_val(&*lookup) <= 1024, "{}", size_of_val(&*lookup));
}

#[tokio::test]
async fn more_than_a_statement_takes_go_out_by_several_and_each_finds_its_own() {
    let (stage, auth, sessions) = stage_with(200).await;
    let lookups = called(&auth, &sessions).await;
    let mut found = HashSet::new();
    for (session, asked) in join_all(lookups).await.into_iter().zip(&sessions) {
        let session = session.unwrap().unwrap();
        assert_eq!(session.id, asked.id);
        found.insert(session.id.clone());
    }
    assert_eq!(found.len(), 200);
    assert_eq!(stage.proxy().statements().len(), 1 + 4, "64 at the most");
}

#[tokio::test]
async fn one_by_one_each_has_a_statement_of_its_own() {
    let (stage, _, sessions) = stage_with(10).await;
    let url = stage.database().url_by(stage.proxy().port());
    let store = PgStore::builder().batched_lookups(false);
    let auth = Auth::builder(store.connect(&url).await.unwrap());
    let auth = auth.clock(stage.clock.reader()).build().unwrap();
    let lookups = sessions
        .iter()
        .map(|session| auth.validate_session(session.token()));
    assert!(
        join_all(lookups)
            .await
            .into_iter()
            .all(|found| found.unwrap().is_some())
    );
    assert_eq!(stage.proxy().statements().len(), 10);
}

#[tokio::test]
async fn a_revocation_that_has_returned_is_seen_by_every_lookup_that_is_called_after_it() {
    let (_stage, auth, mut sessions) = stage_with(9).await;
    let user_id = sessions[0].user_id.clone();
    let revoked = sessions.pop().unwrap();
    let mut revoked = vec![revoked];
    let others = async {
        loop {
            let lookups = sessions
                .iter()
                .map(|session| auth.validate_session(session.token()));
            assert!(
                join_all(lookups)
                    .await
                    .into_iter()
                    .all(|found| found.unwrap().is_some())
            );
        }
    };
    let revocations = async {
        for _ in 0..100 {
            let session = revoked.pop().unwrap();
            // Some of these are on their way or wait when the session is revoked, and may find it.
            let before = join_all((0..4).map(|_| auth.validate_session(session.token())));
            let (_, revocation) = tokio::join!(before, auth.invalidate_session(&session.id));
            revocation.unwrap();
            let after = join_all((0..8).map(|_| auth.validate_session(session.token()))).await;
            assert!(after.into_iter().all(|found| found.unwrap().is_none()));
            revoked.push(auth.create_session(&user_id).await.unwrap());
        }
    };
    tokio::select! {
        () = others => {}
        () = revocations => {}
    }
}

#[tokio::test]
async fn a_request_that_goes_away_harms_no_other() {
    let (stage, auth, sessions) = stage_with(12).await;
    for gone in [
        vec![0],
        vec![1],
        vec![0, 1, 2],
        vec![3, 11],
        (0..11).collect(),
    ] {
        stage.proxy().stall();
        let lookups = called(&auth, &sessions).await;
        let mut staying = Vec::new();
        for (at, lookup) in lookups.into_iter().enumerate() {
            if gone.contains(&at) {
                drop(lookup);
            } else {
                staying.push((at, lookup));
            }
        }
        stage.proxy().heal();
        for (at, lookup) in staying {
            let found = lookup.await.unwrap().unwrap();
            assert_eq!(found.id, sessions[at].id, "without {gone:?}");
        }
    }
    // Also the second statement has somebody who goes away with it.
    stage.proxy().stall();
    let mut lookups = called(&auth, &sessions).await;
    stage.proxy().heal();
    let first = lookups.remove(0);
    first.await.unwrap().unwrap();
    let mut second = lookups.remove(0);
    assert!(poll!(&mut second).is_pending(), "it leads the others now");
    drop(second);
    for (found, session) in join_all(lookups).await.into_iter().zip(&sessions[2..]) {
        assert_eq!(found.unwrap().unwrap().id, session.id);
    }
}

#[tokio::test]
async fn nobody_who_is_left_alone_waits_for_ever() {
    let (stage, auth, sessions) = stage_with(3).await;
    for _ in 0..50 {
        stage.proxy().stall();
        drop(called(&auth, &sessions).await);
        stage.proxy().heal();
        let found = auth.validate_session(sessions[0].token()).await;
        assert!(found.unwrap().is_some());
    }
}

#[tokio::test]
async fn r48_an_outage_reaches_each_of_those_who_share_a_statement() {
    let (stage, auth, sessions) = stage_with(20).await;
    stage.proxy().stall();
    let lookups = called(&auth, &sessions).await;
    stage.proxy().cut();
    for found in join_all(lookups).await {
        assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
    }
    stage.proxy().heal();
    let lookups = sessions
        .iter()
        .map(|session| auth.validate_session(session.token()));
    assert!(
        join_all(lookups)
            .await
            .into_iter()
            .all(|found| found.unwrap().is_some())
    );
}

#[tokio::test]
async fn r48_each_of_those_who_wait_is_told_within_twice_the_time_out() {
    let (stage, _, sessions) = stage_with(20).await;
    let url = stage.database().url_by(stage.proxy().port());
    let store = PgStore::builder().timeout(Duration::from_millis(300));
    let auth = Auth::builder(store.connect(&url).await.unwrap());
    let auth = auth.clock(stage.clock.reader()).build().unwrap();
    auth.validate_session(sessions[0].token()).await.unwrap();
    stage.proxy().stall();
    let lookups = called(&auth, &sessions).await;
    tokio::time::pause();
    let answers = tokio::time::timeout(Duration::from_millis(600), join_all(lookups)).await;
    tokio::time::resume();
    for found in answers.expect("everybody is told") {
        assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
    }
    stage.proxy().heal();
    let found = auth.validate_session(sessions[0].token()).await;
    assert!(found.unwrap().is_some());
}

#[tokio::test]
async fn a_lookup_that_nobody_polls_holds_up_no_other() {
    let (_stage, auth, sessions) = stage_with(20).await;
    let mut held = called(&auth, &sessions[..1]).await;
    let lookups = sessions[1..]
        .iter()
        .map(|session| auth.validate_session(session.token()));
    let found = tokio::time::timeout(Duration::from_secs(4), join_all(lookups)).await;
    let found = found.expect("all go on without it");
    assert!(found.into_iter().all(|found| found.unwrap().is_some()));
    assert!(
        held.remove(0).await.unwrap().is_some(),
        "it goes on where it was"
    );
}

#[tokio::test]
async fn a_database_that_pauses_is_not_asked_by_each_of_those_who_wait() {
    let (stage, auth, sessions) = stage_with(1).await;
    let many = vec![sessions[0].clone(); 200];
    stage.proxy().stall();
    let mut lookups = pin!(join_all(called(&auth, &many).await));
    tokio::time::pause();
    let pause = tokio::time::timeout(Duration::from_secs(1), &mut lookups).await;
    assert!(pause.is_err(), "they wait");
    tokio::time::resume();
    stage.proxy().heal();
    for found in lookups.await {
        assert_eq!(found.unwrap().unwrap().id, sessions[0].id);
    }
    // Four in each second of the pause, and then 64 by each.
    let statements = stage.proxy().statements().len();
    assert!(statements <= 12, "{statements}");
}

/// A lookup that nobody polls, and as many that have been given up behind it as may wait.
#[tokio::test]
async fn r48_those_who_have_gone_away_keep_nobody_out() {
    let (_stage, auth, sessions) = stage_with(2).await;
    let held = called(&auth, &sessions[..1]).await;
    for _ in 0..16 * 1024 {
        drop(called(&auth, &sessions[1..]).await);
    }
    let found = auth.validate_session(sessions[1].token()).await;
    assert!(found.unwrap().is_some());
    drop(held);
}

#[tokio::test]
async fn however_few_share_a_statement_postgres_plans_it_no_more_than_five_times() {
    let (stage, _, sessions) = stage_with(2).await;
    let (pool, auth) = over_pool(&stage, 1);
    for _ in 0..20 {
        // The first goes alone, and the other two share a statement.
        let tokens = [&sessions[0], &sessions[0], &sessions[1]].map(Session::token);
        let found = join_all(tokens.map(|token| auth.validate_session(token))).await;
        assert!(found.into_iter().all(|found| found.unwrap().is_some()));
    }
    let connection = pool.get().await.unwrap();
    let plans = connection.query_one(
        "SELECT custom_plans, generic_plans FROM pg_prepared_statements \
         WHERE statement LIKE $1",
        &[&"% = ANY(%"],
    );
    let plans = plans.await.unwrap();
    let (custom, generic): (i64, i64) = (plans.get(0), plans.get(1));
    assert!(custom <= 5, "{custom} plans were made");
    assert_eq!(custom + generic, 20);
}

#[tokio::test]
async fn what_is_wrong_with_the_tables_is_found_out_by_the_only_connection() {
    let (stage, _, sessions) = stage_with(3).await;
    let url = stage.database().url();
    let store = PgStore::builder().max_connections(1);
    let auth = Auth::builder(store.connect(&url).await.unwrap());
    let auth = auth.clock(stage.clock.reader()).build().unwrap();
    let breaking = "ALTER TABLE user_session DROP COLUMN address";
    stage.execute(breaking).await;
    for found in join_all(
        sessions
            .iter()
            .map(|session| auth.validate_session(session.token())),
    )
    .await
    {
        let error = found.unwrap_err();
        assert!(error.to_string().contains("address"), "{error}");
    }
}

/// More lookups than a statement takes, without end, while but one connection is left for all.
#[tokio::test]
async fn r48_busy_lookups_leave_the_pool_to_others() {
    let (stage, _, sessions) = stage_with(4).await;
    let (pool, auth) = over_pool(&stage, 4);
    let user_id = &sessions[0].user_id;
    let many = sessions.iter().cycle().take(200);
    let lookups = join_all(many.map(async |session| {
        loop {
            let found = auth.validate_session(session.token()).await;
            assert!(found.unwrap().is_some());
        }
    }));
    let others = async {
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(pool.get().await.unwrap());
        }
        for _ in 0..20 {
            auth.create_session(user_id).await.unwrap();
            drop(pool.get().await.unwrap());
        }
    };
    let others = tokio::time::timeout(Duration::from_secs(60), others);
    tokio::select! {
        _ = lookups => {}
        others = others => others.expect("the pool is shared"),
    }
}

/// A connection is worked by the runtime that it was made on, of which actix-web has one for each
/// thread. Here one of them does not go on, as while a handler blocks it.
#[tokio::test]
async fn a_thread_that_does_not_go_on_holds_up_no_other() {
    let (stage, _, sessions) = stage_with(1).await;
    let (pool, auth) = over_pool(&stage, 8);
    let token = sessions[0].token();

    let stuck = std::thread::scope(|scope| {
        let stuck = scope.spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            let found = runtime.block_on(auth.validate_session(token));
            assert!(found.unwrap().is_some());
            runtime
        });
        stuck.join().unwrap()
    });
    let of_the_other = pool.get().await.unwrap();
    assert!(auth.validate_session(token).await.unwrap().is_some());
    drop(of_the_other);
    assert_eq!(pool.status().size, 2);
    for _ in 0..6 {
        assert!(auth.validate_session(token).await.unwrap().is_some());
    }
    stuck.shutdown_background();
}
