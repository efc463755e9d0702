//! The settings of a [`PgStore`].

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
#[cfg(feature = "cache")]
use tokio_postgres::Socket;
use tokio_postgres::config::{Host, SslMode};
#[cfg(feature = "cache")]
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, NoTls};

use super::attempts::AttemptStatements;
use super::cache::Cache;
#[cfg(feature = "cache")]
use super::cache::TableChanges;
use super::connections::WriteAccess;
use super::credentials::CredentialStatements;
use super::error::within;
use super::mails::MailStatements;
use super::pooler::Routes;
use super::replicas::{Process, Replicas, Settings};
use super::statements::{ClaimStatement, KeyWrites, Statements};
use super::tokens::TokenStatements;
use super::{Parts, PgStore, StoredIds};
use crate::clock::random_bytes;
use crate::store::batch::Queues;
#[cfg(feature = "cache")]
use crate::store::cache::CacheOptions;
use crate::store::is_distant;
use crate::store::tables::{SessionColumn, TableNames, check_name, fetched_columns, table_setters};
use crate::{Error, Result};

/// How long a call may take by default.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections [`PgStoreBuilder::connect`] makes by default.
const MAX_CONNECTIONS: usize = 16;

/// The settings of a [`PgStore`], checked by [`build`](Self::build) and
/// [`connect`](Self::connect).
///
/// ```no_run
/// # async fn f() -> lucia::Result<()> {
/// let store = lucia::PgStore::builder()
///     .schema("accounts")
///     .user_table("users")
///     .fetched_user_columns(["username", "email"])
///     .connect("postgres://app@localhost/app")
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings take effect by `build(pool)` or `connect(url)`"]
pub struct PgStoreBuilder {
    tables: TableNames,
    user_columns: Option<Vec<String>>,
    session_columns: Vec<String>,
    ids: StoredIds,
    batched: bool,
    prepare_behind_pooler: bool,
    timeout: Duration,
    max_connections: usize,
    #[cfg(feature = "cache")]
    cache: Option<CacheOptions>,
    #[cfg(feature = "cache")]
    cache_changes: Option<TableChanges>,
    pub(super) replicas: Option<Settings>,
}

impl Default for PgStoreBuilder {
    fn default() -> Self {
        Self {
            tables: TableNames::default(),
            user_columns: None,
            session_columns: Vec::new(),
            ids: StoredIds::default(),
            batched: true,
            prepare_behind_pooler: false,
            timeout: TIMEOUT,
            max_connections: MAX_CONNECTIONS,
            #[cfg(feature = "cache")]
            cache: None,
            #[cfg(feature = "cache")]
            cache_changes: None,
            replicas: None,
        }
    }
}

