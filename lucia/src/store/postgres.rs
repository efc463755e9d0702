//! [`PgStore`]: users, keys and sessions in Postgres.

mod attempts;
mod builder;
#[cfg(feature = "cache")]
mod cache;
mod connections;
mod credentials;
mod diagnosis;
mod error;
mod health;
mod key_writes;
mod lookups;
mod mails;
mod migrate;
mod pending;
mod pooler;
mod references;
mod replicas;
mod required;
mod rows;
mod run;
mod sessions;
mod statements;
mod stored_ids;
mod tokens;
mod unnamed;
mod user_id;

/// Without the feature `cache`, there is none.
#[cfg(not(feature = "cache"))]
mod cache {
    use crate::store::{UserRow, cache};

    pub(super) type Cache = cache::Cache<UserRow>;

    pub(super) type PendingChange<'a> = cache::PendingChange<'a, UserRow>;
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use serde_json::{Map, Value, json};
use tokio_postgres::{Row, Transaction};

use attempts::AttemptStatements;
pub use builder::PgStoreBuilder;
use cache::Cache;
use connections::WriteAccess;
use credentials::CredentialStatements;
use error::{Failure, Written};
use mails::MailStatements;
use pooler::Routes;
use replicas::Replicas;
use rows::{key_row, read_all, user_row};
use run::Statement;
use statements::{ClaimStatement, KeyWrites, Statements};
pub use stored_ids::StoredIds;
use tokens::TokenStatements;
use unnamed::{Param, Params};

use super::{
    CredentialRow, KeyDeletion, KeyRow, LastKey, NewUserRow, OldHash, TransactionStore, UserRow,
    UserStore, UserTable,
};
use crate::Error;
use crate::store::batch::Queues;
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
    token_statements: TokenStatements,
    key_writes_by_session: KeyWrites,
    key_writes_by_token: KeyWrites,
    claim_key: ClaimStatement,
    mail_statements: MailStatements,
    credential_statements: CredentialStatements,
    /// Whether lookups that arrive together share a statement.
    batched: bool,
    queues: Queues<Parts>,
    cache: Cache,
    replicas: Replicas,
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
        Self::builder().unchecked(pool, Vec::new(), None)
    }

    /// Connects to a server by its URL, such as `postgres://user:password@host:5432/database`,
    /// without TLS, by up to 16 connections. It has asked the server once when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid URL or one that requires TLS; [`Error::Unavailable`] when the
    /// server cannot be reached or refuses the connection.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// Settings of a store: names of tables, columns to fetch, time-outs, connections.
    pub fn builder() -> PgStoreBuilder {
        PgStoreBuilder::default()
    }

    /// Makes what is missing: the schema, lucia's tables and indexes, and your own columns of the table
    /// of users by their `definitions`, such as `"username TEXT NOT NULL UNIQUE"`. A column that is there is left as it is.
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
    pub async fn migrate(&self, definitions: &[&str]) -> Result<(), Error> {
        Ok(migrate::migrate(&self.0, definitions).await?)
    }

    /// Whether the [cache](PgStoreBuilder::cache) currently answers lookups. It does while it receives
    /// changes from the database; otherwise lookups go to the database. For metrics.
    #[cfg(feature = "cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
    #[must_use]
    pub fn is_cache_answering(&self) -> bool {
        self.0.cache.is_answering()
    }

    async fn insert_user_by(
        &self,
        transaction: Option<&Transaction<'_>>,
        user: NewUserRow,
        key: Option<KeyRow>,
    ) -> Result<UserRow> {
        let attributes = attributes_json(self.user_table(), &user.attributes, &["id"])?;
        let statements = &self.0.statements;
        let sql = statements.insert_user(&user.attributes, key.is_some());
        let id = user.id.as_str();
        let mut params: Vec<&(dyn Param + Sync)> = vec![&id, &attributes];
        if let Some(key) = &key {
            params.extend([&key.id as &(dyn Param + Sync), &key.hashed_password]);
        }
        let verified_at = key
            .as_ref()
            .map(|key| key.verified_at.map(|moment| moment.0));
        params.extend(verified_at.iter().map(|it| it as &(dyn Param + Sync)));
        let statement = Statement {
            written: Some(Written::User(&user.attributes)),
            transaction,
            ..Statement::new(&sql, &params)
        };
        let inserted = self.0.row(&statement, user_row).await?;
        inserted.ok_or_else(|| self.0.kept_out(&self.0.tables.user))
    }

    async fn insert_key_by(
        &self,
        transaction: Option<&Transaction<'_>>,
        key: KeyRow,
    ) -> Result<()> {
        let verified_at = key.verified_at.map(|moment| moment.0);
        let params: Params<'_> = &[
            &key.id,
            &key.user_id.as_str(),
            &key.hashed_password,
            &verified_at,
        ];
        let statement = Statement {
            written: Some(Written::Key),
            transaction,
            ..Statement::new(&self.0.statements.insert_key, params)
        };
        self.0.returns_row(&statement).await.map(drop)
    }
}

