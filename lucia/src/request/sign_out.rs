//! Signing out: sessions end, and the cookie is removed.

use std::sync::{Arc, PoisonError};

use super::AuthRequest;
use super::sender::{Sender, Source};
use crate::Result;
use crate::event::{EventKind, InvalidationCause};
use crate::session::Session;
use crate::session::token::{Presented, SessionId, SessionToken};
use crate::store::Owner;
use crate::user::UserId;

impl AuthRequest {
    /// Signs the user of the request out: ends the session in the store, and then makes the response remove
    /// the cookie. If a request has several session cookies, the sessions of all of them end. For an
    /// anonymous request, the call only removes the cookie.
    ///
    /// Behind a guard that accepted a bearer token, the session of the token ends, and the cookie does not
    /// change.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`](crate::Error::CrossOrigin) for an unsafe request from another origin;
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable, in which case the
    /// response does not change the cookie.
    pub async fn sign_out(&self) -> Result<()> {
        self.check_forgery()?;
        let ids = if self.is_by_bearer() {
            session_ids(&self.0.bearer.presented)
        } else {
            self.browser_sessions()
        };
        for id in &ids {
            let told = EventKind::SignedOut {
                session_id: id.clone(),
                user_id: self.known_user_of(id),
            };
            self.auth().end_session(id, Owner::Anyone, told).await?;
        }
        self.forget_session();
        Ok(())
    }

    /// Signs the user out everywhere: ends all sessions of the user in the store, and then makes the
    /// response remove the cookie.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`](crate::Error::Unauthenticated) for an anonymous request, and those of
    /// [`sign_out`](Self::sign_out).
    pub async fn sign_out_everywhere(&self) -> Result<()> {
        self.check_forgery()?;
        let session = self.require().await?;
        let (user_id, cause) = (&session.user_id, InvalidationCause::SignOutEverywhere);
        self.auth().revoke_sessions(user_id, None, cause).await?;
        self.forget_session();
        Ok(())
    }

    /// Signs the user out everywhere else: ends all sessions of the user except that of this request.
    ///
    /// # Errors
    ///
    /// Those of [`sign_out_everywhere`](Self::sign_out_everywhere).
    pub async fn sign_out_others(&self) -> Result<()> {
        self.check_forgery()?;
        let session = self.require().await?;
        let (user_id, kept) = (&session.user_id, Some(&session.id));
        self.auth()
            .revoke_sessions(user_id, kept, InvalidationCause::SignOutOthers)
            .await
    }

    /// Refuses an unsafe request from another origin, unless a bearer token authenticates it, which
    /// no browser sends by itself.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`](crate::Error::CrossOrigin).
    pub(crate) fn check_forgery(&self) -> Result<()> {
        if self.is_by_bearer() {
            return Ok(());
        }
        self.check_origin()
    }

    /// The sessions that the browser has: those of its cookies, whether they are valid or not, and
    /// the one that the application has set. None where the cookie is not read.
    pub(super) fn browser_sessions(&self) -> Vec<SessionId> {
        if self.is_by_bearer() {
            return Vec::new();
        }
        let mut ids = match &self.0.first.source {
            Source::Presented(claim) => session_ids(&claim.presented),
            Source::Set { .. } | Source::SignedOut => Vec::new(),
        };
        if let Source::Set { session, .. } = &self.sender().source
            && !ids.contains(&session.id)
        {
            ids.push(session.id.clone());
        }
        ids
    }

    /// As [`set_session`](Self::set_session). Says which session had been set before.
    pub(super) fn replace_session(&self, session: Option<&Session>) -> Option<SessionId> {
        let new = Arc::new(Sender::from(Source::from(session)));
        let replacement = self.0.replacement.lock();
        let old = replacement
            .unwrap_or_else(PoisonError::into_inner)
            .replace(new)?;
        match &old.source {
            Source::Set { session, .. } => Some(session.id.clone()),
            Source::Presented(_) | Source::SignedOut => None,
        }
    }

    /// The user of a session of this request, as far as it has been looked up.
    fn known_user_of(&self, id: &SessionId) -> Option<UserId> {
        let bearer = self.0.bearer.found().map(|(session, _)| session);
        let sender = self.sender();
        let first = self.0.first.session();
        let mut known = [bearer, sender.session(), first].into_iter().flatten();
        let session = known.find(|session| session.id == *id)?;
        Some(session.user_id.clone())
    }

    /// From now on the request is anonymous.
    fn forget_session(&self) {
        if self.is_by_bearer() {
            self.0.bearer.end();
        } else {
            self.set_session(None);
        }
    }
}

fn session_ids(presented: &Presented) -> Vec<SessionId> {
    match presented {
        Presented::Token(token) => vec![token.session_id()],
        Presented::Several(tokens) => tokens.iter().map(SessionToken::session_id).collect(),
        Presented::Nothing | Presented::Unreadable | Presented::TooMany => Vec::new(),
    }
}
