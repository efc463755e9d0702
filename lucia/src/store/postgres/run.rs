//! Running a statement.

use deadpool_postgres::Object;
use tokio_postgres::{Client, Error, Row};

use super::connections::take_near;
use super::error::Failure;
use super::pooler::Route;
use super::unnamed::{Hidden, query_unnamed};
use super::{Params, Parts};
use crate::Result;

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
        let route = match self.routes.known(connection) {
            Some(route) => route,
            None => Box::pin(self.routes.find_out(connection, &self.tables.user)).await?,
        };
        // Boxed where it is not a lookup over a direct connection, so that none of those is larger
        // by it.
        match (route, lock) {
            (Route::Direct, None) => self.send_named(connection, statement).await,
            (Route::Direct, Some(lock)) => {
                Box::pin(self.send_named_behind(connection, lock, statement)).await
            }
            (Route::Pooled, lock) => Box::pin(self.send_unnamed(connection, lock, statement)).await,
        }
    }

    async fn send_named(
        &self,
        connection: &Object,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        make_room(connection);
        let prepared = connection.prepare_cached(statement.sql).await?;
        let hidden = Hidden::all(statement.params);
        Ok(connection
            .query(&prepared, &Hidden::params(&hidden))
            .await?)
    }

    async fn send_named_behind(
        &self,
        connection: &Object,
        lock: Statement<'_>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        make_room(connection);
        let prepared = connection.prepare_cached(statement.sql).await?;
        let prepared_lock = connection.prepare_cached(lock.sql).await?;
        let (hidden, hidden_lock) = (Hidden::all(statement.params), Hidden::all(lock.params));
        let (params, lock_params) = (Hidden::params(&hidden), Hidden::params(&hidden_lock));
        let locking = connection.query(&prepared_lock, &lock_params);
        let running = connection.query(&prepared, &params);
        self.send_at_once(connection, locking, running).await
    }

    async fn send_unnamed(
        &self,
        connection: &Object,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let client: &Client = connection;
        let running = query_unnamed(client, statement.sql, statement.params);
        match lock {
            None => Ok(running.await?),
            Some(lock) => {
                let locking = query_unnamed(client, lock.sql, lock.params);
                self.send_at_once(client, locking, running).await
            }
        }
    }

    /// Runs two statements in one transaction, which is sent as a whole.
    async fn send_at_once(
        &self,
        client: &Client,
        locking: impl Future<Output = Result<Vec<Row>, Error>>,
        running: impl Future<Output = Result<Vec<Row>, Error>>,
    ) -> Result<Vec<Row>, Failure> {
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
            client.batch_execute(&begin),
            locking,
            running,
            client.batch_execute("COMMIT"),
        );
        began?;
        locked?;
        let rows = rows?;
        ended?;
        Ok(rows)
    }
}

/// Each set of attributes is written by a statement of its own, and there can be many sets.
fn make_room(connection: &Object) {
    if connection.statement_cache.size() >= STATEMENTS {
        connection.statement_cache.clear();
    }
}
