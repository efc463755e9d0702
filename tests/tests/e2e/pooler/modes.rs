//! What a store can do in each mode of PgBouncer.

use std::time::Duration;

use futures_util::future::join_all;
use lucia::store::conformance::{Case, SESSION_COLUMNS};
use lucia::{Auth, Error, PgStore, PgStoreBuilder, User};
use lucia_tests::{Bouncer, Database, Proxy, Template};

use super::{logged_of, warnings};
use crate::conformance::with_tables;
use crate::support::{PASSWORD, Profile, eventually, sign_up, until_waiting, verified};

/// A PgBouncer, and before it what sees the names of statements.
struct Behind {
    database: Database,
    _bouncer: Bouncer,
    proxy: Proxy,
}

impl Behind {
    async fn with(settings: &[&str]) -> Option<Self> {
        Self::before(Database::new().await, settings).await
    }

    async fn before(database: Database, settings: &[&str]) -> Option<Self> {
        let bouncer = Bouncer::before(&database, settings).await?;
        let proxy = Proxy::before_host(("127.0.0.1".to_owned(), bouncer.port())).await;
        Some(Self {
            database,
            _bouncer: bouncer,
            proxy,
        })
    }

    async fn store(&self, builder: PgStoreBuilder) -> PgStore {
        let url = self.database.url_by(self.proxy.port());
        builder.connect(&url).await.unwrap()
    }
}

/// Runs a case of the conformance suite behind a pooler, and sees that no statement has a name.
async fn passes(case: Case, settings: &[&str]) {
    static TABLES: Template = Template::new();

    // Cases that make many calls at once share the pooler's few connections, on a machine that may be busy.
    let builder = PgStore::builder()
        .session_columns(SESSION_COLUMNS)
        .timeout(Duration::from_secs(60));
    let database = with_tables(&TABLES, &builder, "").await;
    let Some(behind) = Behind::before(database, settings).await else {
        return;
    };
    case.run(&behind.store(builder).await).await;
    assert_eq!(behind.proxy.names(), [""; 0]);
}

/// The mode that keeps the least of a connection, of those in which all works.
mod in_transaction_mode {
    use super::*;

    async fn behind_a_pooler(case: Case) {
        passes(case, &["pool_mode = transaction", "default_pool_size = 4"]).await;
    }

    lucia::store_conformance!(
        #[tokio::test]
        behind_a_pooler
    );
}

#[tokio::test]
async fn who_says_that_the_pooler_keeps_statements_apart_has_them_prepared() {
    let Some(behind) = Behind::with(&["pool_mode = session"]).await else {
        return;
    };
    let logged = warnings();
    for prepare in [true, false] {
        let table = format!("users_prepared_{prepare}");
        let builder = PgStore::builder().prepare_behind_pooler(prepare);
        let builder = builder
            .user_table(&table)
            .key_table(format!("{table}_keys"));
        let builder = builder.session_table(format!("{table}_sessions"));
        let store = behind.store(builder).await;
        store
            .migrate(&["username TEXT NOT NULL UNIQUE"])
            .await
            .unwrap();
        let auth = Auth::builder(store).build().unwrap();
        let session = sign_up(&auth, &format!("ada {prepare}")).await;
        let found = auth.validate_session(session.token()).await.unwrap();
        assert_eq!(found.unwrap().user_id, session.user_id);
        assert_ne!(behind.proxy.names().is_empty(), prepare);
        assert_eq!(logged_of(&logged, &table).is_empty(), prepare);
    }
}

/// What a store does over one server connection, which is reset after each transaction.
#[tokio::test]
async fn one_server_connection_that_is_reset_each_time_is_enough() {
    let settings = [
        "pool_mode = transaction",
        "default_pool_size = 1",
        "server_reset_query_always = 1",
    ];
    let Some(behind) = Behind::with(&settings).await else {
        return;
    };
    let store = behind.store(PgStore::builder()).await;
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let auth = Auth::builder(store)
        .max_sessions_per_user(2)
        .build()
        .unwrap();
    auth.check_schema::<Profile>().await.unwrap();
    let session = sign_up(&auth, "ada").await;
    let signing_in = (0..20).map(|_| auth.create_session(&session.user_id).into_future());
    for signed_in in join_all(signing_in).await {
        signed_in.unwrap();
    }
    assert_eq!(auth.user_sessions(&session.user_id).await.unwrap().len(), 2);
    assert_eq!(behind.proxy.names(), [""; 0]);
}

