//! [`AuthRequest`]: who sent this request, looked up once, and the resulting changes of the cookie.

mod browser;
mod client;
pub(crate) mod context;
mod email;
pub(crate) mod guard;
mod keys;
mod links;
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) mod of_sender;
mod passwords;
pub(crate) mod redirect;
pub(crate) mod response;
mod sender;
mod sign_in;
mod sign_out;

pub use email::{EmailChange, EmailVerification, VerifyEmail};
pub use guard::TokenSource;
pub use response::ResponseHeaders;
pub use sign_in::{SignIn, SignUp};

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::de::DeserializeOwned;

use crate::auth::Auth;
use crate::clock::UnixMillis;
use crate::event::EventKind;
use crate::headers::RequestInfo;
use crate::headers::bearer;
use crate::headers::cookie::SessionCookie;
use crate::headers::forwarded::Client;
use crate::headers::origin::{self, Refusal};
use crate::session::Session;
use crate::session::token::{Presented, SessionToken};
use crate::user::User;
use crate::{Error, Result};
use browser::BrowserBinding;
use client::user_agent;
use context::{RequestContext, RequestSlot};
use sender::{Claim, Current, Found, Sender, Source};

/// Who sent a request.
///
/// There is one `AuthRequest` for each request and [`Auth`], shared by all callers: a clone is another
/// handle to the same one. However often and in whatever order it is asked, it queries the store only once,
/// and not at all for a request without a readable session cookie. An error is not cached: the next call
/// queries the store again.
///
/// A change of the cookie, by [`set_session`](Self::set_session) or by a renewal, is kept here until the
/// response is written. The last change wins. If the session of a cookie has ended, the cookie is not
/// removed: the browser may have received a newer cookie by then, and would lose it.
///
/// A token in the `Authorization` header is separate.
/// [`validate_bearer_token`](Self::validate_bearer_token) validates it, and it never affects the session of
/// the cookie.
///
/// `#[auth_request]` and `#[authenticated]` pass it to a handler as `auth_request`. Helper functions take
/// it as a parameter, and ask it for the authenticated user, whether by cookie or by token:
///
/// ```
/// use lucia::{AuthRequest, User};
/// # #[derive(serde::Deserialize)] struct Profile { username: String }
///
/// async fn greeting(auth_request: &AuthRequest) -> lucia::Result<String> {
///     let found = auth_request.validate_user::<Profile>().await?;
///     Ok(match found {
///         Some((user, _session)) => format!("Hello, {}!", user.username),
///         None => "Hello!".to_owned(),
///     })
/// }
/// ```
#[derive(Clone)]
pub struct AuthRequest(Arc<Shared>);

struct Shared {
    auth: Auth,
    /// Why this is an unsafe request that may come from another site. It may be found later than the
    /// rest, see [`AuthRequest::look_again`], and is never taken back.
    refusal: OnceLock<Refusal>,
    /// Whether the refusal has been told.
    is_refusal_told: AtomicBool,
    /// The method that `refusal` was decided by.
    is_safe: bool,
    /// From where it was sent.
    client: Client,
    /// By which program, where events tell it.
    user_agent: Option<Arc<str>>,
    /// The `auth` that tells the client in its events, once that is asked for.
    client_auth: OnceLock<Auth>,
    /// What is known of the sender by the cookie.
    first: Sender,
    /// What [`AuthRequest::set_session`] has put in its place.
    replacement: Mutex<Option<Arc<Sender>>>,
    /// What is known of the sender by the `Authorization` header.
    bearer: Claim,
    /// By what a sign-in at a provider or by a code is bound to the browser.
    browser: BrowserBinding,
    /// Whether the request authenticates by its bearer token.
    by_bearer: AtomicBool,
    /// Whether it does not only because there is none.
    for_want_of_bearer: AtomicBool,
    /// The session that a guard has admitted.
    admitted: OnceLock<Session>,
    /// Whether the session of the cookie has been asked for.
    asked: AtomicBool,
    /// Whether somebody has taken on to put the headers on the response.
    adopted: AtomicBool,
}

