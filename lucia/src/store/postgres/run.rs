//! Running a statement.

use std::pin::pin;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::{Client, Error, Row, Statement as Prepared, Transaction};

use super::connections::take_near;
use super::error::{Failure, Fault, Written, within};
use super::pooler::Route;
use super::unnamed::{query_prepared, query_unnamed};
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
pub(super) const MAX_TIMEOUT: u128 = i32::MAX as u128;

/// SQL, and what is in it for `$1` and so on.
#[derive(Clone, Copy)]
pub(super) struct Statement<'a> {
    pub(super) sql: &'a str,
    pub(super) params: Params<'a>,
    /// Whether the last column of its answer says whether the server is read-only.
    pub(super) tells_access: bool,
    /// What it writes of the application's own, for the meaning of a failure.
    pub(super) written: Option<Written<'a>>,
    /// A statement that takes a lock. Both are one transaction, in which this one sees all that was
    /// done until the lock was free. A statement alone sees what was there when it came, however long
    /// it then waits.
    pub(super) lock: Option<&'a Self>,
    /// The open transaction of the application's that it is to run in.
    pub(super) transaction: Option<&'a Transaction<'a>>,
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: &'a str, params: Params<'a>) -> Self {
        Self {
            sql,
            params,
            tells_access: false,
            written: None,
            lock: None,
            transaction: None,
        }
    }

    /// A statement whose last column says whether the server is read-only.
    pub(super) fn lookup(sql: &'a str, params: Params<'a>) -> Self {
        Self {
            tells_access: true,
            ..Self::new(sql, params)
        }
    }

    /// The statement, which writes this, for the meaning of a failure.
    pub(super) fn writing(mut self, written: Written<'a>) -> Self {
        self.written = Some(written);
        self
    }

    /// Whether its answer says that the server is read-only.
    fn is_read_only(&self, rows: &[Row]) -> bool {
        let told = rows.first().filter(|_| self.tells_access);
        told.is_some_and(|row| row.try_get(row.len() - 1).unwrap_or(false))
    }

    /// Whether it changes nothing, so that it can be run twice. All that write begin otherwise.
    fn is_read(&self) -> bool {
        self.lock.is_none() && self.sql.starts_with("SELECT ")
    }
}

impl Parts {
    /// Runs a statement within the time-out.
    pub(super) async fn run(&self, statement: &Statement<'_>) -> Result<Vec<Row>, Failure> {
        match statement.transaction {
            None => self.run_by(&mut None, statement).await,
            // Once: a failure has aborted the transaction. Without a name, since a pooler may stand
            // between.
            Some(transaction) => {
                let answer = query_unnamed(transaction, statement.sql, statement.params);
                within(self.timeout, answer).await
            }
        }
    }

    /// Runs a statement within the time-out by this connection, or by one of the pool, which is
    /// put there. Sends it once more where its failure says that this helps and does no harm.
    ///
    /// A connection whose answer did not come in time is closed: its next user would wait for that
    /// answer first.
    pub(super) async fn run_by(
        &self,
        connection: &mut Option<Object>,
        statement: &Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let answer = within(
            self.timeout,
            pin!(self.try_until_done(connection, statement)),
        )
        .await;
        if let Err(Failure::TimedOut(_)) = answer {
            close(connection);
        }
        answer
    }

