//! [`AuthRequest`]: who sent this request, asked once, and what the response says of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::auth::Auth;
use crate::cookie::{Presented, SessionCookie};
use crate::session::Session;
use crate::store::UserRow;
use crate::user::User;
use crate::{Error, Result};

/// Who sent a request.
///
/// There is one for each request and [`Auth`], shared by everything that asks: a clone is another
/// handle to the same. However often and in whatever order it is asked, the store is asked once,
/// and not at all for a request without a readable session cookie. An error is not remembered: the
/// next call asks again.
///
/// A change of the cookie is kept here until the response is written: [`set_session`](Self::set_session)
/// by the application, a renewal, or the removal of a cookie whose session is dead. The last one
/// wins.
#[derive(Clone)]
pub struct AuthRequest(Arc<Shared>);

struct Shared {
    auth: Auth,
    cross_origin: bool,
    /// What is known of the sender. [`AuthRequest::set_session`] puts another in its place.
    sender: Mutex<Arc<Sender>>,
    /// Whether somebody has taken on to put the headers on the response.
    answered: AtomicBool,
    /// Those that other `Auth`s have for the same request.
    others: Mutex<Vec<AuthRequest>>,
}

/// Where the session of a request comes from.
enum Sender {
    /// From its cookie, looked up when first asked for.
    Presented {
        presented: Presented,
        lookup: OnceCell<Lookup>,
    },
    /// From the application.
    Set {
        session: Box<Session>,
        user: OnceCell<Option<UserRow>>,
    },
    /// The application has signed the sender out.
    SignedOut,
}

/// What the store said of a token.
enum Lookup {
    Alive(Box<(Session, UserRow)>),
    Dead,
}

/// What a response to a request is to carry.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ResponseHeaders {
    /// The `Set-Cookie` that is to be on the response, in place of any other of this name.
    pub set_cookie: Option<SessionCookie>,
    /// Whether the response is for one person: `Cache-Control: no-store` unless the handler chose
    /// otherwise, and `Cookie` in `Vary`.
    pub private: bool,
}

impl AuthRequest {
    pub(crate) fn new(auth: Auth, presented: Presented, cross_origin: bool) -> Self {
        let sender = Sender::Presented {
            presented,
            lookup: OnceCell::new(),
        };
        Self(Arc::new(Shared {
            auth,
            cross_origin,
            sender: Mutex::new(Arc::new(sender)),
            answered: AtomicBool::new(false),
            others: Mutex::default(),
        }))
    }

    /// The one that `auth` has for the same request: this, or another. What is kept with a
    /// request may be that of another `Auth`, whose users are not the same.
    pub(crate) fn of(self, auth: &Auth, new: impl FnOnce() -> Self) -> Self {
        if self.0.auth.is(auth) {
            return self;
        }
        let mut others = self.0.others.lock().unwrap_or_else(PoisonError::into_inner);
        match others.iter().find(|other| other.0.auth.is(auth)) {
            Some(other) => other.clone(),
            None => {
                let other = new();
                others.push(other.clone());
                other
            }
        }
    }

    /// The session of whoever sent this request, `None` for somebody anonymous.
    ///
    /// A session past its active period is renewed by this. An unsafe request from another origin
    /// is anonymous. A token that the store does not know is anonymous, and its cookie is removed.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store is: then it is not known who this is. No cookie is
    /// touched.
    pub async fn validate(&self) -> Result<Option<Session>> {
        self.resolve(async |sender| sender.session(&self.0.auth).await)
            .await
    }

    /// The session of whoever sent this request together with its user, from the same query.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate), and [`Error::Schema`] when the row of the user does not
    /// fit `A`.
    pub async fn validate_user<A: DeserializeOwned>(&self) -> Result<Option<(User<A>, Session)>> {
        let found = self.resolve(async |sender| sender.session_and_user(&self.0.auth).await);
        let Some((session, row)) = found.await? else {
            return Ok(None);
        };
        let user = User::from_row(&row, self.0.auth.user_table())?;
        Ok(Some((user, session)))
    }

    /// The session of whoever sent this request, and an error for anybody anonymous: what a
    /// protected handler asks.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`] for an unsafe request from another origin,
    /// [`Error::Unauthenticated`] for somebody anonymous, and those of
    /// [`validate`](Self::validate).
    pub async fn authenticate(&self) -> Result<Session> {
        self.admit(self.validate().await)
    }

    /// As [`authenticate`](Self::authenticate), together with the user.
    ///
    /// # Errors
    ///
    /// Those of `authenticate`, and [`Error::Schema`] when the row of the user does not fit `A`.
    pub async fn authenticate_user<A: DeserializeOwned>(&self) -> Result<(User<A>, Session)> {
        self.admit(self.validate_user().await)
    }

    /// Refuses an unsafe request that comes from another site: for handlers that anybody may
    /// call, such as signing in, which [`authenticate`](Self::authenticate) cannot protect from
    /// forged requests.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`].
    pub fn check_origin(&self) -> Result<()> {
        if self.0.cross_origin {
            Err(Error::CrossOrigin)
        } else {
            Ok(())
        }
    }