impl Auth {
    /// The `AuthRequest` of a request: always the same one for the same request.
    ///
    /// With actix-web and axum you rarely need this: `#[auth_request]` and the extractors call it.
    #[doc(alias = "handleRequest")]
    pub fn handle_request(&self, request: &impl RequestContext) -> AuthRequest {
        self.handle_request_in(&request.slot(), request)
    }

    /// As [`handle_request`](Self::handle_request), for a request with this slot.
    pub(crate) fn handle_request_in(
        &self,
        slot: &RequestSlot,
        request: &impl RequestInfo,
    ) -> AuthRequest {
        let auth_request = slot.get_or_keep(self, || {
            let cookie = self.cookie().read(request.header("cookie"));
            let bearer = bearer::read(request.header("authorization"));
            let with_cookie = cookie != Presented::Nothing;
            let refusal = self.origin().check(request, with_cookie).err();
            let is_safe = origin::is_safe(request.method());
            // Copied only where a hook may want it, and not to look up a session.
            let shows_token = with_cookie || bearer != Presented::Nothing;
            let is_wanted = self.has_hooks() && !(is_safe && shows_token);
            AuthRequest(Arc::new(Shared {
                auth: self.clone(),
                refusal: refusal.map_or_else(OnceLock::new, OnceLock::from),
                is_refusal_told: AtomicBool::new(false),
                is_safe,
                client: Client::of(request, self.origin().proxies),
                user_agent: is_wanted.then(|| user_agent(request)).flatten(),
                client_auth: OnceLock::new(),
                first: Sender::from(Source::Presented(Claim::new(cookie))),
                replacement: Mutex::new(None),
                bearer: Claim::new(bearer),
                browser: BrowserBinding::read(self, request, is_safe),
                by_bearer: AtomicBool::new(false),
                for_want_of_bearer: AtomicBool::new(false),
                admitted: OnceLock::new(),
                asked: AtomicBool::new(false),
                adopted: AtomicBool::new(false),
            }))
        });
        auth_request.look_again(request);
        auth_request
    }

    /// The cookie that carries a session, or with `None` the cookie that removes it. The cookie of a
    /// session that is not [remembered](crate::CreateSession::remember) has no `Max-Age`.
    ///
    /// Use this for responses outside lucia's adapters. [`AuthRequest::set_session`] puts the cookie on the
    /// response for you. If a handler sets the cookie itself, and the response passes an attribute,
    /// `Auth::middleware` or `Auth::layer`, the rules of
    /// [`ResponseHeaders::put_on`](crate::adapter::ResponseHeaders::put_on) apply.
    #[must_use]
    #[doc(alias = "createSessionCookie")]
    pub fn session_cookie(&self, session: Option<&Session>) -> SessionCookie {
        match session {
            Some(session) => {
                let expires = UnixMillis::from(session.idle_expires);
                let expires = session.persistent.then_some(expires);
                self.cookie().set(session.token(), expires, self.now())
            }
            None => self.cookie().removal(),
        }
    }

    /// The token in a request's cookie. Only its form is checked: it authenticates a request only if
    /// [`validate_session`](Self::validate_session) accepts it. Also `None` if the request has several
    /// session cookies with different tokens: only [`AuthRequest::validate`] asks the store which of them
    /// counts.
    #[must_use]
    #[doc(alias = "readSessionCookie")]
    pub fn read_session_cookie(&self, request: &impl RequestInfo) -> Option<SessionToken> {
        self.cookie().read(request.header("cookie")).token()
    }

    /// The token in a request's `Authorization: Bearer`. Only its form is checked: it authenticates
    /// a request only if [`validate_session`](Self::validate_session) accepts it.
    #[must_use]
    #[doc(alias = "readBearerToken")]
    pub fn read_bearer_token(&self, request: &impl RequestInfo) -> Option<SessionToken> {
        bearer::read(request.header("authorization")).token()
    }
}

