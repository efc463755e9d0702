//! Creating, validating, listing and ending sessions.

use std::fmt;
use std::pin::Pin;

use super::Auth;
use crate::Result;
use crate::session::{Session, SessionInfo, SessionState};
use crate::store::{SessionRow, UserRow};
use crate::token::{SessionId, SessionToken};
use crate::user::UserId;

/// How many dead sessions are deleted by one statement.
const SWEEP: u32 = 1000;

/// The longest name of a device that is kept, in characters.
const DEVICE_LENGTH: usize = 255;

impl Auth {
    /// Creates a session for a user: `auth.create_session(&user.id).await?`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownUser`](crate::Error::UnknownUser) when there is no such user,
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    pub fn create_session<'a>(&'a self, user_id: &'a UserId) -> CreateSession<'a> {
        CreateSession {
            auth: self,
            user_id,
            device: None,
        }
    }

    /// The living session that a token proves, renewed if its active period is over. `None` when
    /// there is none. Who renews without a cookie at hand (see [`Session::fresh`](SessionInfo::fresh))
    /// leaves the cookie shorter than the session; [`AuthRequest`](crate::AuthRequest) does both.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is: whether the token is
    /// good is not known then.
    pub async fn validate_session(&self, token: &SessionToken) -> Result<Option<Session>> {
        Ok(self
            .validate_token(token)
            .await?
            .map(|(session, _)| session))
    }

    /// The living session of this id, without its secret and never renewed. `None` when there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    #[doc(alias = "getSession")]
    pub async fn session(&self, id: &SessionId) -> Result<Option<SessionInfo>> {
        let row = self.ask(self.store().session(id)).await?;
        Ok(row.and_then(|row| self.alive(row)))
    }

    /// The living sessions of a user, the oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    #[doc(alias = "getAllUserSessions")]
    pub async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionInfo>> {
        if user_id.cannot_be_stored() {
            return Ok(Vec::new());
        }
        let rows = self.ask(self.store().user_sessions(user_id)).await?;
        Ok(rows.into_iter().filter_map(|row| self.alive(row)).collect())
    }

