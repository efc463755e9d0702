//! [`PgStore`]: users, keys and sessions in Postgres.

mod attempts;
mod batch;
mod builder;
#[cfg(feature = "cache")]
mod cache;
#[cfg(not(feature = "cache"))]
#[path = "postgres/no_cache.rs"]
mod cache;
mod connections;
mod diagnosis;
mod error;
mod lookups;
mod migrate;
mod pooler;
mod references;
mod rows;
mod run;
mod sessions;
mod statements;
mod stored_ids;
mod unnamed;
mod user_id;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use serde_json::{Map, Value};
use tokio_postgres::{Row, Transaction};

use attempts::AttemptStatements;
use batch::Queues;
pub use builder::PgStoreBuilder;
use cache::Cache;
#[cfg(feature = "cache")]
pub use cache::CacheOptions;
use connections::WriteAccess;
use error::{Failure, Written};
use pooler::Routes;
use rows::{is_filler, key_row, user_row};
use run::Statement;
use statements::Statements;
pub use stored_ids::StoredIds;
use unnamed::{Param, Params};

use super::{
    AttemptStore, CountedAttempt, CountedPlace, KeyDeletion, KeyRow, LastKey, NewAttempt,
    NewUserRow, OldHash, TransactionStore, UnixMillis, UserRow, UserStore, UserTable,
};
use crate::Error;
use crate::store::tables::{MAX_NAME, SessionColumn, TableNames};
use crate::store::{Result, StoreError};
use crate::user::UserId;

/// Users, keys and sessions in Postgres, over a `deadpool-postgres` pool. A clone is another
/// handle to the same.
///
/// Every call is one statement, prepared once for each connection, or one transaction that is sent
/// as a whole, so that it happens as a whole or not at all, even if its future is dropped or the
/// server is killed. Only a sweep that meets expired sessions which other tables refer to, and the first use
/// of a token under `StoredIds::HashedOnUse`, take more than one. Behind a pooler nothing is prepared, unless
/// [`prepare_behind_pooler`](PgStoreBuilder::prepare_behind_pooler) says so.
///
/// After a failover, connections to a server that is read-only or gone leave the pool. A statement that
/// did nothing is sent again, within the time-out: where it met a server that is read-only, or another
/// transaction (SQLSTATE 40001 and 40P01), and a lookup also where its connection broke. The database may
/// have any isolation by default.
///
/// [`PgStore::connect`] creates a pool; [`PgStore::new`] shares your application's, with its TLS
/// and settings. [`PgStore::builder`] has the rest.
#[derive(Clone)]
pub struct PgStore(Arc<Parts>);

struct Parts {
    pool: Pool,
    access: WriteAccess,
    routes: Routes,
    tables: TableNames,
    /// The columns of users that are fetched, besides `id`; all of them if it says nothing.
    user_columns: Option<Vec<String>>,
    session_columns: Vec<SessionColumn>,
    ids: StoredIds,
    statements: Statements,
    attempt_statements: AttemptStatements,
    /// Whether lookups that arrive together share a statement.
    batched: bool,
    queues: Queues<Parts>,
    cache: Cache,
    timeout: Duration,
}

