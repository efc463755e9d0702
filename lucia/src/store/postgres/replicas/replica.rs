//! One replica: its connections, and whether it is well.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use tokio_postgres::Row;

use super::super::connections::{WriteAccess, take_near};
use super::super::error::{Failure, Fault, within};
use super::super::health::in_words;
use super::super::lookups::may_keep;
use super::super::pooler::Routes;
use super::super::rows::{found_row, read_all};
use super::super::run::{Statement, close, send_alone};
use super::super::{Params, statements};
use super::heartbeats::Heartbeats;
use super::reads::Read;
use super::{GRACE, HEARTBEATS, Moment, Shared};
use crate::session::token::SessionId;
use crate::store::batch::{Queues, Source};
use crate::store::{Result, StoreError};

/// The pause between two questions to a replica that is behind, and at the most to one that does not answer.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// What replicas are asked. All of it ends with the heartbeat, and whether the server is in recovery.
pub(super) struct Statements {
    session: String,
    sessions: String,
    heartbeat: String,
    process: String,
}

impl Statements {
    pub(super) fn new(statements: &statements::Statements, heartbeats: &Heartbeats) -> Self {
        let (table, process) = (&heartbeats.table, heartbeats.process.clone());
        let seen = |process: &str| {
            let beat = format!(r#"(SELECT "beat" FROM {table} WHERE "process" = {process})"#);
            format!("{beat}, pg_is_in_recovery()")
        };
        Self {
            session: statements.found.one(&seen("$2")),
            sessions: statements.found.several(&seen("$2")),
            heartbeat: format!("SELECT {}", seen("$1")),
            process,
        }
    }
}

pub(super) struct Replica {
    pool: Pool,
    /// Which connections lead to a server that has been promoted.
    access: WriteAccess,
    routes: Routes,
    queues: Queues<Self>,
    statements: Arc<Statements>,
    user_table: String,
    /// How long a lookup may take, and the question for the heartbeat, which may open the first connection.
    limits: [Duration; 2],
    /// The newest heartbeat that was seen. Zero if there was none.
    pub(super) seen: AtomicU64,
    /// Whether it has answered last.
    answers: AtomicBool,
    /// Why it has not.
    failure: Mutex<Option<String>>,
}

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error("the server is not in recovery: it was promoted, or never was a standby")]
    Promoted,
}

