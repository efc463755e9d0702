//! [`PgStore`]: users, keys and sessions in Postgres.

mod builder;
mod diagnosis;
mod error;
mod migrate;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

pub use builder::PgStoreBuilder;
use error::Failure;
use statements::Statements;

use super::{
    Expiries, KeyRow, NewUserRow, SessionRow, SessionStore, Store, UnixMillis, UserRow, UserStore,
    UserTable,
};
use crate::store::tables::TableNames;
use crate::token::SessionId;
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
        Self::from_parts(pool, TableNames::default(), None, builder::TIMEOUT)
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

    fn from_parts(
        pool: Pool,
        tables: TableNames,
        user_columns: Option<&[String]>,
        timeout: Duration,
    ) -> Self {
        let statements = Statements::new(&tables, user_columns);
        Self(Arc::new(Parts {
            pool,
            tables,
            statements,
            timeout,
        }))
    }

    /// The rows of one statement, with a failure turned into what it means.
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        match self.0.run(sql, params).await {
            Ok(rows) => Ok(rows),
            Err(failure) => Err(self.0.explain(failure, None).await),
        }
    }

    /// As [`query`](Self::query), for a statement that writes the columns of a user.
    async fn write_user(
        &self,
        sql: &str,
        params: Params<'_>,
        attributes: &Map<String, Value>,
    ) -> Result<Option<UserRow>> {
        match self.0.run(sql, params).await {
            Ok(rows) => rows.first().map(|row| user_row(row, 0)).transpose(),
            Err(failure) => Err(self.0.explain(failure, Some(attributes)).await),
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
impl Store for PgStore {
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let rows = self
            .query(&self.0.statements.session_and_user, &[&id.as_str()])
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some((session_row(row)?, user_row(row, SESSION_COLUMNS)?)))
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
        let attributes = attributes_json(&user.attributes)?;
        let sql = self
            .0
            .statements
            .insert_user(&self.0.tables, &user.attributes, key.is_some());
        let id = user.id.as_str();
        let inserted = match &key {
            Some(key) => {
                let params: Params<'_> = &[&id, &attributes, &key.id, &key.hashed_password];
                self.write_user(&sql, params, &user.attributes).await?
            }
            None => {
                self.write_user(&sql, &[&id, &attributes], &user.attributes)
                    .await?
            }
        };
        inserted.ok_or_else(|| {
            Error::Misuse(format!(
                "table `{}` has a trigger or rule that keeps users from being inserted",
                self.0.tables.user
            ))
        })
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
        let json = attributes_json(&attributes)?;
        let sql = self.0.statements.update_user(&self.0.tables, &attributes);
        self.write_user(&sql, &[&id.as_str(), &json], &attributes)
            .await
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

    async fn update_key_password(
        &self,
        id: &str,
        hashed_password: Option<&str>,
        only_if: Option<&str>,
    ) -> Result<bool> {
        let params: Params<'_> = &[&id, &hashed_password, &only_if];
        let rows = self
            .query(&self.0.statements.update_key_password, params)
            .await?;
        Ok(!rows.is_empty())
    }

    async fn delete_key(&self, id: &str) -> Result<()> {
        self.query(&self.0.statements.delete_key, &[&id])
            .await
            .map(drop)
    }

    async fn delete_user_keys(&self, user_id: &UserId) -> Result<()> {
        self.query(&self.0.statements.delete_user_keys, &[&user_id.as_str()])
            .await
            .map(drop)
    }
}

#[async_trait]
impl SessionStore for PgStore {
    async fn insert_session(&self, session: SessionRow) -> Result<()> {
        let params: Params<'_> = &[
            &session.id.as_str(),
            &session.user_id.as_str(),
            &session.created_at.0,
            &session.renewed_at.0,
            &session.active_expires.0,
            &session.idle_expires.0,
            &session.device,
        ];
        self.query(&self.0.statements.insert_session, params)
            .await
            .map(drop)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let rows = self
            .query(&self.0.statements.session, &[&id.as_str()])
            .await?;
        rows.first().map(session_row).transpose()
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let rows = self
            .query(&self.0.statements.user_sessions, &[&user_id.as_str()])
            .await?;
        rows.iter().map(session_row).collect()
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        let params: Params<'_> = &[
            &id.as_str(),
            &expiries.renewed_at.0,
            &expiries.active_expires.0,
            &expiries.idle_expires.0,
        ];
        let rows = self.query(&self.0.statements.renew_session, params).await?;
        Ok(!rows.is_empty())
    }

    async fn delete_session(&self, id: &SessionId, owner: Option<&UserId>) -> Result<bool> {
        let params: Params<'_> = &[&id.as_str(), &owner.map(UserId::as_str)];
        let rows = self
            .query(&self.0.statements.delete_session, params)
            .await?;
        Ok(!rows.is_empty())
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        let params: Params<'_> = &[&user_id.as_str(), &except.map(SessionId::as_str)];
        self.query(&self.0.statements.delete_user_sessions, params)
            .await
            .map(drop)
    }

    async fn delete_dead_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        let params: Params<'_> = &[&now.0, &i64::from(limit)];
        let rows = self
            .query(&self.0.statements.delete_dead_sessions, params)
            .await?;
        let deleted: i64 = rows
            .first()
            .map_or(Ok(0), |row| row.try_get(0))
            .map_err(unreadable)?;
        Ok(u64::try_from(deleted).unwrap_or(0))
    }
}

/// How many columns [`session_row`] reads.
const SESSION_COLUMNS: usize = 7;

fn session_row(row: &Row) -> Result<SessionRow> {
    let millis = |column| row.try_get(column).map(UnixMillis).map_err(unreadable);
    let id: &str = row.try_get(0).map_err(unreadable)?;
    Ok(SessionRow {
        id: id.parse().map_err(Error::internal)?,
        user_id: UserId::from(row.try_get::<_, &str>(1).map_err(unreadable)?),
        created_at: millis(2)?,
        renewed_at: millis(3)?,
        active_expires: millis(4)?,
        idle_expires: millis(5)?,
        device: row.try_get(6).map_err(unreadable)?,
    })
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

fn attributes_json(attributes: &Map<String, Value>) -> Result<String> {
    if attributes.contains_key("id") {
        return Err(Error::Misuse(
            "the id of a user is not an attribute".to_owned(),
        ));
    }
    serde_json::to_string(attributes).map_err(Error::internal)
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
