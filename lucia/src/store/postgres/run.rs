//! Running a statement.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::{Client, Error, Row, Transaction};

use super::connections::take_near;
use super::error::{Failure, Fault};
use super::pooler::Route;
use super::unnamed::{Hidden, query_unnamed};
use super::{Params, Parts};
use crate::store::Result;

/// How many prepared statements a connection keeps: all fixed ones, and many sets of attributes.
const STATEMENTS: usize = 128;

/// How often a statement is sent at the most, where each failure says that it did nothing. All of it is
/// within the time-out.
const TRIES: usize = 5;

/// How long the other one of a deadlock has to go on.
const LEAD: Duration = Duration::from_millis(20);

/// The longest time-out that a server takes, in milliseconds.
const MAX_TIMEOUT: u128 = i32::MAX as u128;

/// SQL, and what is in it for `$1` and so on.
#[derive(Clone, Copy)]
pub(super) struct Statement<'a> {
    pub(super) sql: &'a str,
    pub(super) params: Params<'a>,
    /// Whether the last column of its answer says whether the server is read-only.
    pub(super) tells_access: bool,
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: &'a str, params: Params<'a>) -> Self {
        Self {
            sql,
            params,
            tells_access: false,
        }
    }

    /// Whether its answer says that the server is read-only.
    fn is_read_only(&self, rows: &[Row]) -> bool {
        let told = rows.first().filter(|_| self.tells_access);
        told.is_some_and(|row| row.try_get(row.len() - 1).unwrap_or(false))
    }

    /// Whether it changes nothing, so that it can be run twice. All that write begin otherwise.
    fn is_read(&self) -> bool {
        self.sql.starts_with("SELECT ")
    }
}

impl Parts {
    /// Runs one statement within the time-out.
    pub(super) async fn run(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let statement = Statement::new(sql, params);
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

    /// Runs one statement in an open transaction of the application's, within the time-out. It is sent
    /// once: a failure has aborted the transaction. It has no name, since a pooler may stand between.
    pub(super) async fn run_in(
        &self,
        transaction: &Transaction<'_>,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let answer = query_unnamed(transaction, sql, params);
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::TimedOut(self.timeout)),
        }
    }

    /// Runs a statement, and once more where its failure says that this helps and does no harm.
    ///
    /// A connection whose answer did not come in time is closed: whoever got it next would wait
    /// for that answer first.
    async fn run_all(
        &self,
        connection: &mut Option<Object>,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let answer = self.try_until_done(connection, lock, statement);
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                connection.take().map(Object::take);
                Err(Failure::TimedOut(self.timeout))
            }
        }
    }

    async fn try_until_done(
        &self,
        connection: &mut Option<Object>,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let mut in_transaction = lock.is_some();
        let mut is_prepared_anew = false;
        let mut tries_left = TRIES;
        loop {
            tries_left -= 1;
            if connection
                .as_ref()
                .is_some_and(|connection| connection.is_closed() || self.access.is_lost(connection))
            {
                connection.take().map(Object::take);
            }
            let by = match &mut *connection {
                Some(connection) => connection,
                none => none.insert(take_near(&self.pool, &self.access).await?),
            };
            let sent = self.send(by, lock, statement, in_transaction).await;
            let failure = match sent {
                // What it says may be old news.
                Ok(rows) if statement.is_read_only(&rows) && tries_left > 0 => {
                    if !self.access.lose(&self.pool, by) {
                        return Ok(rows);
                    }
                    connection.take().map(Object::take);
                    continue;
                }
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            let is_worth_another_try = match failure.fault() {
                // It failed as a whole, so it can be done again.
                Fault::Preparation if !is_prepared_anew => {
                    is_prepared_anew = true;
                    for Statement { sql, .. } in lock.into_iter().chain([statement]) {
                        by.statement_cache.remove(sql, &[]);
                    }
                    true
                }
                // Undone as a whole. Alone, it had the isolation that the database has by default.
                Fault::Conflict => {
                    in_transaction = true;
                    true
                }
                // At once, it could take the lock once more that the other one waits for.
                Fault::Deadlock => {
                    tokio::time::sleep(LEAD).await;
                    true
                }
                // Nothing was done. Others of the pool lead to the same server.
                Fault::ReadOnly => {
                    let is_another_to_be_had = self.access.lose(&self.pool, by);
                    if is_another_to_be_had {
                        connection.take().map(Object::take);
                    }
                    is_another_to_be_had
                }
                // What was sent may have been done, or not.
                Fault::Connection => {
                    connection.take().map(Object::take);
                    lock.is_none() && statement.is_read()
                }
                Fault::Aborted => {
                    connection.take().map(Object::take);
                    true
                }
                Fault::Preparation | Fault::Other => false,
            };
            if !is_worth_another_try || tries_left == 0 {
                return Err(failure);
            }
        }
    }

    async fn send(
        &self,
        connection: &Object,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
        in_transaction: bool,
    ) -> Result<Vec<Row>, Failure> {
        let route = match self.routes.known(connection) {
            Some(route) => route,
            None => Box::pin(self.routes.find_out(connection, &self.tables.user)).await?,
        };
        // Boxed where it is not a lookup over a direct connection, so that none of those is larger
        // by it.
        match (route, in_transaction) {
            (Route::Direct, false) => self.send_named(connection, statement).await,
            (Route::Direct, true) => {
                Box::pin(self.send_named_in_transaction(connection, lock, statement)).await
            }
            (Route::Pooled, _) => {
                Box::pin(self.send_unnamed(connection, lock, statement, in_transaction)).await
            }
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

    async fn send_named_in_transaction(
        &self,
        connection: &Object,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        make_room(connection);
        let prepared = connection.prepare_cached(statement.sql).await?;
        let prepared_lock = match lock {
            Some(lock) => Some(connection.prepare_cached(lock.sql).await?),
            None => None,
        };
        let hidden = Hidden::all(statement.params);
        let hidden_lock = Hidden::all(lock.map_or(&[], |lock| lock.params));
        let (params, lock_params) = (Hidden::params(&hidden), Hidden::params(&hidden_lock));
        let locking = async {
            match &prepared_lock {
                Some(lock) => connection.query(lock, &lock_params).await.map(drop),
                None => Ok(()),
            }
        };
        let running = connection.query(&prepared, &params);
        self.send_at_once(connection, locking, running).await
    }

    async fn send_unnamed(
        &self,
        connection: &Object,
        lock: Option<Statement<'_>>,
        statement: Statement<'_>,
        in_transaction: bool,
    ) -> Result<Vec<Row>, Failure> {
        let client: &Client = connection;
        let running = query_unnamed(client, statement.sql, statement.params);
        if !in_transaction {
            return Ok(running.await?);
        }
        let locking = async {
            match lock {
                Some(lock) => query_unnamed(client, lock.sql, lock.params).await.map(drop),
                None => Ok(()),
            }
        };
        self.send_at_once(client, locking, running).await
    }

    /// Runs a statement, behind one that takes a lock if there is one, in a transaction that is sent as a
    /// whole.
    async fn send_at_once(
        &self,
        client: &Client,
        locking: impl Future<Output = Result<(), Error>>,
        running: impl Future<Output = Result<Vec<Row>, Error>>,
    ) -> Result<Vec<Row>, Failure> {
        let limit = self.timeout.as_millis().clamp(1, MAX_TIMEOUT);
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SET LOCAL lock_timeout = {limit}; SET LOCAL statement_timeout = {limit}"
        );
        // Each of these sends when it is polled for the first time, which is in this order and
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