impl Replica {
    pub(super) fn new(
        pool: Pool,
        limits: [Duration; 2],
        statements: Arc<Statements>,
        user_table: &str,
        prepare_behind_pooler: bool,
    ) -> Self {
        Self {
            access: WriteAccess::new(),
            routes: Routes::new(prepare_behind_pooler),
            queues: Queues::new(pool.status().max_size / 2),
            pool,
            statements,
            user_table: user_table.to_owned(),
            limits,
            seen: AtomicU64::new(0),
            answers: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    /// The newest heartbeat that was seen, of a replica that answers.
    pub(super) fn seen(&self) -> Option<Moment> {
        let seen = self.seen.load(Ordering::Relaxed);
        (seen > 0 && self.answers.load(Ordering::Relaxed)).then_some(Moment(seen))
    }

    pub(super) fn saw(&self, seen: Moment) {
        self.seen.fetch_max(seen.0, Ordering::Relaxed);
    }

    /// Why lookups do not go there, for an operator. Before `oldest`, heartbeats are too old.
    pub(super) fn complaint(&self, oldest: Moment) -> Option<String> {
        if !self.answers.load(Ordering::Relaxed) {
            let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let unasked = || "it was not asked yet".to_owned();
            return Some(failure.clone().unwrap_or_else(unasked));
        }
        let is_behind = self.seen().is_none_or(|seen| seen < oldest);
        is_behind.then(|| {
            "it is further behind than `max_staleness`, or does not follow the server that this process writes to"
                .to_owned()
        })
    }

    /// Asks for the heartbeat again and again, and so finds out whether the replica is well, even where no
    /// lookup goes there.
    pub(super) async fn watch(&self, number: usize, shared: &Shared) {
        let usual = (shared.max_staleness / HEARTBEATS).min(PAUSES[1]);
        let began = Instant::now();
        let mut pause = PAUSES[0];
        let mut was_in_use = None;
        loop {
            let sql = &self.statements.heartbeat;
            let params: Params<'_> = &[&&*self.statements.process];
            match self.ask(&mut None, sql, params).await {
                Ok(rows) => {
                    let seen = rows.first().and_then(|row| seen_by(row).ok().flatten());
                    if let Some(seen) = shared.believed(seen) {
                        self.saw(seen);
                    }
                    self.note(None);
                    pause = PAUSES[0];
                }
                Err(_) => pause = (pause * 2).min(PAUSES[1]),
            }
            let complaint = self.complaint(shared.oldest(shared.now()));
            let is_in_use = complaint.is_none();
            let is_news = match was_in_use {
                None => is_in_use || began.elapsed() >= GRACE,
                Some(was_in_use) => was_in_use != is_in_use,
            };
            if is_news {
                was_in_use = Some(is_in_use);
                match complaint {
                    None => tracing::info!(replica = number, "lookups go to the replica"),
                    Some(reason) => {
                        tracing::warn!(replica = number, reason, "no lookups go to the replica");
                    }
                }
            }
            tokio::time::sleep(if is_in_use { usual } else { pause }).await;
        }
    }

    /// Finds a session past the queue.
    pub(super) async fn find_alone(&self, id: &SessionId) -> Result<Option<Read>> {
        // Boxed, so that lookups in batches are small.
        Box::pin(self.find(&mut None, id)).await
    }

    async fn read(
        &self,
        connection: &mut Option<Object>,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Read>> {
        let rows = match self.ask(connection, sql, params).await {
            Ok(rows) => rows,
            // One row may be the reason, and others can be found.
            Err(Refusal::Failure(failure)) if failure.fault() == Fault::Other => {
                return Err(StoreError::internal(failure));
            }
            Err(refusal) => return Err(StoreError::unavailable(refusal)),
        };
        let read = |row: &Row| {
            let seen = seen_by(row)?;
            Ok(found_row(row)?.map(|found| Read { found, seen }))
        };
        read_all(&rows, read).map_err(StoreError::internal)
    }

    /// The rows of a statement, by this connection or by one of the pool, which is put there. Each row has to
    /// end with a heartbeat, and whether the server is in recovery.
    ///
    /// Whoever fails tells the others, unless its own rows may be the reason.
    async fn ask(
        &self,
        connection: &mut Option<Object>,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Refusal> {
        let statement = Statement::new(sql, params);
        let is_lookup = sql != self.statements.heartbeat;
        let limit = self.limits[usize::from(!is_lookup)];
        let asked = within(limit, pin!(self.send(connection, &statement))).await;
        let refusal = match asked {
            Ok(rows) if rows.first().is_none_or(is_in_recovery) => return Ok(rows),
            Ok(_) => {
                // Others of the pool lead to the same server, and new ones perhaps to another.
                if let Some(by) = connection.as_ref() {
                    self.access.lose(&self.pool, by);
                }
                close(connection);
                Refusal::Promoted
            }
            Err(failure) => {
                // Its next user would wait for this answer first.
                if failure.fault() == Fault::Connection {
                    close(connection);
                }
                Refusal::Failure(failure)
            }
        };
        let is_of_a_row = match &refusal {
            Refusal::Promoted => false,
            Refusal::Failure(failure) => failure.fault() != Fault::Connection,
        };
        if !is_of_a_row || !is_lookup {
            self.note(Some(&refusal));
        }
        Err(refusal)
    }

    async fn send(
        &self,
        connection: &mut Option<Object>,
        statement: &Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let is_gone =
            |connection: &Object| connection.is_closed() || self.access.is_lost(connection);
        if connection.as_ref().is_some_and(is_gone) {
            close(connection);
        }
        let by = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(take_near(&self.pool, &self.access, &self.routes).await?),
        };
        let route = self.routes.of(by, &self.user_table).await?;
        match send_alone(by, &route, statement)
            .await
            .map_err(Failure::from)
        {
            // A table has changed since it was prepared.
            Err(failure) if failure.fault() == Fault::Preparation => {
                by.statement_cache.remove(statement.sql, &[]);
                Ok(send_alone(by, &route, statement).await?)
            }
            sent => sent,
        }
    }

    /// Notes whether it answers.
    pub(super) fn note(&self, refusal: Option<&Refusal>) {
        let words = refusal.map(|refusal| match refusal {
            Refusal::Failure(failure) => in_words(failure, false),
            Refusal::Promoted => refusal.to_string(),
        });
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        self.answers.store(words.is_none(), Ordering::Relaxed);
        *failure = words;
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self, number: usize, now: Moment) {
        self.queues.record_metrics(super::super::health::NAME);
        let seen = self.seen.load(Ordering::Relaxed);
        if seen > 0 {
            let lag = Duration::from_micros(now.0.saturating_sub(seen));
            crate::measure::replica_lag(number, lag);
        }
    }

    #[cfg(feature = "metrics")]
    pub(super) fn waiting(&self) -> usize {
        self.queues.waiting()
    }
}

/// The heartbeat in the last column but one.
fn seen_by(row: &Row) -> Result<Option<Moment>, Failure> {
    let seen: Option<i64> = row.try_get(row.len() - 2)?;
    Ok(seen.and_then(|seen| u64::try_from(seen).ok()).map(Moment))
}

fn is_in_recovery(row: &Row) -> bool {
    row.try_get(row.len() - 1).unwrap_or(false)
}

impl Source for Replica {
    type Key = SessionId;
    type Row = Read;
    type Connection = Object;

    fn queues(&self) -> &Queues<Self> {
        &self.queues
    }

    fn timeout(&self) -> Duration {
        self.limits[0]
    }

    fn key(row: &Read) -> &SessionId {
        &row.found.session.id
    }

    async fn find(&self, connection: &mut Option<Object>, id: &SessionId) -> Result<Option<Read>> {
        let Statements {
            session, process, ..
        } = &*self.statements;
        let found = self
            .read(connection, session, &[&id.as_str(), &&**process])
            .await?;
        Ok(found.into_iter().next())
    }

    async fn find_all(
        &self,
        connection: &mut Option<Object>,
        ids: &[&SessionId],
    ) -> Result<Vec<Read>> {
        let ids: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
        let Statements {
            sessions, process, ..
        } = &*self.statements;
        self.read(connection, sessions, &[&ids.as_slice(), &&**process])
            .await
    }

    fn may_keep(&self, connection: &Object) -> bool {
        may_keep(&self.pool, connection)
    }
}