impl PgStore {
    /// A store over this pool, with the default names of tables.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// use lucia::deadpool_postgres::{Config, Runtime};
    /// use lucia::deadpool_postgres::tokio_postgres::NoTls;
    ///
    /// let mut config = Config::new();
    /// config.url = Some("postgres://app@localhost/app".to_owned());
    /// let store = lucia::PgStore::new(config.create_pool(Some(Runtime::Tokio1), NoTls)?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self::builder().over(pool)
    }

    /// Connects to a server by its URL, such as `postgres://user:password@host:5432/database`,
    /// without TLS, by up to 16 connections. It has asked the server once when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a URL that is none or asks for TLS, [`Error::Unavailable`] when the
    /// server cannot be reached or does not let us in.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// Settings of a store: names of tables, columns to fetch, time-outs, connections.
    pub fn builder() -> PgStoreBuilder {
        PgStoreBuilder::default()
    }

    /// Makes what is missing: the schema, lucia's tables and indexes, and the columns of your own
    /// that `user_columns` defines in the table of users, such as
    /// `"username TEXT NOT NULL UNIQUE"`. A column that is there is left as it is.
    ///
    /// lucia's own tables come from numbered files, each of which runs once. The table
    /// `lucia_migration`, in the schema of the others, records the files that have run. Tables that are
    /// there without a record, from another tool or an earlier version, are completed.
    ///
    /// It can run at every start, in as many processes at once as you like: it does all or
    /// nothing, one process after the other. Applications with another migration tool use the SQL
    /// files in `migrations/postgres` instead.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for what defines no column; [`Error::Schema`] for a column that cannot be
    /// added, for a database that a newer version of lucia has migrated, and for a file that was
    /// changed after it ran; [`Error::Unavailable`].
    pub async fn migrate(&self, user_columns: &[&str]) -> Result<(), Error> {
        Ok(migrate::migrate(&self.0, user_columns).await?)
    }

    /// Whether the [cache](PgStoreBuilder::cache) answers at the moment: it does once it has heard
    /// from the database that it hears of all changes, and for as long as it does. For metrics; while
    /// it does not, lookups go to the database.
    #[cfg(feature = "cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
    #[must_use]
    pub fn is_cache_answering(&self) -> bool {
        self.0.cache.is_answering()
    }

    /// The rows of one statement, with a failure turned into what it means.
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        match self.0.run(sql, params).await {
            Ok(rows) => Ok(rows),
            Err(failure) => Err(self.0.explain(failure, None).await),
        }
    }

    /// As [`query`](Self::query), with each row read.
    async fn read<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        row: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>> {
        self.0.read(sql, params, None, row).await
    }

    /// As [`read`](Self::read), for a statement of [`telling_access`](statements::telling_access).
    async fn look<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        row: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>> {
        let statement = Statement {
            tells_access: true,
            ..Statement::new(sql, params)
        };
        let answer = self.0.run_by(&mut None, statement).await;
        let found = answer.and_then(|rows| {
            let rows = rows.iter().filter(|row| !is_filler(row));
            rows.map(row).collect()
        });
        self.0.explained(found, None).await
    }

    /// As [`read`](Self::read), for a statement that writes the application's own columns.
    async fn write<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        written: Written<'_>,
        row: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Option<T>> {
        self.write_by(None, sql, params, written, row).await
    }

    /// As [`write`](Self::write), in the open transaction of the application's if there is one.
    async fn write_by<T>(
        &self,
        transaction: Option<&Transaction<'_>>,
        sql: &str,
        params: Params<'_>,
        written: Written<'_>,
        row: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Option<T>> {
        let answer = match transaction {
            Some(transaction) => self.0.run_in(transaction, sql, params).await,
            None => self.0.run(sql, params).await,
        };
        let rows = self.0.understand(answer, Some(written), row).await?;
        Ok(rows.into_iter().next())
    }

    async fn insert_user_by(
        &self,
        transaction: Option<&Transaction<'_>>,
        user: NewUserRow,
        key: Option<KeyRow>,
    ) -> Result<UserRow> {
        let attributes = attributes_json(self.user_table(), &user.attributes, &["id"])?;
        let sql = self
            .0
            .statements
            .insert_user(&self.0.tables, &user.attributes, key.is_some());
        let id = user.id.as_str();
        let written = Written::User(&user.attributes);
        let inserted = match &key {
            Some(key) => {
                let params: Params<'_> = &[&id, &attributes, &key.id, &key.hashed_password];
                self.write_by(transaction, &sql, params, written, user_row)
                    .await?
            }
            None => {
                self.write_by(transaction, &sql, &[&id, &attributes], written, user_row)
                    .await?
            }
        };
        inserted.ok_or_else(|| self.0.kept_out(&self.0.tables.user))
    }

    async fn insert_key_by(
        &self,
        transaction: Option<&Transaction<'_>>,
        key: KeyRow,
    ) -> Result<()> {
        let params: Params<'_> = &[&key.id, &key.user_id.as_str(), &key.hashed_password];
        let sql = &self.0.statements.insert_key;
        self.write_by(transaction, sql, params, Written::Key, |_| Ok(()))
            .await
            .map(drop)
    }
}

impl Parts {
    /// The error of an insertion that inserted nothing.
    fn kept_out(&self, table: &str) -> StoreError {
        StoreError::Misuse(format!(
            "table `{table}` has a trigger or rule that keeps rows from being inserted"
        ))
    }

    /// The rows of one statement, each read, with a failure turned into what it means.
    async fn read<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        written: Option<Written<'_>>,
        row: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>> {
        let answer = self.run(sql, params).await;
        self.understand(answer, written, row).await
    }

