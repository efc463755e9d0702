//! [`PgStore`]: users, keys and sessions in Postgres.

mod builder;
mod diagnosis;
mod error;
mod migrate;
mod sessions;
mod statements;
mod stored_ids;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

pub use builder::PgStoreBuilder;
use error::{Failure, Written};
use statements::Statements;
pub use stored_ids::StoredIds;

use super::{KeyDeletion, KeyRow, NewUserRow, UserRow, UserStore, UserTable};
use crate::store::tables::{SessionColumn, TableNames};
use crate::user::UserId;
use crate::{Error, Result};

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Users, keys and sessions in Postgres, over a `deadpool-postgres` pool. A clone is another
/// handle to the same.
///
/// Every call is one statement, prepared once for each connection, so that it happens as a whole
/// or not at all, even if its future is dropped or the server is killed.
///
/// [`PgStore::connect`] makes a pool of its own; [`PgStore::new`] shares your application's, with
/// its TLS and its settings. [`PgStore::builder`] has the rest.
#[derive(Clone)]
pub struct PgStore(Arc<Parts>);

struct Parts {
    pool: Pool,
    tables: TableNames,
    session_columns: Vec<SessionColumn>,
    ids: StoredIds,
    statements: Statements,
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
    pub async fn connect(url: &str) -> Result<Self> {
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
    /// It can run at every start, in as many processes at once as you like: it does all or
    /// nothing, one process after the other. Applications with a migration tool of their own use
    /// the SQL files in `migrations/postgres` instead.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for what defines no column, [`Error::Schema`] for a column that cannot be
    /// added, and [`Error::Unavailable`].
    pub async fn migrate(&self, user_columns: &[&str]) -> Result<()> {
        migrate::migrate(&self.0, user_columns).await
    }

    /// The rows of one statement, with a failure turned into what it means.
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        match self.0.run(sql, params).await {
            Ok(rows) => Ok(rows),
            Err(failure) => Err(self.0.explain(failure, None).await),
        }
    }

    /// The error of an insertion that inserted nothing.
    fn kept_out(&self, table: &str) -> Error {
        Error::Misuse(format!(
            "table `{table}` has a trigger or rule that keeps rows from being inserted"
        ))
    }

    /// As [`query`](Self::query), for a statement that writes the application's own columns.
    async fn write(&self, sql: &str, params: Params<'_>, written: Written<'_>) -> Result<Vec<Row>> {
        match self.0.run(sql, params).await {
            Ok(rows) => Ok(rows),
            Err(failure) => Err(self.0.explain(failure, Some(written)).await),
        }
    }
}

impl Parts {
    /// Runs one statement within the time-out. A connection whose answer did not come in time is
    /// closed: whoever got it next would wait for that answer first.
    async fn run(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let mut connection = None;
        let answer = async {
            let connection = connection.insert(self.pool.get().await?);
            let statement = connection.prepare_cached(sql).await?;
            Ok(connection.query(&statement, params).await?)
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                connection.map(Object::take);
                Err(Failure::TimedOut(self.timeout))
            }
        }
    }
}

#[async_trait]
impl UserStore for PgStore {
    fn user_table(&self) -> &str {
        &self.0.tables.user
    }

    async fn describe_users(&self) -> Result<UserTable> {
        let columns = self.0.check_tables().await?;
        let rows = self.query(&self.0.statements.any_user, &[]).await?;
        let sample = rows.first().map(|row| user_row(row, 0)).transpose()?;
        Ok(UserTable { columns, sample })
    }

    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow> {
        let attributes = attributes_json(&user.attributes, &["id"])?;
        let sql = self
            .0
            .statements
            .insert_user(&self.0.tables, &user.attributes, key.is_some());
        let id = user.id.as_str();
        let written = Written::User(&user.attributes);
        let rows = match &key {
            Some(key) => {
                let params: Params<'_> = &[&id, &attributes, &key.id, &key.hashed_password];
                self.write(&sql, params, written).await?
            }
            None => self.write(&sql, &[&id, &attributes], written).await?,
        };
        match rows.first() {
            Some(row) => user_row(row, 0),
            None => Err(self.kept_out(&self.0.tables.user)),
        }
    }