    /// Ends a session, whoever's it is. Silent when there is none. It leaves the cookie alone:
    /// signing out is this and
    /// [`auth_request.set_session(None)`](crate::AuthRequest::set_session).
    ///
    /// An id that came with a request may be somebody else's session:
    /// [`invalidate_user_session`](Self::invalidate_user_session) looks at that.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    pub async fn invalidate_session(&self, id: &SessionId) -> Result<()> {
        if self.ask(self.store().delete_session(id, None)).await? {
            tracing::info!(session_id = %id, "session revoked");
        }
        Ok(())
    }

    /// Ends a session if it is this user's, and says whether it did.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    pub async fn invalidate_user_session(&self, user_id: &UserId, id: &SessionId) -> Result<bool> {
        if user_id.cannot_be_stored() {
            return Ok(false);
        }
        let revoked = self
            .ask(self.store().delete_session(id, Some(user_id)))
            .await?;
        if revoked {
            tracing::info!(%user_id, session_id = %id, "session revoked");
        }
        Ok(revoked)
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    #[doc(alias = "invalidateAllUserSessions")]
    pub async fn invalidate_user_sessions(&self, user_id: &UserId) -> Result<()> {
        self.invalidate_sessions_of(user_id, None).await
    }

    /// Ends all sessions of a session's user except itself: "log out everywhere else".
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    pub async fn invalidate_other_sessions(&self, session: &SessionInfo) -> Result<()> {
        self.invalidate_sessions_of(&session.user_id, Some(&session.id))
            .await
    }

    /// Deletes the sessions that are dead, of all users, and says how many there were. It works
    /// in batches that leave room for others, and belongs in a job of its own, not in a handler.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is. What was deleted
    /// before stays deleted.
    pub async fn delete_dead_sessions(&self) -> Result<u64> {
        let now = self.now();
        let mut deleted = 0;
        loop {
            let batch = self
                .ask(self.store().delete_dead_sessions(now, SWEEP))
                .await?;
            deleted += batch;
            if batch < u64::from(SWEEP) {
                tracing::debug!(deleted, "dead sessions deleted");
                return Ok(deleted);
            }
        }
    }

    /// The living session of a token with its user's row: one query, and one more where a renewal
    /// is due.
    pub(crate) async fn validate_token(
        &self,
        token: &SessionToken,
    ) -> Result<Option<(Session, UserRow)>> {
        let id = token.session_id();
        let Some((mut row, user)) = self.ask(self.store().session_and_user(&id)).await? else {
            return Ok(None);
        };
        let now = self.now();
        let fresh = match self.0.lifetime.state(&row, now) {
            None => return Ok(None),
            Some(SessionState::Active) => false,
            Some(SessionState::Idle) => {
                let expiries = self.0.lifetime.expiries(row.created_at, now);
                if !self.ask(self.store().renew_session(&id, expiries)).await? {
                    // It was revoked between the two statements.
                    return Ok(None);
                }
                tracing::debug!(user_id = %row.user_id, session_id = %id, "session renewed");
                row.renewed_at = expiries.renewed_at;
                row.active_expires = expiries.active_expires;
                row.idle_expires = expiries.idle_expires;
                true
            }
        };
        let info = SessionInfo::new(row, SessionState::Active, fresh);
        Ok(Some((Session::new(info, token.clone()), user)))
    }

    /// The row of a session's user, for a session that was set and not looked up.
    pub(crate) async fn session_user(&self, session: &Session) -> Result<Option<UserRow>> {
        self.ask(self.store().user(&session.user_id)).await
    }

    pub(crate) fn user_table(&self) -> &str {
        self.store().user_table()
    }

    async fn invalidate_sessions_of(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        if user_id.cannot_be_stored() {
            return Ok(());
        }
        self.ask(self.store().delete_user_sessions(user_id, except))
            .await?;
        tracing::info!(%user_id, kept = except.map(SessionId::as_str), "sessions revoked");
        Ok(())
    }

    fn alive(&self, row: SessionRow) -> Option<SessionInfo> {
        let state = self.0.lifetime.state(&row, self.now())?;
        Some(SessionInfo::new(row, state, false))
    }
}

/// A session about to be created; `.await` creates it.
#[must_use = "a session is created by `.await`"]
pub struct CreateSession<'a> {
    auth: &'a Auth,
    user_id: &'a UserId,
    device: Option<String>,
}

impl CreateSession<'_> {
    /// Keeps with the session what the user may recognise the device by, for a page of "your
    /// sessions". The first 255 characters are kept, without control characters.
    pub fn device(mut self, device: &str) -> Self {
        let printable = device.chars().filter(|letter| !letter.is_control());
        self.device = Some(printable.take(DEVICE_LENGTH).collect());
        self
    }

    async fn create(self) -> Result<Session> {
        let Self {
            auth,
            user_id,
            device,
        } = self;
        if user_id.cannot_be_stored() {
            return Err(crate::Error::UnknownUser);
        }
        let token = SessionToken::generate(&*auth.0.random)?;
        let now = auth.now();
        let expiries = auth.0.lifetime.expiries(now, now);
        let row = SessionRow {
            id: token.session_id(),
            user_id: user_id.clone(),
            created_at: now,
            renewed_at: expiries.renewed_at,
            active_expires: expiries.active_expires,
            idle_expires: expiries.idle_expires,
            device,
        };
        auth.ask(auth.store().insert_session(row.clone())).await?;
        tracing::info!(%user_id, session_id = %row.id, "signed in");
        Ok(Session::new(
            SessionInfo::new(row, SessionState::Active, true),
            token,
        ))
    }
}

impl<'a> IntoFuture for CreateSession<'a> {
    type Output = Result<Session>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.create())
    }
}

impl fmt::Debug for CreateSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSession")
            .field("user_id", &self.user_id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