    /// As [`read`](Self::read), behind a statement that takes a lock: it sees all that was done
    /// until the lock was free.
    async fn read_behind<T>(
        &self,
        lock: Statement<'_>,
        statement: Statement<'_>,
        written: Option<Written<'_>>,
        row: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>> {
        let answer = self.run_behind(lock, statement).await;
        self.understand(answer, written, row).await
    }

    async fn understand<T>(
        &self,
        answer: Result<Vec<Row>, Failure>,
        written: Option<Written<'_>>,
        row: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>> {
        let read = answer.and_then(|rows| rows.iter().map(row).collect());
        self.explained(read, written).await
    }

    /// The answer, with a failure turned into what it means. That may take a connection of the pool.
    async fn explained<T>(
        &self,
        answer: Result<T, Failure>,
        written: Option<Written<'_>>,
    ) -> Result<T> {
        match answer {
            Ok(read) => Ok(read),
            Err(failure) => Err(self.explain(failure, written).await),
        }
    }
}

#[async_trait]
impl UserStore for PgStore {
    fn user_table(&self) -> &str {
        &self.0.tables.user
    }

    async fn describe_users(&self) -> Result<UserTable> {
        let all = self.0.check_tables().await?;
        self.0.check_index().await?;
        self.0.cache.check(&self.0).await?;
        let columns = match &self.0.user_columns {
            None => all,
            Some(fetched) => std::iter::once("id".to_owned())
                .chain(fetched.iter().cloned())
                .collect(),
        };
        let sample = self
            .read(&self.0.statements.any_user, &[], user_row)
            .await?;
        let sample = sample.into_iter().next();
        Ok(UserTable { columns, sample })
    }

    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow> {
        self.insert_user_by(None, user, key).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        let sql = &self.0.statements.user;
        let users = self.look(sql, &[&id.as_str()], user_row).await?;
        Ok(users.into_iter().next())
    }

    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>> {
        if attributes.is_empty() {
            return self.user(id).await;
        }
        let changing = self.0.cache.user_changes(id);
        let json = attributes_json(self.user_table(), &attributes, &["id"])?;
        let sql = self.0.statements.update_user(&self.0.tables, &attributes);
        let written = Written::User(&attributes);
        let updated = self
            .write(&sql, &[&id.as_str(), &json], written, user_row)
            .await?;
        // The database may know them by another spelling (`citext`).
        if let Some(user) = &updated {
            changing.user_changed(&user.id);
        }
        Ok(updated)
    }

    async fn delete_user(&self, id: &UserId) -> Result<()> {
        let changing = self.0.cache.user_changes(id);
        let params: Params<'_> = &[&id.as_str()];
        let statement = |sql| Statement::new(sql, params);
        // A sign-in may hold the user. Its session is to be seen, and goes with them.
        let lock = statement(&self.0.statements.lock_user);
        let statement = statement(&self.0.statements.delete_user);
        let read = |row: &Row| Ok(row.try_get::<_, String>(0)?);
        let deleted = self.0.read_behind(lock, statement, None, read).await?;
        // The database may know them by another spelling (`citext`).
        for id in deleted {
            changing.user_changed(&UserId::from_stored(id));
        }
        Ok(())
    }

    async fn insert_key(&self, key: KeyRow) -> Result<()> {
        self.insert_key_by(None, key).await
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRow>> {
        let keys = self.look(&self.0.statements.key, &[&id], key_row).await?;
        Ok(keys.into_iter().next())
    }

    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>> {
        let sql = &self.0.statements.user_keys;
        self.look(sql, &[&user_id.as_str()], key_row).await
    }

    async fn update_key_password(
        &self,
        id: &str,
        user_id: &UserId,
        hashed_password: Option<&str>,
        old: OldHash<'_>,
    ) -> Result<bool> {
        let params: Params<'_> = &[&id, &user_id.as_str(), &hashed_password, &old.required()];
        let rows = self
            .query(&self.0.statements.update_key_password, params)
            .await?;
        Ok(!rows.is_empty())
    }

    async fn delete_key(&self, id: &str, last: LastKey) -> Result<KeyDeletion> {
        let params: Params<'_> = &[&id, &(last == LastKey::Delete)];
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
        let rows = self
            .read(&self.0.statements.delete_key, params, read)
            .await?;
        Ok(match rows.first() {
            Some((_, true)) => KeyDeletion::Deleted,
            Some((true, false)) => KeyDeletion::Last,
            Some((false, false)) | None => KeyDeletion::Unknown,
        })
    }
}

#[async_trait]
impl TransactionStore for PgStore {
    async fn insert_user_in(
        &self,
        transaction: &Transaction<'_>,
        user: NewUserRow,
        key: Option<KeyRow>,
    ) -> Result<UserRow> {
        self.insert_user_by(Some(transaction), user, key).await
    }

    async fn insert_key_in(&self, transaction: &Transaction<'_>, key: KeyRow) -> Result<()> {
        self.insert_key_by(Some(transaction), key).await
    }
}

#[async_trait]
impl AttemptStore for PgStore {
    async fn check_attempts(&self) -> Result<()> {
        self.0.check_attempts().await
    }

    async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
        self.0.count_attempt(attempt).await
    }

    async fn uncount_attempt(&self, places: &[CountedPlace]) -> Result<()> {
        self.0.uncount_attempt(places).await
    }

    async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.0.delete_old_attempts(now, limit).await
    }
}

/// The attributes as JSON. None of them is a column of lucia's own, or one by a name that Postgres
/// would cut off.
fn attributes_json(table: &str, attributes: &Map<String, Value>, own: &[&str]) -> Result<String> {
    if let Some(name) = attributes.keys().find(|name| name.len() > MAX_NAME) {
        return Err(StoreError::InvalidAttribute {
            table: table.to_owned(),
            column: Some(name.clone()),
            reason: "there is no such column".to_owned(),
        });
    }
    match own.iter().find(|column| attributes.contains_key(**column)) {
        Some(column) => Err(StoreError::Misuse(format!(
            "`{column}` is not an attribute"
        ))),
        None => serde_json::to_string(attributes).map_err(StoreError::internal),
    }
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore")
            .field("tables", &self.0.tables)
            .field("timeout", &self.0.timeout)
            .field("pool", &self.0.pool.status())
            .finish_non_exhaustive()
    }
}