    /// Makes the response set the cookie of this session, or with `None` remove it; from now on
    /// [`validate`](Self::validate) answers accordingly without a query.
    ///
    /// The database is not touched: signing out is
    /// [`invalidate_session`](Auth::invalidate_session) *and* `set_session(None)`.
    pub fn set_session(&self, session: Option<&Session>) {
        let sender = match session {
            Some(session) => Sender::Set {
                session: Box::new(session.clone()),
                user: OnceCell::new(),
            },
            None => Sender::SignedOut,
        };
        *self.0.sender.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(sender);
    }

    /// What the response to this request is to carry, as things stand. For adapters: whoever
    /// calls it puts this on the response.
    pub fn response_headers(&self) -> ResponseHeaders {
        self.0.answered.store(true, Ordering::Relaxed);
        let sender = self.sender();
        let set_cookie = self.0.set_cookie();
        ResponseHeaders {
            private: set_cookie.is_some() || sender.is_known(),
            set_cookie,
        }
    }

    /// The `Auth` that this request belongs to.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.0.auth
    }

    fn sender(&self) -> Arc<Sender> {
        self.0.sender()
    }

    /// Asks the present sender; and the next one, if the application set another meanwhile.
    async fn resolve<T>(
        &self,
        ask: impl AsyncFn(Arc<Sender>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        loop {
            let sender = self.sender();
            let from_cookie = matches!(*sender, Sender::Presented { .. });
            if from_cookie && self.0.cross_origin {
                return Ok(None);
            }
            let answer = ask(sender.clone()).await;
            if Arc::ptr_eq(&sender, &self.sender()) {
                return answer;
            }
        }
    }

    fn admit<T>(&self, found: Result<Option<T>>) -> Result<T> {
        let denial = match found {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => match self.check_origin() {
                Ok(()) => Error::Unauthenticated,
                Err(cross_origin) => cross_origin,
            },
            Err(error) => error,
        };
        tracing::debug!(reason = %denial, "request denied");
        Err(denial)
    }
}

impl Shared {
    fn sender(&self) -> Arc<Sender> {
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_cookie(&self) -> Option<SessionCookie> {
        match &*self.sender() {
            Sender::Set { session, .. } => Some(self.auth.session_cookie(Some(session))),
            Sender::SignedOut => Some(self.auth.session_cookie(None)),
            Sender::Presented { lookup, .. } => match lookup.get()? {
                Lookup::Dead => Some(self.auth.session_cookie(None)),
                Lookup::Alive(found) if found.0.fresh => {
                    Some(self.auth.session_cookie(Some(&found.0)))
                }
                Lookup::Alive(_) => None,
            },
        }
    }
}

impl Sender {
    async fn session(&self, auth: &Auth) -> Result<Option<Session>> {
        match self {
            Self::Set { session, .. } => Ok(Some((**session).clone())),
            Self::SignedOut => Ok(None),
            Self::Presented { .. } => {
                Ok(self.lookup(auth).await?.map(|(session, _)| session.clone()))
            }
        }
    }

    async fn session_and_user(&self, auth: &Auth) -> Result<Option<(Session, UserRow)>> {
        match self {
            Self::Set { session, user } => {
                let user = user.get_or_try_init(|| auth.session_user(session)).await?;
                Ok(user.clone().map(|user| ((**session).clone(), user)))
            }
            Self::SignedOut => Ok(None),
            Self::Presented { .. } => Ok(self.lookup(auth).await?.cloned()),
        }
    }

    async fn lookup(&self, auth: &Auth) -> Result<Option<&(Session, UserRow)>> {
        let Self::Presented {
            presented: Presented::Token(token),
            lookup,
        } = self
        else {
            return Ok(None);
        };
        let found = lookup.get_or_try_init(async || {
            let found = auth.validate_token(token).await?;
            Ok::<_, Error>(found.map_or(Lookup::Dead, |found| Lookup::Alive(Box::new(found))))
        });
        match found.await? {
            Lookup::Alive(found) => Ok(Some(found)),
            Lookup::Dead => Ok(None),
        }
    }

    /// Whether somebody is known to be signed in.
    fn is_known(&self) -> bool {
        match self {
            Self::Set { .. } => true,
            Self::SignedOut => false,
            Self::Presented { lookup, .. } => matches!(lookup.get(), Some(Lookup::Alive(_))),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !*self.answered.get_mut() && self.set_cookie().is_some() {
            tracing::warn!(
                "a change of the session cookie did not reach the response: put `#[auth_request]` \
                 on the handler, or `.wrap(auth.middleware())` on the `App`"
            );
        }
    }
}

impl fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sender = self.sender();
        f.debug_struct("AuthRequest")
            .field("cross_origin", &self.0.cross_origin)
            .field("signed_in", &sender.is_known())
            .finish_non_exhaustive()
    }
}
