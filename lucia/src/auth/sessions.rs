//! Creating, validating, listing and ending sessions.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Auth, Parts};
use crate::clock::UnixMillis;
use crate::error::chain;
use crate::event::{EventKind, InvalidationCause};
use crate::measure;
use crate::session::token::{SessionId, SessionToken};
use crate::session::{Lifetime, Session, SessionInfo, SessionState};
use crate::store::{Expiries, Owner, Rotation, SESSION_COLUMNS, SessionRow, UserRow};
use crate::user::key::VerifiedKey;
use crate::user::{Attributes, UserId, refused};
use crate::{Error, Result};

/// How many expired sessions are deleted by one statement.
pub(super) const SWEEP: u32 = 1000;

impl Auth {
    /// The valid session of a token, renewed if its active period is over. `None` if there is none. If the
    /// store finds a session but cannot renew it, the session is valid and stays
    /// [`Idle`](SessionState::Idle). This call may renew the session, but it cannot send the cookie again,
    /// and the browser would then remove the cookie too early. In a request, use
    /// [`AuthRequest`](crate::AuthRequest) instead.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable. It is then unknown
    /// whether the token is valid.
    pub async fn validate_session(&self, token: &SessionToken) -> Result<Option<Session>> {
        Ok(self
            .validate_token(token)
            .await?
            .map(|(session, _)| session))
    }

    /// The unexpired session with this id, without its token. This call never renews the session. `None` if
    /// there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    #[doc(alias = "getSession")]
    pub async fn session(&self, id: &SessionId) -> Result<Option<SessionInfo>> {
        let row = self.ask(self.store().session(id)).await?;
        Ok(row.and_then(|row| self.unexpired(row, self.now())))
    }

    /// The unexpired sessions of a user, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    #[doc(alias = "getAllUserSessions")]
    pub async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionInfo>> {
        let rows = self.ask(self.store().user_sessions(user_id)).await?;
        let now = self.now();
        let unexpired = rows.into_iter().filter_map(|row| self.unexpired(row, now));
        Ok(unexpired.collect())
    }

