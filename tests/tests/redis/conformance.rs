//! `RedisStore` passes the suite that every store of sessions passes.

use lucia::RedisStoreBuilder;
use lucia::store::conformance::SessionCase;
use lucia_tests::{RedisCluster, RedisServer};
use serde_json::json;

use crate::support::builder;

fn with_attributes() -> RedisStoreBuilder {
    // What `conformance::SESSION_COLUMNS` says.
    builder().session_attributes(json!({ "country": null, "visits": 1 }))
}

mod on_a_server {
    use super::*;

    async fn on_a_fresh_store(case: SessionCase) {
        let Some(server) = RedisServer::shared().await else {
            return;
        };
        let store = with_attributes().connect(&server.url()).await.unwrap();
        case.run(&store).await;
    }

    lucia::session_store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

mod on_a_cluster {
    use super::*;

    async fn on_a_fresh_store(case: SessionCase) {
        let Some(cluster) = RedisCluster::shared().await else {
            return;
        };
        let store = with_attributes().cluster(cluster.urls()).await.unwrap();
        case.run(&store).await;
    }

    lucia::session_store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}
