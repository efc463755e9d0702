//! The cache of lookups.

mod failures;
mod others;
mod own;
mod pgbouncer;
mod polling;
mod settings;
mod tables;
mod triggers;
mod users;

use lucia::{CacheOptions, PgStore};
use lucia_tests::TestClock;
use std::time::Duration;

use crate::support::{Caching, Stage, actix, sign_up};

#[tokio::test]
async fn a_hit_costs_no_statement() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    let site = actix::serve(caching.auth.clone(), actix::front_page()).await;
    let browser = site.browser_of(&session);
    Caching::statements(&stage);
    for statements in [1, 0, 0] {
        assert_eq!(browser.get("/me").await.body, "Hello, ada!");
        assert_eq!(Caching::statements(&stage).len(), statements);
    }
}

#[tokio::test]
async fn an_unknown_token_is_asked_for_each_time() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.auth.invalidate_session(&session.id).await.unwrap();
    for _ in 0..3 {
        assert_eq!(caching.look(&stage, &session).await, (false, 1));
    }
}

#[tokio::test]
async fn no_more_is_kept_than_is_allowed() {
    let stage = Stage::postgres().await;
    let options = CacheOptions::new().entries(10);
    let caching = Caching::with(&stage, PgStore::builder(), options).await;
    let user = sign_up(&caching.auth, "ada").await.user_id.clone();
    let mut sessions = Vec::new();
    for _ in 0..60 {
        sessions.push(caching.auth.create_session(&user).await.unwrap());
    }
    for session in &sessions {
        caching.look(&stage, session).await;
    }
    let mut hits = 0;
    for session in &sessions {
        let (is_good, statements) = caching.look(&stage, session).await;
        assert!(is_good);
        hits += 1 - statements;
    }
    assert!((1..=10).contains(&hits), "{hits}");
}

#[tokio::test]
async fn what_is_too_old_is_asked_for_again() {
    let stage = Stage::postgres().await;
    let options = CacheOptions::new().max_age(Duration::from_nanos(1));
    let caching = Caching::with(&stage, PgStore::builder(), options).await;
    let session = sign_up(&caching.auth, "ada").await;
    for _ in 0..3 {
        assert_eq!(caching.look(&stage, &session).await, (true, 1));
    }
}

/// Moves a clock just past a session's active period, or past all of its periods.
fn past(clock: &TestClock, moment: std::time::SystemTime) {
    clock.set(moment + Duration::from_millis(1));
}

#[tokio::test]
async fn r16_a_session_that_dies_in_the_cache_is_expired() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    past(&stage.clock, session.idle_expires);
    assert_eq!(caching.look(&stage, &session).await, (false, 0));
}

#[tokio::test]
async fn a_session_that_is_idle_in_the_cache_is_renewed() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    past(&stage.clock, session.active_expires);
    Caching::statements(&stage);
    let renewed = caching.auth.validate_session(session.token()).await;
    let renewed = renewed.unwrap().unwrap();
    assert!(renewed.fresh);
    let statements = Caching::statements(&stage);
    assert_eq!(statements.len(), 1, "{statements:?}");
    assert!(statements[0].sql.starts_with("UPDATE"), "{statements:?}");
    // Nobody finds it as it was before.
    let found = caching.auth.validate_session(session.token()).await;
    let found = found.unwrap().unwrap();
    assert!(!found.fresh);
    assert_eq!(found.active_expires, renewed.active_expires);
}

#[tokio::test]
async fn r20_a_renewal_out_of_the_cache_brings_no_revoked_session_back() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    past(&stage.clock, session.active_expires);
    // Nothing of this is heard here.
    caching.listener.stall();
    stage.execute("DELETE FROM user_session").await;
    assert!(!caching.look(&stage, &session).await.0);
    assert_eq!(stage.count("user_session").await, 0);
}

#[tokio::test]
async fn one_user_with_many_sessions_is_asked_for_once_for_each() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let first = sign_up(&caching.auth, "ada").await;
    let second = caching.auth.create_session(&first.user_id).await.unwrap();
    for statements in [1, 0] {
        for session in [&first, &second] {
            assert_eq!(caching.look(&stage, session).await, (true, statements));
        }
    }
}

#[tokio::test]
async fn a_cache_works_over_a_single_connection_without_batches() {
    let stage = Stage::postgres().await;
    let builder = PgStore::builder().batched_lookups(false);
    let caching = Caching::with(&stage, builder, CacheOptions::new()).await;
    let session = sign_up(&caching.auth, "ada").await;
    for statements in [1, 0] {
        assert_eq!(caching.look(&stage, &session).await, (true, statements));
    }
}
