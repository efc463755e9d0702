//! Connections that lead to a server that is read-only, or that the server has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Hook, Manager, Pool};
use futures_util::future::join_all;
use lucia::store::Store as _;
use lucia::{Auth, Error, NoAttributes, PgStore, PgStoreBuilder};
use tokio_postgres::NoTls;

use crate::isolation::for_the_database;
use crate::support::{Stage, eventually, sign_up};

const CONNECTIONS: usize = 4;

/// A time-out that no test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pool, lucia over it, and how many connections were made.
fn over_pool(stage: &Stage) -> (Pool, Auth, Arc<AtomicUsize>) {
    over_pool_with(stage, |store| store)
}

fn over_pool_with(
    stage: &Stage,
    settings: impl FnOnce(PgStoreBuilder) -> PgStoreBuilder,
) -> (Pool, Auth, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let manager = Manager::new(stage.database().url().parse().unwrap(), NoTls);
    let pool = Pool::builder(manager).max_size(CONNECTIONS);
    let pool = pool.post_create(Hook::sync_fn(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }));
    let pool = pool.build().unwrap();
    let store = settings(PgStore::builder()).build(pool.clone()).unwrap();
    let auth = Auth::builder(store).clock(stage.clock.reader());
    (pool, auth.build().unwrap(), made)
}

/// Fills the pool with connections that are all at hand.
async fn fill(pool: &Pool) {
    join_all((0..CONNECTIONS).map(|_| pool.get())).await;
    assert_eq!(pool.status().available, CONNECTIONS);
}

/// Makes the database read-only for connections to come, or not any more.
async fn set_read_only(stage: &Stage, value: &str) {
    let sql = for_the_database("default_transaction_read_only", value);
    stage
        .execute(&format!("BEGIN READ WRITE; {sql}; COMMIT"))
        .await;
}

