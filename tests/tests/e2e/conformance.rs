//! `PgStore` passes the suite that every store passes.

use lucia::store::conformance::{Case, SESSION_COLUMNS, USER_COLUMNS};
use lucia::{PgStore, PgStoreBuilder, StoredIds};
use lucia_tests::{Database, Template};

/// A database with the tables of a store in it.
pub(crate) async fn with_tables(template: &Template, builder: &PgStoreBuilder) -> Database {
    let migrate = async |url: String| {
        let store = builder.clone().connect(&url).await.unwrap();
        store.migrate(&USER_COLUMNS).await.unwrap();
    };
    template.copy(migrate).await
}

/// Runs a case on a store over a copy of `template`, in which the first one makes the tables.
async fn passes(case: Case, template: &Template, builder: PgStoreBuilder) {
    let builder = builder.session_columns(SESSION_COLUMNS);
    let database = with_tables(template, &builder).await;
    case.run(&builder.connect(&database.url()).await.unwrap())
        .await;
}

mod by_default {
    use super::*;

    async fn on_a_fresh_store(case: Case) {
        static TABLES: Template = Template::new();

        passes(case, &TABLES, PgStore::builder()).await;
    }

    lucia::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

/// On databases whose transactions are isolated more than by Postgres's default.
mod with_other_isolation {
    use super::*;
    use crate::isolation::for_the_database;

    async fn isolated(case: Case, isolation: &str) {
        static TABLES: Template = Template::new();

        let builder = PgStore::builder().session_columns(SESSION_COLUMNS);
        let database = with_tables(&TABLES, &builder).await;
        let sql = for_the_database("default_transaction_isolation", isolation);
        database.connect().await.batch_execute(&sql).await.unwrap();
        case.run(&builder.connect(&database.url()).await.unwrap())
            .await;
    }

    mod repeatable_read {
        async fn on_a_fresh_store(case: super::Case) {
            super::isolated(case, "repeatable read").await;
        }

        lucia::store_conformance!(
            #[tokio::test]
            on_a_fresh_store
        );
    }

    mod serializable {
        async fn on_a_fresh_store(case: super::Case) {
            super::isolated(case, "serializable").await;
        }

        lucia::store_conformance!(
            #[tokio::test]
            on_a_fresh_store
        );
    }
}

/// As after the time of Lucia v2.
mod with_tokens_that_are_hashed_on_use {
    use super::*;

    async fn on_a_fresh_store(case: Case) {
        static TABLES: Template = Template::new();

        let builder = PgStore::builder().stored_ids(StoredIds::HashedOnUse);
        passes(case, &TABLES, builder).await;
    }

    lucia::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

/// With a cache that answers.
mod with_a_cache {
    use lucia::CacheOptions;

    use super::*;
    use crate::support::eventually;

    async fn on_a_fresh_store(case: Case) {
        static TABLES: Template = Template::new();

        let builder = PgStore::builder().session_columns(SESSION_COLUMNS);
        let builder = builder.cache(CacheOptions::new());
        let database = with_tables(&TABLES, &builder).await;
        let store = builder.connect(&database.url()).await.unwrap();
        eventually(async || store.is_cache_answering()).await;
        case.run(&store).await;
    }

    lucia::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

/// Every name out of the ordinary, the columns of a user listed, and sessions stored as Lucia
/// stores them.
mod under_hostile_names {
    use super::*;

    async fn on_a_fresh_store(case: Case) {
        static TABLES: Template = Template::new();

        let builder = PgStore::builder()
            .schema("a \"b\"")
            .user_table("select \"id\" from")
            .key_table("locked_sessions")
            .session_table("auth_user")
            .attempt_table("counted")
            .token_table("former")
            .mail_table("next")
            .credential_table("excluded")
            .fetched_user_columns(USER_COLUMNS.map(|column| column.split(' ').next().unwrap()))
            .stored_ids(StoredIds::PlainTokens);
        passes(case, &TABLES, builder).await;
    }

    lucia::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}
