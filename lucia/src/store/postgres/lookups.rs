//! Lookups of sessions with their users, alone and in batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};

use super::connections::is_near;
use super::error::Failure;
use super::rows::{found_row, read_all};
use super::run::Statement;
use super::{Params, Parts};
use crate::session::token::SessionId;
use crate::store::batch::{self, Queues, Source};
use crate::store::{Result, SessionRow, StoreError, UserRow};
use crate::time_limit;

/// For how long the batches of a queue use one connection. Then the pool checks it again.
const CONNECTION_KEPT: Duration = Duration::from_millis(100);

/// A session with its user.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) session: SessionRow,
    pub(super) user: UserRow,
    /// Whether its token is stored, and its hash is to be.
    pub(super) is_to_be_hashed: bool,
}

/// Finds a session and its user in the database: at a replica, if there is one and its answer counts, and
/// else at the primary.
pub(super) async fn look_up(
    parts: &Arc<Parts>,
    id: &SessionId,
) -> Result<Option<(SessionRow, UserRow)>> {
    if parts.replicas.are_on() {
        // Boxed, so that no lookup is larger by it where there are no replicas.
        return Box::pin(look_up_at_replicas(parts, id)).await;
    }
    look_up_at_primary(parts, id).await
}

/// As [`look_up`], where there are replicas.
async fn look_up_at_replicas(
    parts: &Arc<Parts>,
    id: &SessionId,
) -> Result<Option<(SessionRow, UserRow)>> {
    let begun = Instant::now();
    if let Some(found) = parts.replicas.find(parts, id).await {
        return Ok(Some((found.session, found.user)));
    }
    // What a replica has taken of the time-out is not for the primary.
    let left = parts.timeout.saturating_sub(begun.elapsed());
    match time_limit::within(left, look_up_at_primary(parts, id)).await {
        Ok(found) => found,
        Err(_) => Err(StoreError::unavailable(Failure::TimedOut(parts.timeout))),
    }
}

async fn look_up_at_primary(
    parts: &Parts,
    id: &SessionId,
) -> Result<Option<(SessionRow, UserRow)>> {
    let found = if parts.batched {
        batch::find(parts, id).await?
    } else {
        Box::pin(parts.find(&mut None, id)).await?
    };
    match found {
        Some(found) => parts.used(found).await,
        None => Ok(None),
    }
}

impl Source for Parts {
    type Key = SessionId;
    type Row = Found;
    type Connection = Object;

    fn queues(&self) -> &Queues<Self> {
        &self.queues
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn key(row: &Found) -> &SessionId {
        &row.session.id
    }

    async fn find(&self, connection: &mut Option<Object>, id: &SessionId) -> Result<Option<Found>> {
        let sql = &self.statements.session_and_user;
        let found = self.found(connection, sql, &[&id.as_str()]).await?;
        Ok(found.into_iter().next())
    }

    async fn find_all(
        &self,
        connection: &mut Option<Object>,
        ids: &[&SessionId],
    ) -> Result<Vec<Found>> {
        let ids: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
        let sql = &self.statements.sessions_and_users;
        self.found(connection, sql, &[&ids.as_slice()]).await
    }

    /// If it is near, has not been kept for long, and the pool has others.
    fn may_keep(&self, connection: &Object) -> bool {
        may_keep(&self.pool, connection)
    }
}

/// Whether the next batch may use the connection as well.
pub(super) fn may_keep(pool: &Pool, connection: &Object) -> bool {
    let pool = pool.status();
    let taken = pool.size + pool.waiting - pool.available;
    taken < pool.max_size
        && Object::metrics(connection).last_used() < CONNECTION_KEPT
        && is_near(connection)
}

impl Parts {
    /// The rows that a lookup finds, run as [`run_by`](Self::run_by) does.
    async fn found(
        &self,
        connection: &mut Option<Object>,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Found>> {
        let statement = Statement::lookup(sql, params);
        let answer = self.run_by(connection, &statement).await;
        let found = answer.and_then(|rows| read_all(&rows, found_row));
        if found.is_err() {
            // What is asked to explain it may have no other connection.
            *connection = None;
        }
        self.explained(found, None).await
    }

    /// What was found, now that it is used: with the hash of its token in the place of the token, where
    /// the token is stored.
    pub(super) async fn used(&self, found: Found) -> Result<Option<(SessionRow, UserRow)>> {
        let found = if found.is_to_be_hashed {
            // Boxed, so that no lookup is larger by it.
            Box::pin(self.hashed(found)).await?
        } else {
            Some(found)
        };
        Ok(found.map(|found| (found.session, found.user)))
    }

    /// One session at a time: a row that is locked holds up no other lookup.
    async fn hashed(&self, found: Found) -> Result<Option<Found>> {
        let id = &found.session.id;
        let params: Params<'_> = &[&id.as_str()];
        let hash = Statement::new(&self.statements.hash_session, params);
        if self.returns_row(&hash).await? {
            return Ok(Some(found));
        }
        // Another one was faster, or has ended it.
        let found = self.find(&mut None, id).await?;
        if found.as_ref().is_some_and(|found| found.is_to_be_hashed) {
            return Err(StoreError::Misuse(format!(
                "table `{}` has a trigger or rule that keeps ids from being hashed",
                self.tables.session
            )));
        }
        Ok(found)
    }
}
