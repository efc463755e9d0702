//! [`Auth`]: the one thing that an application holds.

mod attempts;
mod builder;
mod candidates;
mod create_session;
mod keys;
mod passwords;
mod reauthenticate;
mod sessions;
mod spelling;
mod sweeper;
mod use_key;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::{AuthBuilder, Environment};
pub use create_session::{CreateSession, SignsIn};
pub use keys::DeleteKey;
pub use reauthenticate::Reauthenticate;
pub use sweeper::{Sweeper, SweeperBuilder};
pub use use_key::UseKey;

use attempts::SignInLimit;
pub(crate) use candidates::warn_of_too_many;

use crate::clock::{Clock, RandomSource, UnixMillis};
use crate::context::RequestContext;
use crate::cookie::{CookieConfig, SessionCookie};
use crate::origin::OriginPolicy;
use crate::password::Passwords;
use crate::said::Said;
use crate::session::{Lifetime, Session};
use crate::store::Store;
use crate::token::{Presented, SessionToken};
use crate::{AuthRequest, Error, Result, bearer};

/// Users, keys and sessions of an application.
///
/// Made once by [`Auth::builder`] and shared: a clone is another handle to the same.
///
/// ```
/// use lucia::{Auth, NewUser, Session, User};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Profile {
///     username: String,
/// }
///
/// async fn sign_up(auth: &Auth, username: &str, password: &str) -> lucia::Result<Session> {
///     let profile = Profile { username: username.to_owned() };
///     let user: User<Profile> = auth
///         .create_user(NewUser::with_password("username", username, password).attributes(&profile))
///         .await?;
///     auth.create_session(&user.id).await
/// }
///
/// async fn log_in(auth: &Auth, username: &str, password: &str) -> lucia::Result<Session> {
///     let key = auth.use_key("username", username, Some(password)).await?;
///     auth.create_session(&key).await
/// }
///
/// async fn log_out(auth: &Auth, session: &Session) -> lucia::Result<()> {
///     auth.invalidate_session(&session.id).await
/// }
/// ```
#[derive(Clone)]
pub struct Auth(Arc<Parts>);

struct Parts {
    store: Arc<dyn Store>,
    store_timeout: Duration,
    /// The name of the table of sessions.
    session_table: Arc<str>,
    /// How many sessions a user can have.
    max_sessions: Option<u32>,
    /// How many attempts to sign in may fail, where they are counted.
    sign_in_limit: Option<SignInLimit>,
    lifetime: Lifetime,
    cookie: CookieConfig,
    origin: OriginPolicy,
    passwords: Passwords,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    said: Said,
}

impl Auth {
    /// Begins the settings of an `Auth` over `store`. Without any, it is ready for production.
    pub fn builder(store: impl Store) -> AuthBuilder {
        AuthBuilder::new(store)
    }

    /// The `AuthRequest` of a request: always the same one for the same request.
    ///
    /// With actix-web and axum you rarely need this: `#[auth_request]` and the extractors do it.
    #[doc(alias = "handleRequest")]
    pub fn handle_request(&self, request: &impl RequestContext) -> AuthRequest {
        request.slot().get_or_keep(self, || {
            let cookie = self.0.cookie.read(request.header("cookie"));
            let bearer = bearer::read(request.header("authorization"));
            let with_cookie = cookie != Presented::Nothing;
            let refusal = self.0.origin.check(request, with_cookie).err();
            AuthRequest::new(self.clone(), cookie, bearer, refusal)
        })
    }

    /// The cookie that carries a session, or with `None` the one that removes it.
    ///
    /// For what lucia has no adapter for. [`AuthRequest::set_session`] puts it on the response. A
    /// handler that does so by itself keeps to the same rules where the response passes an
    /// attribute, `Auth::middleware` or `Auth::layer`:
    /// [`ResponseHeaders::put_on`](crate::ResponseHeaders::put_on) says which.
    #[must_use]
    #[doc(alias = "createSessionCookie")]
    pub fn session_cookie(&self, session: Option<&Session>) -> SessionCookie {
        match session {
            Some(session) => self.0.cookie.set(
                session.token(),
                UnixMillis::from(session.idle_expires),
                self.now(),
            ),
            None => self.0.cookie.removal(),
        }
    }

    /// The token in a request's cookie. It is checked for its form only: nobody is signed in by
    /// it before [`validate_session`](Self::validate_session) said so. `None` also where the
    /// request has several session cookies with different tokens: only
    /// [`AuthRequest::validate`] asks the store which of them counts.
    #[must_use]
    #[doc(alias = "readSessionCookie")]
    pub fn read_session_cookie(&self, request: &impl RequestContext) -> Option<SessionToken> {
        self.0.cookie.read(request.header("cookie")).token()
    }

    /// The token in a request's `Authorization: Bearer`. It is checked for its form only: nobody
    /// is signed in by it before [`validate_session`](Self::validate_session) said so.
    #[must_use]
    pub fn read_bearer_token(&self, request: &impl RequestContext) -> Option<SessionToken> {
        bearer::read(request.header("authorization")).token()
    }

    pub(crate) fn cookie_name(&self) -> Arc<str> {
        self.0.cookie.name()
    }

    /// Whether a mistake in how the application is put together is logged for the first time.
    pub(crate) fn is_said_first(&self, mistake: &str) -> bool {
        self.0.said.is_first(mistake)
    }

    /// Whether the other is a handle to the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.0.clock.now().into()
    }

    fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// Bounds the time that a store may take, whatever the store itself promises.
    async fn ask<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.0.store_timeout, answer).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(Error::unavailable(elapsed)),
        }
        .inspect_err(|error| {
            if let Error::Unavailable(source) = error {
                tracing::error!(error = %crate::error::chain(source.as_ref()), "the store is unavailable");
            }
        })
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("store", &self.0.store)
            .field("lifetime", &self.0.lifetime)
            .field("cookie", &self.0.cookie)
            .field("origin", &self.0.origin)
            .field("passwords", &self.0.passwords)
            .finish_non_exhaustive()
    }
}
