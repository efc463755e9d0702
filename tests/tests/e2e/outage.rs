//! A Postgres that is stopped and started again. Other outages are in `both/outage.rs`.

use futures_util::future::join_all;
use lucia::PgStore;
use lucia_tests::{Database, Server, Stop, programs_are_installed, skip};

use crate::actix::outage::{TIMEOUT, assert_available, assert_unavailable, site};

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