impl AuthRequest {
    /// The session of the request, or `None` if the request is anonymous.
    ///
    /// This is the session of the cookie. Behind a guard, it is the session that the guard admitted, by
    /// cookie or by bearer token.
    ///
    /// The call renews a session past its active period. An unsafe request from another origin is
    /// anonymous, and so is a request with a token that the store does not know.
    ///
    /// A browser sends several session cookies if they were set for different paths or domains. Up to four
    /// different tokens are looked up in one query, and the one that has a valid session counts. If several
    /// have valid sessions of one user, the newest session counts, and lucia logs a warning. If they have
    /// valid sessions of different users, or if there are more tokens, the request is anonymous, and a
    /// warning in the log says what to do.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable: the sender is then unknown. No cookie is
    /// changed.
    pub async fn validate(&self) -> Result<Option<Session>> {
        if self.is_by_bearer() {
            return self.validate_bearer_token().await;
        }
        let sender = self.looked_up(false).await?;
        Ok(sender.and_then(|sender| sender.session().cloned()))
    }

    /// The user and session of the request, from the same query.
    ///
    /// # Errors
    ///
    /// Those of [`validate`](Self::validate), and [`Error::Schema`] if the row of the user does not fit
    /// `A`.
    pub async fn validate_user<A: DeserializeOwned>(&self) -> Result<Option<(User<A>, Session)>> {
        if self.is_by_bearer() {
            return self.validate_bearer_token_user().await;
        }
        let sender = self.looked_up(true).await?;
        self.typed(sender.as_deref().and_then(Sender::found))
    }

    /// The session of the token in `Authorization: Bearer`, or `None` if the request is anonymous. The
    /// cookie is neither read nor written, and the origin does not matter, because no browser sends this
    /// header by itself. The call renews a session past its active period.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable: the sender is then unknown.
    pub async fn validate_bearer_token(&self) -> Result<Option<Session>> {
        let found = self.0.bearer.look_up(&self.0.auth).await?;
        Ok(found.map(|(session, _)| session.clone()))
    }

    /// Like [`validate_bearer_token`](Self::validate_bearer_token), together with the user, from the same
    /// query.
    ///
    /// # Errors
    ///
    /// Those of `validate_bearer_token`, and [`Error::Schema`] if the row of the user does not fit `A`.
    pub async fn validate_bearer_token_user<A: DeserializeOwned>(
        &self,
    ) -> Result<Option<(User<A>, Session)>> {
        self.typed(self.0.bearer.look_up(&self.0.auth).await?)
    }

    /// Like [`validate`](Self::validate), but an anonymous request is an error.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`] for an unsafe request from another origin; [`Error::Unauthenticated`] for an
    /// anonymous request; those of [`validate`](Self::validate).
    #[doc(alias = "authenticate")]
    pub async fn require(&self) -> Result<Session> {
        self.admit(self.validate().await)
    }

    /// Like [`validate_user`](Self::validate_user), but an anonymous request is an error.
    ///
    /// # Errors
    ///
    /// Those of [`require`](Self::require), and [`Error::Schema`] if the row of the user does not fit `A`.
    pub async fn require_user<A: DeserializeOwned>(&self) -> Result<(User<A>, Session)> {
        self.admit(self.validate_user().await)
    }

    /// Decides anew where the request comes from, if a middleware has given it an unsafe method since it
    /// was decided, as those do that read `_method`.
    pub(crate) fn look_again(&self, request: &impl RequestInfo) {
        if !self.0.is_safe || origin::is_safe(request.method()) {
            return;
        }
        let cookie = self.0.auth.cookie().read(request.header("cookie"));
        let with_cookie = cookie != Presented::Nothing;
        if let Err(refusal) = self.0.auth.origin().check(request, with_cookie) {
            self.0.refusal.get_or_init(|| refusal);
        }
    }

    /// Refuses an unsafe request from another origin. Call it in public handlers, such as a sign-in, which
    /// [`require`](Self::require) cannot protect from forged requests.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`].
    pub fn check_origin(&self) -> Result<()> {
        match self.0.refusal.get() {
            None => Ok(()),
            Some(refusal) => {
                if !self.0.is_refusal_told.swap(true, Ordering::Relaxed) {
                    let reason = refusal.to_string();
                    self.auth().tell(EventKind::OriginRefused { reason });
                }
                Err(Error::CrossOrigin)
            }
        }
    }