impl Parts {
    /// The error of an insertion that inserted nothing.
    fn kept_out(&self, table: &str) -> StoreError {
        StoreError::Misuse(format!(
            "table `{table}` has a trigger or rule that keeps rows from being inserted"
        ))
    }

    /// The rows of a statement, without those that `read` finds nothing in.
    async fn rows<T>(
        &self,
        statement: &Statement<'_>,
        read: fn(&Row) -> Result<Option<T>, Failure>,
    ) -> Result<Vec<T>> {
        let answer = self.run(statement).await;
        let read = answer.and_then(|rows| read_all(&rows, read));
        self.explained(read, statement.written).await
    }

    /// The users with these ids, as the database has them now.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let statements = &self.statements;
        if let [id] = ids {
            let params: Params<'_> = &[&id.as_str()];
            let user = Statement::lookup(&statements.user, params);
            return self.rows(&user, user_row).await;
        }
        let ids: Vec<_> = ids.iter().map(|id| json!({ "id": id.as_str() })).collect();
        let ids = Value::from(ids).to_string();
        let params: Params<'_> = &[&ids];
        let users = Statement::lookup(&statements.several_users, params);
        self.rows(&users, user_row).await
    }

    /// As [`rows`](Self::rows), for a statement that returns one row at the most.
    async fn row<T>(
        &self,
        statement: &Statement<'_>,
        read: fn(&Row) -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>> {
        Ok(self.rows(statement, read).await?.into_iter().next())
    }

    /// Whether a statement returns a row, which those that write do where they have written something.
    async fn returns_row(&self, statement: &Statement<'_>) -> Result<bool> {
        let answer = self.run(statement).await.map(|rows| !rows.is_empty());
        self.explained(answer, statement.written).await
    }

    /// The count that a statement returns.
    async fn counted(&self, answer: Result<Vec<Row>, Failure>) -> Result<u64> {
        let count = |row: &Row| Ok(row.try_get::<_, Option<i64>>(0)?);
        let counts = answer.and_then(|rows| read_all(&rows, count));
        let counts = self.explained(counts, None).await?;
        Ok(counts.first().map_or(0, |count| count.unsigned_abs()))
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
        #[cfg(feature = "cache")]
        cache::check(&self.0.cache, &self.0).await?;
        self.0.replicas.check(&self.0).await?;
        let columns = match &self.0.user_columns {
            None => all,
            Some(fetched) => std::iter::once("id".to_owned())
                .chain(fetched.iter().cloned())
                .collect(),
        };
        let any_user = Statement::new(&self.0.statements.any_user, &[]);
        let sample = self.0.row(&any_user, user_row).await?;
        Ok(UserTable { columns, sample })
    }

    fn unsupported_for_users_alone(&self) -> Option<&'static str> {
        // They answer with sessions and their users.
        self.0.replicas.are_on().then_some("replicas")
    }

    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow> {
        self.insert_user_by(None, user, key).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        let sql = &self.0.statements.user;
        self.0
            .row(&Statement::lookup(sql, &[&id.as_str()]), user_row)
            .await
    }

    fn cached_user(&self, id: &UserId) -> Option<UserRow> {
        self.0.cache.find_user(id)
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let cache = &self.0.cache;
        // Before the lookup is sent: what changes from here on may not be in it.
        let begun = cache.begin(&self.0, ids.len());
        let users = self.0.users(ids).await?;
        for user in &users {
            cache.put_user(begun, &user.id, user);
        }
        Ok(users)
    }

    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>> {
        if attributes.is_empty() {
            return self.user(id).await;
        }
        let changing = self.0.user_changes(id);
        let json = attributes_json(self.user_table(), &attributes, &["id"])?;
        let sql = self.0.statements.update_user(&attributes);
        let params: Params<'_> = &[&id.as_str(), &json];
        let statement = Statement::new(&sql, params).writing(Written::User(&attributes));
        let updated = self.0.row(&statement, user_row).await?;
        // The database may know them by another spelling (`citext`).
        if let Some(user) = &updated {
            changing.user_changed(&user.id);
        }
        Ok(updated)
    }

    async fn delete_user(&self, id: &UserId) -> Result<()> {
        let changing = self.0.user_changes(id);
        let params: Params<'_> = &[&id.as_str()];
        let statements = &self.0.statements;
        // A sign-in may hold the user. Its session is to be seen, and goes with them.
        let lock = Statement::new(&statements.lock_user, params);
        let statement = Statement {
            lock: Some(&lock),
            ..Statement::new(&statements.delete_user, params)
        };
        let deleted = self
            .0
            .row(&statement, |row| Ok(row.try_get::<_, Option<String>>(0)?));
        // The database may know them by another spelling (`citext`).
        if let Some(id) = deleted.await? {
            changing.user_changed(&UserId::from_stored(id));
        }
        Ok(())
    }

    async fn insert_key(&self, key: KeyRow) -> Result<()> {
        self.insert_key_by(None, key).await
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRow>> {
        let sql = &self.0.statements.key;
        self.0.row(&Statement::lookup(sql, &[&id]), key_row).await
    }

    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>> {
        let sql = &self.0.statements.user_keys;
        self.0
            .rows(&Statement::lookup(sql, &[&user_id.as_str()]), key_row)
            .await
    }

    async fn update_key_password(
        &self,
        id: &str,
        user_id: &UserId,
        hashed_password: Option<&str>,
        old: OldHash,
    ) -> Result<bool> {
        let (any, old) = (old.is_any(), old.hash());
        let params: Params<'_> = &[&id, &user_id.as_str(), &hashed_password, &any, &old];
        let statement = Statement::new(&self.0.statements.update_key_password, params);
        self.0.returns_row(&statement).await
    }

    async fn delete_key(&self, id: &str, last: LastKey) -> Result<KeyDeletion> {
        let params: Params<'_> = &[&id, &(last == LastKey::Delete)];
        let statement = Statement::new(&self.0.statements.delete_key, params);
        self.0.deletes_key(&statement).await
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

    async fn insert_credential_in(
        &self,
        transaction: &Transaction<'_>,
        credential: CredentialRow,
    ) -> Result<bool> {
        self.insert_credential_by(Some(transaction), credential)
            .await
    }
}

/// The attributes as JSON. None of them is a column of lucia's own, or one by a name that Postgres
/// would cut off.
fn attributes_json(table: &str, attributes: &Map<String, Value>, own: &[&str]) -> Result<String> {
    if let Some(name) = attributes.keys().find(|name| name.len() > MAX_NAME) {
        return Err(StoreError::invalid_attribute(
            table,
            Some(name),
            "there is no such column",
        ));
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