    async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        let rows = self.query(&self.0.statements.user, &[&id.as_str()]).await?;
        rows.first().map(|row| user_row(row, 0)).transpose()
    }

    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>> {
        if attributes.is_empty() {
            return self.user(id).await;
        }
        let json = attributes_json(&attributes, &["id"])?;
        let sql = self.0.statements.update_user(&self.0.tables, &attributes);
        let written = Written::User(&attributes);
        let rows = self.write(&sql, &[&id.as_str(), &json], written).await?;
        rows.first().map(|row| user_row(row, 0)).transpose()
    }

    async fn delete_user(&self, id: &UserId) -> Result<()> {
        /// A session or key that is made while the user is deleted stops the deletion, which then
        /// finds it at the next try. Nothing more can be made once the user is locked.
        const TRIES: usize = 5;

        let sql = &self.0.statements.delete_user;
        for _ in 1..TRIES {
            match self.0.run(sql, &[&id.as_str()]).await {
                Err(failure) if failure.is_own_reference(&self.0.tables) => {}
                Err(failure) => return Err(self.0.explain(failure, None).await),
                Ok(_) => return Ok(()),
            }
        }
        self.query(sql, &[&id.as_str()]).await.map(drop)
    }

    async fn insert_key(&self, key: KeyRow) -> Result<()> {
        let params: Params<'_> = &[&key.id, &key.user_id.as_str(), &key.hashed_password];
        self.query(&self.0.statements.insert_key, params)
            .await
            .map(drop)
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRow>> {
        let rows = self.query(&self.0.statements.key, &[&id]).await?;
        rows.first().map(key_row).transpose()
    }

    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>> {
        let rows = self
            .query(&self.0.statements.user_keys, &[&user_id.as_str()])
            .await?;
        rows.iter().map(key_row).collect()
    }

    async fn update_key_password(&self, id: &str, hashed_password: Option<&str>) -> Result<bool> {
        let params: Params<'_> = &[&id, &hashed_password];
        let rows = self
            .query(&self.0.statements.update_key_password, params)
            .await?;
        Ok(!rows.is_empty())
    }

    async fn delete_key(&self, id: &str, even_last: bool) -> Result<KeyDeletion> {
        let params: Params<'_> = &[&id, &even_last];
        let rows = self.query(&self.0.statements.delete_key, params).await?;
        let flag = |at| rows.first().map_or(Ok(false), |row| row.try_get(at));
        Ok(
            match (flag(0).map_err(unreadable)?, flag(1).map_err(unreadable)?) {
                (_, true) => KeyDeletion::Deleted,
                (true, false) => KeyDeletion::Last,
                (false, false) => KeyDeletion::Unknown,
            },
        )
    }

    async fn delete_user_keys(&self, user_id: &UserId) -> Result<()> {
        self.query(&self.0.statements.delete_user_keys, &[&user_id.as_str()])
            .await
            .map(drop)
    }
}

/// A user's id and JSON, from column `first` on.
fn user_row(row: &Row, first: usize) -> Result<UserRow> {
    Ok(UserRow {
        id: UserId::from(row.try_get::<_, &str>(first).map_err(unreadable)?),
        attributes: row.try_get(first + 1).map_err(unreadable)?,
    })
}

fn key_row(row: &Row) -> Result<KeyRow> {
    Ok(KeyRow {
        id: row.try_get(0).map_err(unreadable)?,
        user_id: UserId::from(row.try_get::<_, &str>(1).map_err(unreadable)?),
        hashed_password: row.try_get(2).map_err(unreadable)?,
    })
}

/// The statements name types, so a column that cannot be read is our mistake.
fn unreadable(error: tokio_postgres::Error) -> Error {
    Error::internal(error)
}

/// The attributes as JSON. None of them is a column of lucia's own.
fn attributes_json(attributes: &Map<String, Value>, own: &[&str]) -> Result<String> {
    match own.iter().find(|column| attributes.contains_key(**column)) {
        Some(column) => Err(Error::Misuse(format!("`{column}` is not an attribute"))),
        None => serde_json::to_string(attributes).map_err(Error::internal),
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