/// The driver asks about a type that it does not know by statements that have names.
#[tokio::test]
async fn columns_of_types_that_the_driver_does_not_know_take_no_named_statement() {
    let Some(behind) = Behind::with(&["pool_mode = transaction"]).await else {
        return;
    };
    let store = behind.store(PgStore::builder()).await;
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let client = behind.database.connect().await;
    let altered = client.batch_execute(
        "CREATE EXTENSION citext; CREATE TYPE role AS ENUM ('guest', 'member'); \
         ALTER TABLE user_key DROP CONSTRAINT user_key_user_id_fkey; \
         ALTER TABLE user_session DROP CONSTRAINT user_session_user_id_fkey; \
         ALTER TABLE one_time_token DROP CONSTRAINT one_time_token_user_id_fkey; \
         ALTER TABLE user_credential DROP CONSTRAINT user_credential_user_id_fkey; \
         ALTER TABLE auth_user ALTER id TYPE citext, ALTER username TYPE citext, \
             ADD role role DEFAULT 'guest'; \
         ALTER TABLE user_key ALTER id TYPE citext, ALTER user_id TYPE citext, \
             ALTER hashed_password TYPE citext; \
         ALTER TABLE user_session ALTER id TYPE citext, ALTER user_id TYPE citext, \
             ALTER device TYPE citext, ALTER address TYPE citext; \
         ALTER TABLE one_time_token ALTER id TYPE citext, ALTER purpose TYPE citext, \
             ALTER user_id TYPE citext, ALTER hashed_code TYPE citext, \
             ADD FOREIGN KEY (user_id) REFERENCES auth_user ON DELETE CASCADE; \
         ALTER TABLE user_credential ALTER id TYPE citext, ALTER user_id TYPE citext, \
             ALTER kind TYPE citext, ALTER name TYPE citext, \
             ADD FOREIGN KEY (user_id) REFERENCES auth_user ON DELETE CASCADE",
    );
    altered.await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    auth.check_schema::<Profile>().await.unwrap();
    let session = sign_up(&auth, "ada").await;
    let found = auth.validate_session(session.token()).await.unwrap();
    assert_eq!(found.unwrap().user_id, session.user_id);
    // Such a column takes upper and lower case for the same, as without a pooler.
    let key = auth
        .verify_password(("username", "ADA"), PASSWORD)
        .await
        .unwrap();
    assert_eq!(key.user_id, session.user_id);
    let found = auth
        .user_sessions(&session.user_id.as_str().to_uppercase().parse().unwrap())
        .await;
    assert_eq!(found.unwrap().len(), 1);
    auth.change_password(&session, &key, "another horse battery")
        .await
        .unwrap();
    auth.invalidate_user_sessions(&session.user_id)
        .await
        .unwrap();
    auth.delete_user(&session.user_id).await.unwrap();
    assert_eq!(behind.proxy.names(), [""; 0]);
}

#[tokio::test]
async fn in_statement_mode_what_takes_a_transaction_fails_and_says_why() {
    let Some(behind) = Behind::with(&["pool_mode = statement"]).await else {
        return;
    };
    let direct = PgStore::connect(&behind.database.url()).await.unwrap();
    direct
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let store = behind.store(PgStore::builder()).await;
    let said = |error: Error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {source:?}")
    };
    let migrated = store.migrate(&["name TEXT"]).await;
    let migrated = said(migrated.unwrap_err());
    assert!(migrated.contains("transaction"), "{migrated}");
    // What is one statement works.
    let auth = Auth::builder(store).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    for _ in 0..20 {
        let found = auth.validate_session(session.token()).await.unwrap();
        assert_eq!(found.unwrap().user_id, session.user_id);
    }
    let new = "another horse battery";
    let key = verified(&auth, "ada").await;
    let changed = auth.change_password(&session, &key, new);
    let changed = changed.await.map(drop);
    assert!(matches!(changed, Err(Error::Unavailable(_))), "{changed:?}");
    // PgBouncer closes the connection when the transaction may have been on its way as a whole: it was
    // done or not, and nothing in between.
    let opens = async |password| {
        let key = auth.verify_password(("username", "ada"), password).await;
        key.is_ok()
    };
    assert_ne!(opens(PASSWORD).await, opens(new).await);
}

#[derive(serde::Deserialize)]
struct Texts {
    about: Option<String>,
    motto: Option<String>,
}