impl PgStoreBuilder {
    /// The schema that the tables are in. By default they are found by the `search_path`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.tables.schema = Some(schema.into());
        self
    }

    table_setters!(tables);

    /// The columns of a user that are fetched, besides `id`. By default it is all of them: worth
    /// changing for tables with large columns that are seldom needed. A type that asks for a column
    /// that is not fetched is an [`Error::Schema`], or, if it can do without, has its `None` or
    /// default there: do not write that back.
    pub fn fetched_user_columns<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.user_columns = Some(fetched_columns(columns));
        self
    }

    /// Your columns in the table of sessions, for [`attributes`](crate::CreateSession::attributes)
    /// of sessions; none by default. Each is a name, or a definition such as `"country TEXT"`, by
    /// which [`migrate`](PgStore::migrate) makes the column where it is missing.
    pub fn session_columns<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.session_columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// What is stored as the id of a session; the hash of its token by default. The
    /// other settings are for a table that Lucia v2 uses or has used, and **keep tokens in the
    /// database with which any reader can sign in**: see [`StoredIds`].
    pub fn stored_ids(mut self, ids: StoredIds) -> Self {
        self.ids = ids;
        self
    }

    /// Whether concurrent session lookups share one statement; on by default. No lookup is delayed to
    /// form a batch: lookups that arrive while a statement is running are sent together when it returns.
    /// Each sees all that was committed before it was called, as it would alone.
    ///
    /// At one time there are at most as many of these statements as cores, and at most half as many as
    /// the pool may have connections (one in a pool of one). If one has not returned for a quarter of a
    /// second, another one is sent for the lookups that wait.
    pub fn batched_lookups(mut self, batched: bool) -> Self {
        self.batched = batched;
        self
    }

    /// Whether statements are prepared over connections that lead to a pooler, such as PgBouncer; by
    /// default they are not. Over a connection to Postgres itself they always are.
    ///
    /// The driver gives the prepared statements of every process the same names. A pooler that lends
    /// connections for a transaction and knows no prepared statements mixes up those of two processes,
    /// and a request runs another statement than its own. So the store compares, once for each
    /// connection, the server process that answers with the one that the connection was opened to,
    /// and sends statements without names where these differ. Postgres then parses and plans each
    /// statement anew.
    ///
    /// Set it to `true` to save that, but only if every pooler on the way keeps the statements of its
    /// clients apart: PgBouncer 1.21 or newer with `max_prepared_statements` above 0 (the default is 0
    /// before 1.24), or any pooler that lends a connection for a whole session. **Otherwise a request
    /// can get the answer of another**, and a write can be another write.
    pub fn prepare_behind_pooler(mut self, prepare: bool) -> Self {
        self.prepare_behind_pooler = prepare;
        self
    }

    /// How long a statement may take, waiting for a connection included; 5 seconds by default. A
    /// call that takes longer returns [`Error::Unavailable`]. A lookup can wait for as long for the
    /// statement of others before it makes its own.
    /// [`AuthBuilder::store_timeout`](crate::AuthBuilder::store_timeout) bounds the whole of a
    /// call.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The maximum number of connections that [`connect`](Self::connect) opens; 16 by default. A pool
    /// passed to [`build`](Self::build) has its own limit.
    pub fn max_connections(mut self, max_connections: usize) -> Self {
        self.max_connections = max_connections;
        self
    }

    /// Keeps sessions and users that were looked up, and answers the next lookup from memory,
    /// without a statement, until one of them changes. By default nothing is kept.
    ///
    /// A change by this store, or a clone of it, is seen by every lookup that is called after it has
    /// returned, as without a cache. One by **another process**, another store or by hand is seen when
    /// the database has told of it: within milliseconds, and within the [`max_silence`](CacheOptions::max_silence), a second,
    /// when the network fails. For that time a session that was ended elsewhere goes on here, and a
    /// user has the columns that they had. A cache that does not receive changes does not answer,
    /// and lookups go to the database. Expiry is judged at each use.
    ///
    /// It takes triggers, which [`migrate`](PgStore::migrate) makes from
    /// `migrations/postgres/cache.sql`, Postgres 14 or newer, and one connection more, beside the
    /// pool, for `LISTEN`. Where that does not work, it can
    /// [poll](Self::cache_poll_interval) instead.
    /// [`is_cache_answering`](PgStore::is_cache_answering) tells how it is.
    ///
    /// Where the sessions are in [another store](crate::AuthBuilder::sessions), the cache keeps users only. Each
    /// lookup asks that store for its session, or the [cache](crate::RedisStoreBuilder::cache) of that store.
    #[cfg(feature = "cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
    pub fn cache(mut self, options: CacheOptions) -> Self {
        self.cache = Some(options);
        self
    }

    /// How the listener of the [cache](Self::cache) connects, which needs a separate connection to the same
    /// database. [`connect`](Self::connect) knows by itself; a pool that is handed to [`build`](Self::build) does not
    /// tell.
    ///
    /// It must not be by a pooler that lends a connection for each transaction, such as PgBouncer
    /// in transaction mode, where `LISTEN` does not work. The cache notices, says so in the log,
    /// and does not answer. If this is the only way to the database, use
    /// [`cache_poll_interval`](Self::cache_poll_interval) in place of this.
    #[cfg(feature = "cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
    pub fn cache_listener<T>(mut self, config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        self.cache_changes = Some(TableChanges::listen(config, tls));
        self
    }

    /// Has the [cache](Self::cache) poll a table for changes at this interval, such as 250 ms, in place of `LISTEN`:
    /// for a database that is reached only by a pooler in transaction mode, or by a proxy that passes no
    /// notifications on. The polls go by the pool, so the cache takes no connection besides. A change by another
    /// process is seen after at most one interval, and within the [`max_silence`](CacheOptions::max_silence) whatever
    /// fails. The interval is at least 10 ms, and at most half of `max_silence`.
    ///
    /// [`migrate`](PgStore::migrate) makes the table `lucia_change` and its triggers from
    /// `migrations/postgres/cache_by_polling.sql`. Of this and [`cache_listener`](Self::cache_listener), the last call
    /// counts.
    #[cfg(feature = "cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
    pub fn cache_poll_interval(mut self, interval: Duration) -> Self {
        self.cache_changes = Some(TableChanges::Poll(interval));
        self
    }

    /// A store over your own pool.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that makes no sense.
    pub fn build(self, pool: Pool) -> Result<PgStore> {
        let session_columns = self.check()?;
        #[cfg(feature = "cache")]
        if self.cache.is_some() && self.cache_changes.is_none() {
            let reason = "a pool does not tell how to connect, and the cache listens by a separate \
                          connection: say how by `cache_listener`, or poll for changes by \
                          `cache_poll_interval`";
            return Err(Error::setting("cache_listener", reason));
        }
        let process = self.process()?;
        Ok(self.unchecked(pool, session_columns, process))
    }

    /// A store with settings that were checked, or are the default ones.
    pub(super) fn unchecked(
        self,
        pool: Pool,
        session_columns: Vec<SessionColumn>,
        process: Option<Process>,
    ) -> PgStore {
        let user_columns = self.user_columns.as_deref();
        let statements = Statements::new(&self.tables, user_columns, &session_columns, self.ids);
        #[cfg(feature = "cache")]
        let cache = Cache::new(self.cache.zip(self.cache_changes));
        #[cfg(not(feature = "cache"))]
        let cache = Cache::none();
        let replicas = Replicas::new(
            self.replicas.zip(process),
            &self.tables,
            &statements,
            self.timeout,
            self.prepare_behind_pooler,
        );
        let store = PgStore(Arc::new(Parts {
            statements,
            attempt_statements: AttemptStatements::new(&self.tables),
            token_statements: TokenStatements::new(&self.tables),
            key_writes_by_session: KeyWrites::by_session(&self.tables, self.ids),
            key_writes_by_token: KeyWrites::by_token(&self.tables),
            claim_key: ClaimStatement::new(&self.tables, self.ids),
            mail_statements: MailStatements::new(&self.tables),
            credential_statements: CredentialStatements::new(&self.tables),
            // Half of the connections are left for other statements.
            queues: Queues::new(pool.status().max_size / 2),
            pool,
            access: WriteAccess::new(),
            routes: Routes::new(self.prepare_behind_pooler),
            tables: self.tables,
            user_columns: self.user_columns,
            session_columns,
            ids: self.ids,
            batched: self.batched,
            cache,
            replicas,
            timeout: self.timeout,
        }));
        store.0.cache.start(&store.0);
        store.0.replicas.start(&store.0);
        store
    }

    /// Connects to a server by its URL, without TLS. For TLS, make a pool with a TLS connector, such
    /// as that of `tokio-postgres-rustls`, and hand it to [`build`](Self::build).
    ///
    /// With a standby, name both servers and ask for the one that takes writes:
    /// `postgres://app@one,two/app?target_session_attrs=read-write`. See [`PgStore`] for what happens
    /// when the standby is promoted.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that makes no sense, [`Error::Unavailable`] says why
    /// the server cannot be reached or does not let us in.
    pub async fn connect(
        #[cfg_attr(not(feature = "cache"), expect(unused_mut))] mut self,
        url: &str,
    ) -> Result<PgStore> {
        let session_columns = self.check()?;
        let mut config = parse(url)?;
        if config.get_ssl_mode() == SslMode::Require {
            let reason = "`connect` knows no TLS; make a pool with a TLS connector of your choice \
                          and hand it to `PgStore::new(pool)`";
            return Err(Error::setting("url", reason));
        }
        if let Some(host) = config.get_hosts().iter().find_map(distant) {
            tracing::warn!(
                "the connection to the database at `{host}` is not encrypted; for TLS, make a pool \
                 with a connector of your choice and hand it to `PgStore::new(pool)`"
            );
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name("lucia");
        }
        #[cfg(feature = "cache")]
        {
            let listen = || TableChanges::listen(config.clone(), NoTls);
            self.cache_changes = self.cache_changes.or_else(|| Some(listen()));
        }
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(self.max_connections)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(Error::internal)?;

        let process = self.process()?;
        let store = self.unchecked(pool, session_columns, process);
        let connection = within(store.0.timeout, store.0.pool.get()).await;
        // It would work on the runtime that the store is built on, which in actix-web is not that of any
        // worker: each statement would have to go there and back.
        drop(Object::take(connection.map_err(Error::unavailable)?));
        Ok(store)
    }

    /// The random id of a store that has replicas.
    fn process(&self) -> Result<Option<Process>> {
        self.replicas.as_ref().map(|_| random_bytes()).transpose()
    }

    /// Checks the settings, and reads `session_columns`.
    fn check(&self) -> Result<Vec<SessionColumn>> {
        self.tables.check(str::eq)?;
        let session_columns =
            SessionColumn::parse_all(&self.session_columns, str::to_ascii_lowercase)?;
        for column in self.user_columns.iter().flatten() {
            check_name("fetched_user_columns", column)?;
        }
        if self.timeout.is_zero() {
            return Err(Error::setting(
                "timeout",
                "it is zero: every call would time out",
            ));
        }
        #[cfg(feature = "cache")]
        if let Some(cache) = &self.cache {
            cache.check()?;
            if let Some(changes) = &self.cache_changes {
                changes.check(cache)?;
            }
            if self.replicas.is_some() {
                let reason = "a cache would keep answers of replicas for longer than these may be old, so \
                              its lookups would all go to the primary: use one of the two";
                return Err(Error::setting("replicas", reason));
            }
        }
        #[cfg(feature = "cache")]
        if self.cache.is_none()
            && let Some(changes) = &self.cache_changes
        {
            let reason = "the store has no cache: add `.cache(CacheOptions::new())`";
            return Err(Error::setting(changes.setting(), reason));
        }
        if let Some(replicas) = &self.replicas {
            replicas.check()?;
        }
        if self.max_connections == 0 {
            return Err(Error::setting(
                "max_connections",
                "it takes one connection at least",
            ));
        }
        Ok(session_columns)
    }
}

/// What a URL says. The parser's own errors quote what they do not understand, and an `@` in a password
/// makes it take the rest of the password for something else.
fn parse(url: &str) -> Result<Config> {
    let unreadable = || {
        let reason = "it cannot be read; write `postgres://user:password@host:5432/database`, in the \
                      password `%40` for `@`, `%3A` for `:`, `%2F` for `/` and `%25` for `%`, and after \
                      `?` only options that tokio-postgres knows";
        Error::setting("url", reason)
    };
    let config: Config = url.parse().map_err(|_| unreadable())?;
    let is_misread = |name: &str| name.contains('@');
    let mut hosts = config.get_hosts().iter();
    let has_misread_host = hosts.any(|host| match host {
        Host::Tcp(name) => is_misread(name),
        #[cfg(unix)]
        Host::Unix(_) => false,
    });
    if has_misread_host || config.get_dbname().is_some_and(is_misread) {
        return Err(unreadable());
    }
    Ok(config)
}

/// A host that is not this machine.
fn distant(host: &Host) -> Option<&str> {
    match host {
        Host::Tcp(name) if is_distant(name) => Some(name),
        _ => None,
    }
}