#[tokio::test]
async fn r48_connections_from_when_the_server_was_read_only_cost_no_request() {
    let stage = Stage::postgres().await;
    let ada = sign_up(&stage.auth().await, "ada").await;
    set_read_only(&stage, "on").await;
    let (pool, auth, _) = over_pool(&stage);
    fill(&pool).await;
    set_read_only(&stage, "off").await;
    for _ in 0..3 * CONNECTIONS {
        let session = auth.create_session(&ada.user_id).await.unwrap();
        assert!(
            auth.validate_session(session.token())
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test]
async fn r48_a_lookup_alone_leaves_a_server_that_is_read_only() {
    let stage = Stage::postgres().await;
    let ada = sign_up(&stage.auth().await, "ada").await;
    set_read_only(&stage, "on").await;
    let (pool, auth, made) = over_pool(&stage);
    fill(&pool).await;
    set_read_only(&stage, "off").await;
    for _ in 0..3 {
        assert!(auth.validate_session(ada.token()).await.unwrap().is_some());
    }
    assert_eq!(made.load(Ordering::Relaxed), CONNECTIONS + 1);
    assert_eq!(pool.status().size, 1);
}

/// As a primary that lives on waits for a standby that has been promoted.
#[tokio::test]
async fn r48_a_write_that_a_server_does_not_answer_ends_when_it_is_found_to_be_read_only() {
    let stage = Stage::postgres().await;
    let ada = sign_up(&stage.auth().await, "ada").await;
    let (pool, auth, _) = over_pool_with(&stage, |store| store.timeout(PATIENCE));
    let holding = stage.database().connect().await;
    let locking = "BEGIN; LOCK user_session IN SHARE MODE";
    holding.batch_execute(locking).await.unwrap();
    let begin = Instant::now();
    let writing = tokio::spawn({
        let (auth, id) = (auth.clone(), ada.user_id.clone());
        async move { auth.invalidate_user_sessions(&id).await }
    });
    let waiting =
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'user_session'::regclass";
    eventually(async || !holding.query(waiting, &[]).await.unwrap().is_empty()).await;

    // All others were made while the server was read-only.
    set_read_only(&stage, "on").await;
    join_all((1..CONNECTIONS).map(|_| pool.get())).await;
    set_read_only(&stage, "off").await;
    assert!(auth.validate_session(ada.token()).await.unwrap().is_some());
    let written = writing.await.unwrap();
    assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());

    // The next one is sent to a server that writes.
    holding.batch_execute("ROLLBACK").await.unwrap();
    auth.invalidate_user_sessions(&ada.user_id).await.unwrap();
    assert!(auth.validate_session(ada.token()).await.unwrap().is_none());
}

#[tokio::test]
async fn r48_whatever_is_read_alone_leaves_a_server_that_is_read_only() {
    let stage = Stage::postgres().await;
    let ada = sign_up(&stage.auth().await, "ada").await;
    let id = &ada.user_id;
    for read in 0..8 {
        set_read_only(&stage, "on").await;
        let (pool, auth, made) = over_pool(&stage);
        let apart = Auth::builder(PgStore::new(pool.clone()))
            .sessions(PgStore::new(pool.clone()))
            .clock(stage.clock.reader())
            .build()
            .unwrap();
        fill(&pool).await;
        set_read_only(&stage, "off").await;
        let found = match read {
            0 => auth.session(&ada.id).await.unwrap().is_some(),
            1 => auth.user::<NoAttributes>(id).await.unwrap().is_some(),
            2 => auth.key(("username", "ada")).await.unwrap().is_some(),
            3 => !auth.user_keys(id).await.unwrap().is_empty(),
            4 => !auth.user_sessions(id).await.unwrap().is_empty(),
            // What is not there is said by a server that can be believed as well.
            5 => auth.key(("username", "eve")).await.unwrap().is_none(),
            6 => {
                let store = PgStore::new(pool.clone());
                let credentials = store.credentials().unwrap();
                credentials
                    .user_credentials(id, "test")
                    .await
                    .unwrap()
                    .is_empty()
            }
            _ => apart.validate_session(ada.token()).await.unwrap().is_some(),
        };
        assert!(found, "{read}");
        assert!(made.load(Ordering::Relaxed) > CONNECTIONS, "{read}");
    }
}

#[tokio::test]
async fn r48_where_all_servers_are_read_only_lookups_go_on_over_few_connections() {
    let stage = Stage::postgres().await;
    let ada = sign_up(&stage.auth().await, "ada").await;
    set_read_only(&stage, "on").await;
    let (_pool, auth, made) = over_pool(&stage);
    let begin = Instant::now();
    for _ in 0..300 {
        assert!(auth.validate_session(ada.token()).await.unwrap().is_some());
        let refused = auth.create_session(&ada.user_id).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
    // In each second all may be made anew, and as many again that were just being made.
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap() + 2;
    let made = made.load(Ordering::Relaxed);
    assert!(
        made <= seconds * 2 * (CONNECTIONS + 1),
        "{made} in {seconds} s"
    );
    set_read_only(&stage, "off").await;
    let back = eventually(async || auth.create_session(&ada.user_id).await.is_ok()).await;
    assert!(back < Duration::from_secs(30), "{back:?}");
}

#[tokio::test]
async fn r48_connections_that_the_server_has_ended_cost_no_lookup() {
    let stage = Stage::postgres().await;
    let ada = sign_up(&stage.auth().await, "ada").await;
    let (pool, auth, _) = over_pool(&stage);
    for _ in 0..20 {
        fill(&pool).await;
        let ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let lookups = join_all((0..8).map(|_| auth.validate_session(ada.token())));
        let (found, ()) = tokio::join!(lookups, stage.execute(ending));
        for found in found {
            assert!(matches!(found, Ok(Some(_))), "{found:?}");
        }
    }
}

#[tokio::test]
async fn r48_a_failed_transaction_that_somebody_has_left_open_costs_no_request() {
    let stage = Stage::postgres().await;
    let ada = sign_up(&stage.auth().await, "ada").await;
    let (pool, auth, _) = over_pool(&stage);
    let connections = join_all((0..CONNECTIONS).map(|_| pool.get())).await;
    for connection in connections {
        let connection = connection.unwrap();
        connection.batch_execute("BEGIN").await.unwrap();
        connection.batch_execute("SELECT 1 / 0").await.unwrap_err();
    }
    for _ in 0..CONNECTIONS {
        auth.create_session(&ada.user_id).await.unwrap();
        assert!(auth.validate_session(ada.token()).await.unwrap().is_some());
    }
}
