//! `PgStore` passes the suite that every store passes.

use lucia::store::conformance::{Case, SESSION_COLUMNS, USER_COLUMNS};
use lucia::{PgStore, PgStoreBuilder, StoredIds};
use lucia_tests::{Database, Template};
use tokio_postgres::NoTls;

/// A database with the tables of a store in it, after which this SQL was run.
pub(crate) async fn with_tables(
    template: &Template,
    builder: &PgStoreBuilder,
    sql: &str,
) -> Database {
    let migrate = async |url: String| {
        let store = builder.clone().connect(&url).await.unwrap();
        store.migrate(&USER_COLUMNS).await.unwrap();
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        // A database with connections is not copied.
        drop(client);
        connection.await.unwrap().unwrap();
    };
    template.copy(migrate).await
}

/// Runs a case on a store over a copy of `template`, in which the first one makes the tables.
async fn passes(case: Case, template: &Template, builder: PgStoreBuilder) {
    let builder = builder.session_columns(SESSION_COLUMNS);
    let database = with_tables(template, &builder, "").await;
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

/// On a database whose transactions are isolated as much as Postgres can, and where now and then one fails in the
/// middle or at its end, as if by another one.
mod with_other_isolation {
    use super::*;
    use crate::isolation::for_the_database;

    const FAILURES: &str = r#"
        -- So that the first turns to fail come soon, and the next ones not before a call has had its tries.
        CREATE SEQUENCE written START 206;
        CREATE FUNCTION fail_now_and_then() RETURNS TRIGGER LANGUAGE plpgsql AS $$
        DECLARE turn BIGINT;
        BEGIN
            IF TG_LEVEL = 'ROW' THEN
                -- One turn for a transaction, however many rows it has written.
                IF current_setting('test.has_ended', TRUE) = 'yes' THEN RETURN NULL; END IF;
                PERFORM set_config('test.has_ended', 'yes', TRUE);
            END IF;
            turn := nextval('written');
            IF turn % 211 = 0 THEN
                RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
            ELSIF turn % 223 = 0 THEN
                RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
            END IF;
            RETURN NULL;
        END $$;
        DO $$
        DECLARE written TEXT;
        BEGIN
            FOR written IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('CREATE TRIGGER fails AFTER INSERT OR UPDATE OR DELETE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION fail_now_and_then()', written);
                EXECUTE format('CREATE CONSTRAINT TRIGGER fails_at_the_end
                    AFTER INSERT OR UPDATE OR DELETE ON %I DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION fail_now_and_then()', written);
            END LOOP;
        END $$"#;

    async fn on_a_fresh_store(case: Case) {
        static TABLES: Template = Template::new();

        let builder = PgStore::builder().session_columns(SESSION_COLUMNS);
        let database = with_tables(&TABLES, &builder, FAILURES).await;
        // This is not copied with the tables.
        let serializable = for_the_database("default_transaction_isolation", "serializable");
        let client = database.connect().await;
        client.batch_execute(&serializable).await.unwrap();
        case.run(&builder.connect(&database.url()).await.unwrap())
            .await;
    }

    lucia::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
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
        let database = with_tables(&TABLES, &builder, "").await;
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