/// PgBouncer takes a server connection back as soon as the server is ready for the next statement, even if it
/// has forwarded a part of that. The rest goes to another server, which takes it for the rest of the
/// statement that it has parsed last.
#[tokio::test]
async fn no_statement_is_sent_before_the_last_one_of_its_connection_is_over() {
    let settings = ["pool_mode = transaction", "server_round_robin = 1"];
    let Some(behind) = Behind::with(&settings).await else {
        return;
    };
    let store = behind.store(PgStore::builder().max_connections(1)).await;
    store
        .migrate(&["username TEXT NOT NULL UNIQUE", "about TEXT", "motto TEXT"])
        .await
        .unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let user = sign_up(&auth, "ada").await.user_id.clone();
    let set = async |auth: &Auth, column: &str, text: &str| {
        let attributes = serde_json::json!({ column: text });
        let updated = auth.update_user_attributes(&user, &attributes).await;
        let updated: User<Texts> = updated.unwrap();
        (updated.attributes.about, updated.attributes.motto)
    };
    let others = Auth::builder(behind.store(PgStore::builder()).await);
    let others = others.build().unwrap();
    let other = behind.database.connect().await;
    // It does not fit into the buffers on its way to a server that does not read yet.
    let long = "a".repeat(20_000_000);
    for _ in 0..2 {
        // All servers have parsed this last.
        join_all((0..4).map(|_| set(&others, "motto", "none"))).await;
        let lock = "BEGIN; SELECT 1 FROM auth_user FOR UPDATE";
        other.batch_execute(lock).await.unwrap();
        tokio::select! {
            _ = set(&auth, "about", "dropped") => unreachable!("the row is locked"),
            () = until_waiting(&behind.database, 1) => {}
        }
        let passed = behind.proxy.messages();
        let unlocking = async {
            eventually(async || behind.proxy.messages() > passed).await;
            other.batch_execute("COMMIT").await.unwrap();
        };
        let ((about, motto), ()) = tokio::join!(set(&auth, "about", &long), unlocking);
        assert!(about.as_ref() == Some(&long), "another statement was run");
        assert_eq!(motto.as_deref(), Some("none"));
    }
}

/// The application has the connection in between, by which it sends something that it does not wait for.
#[tokio::test]
async fn no_statement_is_sent_before_that_of_the_application_is_over() {
    let settings = ["pool_mode = transaction", "server_round_robin = 1"];
    let Some(behind) = Behind::with(&settings).await else {
        return;
    };
    let url = behind.database.url_by(behind.proxy.port());
    let pool = super::pool(&url, 1);
    let store = PgStore::new(pool.clone());
    let columns = ["username TEXT NOT NULL UNIQUE", "about TEXT", "motto TEXT"];
    store.migrate(&columns).await.unwrap();
    // Each knows the connection by what is sent by it, and not what the other one sends.
    let auths = [store, PgStore::new(pool.clone())];
    let auths = auths.map(|store| Auth::builder(store).build().unwrap());
    let user = sign_up(&auths[0], "ada").await.user_id.clone();
    let set = async |auth: &Auth, text: &str| {
        let attributes = serde_json::json!({ "about": text });
        let updated = auth.update_user_attributes(&user, &attributes).await;
        let _: User<Texts> = updated.unwrap();
    };
    let other = behind.database.connect().await;
    for number in 0..4 {
        let auth = &auths[number % 2];
        set(auth, "before").await;
        let lock = "BEGIN; SELECT 1 FROM auth_user FOR UPDATE";
        other.batch_execute(lock).await.unwrap();
        let dropped = async {
            match number {
                0 | 1 => {
                    let client = pool.get().await.unwrap();
                    let update = "UPDATE auth_user SET motto = 'dropped'";
                    client.batch_execute(update).await.unwrap();
                }
                _ => set(&auths[1 - number % 2], "dropped").await,
            }
        };
        tokio::select! {
            () = dropped => unreachable!("the row is locked"),
            () = until_waiting(&behind.database, 1) => {}
        }
        let passed = behind.proxy.messages();
        let unlocking = async {
            eventually(async || behind.proxy.messages() > passed).await;
            let sent = behind.proxy.messages() - passed;
            other.batch_execute("COMMIT").await.unwrap();
            sent
        };
        let ((), sent) = tokio::join!(set(auth, "after"), unlocking);
        assert_eq!(sent, 1, "{number}");
    }
}
