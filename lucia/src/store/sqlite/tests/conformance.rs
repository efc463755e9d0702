//! The suite that all stores pass, in memory and in a file.

use crate::SqliteStore;
use crate::store::conformance::{Case, USER_COLUMNS};

mod in_memory {
    use super::*;

    async fn on_a_fresh_store(case: Case) {
        let store = SqliteStore::in_memory().await.unwrap();
        store.migrate(&USER_COLUMNS).await.unwrap();
        case.run(&store).await;
    }

    crate::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}
