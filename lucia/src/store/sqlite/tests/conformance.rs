//! The suite that all stores pass.

use super::File;
use crate::SqliteStore;
use crate::store::conformance::{Case, SESSION_COLUMNS, USER_COLUMNS};

/// Behind an `Arc`, as an application has it that chooses its store when it starts.
mod in_memory {
    use std::sync::Arc;

    use super::*;
    use crate::store::Store;

    async fn on_a_fresh_store(case: Case) {
        let builder = SqliteStore::builder().session_columns(SESSION_COLUMNS);
        let store = builder.in_memory().await.unwrap();
        store.migrate(&USER_COLUMNS).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        case.run(&store).await;
    }

    crate::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

mod in_a_file {
    use super::*;

    async fn on_a_fresh_store(case: Case) {
        let file = File::new();
        let builder = SqliteStore::builder().session_columns(SESSION_COLUMNS);
        let store = builder.open(&file.path).await.unwrap();
        store.migrate(&USER_COLUMNS).await.unwrap();
        case.run(&store).await;
    }

    crate::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

/// As `in_a_file`, with every name out of the ordinary and the columns of a user listed.
mod under_hostile_names {
    use super::*;

    async fn on_a_fresh_store(case: Case) {
        let file = File::new();
        let builder = SqliteStore::builder()
            .user_table("select \"id\" from")
            .key_table("a.b;--")
            .session_table("auth_user")
            .session_columns(SESSION_COLUMNS)
            .fetched_user_columns(USER_COLUMNS.map(|column| column.split(' ').next().unwrap()));
        let store = builder.open(&file.path).await.unwrap();
        store.migrate(&USER_COLUMNS).await.unwrap();
        case.run(&store).await;
    }

    crate::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}
