//! A database of a test's own, with the tables in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lucia::store::Store;
use lucia::{
    Auth, AuthBuilder, CacheOptions, KeyId, NewUser, PgStore, RedisStore, RedisStoreBuilder,
    Session, SqliteStore, VerifiedKey,
};
use lucia_tests::{Database, Proxy, RedisServer, Template, TestClock};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;

use super::{Probe, eventually};

/// The user's own columns in most tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) username: String,
}

/// What defines those columns.
const COLUMNS: &[&str] = &["username TEXT NOT NULL UNIQUE"];

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A database, a way to look into it, a clock, and a probe before its store.
pub(crate) struct Stage {
    pub(crate) clock: TestClock,
    pub(crate) probe: Probe,
    kind: Kind,
    sessions: Option<RedisSessions>,
}

/// Sessions that are not in the database.
struct RedisSessions {
    server: &'static RedisServer,
    prefix: String,
    store: RedisStore,
}

enum Kind {
    Postgres { database: Database, proxy: Proxy },
    Sqlite { directory: TempDir },
}

impl Stage {
    pub(crate) async fn postgres() -> Self {
        static TABLES: Template = Template::new();

        let with_tables = async |url: String| {
            let store = PgStore::connect(&url).await.unwrap();
            store.migrate(COLUMNS).await.unwrap();
        };
        let database = TABLES.copy(with_tables).await;
        let proxy = Proxy::before(&database).await;
        Self::of(Kind::Postgres { database, proxy })
    }

    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stage = Self::of(Kind::Sqlite { directory });
        let store = SqliteStore::open(stage.sqlite_file()).await.unwrap();
        store.migrate(COLUMNS).await.unwrap();
        stage
    }

    fn of(kind: Kind) -> Self {
        Self {
            clock: TestClock::new(),
            probe: Probe::default(),
            kind,
            sessions: None,
        }
    }

    /// The same with its sessions in Redis. `None` where no Redis is installed.
    pub(crate) async fn with_redis(self) -> Option<Self> {
        self.with_redis_of(RedisStore::builder()).await
    }

    /// As [`with_redis`](Self::with_redis), with a cache that answers.
    pub(crate) async fn with_cached_redis(self) -> Option<Self> {
        let builder = RedisStore::builder().cache(CacheOptions::new());
        let stage = self.with_redis_of(builder).await?;
        eventually(async || stage.redis_sessions().is_cache_answering()).await;
        Some(stage)
    }

    /// The store of sessions where they are in Redis.
    pub(crate) fn redis_sessions(&self) -> &RedisStore {
        &self.sessions.as_ref().unwrap().store
    }

    async fn with_redis_of(self, builder: RedisStoreBuilder) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);

        let server = RedisServer::shared().await?;
        let prefix = format!("stage{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let builder = builder.prefix(&prefix);
        let store = builder.connect(&server.url()).await.unwrap();
        let sessions = RedisSessions {
            server,
            prefix,
            store,
        };
        Some(Self {
            sessions: Some(sessions),
            ..self
        })
    }

    /// A store with connections of its own, as another process would have.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        match &self.kind {
            Kind::Postgres { .. } => Arc::new(self.pg_store().await),
            Kind::Sqlite { .. } => Arc::new(SqliteStore::open(self.sqlite_file()).await.unwrap()),
        }
    }

    /// A store whose statements pass the proxy.
    pub(crate) async fn pg_store(&self) -> PgStore {
        let url = self.database().url_by(self.proxy().port());
        PgStore::connect(&url).await.unwrap()
    }

    /// As [`store`](Self::store), with columns of the application's own in the table of sessions,
    /// which it makes.
    pub(crate) async fn store_with_session_columns(&self, columns: &[&str]) -> Arc<dyn Store> {
        let columns = columns.iter().copied();
        match &self.kind {
            Kind::Postgres { database, .. } => {
                let builder = PgStore::builder().session_columns(columns);
                let store = builder.connect(&database.url()).await.unwrap();
                store.migrate(&[]).await.unwrap();
                Arc::new(store)
            }
            Kind::Sqlite { .. } => {
                let builder = SqliteStore::builder().session_columns(columns);
                let store = builder.open(self.sqlite_file()).await.unwrap();
                store.migrate(&[]).await.unwrap();
                Arc::new(store)
            }
        }
    }

    /// Adds columns to the table of users.
    pub(crate) async fn add_columns(&self, definitions: &[&str]) {
        match &self.kind {
            Kind::Postgres { .. } => self.pg_store().await.migrate(definitions).await,
            Kind::Sqlite { .. } => {
                let store = SqliteStore::open(self.sqlite_file()).await.unwrap();
                store.migrate(definitions).await
            }
        }
        .unwrap();
    }

    /// Runs statements past every store.
    pub(crate) async fn execute(&self, sql: &str) {
        match &self.kind {
            Kind::Postgres { database, .. } => {
                let client = database.connect().await;
                client.batch_execute(sql).await.unwrap();
            }
            Kind::Sqlite { .. } => {
                let connection = rusqlite::Connection::open(self.sqlite_file()).unwrap();
                connection.execute_batch(sql).unwrap();
            }
        }
    }

    /// Gives the ids of users another type, such as `CITEXT`. No table refers to that of users any more.
    pub(crate) async fn change_type_of_user_ids(&self, kind: &str) {
        self.execute(&format!(
            "CREATE EXTENSION IF NOT EXISTS citext; \
             ALTER TABLE user_key DROP CONSTRAINT user_key_user_id_fkey; \
             ALTER TABLE user_session DROP CONSTRAINT user_session_user_id_fkey; \
             ALTER TABLE one_time_token DROP CONSTRAINT one_time_token_user_id_fkey; \
             ALTER TABLE user_credential DROP CONSTRAINT user_credential_user_id_fkey; \
             ALTER TABLE auth_user ALTER id TYPE {kind}; \
             ALTER TABLE user_key ALTER user_id TYPE {kind}; \
             ALTER TABLE user_session ALTER user_id TYPE {kind}"
        ))
        .await;
    }

    /// An `Auth` for production with this stage's clock, over a store of its own behind the probe.
    pub(crate) async fn auth(&self) -> Auth {
        self.builder().await.build().unwrap()
    }

    pub(crate) async fn builder(&self) -> AuthBuilder {
        self.builder_over(self.store().await)
    }

    /// As [`builder`](Self::builder), over one of its stores.
    pub(crate) fn builder_over(&self, store: Arc<dyn Store>) -> AuthBuilder {
        let builder = Auth::builder(self.probe.before(store)).clock(self.clock.reader());
        match &self.sessions {
            Some(sessions) => builder.sessions(sessions.store.clone()),
            None => builder,
        }
    }

    /// Whether it is Postgres.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.kind, Kind::Postgres { .. })
    }

    pub(crate) fn database(&self) -> &Database {
        match &self.kind {
            Kind::Postgres { database, .. } => database,
            Kind::Sqlite { .. } => panic!("this is SQLite"),
        }
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        match &self.kind {
            Kind::Postgres { proxy, .. } => proxy,
            Kind::Sqlite { .. } => panic!("this is SQLite"),
        }
    }

    /// Verifies a key past every store, now.
    pub(crate) async fn verify_key(&self, id: &str) {
        let at = lucia::store::UnixMillis::from(self.clock.now()).0;
        let sql = format!("UPDATE user_key SET verified_at = {at} WHERE id = '{id}'");
        self.execute(&sql).await;
    }

    /// The rows of a query, each value as text, past every store.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match &self.kind {
            Kind::Postgres { database, .. } => {
                let client = database.connect().await;
                let messages = client.simple_query(sql).await.unwrap();
                let rows = messages.into_iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let values = |row: tokio_postgres::SimpleQueryRow| {
                    (0..row.len())
                        .map(|at| row.get(at).map(str::to_owned))
                        .collect()
                };
                rows.map(values).collect()
            }
            Kind::Sqlite { .. } => {
                let connection = rusqlite::Connection::open(self.sqlite_file()).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let columns = statement.column_count();
                let values = |row: &rusqlite::Row<'_>| {
                    (0..columns)
                        .map(|at| row.get_ref(at).map(text))
                        .collect::<Result<Vec<_>, _>>()
                };
                let rows = statement.query_map([], values).unwrap();
                rows.map(Result::unwrap).collect()
            }
        }
    }

    /// The first value of a query.
    pub(crate) async fn value(&self, sql: &str) -> Option<String> {
        self.rows(sql)
            .await
            .into_iter()
            .next()?
            .into_iter()
            .next()?
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> u64 {
        if let (Some(sessions), "user_session") = (&self.sessions, table) {
            let pattern = format!("{}:s:*", sessions.prefix);
            let keys: Vec<String> = sessions.server.ask(&["KEYS", &pattern]).await;
            return keys.len() as u64;
        }
        let count = self.value(&format!("SELECT count(*) FROM {table}")).await;
        count.unwrap().parse().unwrap()
    }

    /// Everything in lucia's tables.
    pub(crate) async fn dump(&self) -> Vec<String> {
        let mut values = Vec::new();
        for table in [
            "auth_user",
            "user_key",
            "user_session",
            "sign_in_attempt",
            "one_time_token",
            "outgoing_mail",
            "user_credential",
        ] {
            let rows = self.rows(&format!("SELECT * FROM {table}")).await;
            values.extend(rows.into_iter().flatten().flatten());
        }
        values
    }

    fn sqlite_file(&self) -> std::path::PathBuf {
        match &self.kind {
            Kind::Sqlite { directory } => directory.path().join("test.db"),
            Kind::Postgres { .. } => panic!("this is Postgres"),
        }
    }
}

fn text(value: rusqlite::types::ValueRef<'_>) -> Option<String> {
    use rusqlite::types::ValueRef;

    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
    }
}

/// Opens a key by its password, or without one on the word of the application.
pub(crate) async fn open_key(
    auth: &Auth,
    key: impl Into<KeyId>,
    password: Option<&str>,
) -> lucia::Result<VerifiedKey> {
    match password {
        Some(password) => auth.verify_password(key, password).await,
        None => auth.trusted_key(key).await,
    }
}

/// The key of this username, opened by the password of [`sign_up`].
pub(crate) async fn verified(auth: &Auth, username: &str) -> VerifiedKey {
    let key = auth.verify_password(("username", username), PASSWORD);
    key.await.unwrap()
}

/// Somebody new with a session.
pub(crate) async fn sign_up(auth: &Auth, username: &str) -> Session {
    let profile = Profile {
        username: username.to_owned(),
    };
    let new_user = NewUser::with_password(("username", username), PASSWORD).attributes(&profile);
    let user = auth.create_user(new_user).await.unwrap();
    auth.create_session(&user.id).await.unwrap()
}
