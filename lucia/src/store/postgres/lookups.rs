//! Lookups of sessions with their users, alone and in batches.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};

use super::batch::{self, Queues, Source};
use super::connections::is_near;
use super::error::Failure;
use super::rows::found_row;
use super::run::Statement;
use super::{Params, Parts};
use crate::session::token::SessionId;
use crate::store::{Result, SessionRow, StoreError, UserRow};

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

/// The queues of a store: at most as many as half of the pool's connections, so that the other half is
/// left for other statements.
pub(super) fn queues(pool: &Pool) -> Queues<Parts> {
    Queues::new(pool.status().max_size / 2)
}

/// Finds a session and its user in the database.
pub(super) async fn look_up(
    parts: &Arc<Parts>,
    id: &SessionId,
) -> Result<Option<(SessionRow, UserRow)>> {
    let mut found = if parts.batched {
        batch::find(parts, id).await?
    } else {
        Box::pin(parts.find(&mut None, id)).await?
    };
    if found.as_ref().is_some_and(|found| found.is_to_be_hashed) {
        found = parts.hashed(id, found).await?;
    }
    Ok(found.map(|found| (found.session, found.user)))
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
        let pool = self.pool.status();
        let taken = pool.size + pool.waiting - pool.available;
        taken < pool.max_size
            && Object::metrics(connection).last_used() < CONNECTION_KEPT
            && is_near(connection)
    }
}

impl Parts {
    /// The rows that a lookup finds, run as [`run_by`](Self::run_by) does.
    async fn found(
        &self,
        connection: &mut Option<Object>,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Found>> {
        let statement = Statement {
            tells_access: true,
            ..Statement::new(sql, params)
        };
        let answer = self.run_by(connection, statement).await;
        let found: Result<_, Failure> = answer.and_then(|rows| {
            rows.iter()
                .filter_map(|row| found_row(row).transpose())
                .collect()
        });
        if found.is_err() {
            // What is asked to explain it may have no other connection.
            *connection = None;
        }
        self.explained(found, None).await
    }

    /// What was found of a session whose token is stored, with the hash of the token in its place.
    /// Boxed, so that no lookup is larger by it.
    ///
    /// Each for itself: a row that is locked keeps nobody waiting but who asks for it.
    pub(super) fn hashed<'a>(
        &'a self,
        id: &'a SessionId,
        found: Option<Found>,
    ) -> Pin<Box<impl Future<Output = Result<Option<Found>>> + use<'a>>> {
        Box::pin(async move {
            if self.hash(id).await? {
                return Ok(found);
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
        })
    }

    /// Puts the hash of a token in the place of the token. `false` when there is none.
    async fn hash(&self, id: &SessionId) -> Result<bool> {
        let sql = &self.statements.hash_session;
        let hashed = self.read(sql, &[&id.as_str()], None, |_| Ok(())).await?;
        Ok(!hashed.is_empty())
    }
}
