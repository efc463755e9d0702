//! What is known of who sent a request.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use crate::Result;
use crate::auth::{Auth, warn_of_too_many};
use crate::error::chain;
use crate::session::Session;
use crate::session::token::{Presented, SessionToken};
use crate::store::UserRow;

/// The session of a request, and what the response says of it.
pub(super) struct Sender {
    pub(super) source: Source,
    /// Whether the cookie of the session may be sent, once that has been found out.
    sendable: OnceCell<bool>,
}

/// The sender that counts now.
pub(super) enum Current<'a> {
    /// The one that the request came with.
    First(&'a Sender),
    /// The one that the application has put in its place.
    Replacement(Arc<Sender>),
}

impl Deref for Current<'_> {
    type Target = Sender;

    fn deref(&self) -> &Sender {
        match self {
            Self::First(sender) => sender,
            Self::Replacement(sender) => sender,
        }
    }
}

/// Where the session of a request comes from.
pub(super) enum Source {
    /// From its cookie.
    Presented(Claim),
    /// From the application.
    Set {
        session: Session,
        user: OnceCell<Option<UserRow>>,
    },
    /// The application has signed the sender out.
    SignedOut,
}

/// What a request shows, looked up when first asked for.
pub(super) struct Claim {
    pub(super) presented: Presented,
    lookup: OnceCell<Lookup>,
    /// Whether it has been asked for, whatever was found.
    asked: AtomicBool,
    /// Whether the application has ended the session that was found.
    ended: AtomicBool,
}

/// A session, and its user's row if that has been looked up and is there.
pub(super) type Found<'a> = (&'a Session, Option<&'a UserRow>);

/// What the store said of a token: the valid session with its user's row.
type Lookup = Option<(Session, UserRow)>;

impl Claim {
    pub(super) fn new(presented: Presented) -> Self {
        Self {
            presented,
            lookup: OnceCell::new(),
            asked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// From now on this sender is anonymous.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) async fn look_up(&self, auth: &Auth) -> Result<Option<Found<'_>>> {
        self.asked.store(true, Ordering::Relaxed);
        let is_nothing = matches!(self.presented, Presented::Nothing | Presented::Unreadable);
        if is_nothing || self.ended.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let found = self.lookup.get_or_try_init(async || {
            match &self.presented {
                Presented::Token(token) => auth.validate_token(token).await,
                // Boxed, since it is rare: no request is larger by it.
                Presented::Several(tokens) => Box::pin(auth.validate_one_of(tokens)).await,
                Presented::TooMany => {
                    warn_of_too_many();
                    Ok(None)
                }
                Presented::Nothing | Presented::Unreadable => Ok(None),
            }
        });
        found.await?;
        Ok(self.found())
    }

    /// Whether the sender has been asked for by this, also where nothing was found.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether a session has been found, also one that has ended since.
    pub(super) fn was_found(&self) -> bool {
        matches!(self.lookup.get(), Some(Some(_)))
    }

    /// What has been found so far.
    pub(super) fn found(&self) -> Option<Found<'_>> {
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        let (session, user) = self.lookup.get()?.as_ref()?;
        Some((session, Some(user)))
    }
}

impl From<Option<&Session>> for Source {
    fn from(session: Option<&Session>) -> Self {
        match session {
            Some(session) => Self::Set {
                session: session.clone(),
                user: OnceCell::new(),
            },
            None => Self::SignedOut,
        }
    }
}

impl From<Source> for Sender {
    fn from(source: Source) -> Self {
        Self {
            source,
            sendable: OnceCell::new(),
        }
    }
}

impl Sender {
    /// Asks for the session and its user. `with_user` makes a difference where the application has set the
    /// session, so that the user alone is to be asked for.
    pub(super) async fn look_up(&self, auth: &Auth, with_user: bool) -> Result<()> {
        match &self.source {
            Source::Presented(claim) => {
                claim.look_up(auth).await?;
            }
            Source::Set { session, user } if with_user => {
                let user = user.get_or_try_init(async || auth.session_user(session).await);
                user.await?;
            }
            Source::Set { .. } | Source::SignedOut => {}
        }
        Ok(())
    }

    /// The session, as far as it has been looked up.
    pub(super) fn session(&self) -> Option<&Session> {
        self.found().map(|(session, _)| session)
    }

    /// The session and its user, as far as they have been looked up.
    pub(super) fn found(&self) -> Option<Found<'_>> {
        match &self.source {
            Source::Set { session, user } => Some((session, user.get().and_then(Option::as_ref))),
            Source::SignedOut => None,
            Source::Presented(claim) => claim.found(),
        }
    }

    /// The tokens of a request that has several.
    pub(super) fn several(&self) -> Option<&[SessionToken]> {
        match &self.source {
            Source::Presented(claim) => match &claim.presented {
                Presented::Several(tokens) => Some(tokens),
                _ => None,
            },
            Source::Set { .. } | Source::SignedOut => None,
        }
    }

    /// The session whose cookie the response is to set.
    pub(super) fn session_to_send(&self) -> Option<&Session> {
        if self.sendable.get() == Some(&false) {
            return None;
        }
        let is_set = matches!(self.source, Source::Set { .. });
        self.session().filter(|session| is_set || session.fresh)
    }

    /// Finds out before the response whether the cookie of the session may be sent, and ends the
    /// sessions of cookies that the response cannot replace: `several` are the tokens of a request
    /// that has more than one. Only the first call does anything.
    ///
    /// While a handler works, another request may rotate or end the session. The cookie of such a
    /// session would take the place of a newer one. So the store is asked once more where at least
    /// a millisecond has passed since it last answered for the session.
    pub(super) async fn settle(&self, auth: &Auth, several: Option<&[SessionToken]>) {
        let session = self.session_to_send();
        let is_change = !matches!(self.source, Source::Presented(_));
        let several = several.filter(|_| is_change);
        if self.sendable.initialized() || (session.is_none() && several.is_none()) {
            return;
        }
        let is_late = session.is_some_and(|session| session.confirmed_at() != auth.now());
        if !is_late && several.is_none() {
            // If another task is at it, it comes to the same.
            let _ = self.sendable.set(true);
            return;
        }
        // Boxed, since it is rare.
        let settling = self.sendable.get_or_init(async || {
            let sendable = match session.filter(|_| is_late) {
                Some(session) => is_still_good(auth, session, is_change).await,
                None => true,
            };
            if let Some(tokens) = several.filter(|_| sendable) {
                let kept = session.map(|session| &session.id);
                if let Err(error) = auth.invalidate_all_of(tokens, kept).await {
                    let error = chain(&error);
                    tracing::warn!(%error, "sessions of other cookies of the request are left");
                }
            }
            sendable
        });
        Box::pin(settling).await;
    }
}

/// Whether the store still has a session whose cookie is about to be sent.
///
/// While the store cannot say, a renewal is not sent: the browser has the cookie. A session that the
/// application has set is: the browser has no other good cookie after a sign-in or a rotation.
async fn is_still_good(auth: &Auth, session: &Session, is_set: bool) -> bool {
    match auth.session(&session.id).await {
        Ok(Some(_)) => true,
        Ok(None) => {
            tracing::debug!(
                user_id = %session.user_id, session_id = %session.id,
                "a session has ended or was rotated meanwhile, and its cookie is not sent"
            );
            false
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), is_set, "whether a session is still there is not known");
            is_set
        }
    }
}