    /// Makes the response set the cookie of this session, or remove it with `None`. From now on,
    /// [`validate`](Self::validate) returns that session, or `None`, without a query.
    ///
    /// This call does not change the database. To sign a user out, call
    /// [`invalidate_session`](Auth::invalidate_session) *and* `set_session(None)`, or
    /// [`sign_out`](Self::sign_out), which does both. There is one exception: a response can replace or
    /// remove only one cookie, so if the request has [several](Self::validate), the sessions of the others
    /// end with the response.
    ///
    /// If another request has ended or rotated the session before the response, its cookie is not sent. A
    /// removal is always sent, because a user who signs out expects the browser to be signed out.
    ///
    /// A response to a request that authenticated with a bearer token has no session cookie. So one
    /// sign-out handler with `#[authenticated(cookie, bearer)]` serves both.
    ///
    /// A response to an unsafe request from another origin never has a session cookie, even if a session
    /// was set: another site cannot sign a browser in or out. This is logged. The same applies to a
    /// [`session_cookie`](Auth::session_cookie) that a handler puts on the response itself.
    pub fn set_session(&self, session: Option<&Session>) {
        if let Some(refusal) = self.0.refusal.get() {
            tracing::warn!(reason = %refusal, "the session cookie of a cross-origin request is left alone");
        }
        self.replace_session(session);
    }

    /// See [`adapter::adopt`](crate::adapter::adopt).
    pub(crate) fn adopt(&self) {
        self.0.adopted.store(true, Ordering::Relaxed);
    }

    /// The `Auth` that this request belongs to, for what tells no event.
    pub(crate) fn base_auth(&self) -> &Auth {
        &self.0.auth
    }

    fn sender(&self) -> Current<'_> {
        self.0.sender()
    }

    /// The present sender, by the cookie or as the application has set it, once it has been looked up.
    async fn looked_up(&self, with_user: bool) -> Result<Option<Current<'_>>> {
        loop {
            let Some(sender) = self.credible_sender() else {
                return Ok(None);
            };
            let looked_up = sender.look_up(&self.0.auth, with_user).await;
            if self.is_current(&sender) {
                return looked_up.map(|()| Some(sender));
            }
        }
    }

    /// The present sender, unless a cookie says so and another site may have sent it, or a bearer
    /// token was accepted: cookies are not read then.
    fn credible_sender(&self) -> Option<Current<'_>> {
        let sender = self.sender();
        if matches!(sender.source, Source::Presented(_)) {
            if self.is_by_bearer() {
                return None;
            }
            self.0.asked.store(true, Ordering::Relaxed);
            if self.0.refusal.get().is_some() {
                return None;
            }
        }
        Some(sender)
    }

    /// Whether the application has not set another session meanwhile, which then is to be asked.
    fn is_current(&self, sender: &Sender) -> bool {
        std::ptr::eq(sender, &*self.sender())
    }

    fn typed<A: DeserializeOwned>(
        &self,
        found: Option<Found<'_>>,
    ) -> Result<Option<(User<A>, Session)>> {
        let Some((session, Some(row))) = found else {
            return Ok(None);
        };
        let user = User::from_row(row, self.0.auth.user_table())?;
        Ok(Some((user, session.clone())))
    }

    fn admit<T>(&self, found: Result<Option<T>>) -> Result<T> {
        let denial = match found {
            Ok(Some(found)) => return Ok(found),
            Ok(None) if self.is_by_bearer() => Error::Unauthenticated,
            Ok(None) => match self.check_origin() {
                Ok(()) => Error::Unauthenticated,
                Err(cross_origin) => cross_origin,
            },
            Err(error) => error,
        };
        if denial.status() < 500 {
            tracing::debug!(reason = %denial, "request denied");
        }
        Err(denial)
    }
}

impl Shared {
    fn sender(&self) -> Current<'_> {
        let replacement = self.replacement.lock();
        match &*replacement.unwrap_or_else(PoisonError::into_inner) {
            Some(replacement) => Current::Replacement(replacement.clone()),
            None => Current::First(&self.first),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let adopted = *self.adopted.get_mut();
        let has_cookie = || {
            self.set_cookie(&self.sender()).is_some() || self.browser.cookie(&self.auth).is_some()
        };
        if !adopted && has_cookie() {
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
            .field("cross_origin", &self.0.refusal.get().is_some())
            .field("signed_in", &sender.session().is_some())
            .finish_non_exhaustive()
    }
}