    /// Ends a session of any user. Does nothing if the session does not exist. The cookie stays. To sign a
    /// user out, also call [`auth_request.set_session(None)`](crate::AuthRequest::set_session).
    ///
    /// An id from a request can belong to another user's session. Use
    /// [`invalidate_user_session`](Self::invalidate_user_session) for such an id: it checks the user.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    pub async fn invalidate_session(&self, id: &SessionId) -> Result<()> {
        self.revoke_session(id, InvalidationCause::Application)
            .await
    }

    /// Ends a session of any user, by the call that is named.
    pub(crate) async fn revoke_session(
        &self,
        id: &SessionId,
        cause: InvalidationCause,
    ) -> Result<()> {
        let told = EventKind::SessionInvalidated {
            session_id: id.clone(),
            user_id: None,
            cause,
        };
        self.end_session(id, Owner::Anyone, told).await.map(drop)
    }

    /// Ends a session if it is its owner's, tells this, and says whether it did.
    pub(crate) async fn end_session(
        &self,
        id: &SessionId,
        owner: Owner<'_>,
        told: EventKind,
    ) -> Result<bool> {
        let deletion = self.store().delete_session(id, owner);
        self.change(told, deletion, |ended| *ended).await
    }

    /// Ends a session if it belongs to this user. Returns whether it did.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    pub async fn invalidate_user_session(&self, user_id: &UserId, id: &SessionId) -> Result<bool> {
        let told = EventKind::SessionInvalidated {
            session_id: id.clone(),
            user_id: Some(user_id.clone()),
            cause: InvalidationCause::Application,
        };
        self.end_session(id, Owner::Is(user_id), told).await
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    #[doc(alias = "invalidateAllUserSessions")]
    pub async fn invalidate_user_sessions(&self, user_id: &UserId) -> Result<()> {
        self.revoke_sessions(user_id, None, InvalidationCause::Application)
            .await
    }

    /// Ends all sessions of a session's user except that session: "log out everywhere else".
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    pub async fn invalidate_other_sessions(&self, session: &SessionInfo) -> Result<()> {
        let (user_id, kept) = (&session.user_id, Some(&session.id));
        self.revoke_sessions(user_id, kept, InvalidationCause::Application)
            .await
    }

    /// Sets your own columns in the row of a session. `attributes` is a struct or map whose fields are the
    /// columns to set. Other columns do not change, and lucia's own columns cannot be set. Returns the
    /// changed session; [`attributes_as`](SessionInfo::attributes_as) reads the columns.
    ///
    /// The store has to be told about the columns: see [`PgStoreBuilder::session_columns`].
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSession`] if the session does not exist or has expired; [`Error::Constraint`] and
    /// [`Error::InvalidAttribute`] if an attribute breaks a constraint of your table, does not fit its
    /// column, or names a column that does not exist or is lucia's; [`Error::Misuse`] if `attributes`
    /// cannot be serialized; [`Error::Unavailable`] if the store is unavailable.
    ///
    /// [`PgStoreBuilder::session_columns`]: https://docs.rs/lucia/latest/lucia/struct.PgStoreBuilder.html#method.session_columns
    pub async fn update_session_attributes(
        &self,
        id: &SessionId,
        attributes: &(impl Serialize + ?Sized),
    ) -> Result<SessionInfo> {
        let attributes = self.session_columns(attributes)?;
        let updated = self.ask(self.store().update_session(id, attributes)).await;
        let row = updated.map_err(refused)?;
        row.and_then(|row| self.unexpired(row, self.now()))
            .ok_or(Error::UnknownSession)
    }

    /// Replaces the token of a session. Call it when the user gains privileges, so that a token that leaked
    /// earlier is useless (OWASP ASVS 5.0, 7.2.4). The call also renews the session and changes its public
    /// id. Set its cookie with [`set_session`](crate::AuthRequest::set_session).
    ///
    /// The call is one statement: before it the old token is valid, and after it only the new one.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] if the session has ended in the meantime; [`Error::Unavailable`] if the
    /// store is unavailable.
    pub async fn rotate_session<A>(&self, session: &Session<A>) -> Result<Session> {
        let rotation = self.rotation(session, None)?;
        let told = EventKind::SessionRotated {
            user_id: session.user_id.clone(),
            session_id: rotation.token.session_id(),
            former_session_id: session.id.clone(),
        };
        self.rotate(session, rotation, told).await
    }

    /// Records that the user of a session has authenticated again, for `#[authenticated(recent = "10m")]`:
    /// `auth.reauthenticate(&session, &auth.verify_password(key, password).await?).await?`. The session
    /// gets a new token; set its cookie with [`set_session`](crate::AuthRequest::set_session). In a
    /// handler, [`AuthRequest::reauthenticate`](crate::AuthRequest::reauthenticate) does all of this.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`] if the key belongs to another user; [`Error::Unauthenticated`] if the
    /// session has ended in the meantime; [`Error::Unavailable`] if the store is unavailable.
    pub async fn reauthenticate<A>(
        &self,
        session: &Session<A>,
        key: &VerifiedKey,
    ) -> Result<Session> {
        self.check_owner(key, &session.user_id)?;
        let rotation = self.rotation(session, Some(self.now()))?;
        let told = EventKind::Reauthenticated {
            user_id: session.user_id.clone(),
            session_id: rotation.token.session_id(),
            former_session_id: session.id.clone(),
            method: key.method,
            provider_id: key.id.provider_id().to_owned(),
        };
        self.rotate(session, rotation, told).await
    }

    /// Whether the user of this session authenticated within the last `period`.
    #[must_use]
    pub fn is_recently_authenticated(&self, session: &SessionInfo, period: Duration) -> bool {
        Lifetime::is_recent(session.authenticated_at, period, self.now())
    }

    /// Deletes the expired sessions of all users and returns their number. It also deletes expired one-time
    /// tokens and ended counts of sign-in attempts. It works in batches. After each batch it pauses for
    /// nine times as long as the batch took, so it uses the database at most a tenth of the time. Call it
    /// in a separate job, not in a handler: see [`sweeper`](Self::sweeper).
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable. Rows that were
    /// deleted before the error stay deleted. A failure to delete tokens or counts is logged and is not an
    /// error.
    pub async fn delete_expired_sessions(&self) -> Result<u64> {
        self.sweep(SWEEP).await
    }

    /// Deletes the expired sessions of a user, with one statement each, and returns their number. A session
    /// that a table of the application refers to is not deleted.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable. Rows that were
    /// deleted before the error stay deleted.
    #[doc(alias = "deleteDeadUserSessions")]
    pub async fn delete_expired_user_sessions(&self, user_id: &UserId) -> Result<u64> {
        let now = self.now();
        let mut deleted = 0;
        for row in self.ask(self.store().user_sessions(user_id)).await? {
            let state = self.0.lifetime.state(row.created_at, row.expiries, now);
            if state.is_some() {
                continue;
            }
            let deletion = self.store().delete_session(&row.id, Owner::Is(user_id));
            match self.ask(deletion).await {
                Ok(was_there) => deleted += u64::from(was_there),
                Err(Error::Constraint(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }

    /// Deletes what is of no use any more, and says how many sessions there were.
    pub(super) async fn sweep(&self, batch: u32) -> Result<u64> {
        let now = self.now();
        let delete = || self.ask(self.store().delete_expired_sessions(now, batch));
        let begun = Instant::now();
        let deleted = self.in_batches("sessions", batch, delete).await;
        let deleted = deleted.inspect_err(|_| measure::sweep_failed("sessions"))?;
        tracing::debug!(deleted, "expired sessions deleted");
        if let Err(error) = self.sweep_attempts(batch).await {
            measure::sweep_failed("attempts");
            let error = chain(&error);
            tracing::warn!(%error, "counts of attempts to sign in not swept");
        }
        if let Err(error) = self.sweep_tokens(batch).await {
            measure::sweep_failed("tokens");
            let error = chain(&error);
            tracing::warn!(%error, "one-time tokens not swept");
        }
        measure::sweep_took(begun.elapsed());
        Ok(deleted)
    }

    async fn rotate(
        &self,
        session: &SessionInfo,
        rotation: Rotation,
        told: EventKind,
    ) -> Result<Session> {
        let rotating = self.store().rotate_session(&session.id, rotation.clone());
        if !self.change(told, rotating, |rotated| *rotated).await? {
            return Err(Error::Unauthenticated);
        }
        Ok(session.clone().rotated(&rotation, self.now()))
    }

    /// A new token for a session, unless it is expired: its row may be there until it is swept, and
    /// a rotation renews.
    pub(super) fn rotation(
        &self,
        session: &SessionInfo,
        authenticated_at: Option<UnixMillis>,
    ) -> Result<Rotation> {
        let created_at = UnixMillis::from(session.created_at);
        let now = self.now();
        let lifetime = &self.0.lifetime;
        if lifetime.is_over(created_at, session.idle_expires.into(), now) {
            return Err(Error::Unauthenticated);
        }
        Ok(Rotation {
            token: SessionToken::generate()?,
            expiries: lifetime.expiries(created_at, session.persistent, now),
            authenticated_at,
        })
    }

    pub(crate) fn session_columns(
        &self,
        attributes: &(impl Serialize + ?Sized),
    ) -> Result<Map<String, Value>> {
        Attributes::of(attributes).columns(&self.0.session_table, &SESSION_COLUMNS)
    }

    /// The valid session of a token with its user's row: one query, and one more where a renewal
    /// is due.
    pub(crate) async fn validate_token(
        &self,
        token: &SessionToken,
    ) -> Result<Option<(Session, UserRow)>> {
        let id = token.session_id();
        let mut found = self.ask(self.store().session_and_user(&id)).await?;
        if found
            .as_ref()
            .is_some_and(|(row, _)| self.may_have_been_renewed(row))
        {
            // Boxed, since it is rare: no request is larger by it.
            let again = Box::pin(self.store().sessions_and_users(std::slice::from_ref(&id)));
            found = self.ask(again).await?.pop();
        }
        match found {
            Some((row, user)) => self.validate_row(token, row, user).await,
            None => Ok(None),
        }
    }

    /// Whether this session is expired by a row that may be behind.
    fn may_have_been_renewed(&self, row: &SessionRow) -> bool {
        let lifetime = &self.0.lifetime;
        self.store().lookups_may_lag()
            && lifetime.is_over(row.created_at, row.expiries.idle_expires, self.now())
    }

    /// The session of this token and row if it is unexpired, renewed where that is due.
    pub(super) async fn validate_row(
        &self,
        token: &SessionToken,
        mut row: SessionRow,
        mut user: UserRow,
    ) -> Result<Option<(Session, UserRow)>> {
        let lifetime = &self.0.lifetime;
        let mut now = self.now();
        let Some(mut state) = lifetime.state(row.created_at, row.expiries, now) else {
            return Ok(None);
        };
        let mut is_renewed = false;
        if state == SessionState::Idle {
            let expiries = lifetime.expiries(row.created_at, row.persistent, now);
            // Boxed, since it is rare: no request is larger by it.
            match Box::pin(self.renew(&row, expiries)).await {
                Ok(true) => {
                    row.expiries = expiries;
                    state = SessionState::Active;
                    is_renewed = true;
                    now = self.now();
                }
                // It was revoked between the two statements.
                Ok(false) => return Ok(None),
                // A session that is still valid goes on, and the next request renews it. It is looked up again,
                // since the renewal may have taken a while.
                Err(Error::Unavailable(error)) => {
                    let error = chain(&*error);
                    tracing::warn!(%error, session_id = %row.id, "a session could not be renewed");
                    let again = std::slice::from_ref(&row.id);
                    let again = Box::pin(self.store().sessions_and_users(again));
                    let Some(found) = self.ask(again).await?.pop() else {
                        return Ok(None);
                    };
                    (row, user) = found;
                    now = self.now();
                    match lifetime.state(row.created_at, row.expiries, now) {
                        Some(found) => state = found,
                        None => return Ok(None),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let info = SessionInfo::from_row(row, &self.0.session_table, state, is_renewed);
        Ok(Some((Session::new(info, token.clone(), now), user)))
    }

    /// Moves the expiries of a session to these, if it is (still) there.
    async fn renew(&self, row: &SessionRow, expiries: Expiries) -> Result<bool> {
        let told = EventKind::SessionRenewed {
            user_id: row.user_id.clone(),
            session_id: row.id.clone(),
        };
        let renewing = self.store().renew_session(&row.id, expiries);
        self.change(told, renewing, |renewed| *renewed).await
    }

    /// The row of a session's user, for a session that was set and not looked up.
    pub(crate) async fn session_user(&self, session: &Session) -> Result<Option<UserRow>> {
        self.ask(self.store().user(&session.user_id)).await
    }

    pub(crate) fn user_table(&self) -> &str {
        self.store().user_table()
    }

    /// Ends the sessions of a user except the one named, by the call that is named.
    pub(crate) async fn revoke_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
        cause: InvalidationCause,
    ) -> Result<()> {
        let told = EventKind::SessionsInvalidated {
            user_id: user_id.clone(),
            kept_session_id: except.cloned(),
            cause,
        };
        let deletion = self.store().delete_user_sessions(user_id, except);
        self.change(told, deletion, |()| true).await
    }

    fn unexpired(&self, row: SessionRow, now: UnixMillis) -> Option<SessionInfo> {
        let Parts {
            lifetime,
            session_table,
            ..
        } = &*self.0;
        let state = lifetime.state(row.created_at, row.expiries, now)?;
        Some(SessionInfo::from_row(row, session_table, state, false))
    }
}