    async fn try_until_done(
        &self,
        connection: &mut Option<Object>,
        statement: &Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let mut in_transaction = statement.lock.is_some();
        let mut is_prepared_anew = false;
        let mut tries_left = TRIES;
        loop {
            tries_left -= 1;
            let is_gone =
                |connection: &Object| connection.is_closed() || self.access.is_lost(connection);
            if connection.as_ref().is_some_and(is_gone) {
                close(connection);
            }
            let by = match &mut *connection {
                Some(connection) => connection,
                none => none.insert(take_near(&self.pool, &self.access, &self.routes).await?),
            };
            let sending = self.send(by, statement, in_transaction);
            let sent = if statement.is_read() {
                sending.await
            } else {
                // Boxed, so that no lookup is larger by it.
                Box::pin(self.access.unless_lost(by, sending)).await
            };
            let failure = match sent {
                // What it says may be old news.
                Ok(rows) if statement.is_read_only(&rows) && tries_left > 0 => {
                    if !self.access.lose(&self.pool, by) {
                        return Ok(rows);
                    }
                    close(connection);
                    continue;
                }
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            let (is_worth_another_try, is_connection_lost) = match failure.fault() {
                // It failed as a whole, so it can be done again.
                Fault::Preparation if !is_prepared_anew => {
                    is_prepared_anew = true;
                    for Statement { sql, .. } in statement.lock.into_iter().chain([statement]) {
                        by.statement_cache.remove(sql, &[]);
                    }
                    (true, false)
                }
                // Undone as a whole. Alone, it had the isolation that the database has by default.
                Fault::Conflict => {
                    in_transaction = true;
                    (true, false)
                }
                // At once, it could take the lock once more that the other one waits for.
                Fault::Deadlock => {
                    tokio::time::sleep(LEAD).await;
                    (true, false)
                }
                // Nothing was done. Others of the pool lead to the same server.
                Fault::ReadOnly => {
                    let is_another_to_be_had = self.access.lose(&self.pool, by);
                    (is_another_to_be_had, is_another_to_be_had)
                }
                // What was sent may have been done, or not.
                Fault::Connection => (statement.is_read(), true),
                Fault::Aborted => (true, true),
                Fault::Preparation | Fault::Other => (false, false),
            };
            if is_connection_lost {
                close(connection);
            }
            if !is_worth_another_try || tries_left == 0 {
                return Err(failure);
            }
        }
    }

    async fn send(
        &self,
        connection: &Object,
        statement: &Statement<'_>,
        in_transaction: bool,
    ) -> Result<Vec<Row>, Failure> {
        let route = self.routes.of(connection, &self.tables.user).await?;
        if in_transaction {
            // Boxed, so that no lookup is larger by it.
            return Box::pin(self.send_in_transaction(connection, &route, statement)).await;
        }
        Ok(send_alone(connection, &route, statement).await?)
    }

    /// Sends a statement, behind one that takes a lock if there is one, as a transaction.
    ///
    /// All of it is sent at once, its end included, so that a call that is dropped in between leaves no
    /// transaction open. The server gives up when the store does: otherwise it would wait for the lock
    /// for ever, and then do what no caller waits for any more.
    async fn send_in_transaction(
        &self,
        connection: &Object,
        route: &Route,
        statement: &Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let prepared = prepare(connection, route, statement).await?;
        let prepared_lock = match statement.lock {
            Some(lock) => prepare(connection, route, lock).await?,
            None => None,
        };
        let limit = self.timeout.as_millis().clamp(1, MAX_TIMEOUT);
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL lock_timeout = {limit}; SET LOCAL statement_timeout = {limit}"
        );
        let locking = async {
            match statement.lock {
                Some(lock) => query(connection, prepared_lock.as_ref(), lock)
                    .await
                    .map(drop),
                None => Ok(()),
            }
        };
        let transaction = async {
            // Each of these sends when it is polled for the first time, which is in this order and
            // before anything is waited for. Where one fails, the server refuses the rest, and the end
            // undoes it all.
            let (began, locked, rows, ended) = tokio::join!(
                biased;
                connection.batch_execute(&begin),
                locking,
                query(connection, prepared.as_ref(), statement),
                connection.batch_execute("COMMIT"),
            );
            began?;
            locked?;
            let rows = rows?;
            ended?;
            Ok(rows)
        };
        Ok(route.in_turn(connection, transaction).await?)
    }
}

/// Sends a statement outside of a transaction.
pub(super) async fn send_alone(
    connection: &Object,
    route: &Route,
    statement: &Statement<'_>,
) -> Result<Vec<Row>, Error> {
    let prepared = prepare(connection, route, statement).await?;
    let sending = query(connection, prepared.as_ref(), statement);
    route.in_turn(connection, sending).await
}

pub(super) fn close(connection: &mut Option<Object>) {
    drop(connection.take().map(Object::take));
}

/// Prepares a statement where it can have a name.
async fn prepare(
    connection: &Object,
    route: &Route,
    statement: &Statement<'_>,
) -> Result<Option<Prepared>, Error> {
    if matches!(route, Route::Pooled(_)) {
        return Ok(None);
    }
    // Each set of attributes is written by a separate statement, and there can be many sets.
    if connection.statement_cache.size() >= STATEMENTS {
        connection.statement_cache.clear();
    }
    connection.prepare_cached(statement.sql).await.map(Some)
}

async fn query(
    client: &Client,
    prepared: Option<&Prepared>,
    statement: &Statement<'_>,
) -> Result<Vec<Row>, Error> {
    match prepared {
        Some(prepared) => query_prepared(client, prepared, statement.params).await,
        // Boxed, so that no lookup over a direct connection is larger by it.
        None => Box::pin(query_unnamed(client, statement.sql, statement.params)).await,
    }
}
