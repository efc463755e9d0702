//! The suite that every store passes, lookups that meet, and a pooler before a replica.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use lucia::store::SessionStore as _;
use lucia::store::conformance::{Case, SESSION_COLUMNS, USER_COLUMNS};
use lucia::{HealthStatus, PgStore};
use lucia_tests::Bouncer;
use tokio_postgres::NoTls;

use super::{LONG, Replicated, pool};
use crate::isolation::for_the_database;
use crate::support::eventually;

#[tokio::test]
async fn r71_lookups_that_meet_share_a_statement_at_the_replica() {
    let test = "r71_lookups_that_meet_share_a_statement_at_the_replica";
    let Some(stage) = Replicated::start(test).await else {
        return;
    };
    let process = stage.process(LONG).await;
    let ada = stage.session(&process, "ada").await;
    let bob = stage.session(&process, "bob").await;
    let lookups = (0..64).map(|at| process.is_valid([&ada, &bob][at % 2].token()));
    let found = join_all(lookups).await;
    assert!(found.into_iter().all(|is_valid| is_valid));
    let (at_primary, at_replica) = stage.lookups();
    assert_eq!(at_primary, 0);
    assert!((1..16).contains(&at_replica), "{at_replica}");

    let standby = ("127.0.0.1".to_owned(), stage.pair.standby().port());
    let settings = ["pool_mode = transaction", "default_pool_size = 2"];
    if let Some(bouncer) = Bouncer::before_server(&stage.database, standby, &settings).await {
        let process = stage.process_over(LONG, bouncer.port()).await;
        process.is_well().await;
        stage.lookups();
        let lookups = (0..20).map(|_| process.is_valid(ada.token()));
        assert!(join_all(lookups).await.into_iter().all(|is_valid| is_valid));
        // All of them went past the proxy, by the pooler.
        assert_eq!(stage.lookups(), (0, 0));
    }

    // A standby refuses queries under this isolation. The page says what to do.
    let client = stage.database.connect().await;
    let serializable = for_the_database("default_transaction_isolation", "serializable");
    client.batch_execute(&serializable).await.unwrap();
    let url = stage.database.url_by(stage.replica.port());
    eventually(async || {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let rows = client.simple_query("SHOW default_transaction_isolation");
        format!("{:?}", rows.await.unwrap()).contains("serializable")
    })
    .await;
    let process = stage.process_over(LONG, stage.replica.port()).await;
    eventually(async || process.complaint().await.contains("SQLSTATE 0A000")).await;
    assert!(process.is_valid(ada.token()).await);
    let option = "options=-c%20default_transaction_isolation%3Drepeatable%5C%20read";
    let page = include_str!("../../../../docs/high-availability.md");
    assert!(page.contains(option));
    let replica = pool(&format!("{url}?{option}"));
    let builder = PgStore::builder().replicas([replica], LONG);
    let process = stage.process_with(builder, stage.primary.port()).await;
    process.is_well().await;
    stage.is_read_at_the_replica(&process, &ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_replicas() {
    let test = "the_conformance_suite_passes_with_replicas";
    let Some(stage) = Replicated::start(test).await else {
        return;
    };
    let standby = stage.database.url_by(stage.pair.standby().port());
    let passes = async |(number, case): (usize, Case)| {
        let store = PgStore::builder()
            .schema(format!("case_{number}"))
            .session_columns(SESSION_COLUMNS)
            .max_connections(4)
            .replicas([pool(&standby)], Duration::from_secs(1))
            .connect(&stage.database.url())
            .await
            .unwrap();
        store.migrate(&USER_COLUMNS).await.unwrap();
        eventually(async || store.health().await.unwrap().status == HealthStatus::Up).await;
        let passes = tokio::spawn(async move { case.run(&store).await });
        assert!(passes.await.is_ok(), "{}", case.name());
    };
    // Most of the time, a case waits for its store to be ready.
    let passed = stream::iter(Case::all().enumerate()).map(passes);
    let passed = passed.buffer_unordered(12).collect::<Vec<()>>().await.len();
    assert!(passed > 200, "{passed}");
}
