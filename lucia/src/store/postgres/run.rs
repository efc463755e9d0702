//! Running a statement.

use std::fmt;

use bytes::BytesMut;
use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::connections::take_near;
use super::error::Failure;
use super::{Params, Parts};
use crate::{Result, Source};

/// How many prepared statements a connection keeps: all fixed ones, and many sets of attributes.
const STATEMENTS: usize = 128;

/// The longest time-out that a server takes, in milliseconds.
const MAX_TIMEOUT: u128 = i32::MAX as u128;

/// SQL, and what is in it for `$1` and so on.
#[derive(Clone, Copy)]
pub(super) struct Statement<'a> {
    pub(super) sql: &'a str,
    pub(super) params: Params<'a>,
}

impl Parts {
    /// Runs one statement within the time-out.
    pub(super) async fn run(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let statement = Statement { sql, params };
        self.run_all(&mut None, None, statement).await
    }

    /// Runs one statement within the time-out by this connection, or by one of the pool, which is
    /// put there. It is gone if the answer did not come in time.
    pub(super) async fn run_by(
        &self,
        connection: &mut Option<Object>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        self.run_all(connection, None, statement).await
    }

    /// Runs one statement, behind another one that takes a lock, within the time-out: one
    /// transaction, in which the second one sees all that was done until the lock was free. A
    /// statement alone sees what was there when it came, however long it then waits.
    ///
    /// All of it is sent at once, its end included, so that nobody who is dropped in between
    /// leaves a transaction open. The server gives up when the store does: otherwise it would wait
    /// for the lock for ever, and do then what nobody waits for any more.
    pub(super) async fn run_behind(
        &self,
        lock: Statement<'_>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        self.run_all(&mut None, Some(lock), statement).await
    }

    /// A connection whose answer did not come in time is closed: whoever got it next would wait
    /// for that answer first.
    async fn run_all(
        &self,
        connection: &mut Option<Object>,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        if connection
            .as_ref()
            .is_some_and(|connection| connection.is_closed())
        {
            connection.take().map(Object::take);
        }
        let answer = async {
            let connection = match &mut *connection {
                Some(connection) => connection,
                none => none.insert(take_near(&self.pool).await?),
            };
            match self.send(connection, lock, statement).await {
                // It failed as a whole, so it can be done again.
                Err(failure) if failure.is_of_the_preparation() => {
                    for Statement { sql, .. } in lock.into_iter().chain([statement]) {
                        connection.statement_cache.remove(sql, &[]);
                    }
                    self.send(connection, lock, statement).await
                }
                answer => answer,
            }
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                connection.take().map(Object::take);
                Err(Failure::TimedOut(self.timeout))
            }
        }
    }

    async fn send(
        &self,
        connection: &Object,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        // Each set of attributes is written by a statement of its own, and there can be many sets.
        if connection.statement_cache.size() >= STATEMENTS {
            connection.statement_cache.clear();
        }
        if let Some(lock) = lock {
            // Boxed, so that no lookup is larger by it.
            return Box::pin(self.send_behind(connection, lock, statement)).await;
        }
        let prepared = connection.prepare_cached(statement.sql).await?;
        let hidden = Hidden::all(statement.params);
        Ok(connection
            .query(&prepared, &Hidden::params(&hidden))
            .await?)
    }

    async fn send_behind(
        &self,
        connection: &Object,
        lock: Statement<'_>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let prepared = connection.prepare_cached(statement.sql).await?;
        let prepared_lock = connection.prepare_cached(lock.sql).await?;
        let (hidden, hidden_lock) = (Hidden::all(statement.params), Hidden::all(lock.params));
        let (params, lock_params) = (Hidden::params(&hidden), Hidden::params(&hidden_lock));
        let limit = self.timeout.as_millis().clamp(1, MAX_TIMEOUT);
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SET LOCAL lock_timeout = {limit}; SET LOCAL statement_timeout = {limit}"
        );
        // Each of the four sends when it is polled for the first time, which is in this order and
        // before anything is waited for. Where one fails, the server refuses the rest, and the end
        // undoes it all.
        let (began, locked, rows, ended) = tokio::join!(
            biased;
            connection.batch_execute(&begin),
            connection.query(&prepared_lock, &lock_params),
            connection.query(&prepared, &params),
            connection.batch_execute("COMMIT"),
        );
        began?;
        locked?;
        let rows = rows?;
        ended?;
        Ok(rows)
    }
}

/// A parameter for the driver, which shows its parameters to the logs at `DEBUG`.
struct Hidden<'a>(&'a (dyn ToSql + Sync));

impl<'a> Hidden<'a> {
    fn all(params: Params<'a>) -> Vec<Self> {
        params.iter().map(|param| Hidden(*param)).collect()
    }

    fn params(hidden: &[Self]) -> Vec<&(dyn ToSql + Sync)> {
        let params = hidden.iter();
        params.map(|param| param as &(dyn ToSql + Sync)).collect()
    }
}

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl ToSql for Hidden<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Source> {
        self.0.to_sql_checked(ty, out)
    }

    /// The parameter inside is asked when it is written.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Source> {
        self.0.to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.0.encode_format(ty)
    }
}
