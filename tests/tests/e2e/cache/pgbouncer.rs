//! A listener behind a real PgBouncer.

use std::time::Duration;

use lucia::{Auth, CacheOptions, PgStore};
use lucia_tests::{Bouncer, watch};
use tokio_postgres::NoTls;

use crate::support::{Stage, eventually, sign_up};

/// A store whose listener, and nothing else, is behind it.
async fn store_behind(stage: &Stage, bouncer: &Bouncer) -> PgStore {
    let config = bouncer.url().parse().unwrap();
    let builder = PgStore::builder().cache(CacheOptions::new());
    let builder = builder.cache_listener(config, NoTls);
    let store = builder.connect(&stage.database().url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    store
}

#[tokio::test]
async fn r54_in_transaction_mode_a_listener_receives_nothing_and_the_log_says_so() {
    let stage = Stage::postgres().await;
    let Some(bouncer) = Bouncer::before(stage.database(), &["pool_mode = transaction"]).await
    else {
        return;
    };
    let logged = watch(["PgBouncer in transaction mode"]);
    let store = store_behind(&stage, &bouncer).await;
    let auth = Auth::builder(store.clone()).build().unwrap();
    eventually(async || !logged.lines().is_empty()).await;
    assert!(logged.lines()[0].starts_with("ERROR"), "{logged:?}");
    assert!(
        logged.lines()[0].contains("cache_poll_interval"),
        "{logged:?}"
    );
    assert!(!store.is_cache_answering());
    let session = sign_up(&auth, "ada").await;
    stage.execute("DELETE FROM user_session").await;
    let found = auth.validate_session(session.token()).await;
    assert!(found.unwrap().is_none());
}

#[tokio::test]
async fn r54_in_session_mode_a_listener_receives_as_without() {
    let stage = Stage::postgres().await;
    let Some(bouncer) = Bouncer::before(stage.database(), &["pool_mode = session"]).await else {
        return;
    };
    let store = store_behind(&stage, &bouncer).await;
    eventually(async || store.is_cache_answering()).await;
    let auth = Auth::builder(store).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    for _ in 0..2 {
        let found = auth.validate_session(session.token()).await;
        assert!(found.unwrap().is_some());
    }
    stage.execute("DELETE FROM user_session").await;
    let token = session.token();
    let gone = async || auth.validate_session(token).await.unwrap().is_none();
    let seen = eventually(gone).await;
    assert!(seen < Duration::from_secs(10), "{seen:?}");
}
