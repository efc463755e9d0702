//! Lookups over both stores, alone and in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use super::Split;
use crate::session::token::SessionId;
use crate::store::batch::{Queues, Source};
use crate::store::{Result, SessionRow, StoreError, UserRow};
use crate::user::UserId;

/// A session with its user. Where the store of users does not answer, it fails lookups of sessions that are there,
/// and no others.
#[derive(Clone)]
pub(in crate::store) struct Found {
    session: SessionRow,
    user: Result<UserRow, Arc<StoreError>>,
}

impl Found {
    pub(super) fn into_row(self) -> Result<(SessionRow, UserRow)> {
        match self.user {
            Ok(user) => Ok((self.session, user)),
            Err(error) => Err(StoreError::shared(&error)),
        }
    }
}

/// Each id once.
pub(super) fn distinct<'a>(ids: impl IntoIterator<Item = &'a SessionId>) -> Vec<SessionId> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    ids.into_iter().cloned().collect()
}

impl Source for Split {
    type Key = SessionId;
    type Row = Found;
    /// Each of the stores has its own.
    type Connection = Infallible;

    fn queues(&self) -> &Queues<Self> {
        &self.queues
    }

    /// The time-outs of the stores begin when they are asked, and [`Auth`](crate::Auth) bounds the whole.
    fn timeout(&self) -> Duration {
        Duration::MAX
    }

    fn key(found: &Found) -> &SessionId {
        &found.session.id
    }

    async fn find(
        &self,
        _connection: &mut Option<Infallible>,
        id: &SessionId,
    ) -> Result<Option<Found>> {
        let session = match self.sessions.cached_session(id) {
            Some(session) => Some(session),
            None => self.sessions.session(id).await?,
        };
        let Some(session) = session else {
            return Ok(None);
        };
        let user = self.users_of(slice::from_ref(&session)).await?;
        let found = |user| Found {
            session,
            user: Ok(user),
        };
        Ok(user.into_values().next().map(found))
    }

    async fn find_all(
        &self,
        _connection: &mut Option<Infallible>,
        ids: &[&SessionId],
    ) -> Result<Vec<Found>> {
        let ids = distinct(ids.iter().copied());
        let sessions = self.sessions_of(&ids).await?;
        self.with_users(sessions).await
    }

    fn may_keep(&self, connection: &Infallible) -> bool {
        match *connection {}
    }
}

impl Split {
    /// Sessions with their users, without those that have none.
    pub(super) async fn with_users(&self, sessions: Vec<SessionRow>) -> Result<Vec<Found>> {
        let users = match self.users_of(&sessions).await {
            Ok(users) => users,
            Err(error @ StoreError::Unavailable(_)) => {
                let error = Arc::new(error);
                let found = sessions.into_iter().map(|session| Found {
                    session,
                    user: Err(error.clone()),
                });
                return Ok(found.collect());
            }
            // One user may be the reason, such as an id that is too long for its column.
            Err(error) => return Err(StoreError::internal(error)),
        };
        let found = sessions.into_iter().filter_map(|session| {
            let user = users.get(&session.user_id)?.clone();
            Some(Found {
                session,
                user: Ok(user),
            })
        });
        Ok(found.collect())
    }

    /// What the caches of both stores have.
    pub(super) fn cached(&self, id: &SessionId) -> Option<(SessionRow, UserRow)> {
        let session = self.sessions.cached_session(id)?;
        let user = self.users.cached_user(&session.user_id)?;
        Some((session, user))
    }

    /// The sessions with these ids that are there.
    async fn sessions_of(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let (mut sessions, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match self.sessions.cached_session(id) {
                Some(session) => sessions.push(session),
                None => missing.push(id.clone()),
            }
        }
        if !missing.is_empty() {
            sessions.extend(self.sessions.sessions(&missing).await?);
        }
        Ok(sessions)
    }

    /// The users of sessions, by the ids that the sessions have.
    async fn users_of(&self, sessions: &[SessionRow]) -> Result<BTreeMap<UserId, UserRow>> {
        let ids: BTreeSet<&UserId> = sessions.iter().map(|session| &session.user_id).collect();
        let (mut users, mut missing) = (BTreeMap::new(), Vec::new());
        for id in ids {
            match self.users.cached_user(id) {
                Some(user) => drop(users.insert(id.clone(), user)),
                None => missing.push(id.clone()),
            }
        }
        if missing.is_empty() {
            return Ok(users);
        }
        let found = self.users.users(&missing).await?;
        users.extend(found.into_iter().map(|user| (user.id.clone(), user)));
        for id in missing {
            // A user who is gone, or whom the database knows by another spelling.
            if !users.contains_key(&id)
                && let Some(user) = self.users.user(&id).await?
            {
                users.insert(id, user);
            }
        }
        Ok(users)
    }
}
