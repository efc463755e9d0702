//! How a store finds out whether there is a pooler.

use lucia::deadpool_postgres::Object;
use lucia::{Auth, PgStore};
use lucia_tests::{Bouncer, Database, Proxy};

use super::{logged_of, pool, warnings};
use crate::support::{Profile, Stage, eventually, sign_up};

#[tokio::test]
async fn a_direct_connection_is_asked_once_and_prepares_what_it_runs() {
    let stage = Stage::postgres().await;
    let renamed = "ALTER TABLE auth_user RENAME TO direct_users";
    stage.execute(renamed).await;
    let logged = warnings();
    let proxy = Proxy::before(stage.database()).await;
    let builder = PgStore::builder().user_table("direct_users");
    let pool = pool(&stage.database().url_by(proxy.port()), 1);
    let store = builder.build(pool).unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    for _ in 0..5 {
        auth.validate_session(session.token())
            .await
            .unwrap()
            .unwrap();
    }
    // A user, a session, and a lookup.
    assert_eq!(proxy.names().len(), 3);
    assert_eq!(proxy.asked_where_it_leads(), 1);
    proxy.cut();
    proxy.heal();
    let finds = async || {
        let found = auth.validate_session(session.token()).await;
        found.is_ok_and(|found| found.is_some())
    };
    eventually(finds).await;
    assert_eq!(proxy.names().len(), 1);
    assert_eq!(proxy.asked_where_it_leads(), 1);
    assert_eq!(logged_of(&logged, "direct_users"), [""; 0]);
}

#[tokio::test]
async fn asking_leaves_nothing_behind_for_the_application_that_shares_the_pool() {
    let database = Database::new().await;
    let pool = pool(&database.url(), 1);
    let connection = pool.get().await.unwrap();
    connection
        .batch_execute("SET application_name = 'mine'")
        .await
        .unwrap();
    let mine = connection.prepare_cached("SELECT 'mine'").await.unwrap();
    let state = "SELECT (SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%pg_backend_pid%'), \
        (SELECT string_agg(name || setting, ' ' ORDER BY name) FROM pg_settings), \
        (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid())";
    let read = async |client: &Object| {
        let rows = client.simple_query(state).await.unwrap();
        format!("{rows:?}")
    };
    let before = read(&connection).await;
    drop(connection);
    let store = PgStore::new(pool.clone());
    let auth = Auth::builder(store).build().unwrap();
    auth.user::<Profile>(&"nobody".parse().unwrap())
        .await
        .unwrap_err();
    let connection = pool.get().await.unwrap();
    assert_eq!(read(&connection).await, before);
    let row = connection.query_one(&mine, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "mine");
}

#[tokio::test]
async fn behind_a_pooler_the_log_says_so_once() {
    let stage = Stage::postgres().await;
    let settings = ["pool_mode = transaction"];
    let Some(bouncer) = Bouncer::before(stage.database(), &settings).await else {
        return;
    };
    let renamed = "ALTER TABLE auth_user RENAME TO pooled_users";
    stage.execute(renamed).await;
    let logged = warnings();
    let builder = PgStore::builder().user_table("pooled_users");
    let store = builder.build(pool(bouncer.url(), 4)).unwrap();
    let auth = Auth::builder(store).build().unwrap();
    auth.check_schema::<Profile>().await.unwrap();
    let session = sign_up(&auth, "ada").await;
    let looking = (0..50).map(|_| auth.validate_session(session.token()));
    for found in futures_util::future::join_all(looking).await {
        assert!(found.unwrap().is_some());
    }
    let lines = logged_of(&logged, "pooled_users");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("WARN"), "{lines:?}");
    assert!(lines[0].contains("prepare_behind_pooler"), "{lines:?}");
}

/// What an application prepares by itself is its own affair, and is not run by the store.
#[tokio::test]
async fn the_statements_of_the_application_that_shares_the_pool_are_not_run() {
    let stage = Stage::postgres().await;
    let settings = ["pool_mode = transaction", "default_pool_size = 1"];
    let Some(bouncer) = Bouncer::before(stage.database(), &settings).await else {
        return;
    };
    let pool = pool(bouncer.url(), 2);
    let store = PgStore::new(pool.clone());
    let auth = Auth::builder(store).build().unwrap();
    // By every name that the driver is about to give, and by some more.
    let connection = pool.get().await.unwrap();
    let names: String = (0..2000)
        .map(|number| format!("PREPARE s{number} AS SELECT 'not what was asked';"))
        .collect();
    connection.batch_execute(&names).await.unwrap();
    drop(connection);
    auth.check_schema::<Profile>().await.unwrap();
    let session = sign_up(&auth, "ada").await;
    let found = auth.validate_session(session.token()).await.unwrap();
    assert_eq!(found.unwrap().user_id, session.user_id);
    let prepared = "SELECT count(*)::TEXT FROM pg_prepared_statements";
    let connection = pool.get().await.unwrap();
    let rows = connection.query_typed(prepared, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "2000");
}
