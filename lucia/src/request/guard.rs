//! [`Guard`]: which requests a handler or a scope admits. Knows no framework; the adapters turn its
//! denials into responses.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::event::{AccessDenial, EventKind};
use crate::request::AuthRequest;
use crate::request::redirect::LocalPath;
use crate::session::Session;
use crate::session::token::Presented;
use crate::{Error, Result};

/// How a request may authenticate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// With the session cookie. Browsers send it by themselves, so unsafe requests have to come from this
    /// site.
    #[default]
    Cookie,
    /// With the token in `Authorization: Bearer`. No browser sends it by itself. The cookie is neither read
    /// nor written.
    Bearer,
    /// With the token in `Authorization: Bearer` if there is one, even an invalid one, and with the session
    /// cookie otherwise.
    CookieOrBearer,
}

/// Which requests a handler or a scope admits.
///
/// `#[authenticated(..)]` creates one from its options, except `permit`. For a whole scope,
/// [`Auth::middleware`](crate::Auth::middleware) and `Auth::layer` take one:
///
/// ```
/// use std::time::Duration;
/// use lucia::Guard;
///
/// let guard = Guard::authenticated().redirect("/login").recent(Duration::from_secs(600));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guard takes effect in a middleware, or by `check`"]
pub struct Guard {
    /// Without it, every request is admitted.
    needs_session: bool,
    /// `None` is that of the guard around this one, and the cookie if there is none.
    token_source: Option<TokenSource>,
    login: Option<Cow<'static, str>>,
    within: Option<Duration>,
}

impl Guard {
    /// Admits every request.
    pub const fn anyone() -> Self {
        Self {
            needs_session: false,
            token_source: None,
            login: None,
            within: None,
        }
    }

    /// Admits only requests with a valid session, by the session cookie or by the
    /// [`token_source`](Self::token_source) of a guard around this one.
    pub const fn authenticated() -> Self {
        Self {
            needs_session: true,
            token_source: None,
            login: None,
            within: None,
        }
    }

    /// The guard of an attribute, whose options were checked when it was compiled. `recent` is in
    /// seconds.
    #[doc(hidden)]
    pub const fn of_attribute(
        token_source: Option<TokenSource>,
        login: Option<&'static str>,
        recent: Option<u64>,
    ) -> Self {
        Self {
            needs_session: true,
            token_source,
            login: match login {
                Some(login) => Some(Cow::Borrowed(login)),
                None => None,
            },
            within: match recent {
                Some(seconds) => Some(Duration::from_secs(seconds)),
                None => None,
            },
        }
    }

    /// Sets which token authenticates a request, and admits only requests with a valid session.
    pub fn token_source(mut self, source: TokenSource) -> Self {
        self.token_source = Some(source);
        self.signed_in()
    }

    /// Redirects requests without a session, or without a [`recent`](Self::recent) authentication, to the
    /// page `login`. The requested page is passed as `next=`, a [`LocalPath`]. A request that authenticates
    /// with a bearer token gets a 401 instead.
    ///
    /// # Panics
    ///
    /// If `login` is not a path of this site, or has a fragment, which would swallow `next=`.
    pub fn redirect(mut self, login: impl Into<Cow<'static, str>>) -> Self {
        let login = login.into();
        assert!(
            LocalPath::parse(&login).is_some() && !login.contains('#'),
            "the login page is a path of this site such as `/login`, and not `{login}`"
        );
        self.login = Some(login);
        self.signed_in()
    }

    /// Admits only users who authenticated within the last `period`: when they signed in, or with
    /// [`reauthenticate`](crate::Auth::reauthenticate) (OWASP ASVS 5.0, 7.5.3). A renewal does not count.
    pub fn recent(mut self, period: Duration) -> Self {
        self.within = Some(period);
        self.signed_in()
    }

    /// Admits only requests with a valid session. The other conditions of a guard need one.
    pub(crate) fn signed_in(mut self) -> Self {
        self.needs_session = true;
        self
    }

    /// Admits only requests that both guards admit. Where both redirect, `other` says where to.
    ///
    /// # Panics
    ///
    /// If one of them takes only cookies and the other one only bearer tokens.
    #[cfg(any(feature = "actix", feature = "axum"))]
    pub(crate) fn and(self, other: Self) -> Self {
        let token_source = match (self.token_source, other.token_source) {
            (None | Some(TokenSource::CookieOrBearer), other @ Some(_)) => other,
            (one, None | Some(TokenSource::CookieOrBearer)) => one,
            (one, other) => {
                assert!(
                    one == other,
                    "a guard that takes only session cookies and one that takes only bearer tokens admit no \
                     request together: take `TokenSource::CookieOrBearer` in one of them"
                );
                one
            }
        };
        Self {
            needs_session: self.needs_session || other.needs_session,
            token_source,
            login: other.login.or(self.login),
            within: match (self.within, other.within) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
        }
    }

    /// Checks whether the request is admitted. From then on, the request authenticates with the token
    /// source of this guard.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`], [`Error::CrossOrigin`], [`Error::ReauthenticationRequired`];
    /// [`Error::Unavailable`] if the store is unavailable; [`Error::Forbidden`] if another guard has
    /// admitted another session of the same request. Otherwise a check that an outer guard makes for the
    /// session of the cookie would not be made for the session of the bearer token.
    pub async fn check(&self, request: &AuthRequest) -> Result<()> {
        if !self.needs_session {
            return Ok(());
        }
        if let Some(token_source) = self.token_source {
            request.accept(token_source);
        }
        let session = request.require().await?;
        request.admit_as(&session)?;
        match self.within {
            Some(period)
                if !request
                    .base_auth()
                    .is_recently_authenticated(&session, period) =>
            {
                Err(denied(request, AccessDenial::ReauthenticationRequired))
            }
            _ => Ok(()),
        }
    }

    /// Where a response to a request that `check` refused sends the client, if it does: to the
    /// login page. `target` is the path and query that a safe request asked for, and `None` for an
    /// unsafe one, which cannot be asked again by a redirect.
    ///
    /// It never redirects in a circle: if `target` is the login page itself, or the client has been
    /// sent from there to the login page and back, there is no redirection, and the log says so
    /// once.
    pub(crate) fn redirection(
        &self,
        denial: &Error,
        request: &AuthRequest,
        target: Option<&str>,
    ) -> Option<String> {
        let login = self.login.as_deref()?;
        let helped_by_a_login = matches!(
            denial,
            Error::Unauthenticated | Error::ReauthenticationRequired
        );
        if !helped_by_a_login || request.is_by_bearer() {
            return None;
        }
        let Some(next) = target.and_then(LocalPath::parse) else {
            return Some(login.to_owned());
        };
        if next.comes_back_from(login) {
            // A link of anybody's can look like a circle by its query. It does not hide a real one.
            let is_by_query = next.path()
                != LocalPath::parse(login)
                    .as_ref()
                    .map_or(login, LocalPath::path);
            let mistake = if is_by_query { "next" } else { "login" };
            if request
                .base_auth()
                .is_logged_first(&format!("{mistake} {login}"))
            {
                tracing::error!(
                    login,
                    page = next.path(),
                    "a login page leads back to the page that redirects to it, so that nobody can \
                     sign in there: take the login page out of what the guard protects"
                );
            }
            return None;
        }
        Some(next.as_next_of(login))
    }

    /// The `WWW-Authenticate` of a 401 to a client that may authenticate by a bearer token
    /// (RFC 6750, 3).
    pub(crate) fn challenge(&self, denial: &Error, request: &AuthRequest) -> Option<&'static str> {
        if !self.needs_session || !request.accepts_bearer() {
            return None;
        }
        match denial {
            Error::Unauthenticated if request.shows_bad_bearer_token() => {
                Some("Bearer error=\"invalid_token\"")
            }
            Error::Unauthenticated => Some("Bearer"),
            // RFC 9470, 3.
            Error::ReauthenticationRequired => {
                Some("Bearer error=\"insufficient_user_authentication\"")
            }
            _ => None,
        }
    }
}

impl AuthRequest {
    /// Sets whether the cookie, the bearer token or either counts. Without a call, the cookie counts.
    pub(crate) fn accept(&self, source: TokenSource) {
        let shown = self.0.bearer.presented != Presented::Nothing;
        let (by_bearer, for_want_of_bearer) = match source {
            TokenSource::Cookie => (false, false),
            TokenSource::Bearer => (true, false),
            TokenSource::CookieOrBearer => (shown, !shown),
        };
        self.0.by_bearer.store(by_bearer, Ordering::Relaxed);
        self.0
            .for_want_of_bearer
            .store(for_want_of_bearer, Ordering::Relaxed);
    }

    pub(crate) fn is_by_bearer(&self) -> bool {
        self.0.by_bearer.load(Ordering::Relaxed)
    }

    /// Whether it may authenticate by a bearer token.
    fn accepts_bearer(&self) -> bool {
        self.is_by_bearer() || self.0.for_want_of_bearer.load(Ordering::Relaxed)
    }

    /// Whether it authenticates by a bearer token and shows one that cannot be or is not good.
    pub(crate) fn shows_bad_bearer_token(&self) -> bool {
        self.0.bearer.presented != Presented::Nothing && self.0.bearer.found().is_none()
    }

    /// Notes the session that a guard has admitted.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] when another guard has let in another session of the same request.
    pub(crate) fn admit_as(&self, session: &Session) -> Result<()> {
        let admitted = self.0.admitted.get_or_init(|| session.clone());
        if admitted.id == session.id {
            return Ok(());
        }
        tracing::warn!(
            outer = %admitted.id,
            inner = %session.id,
            "two guards of one request let in different sessions: its cookie and its token differ"
        );
        Err(Error::Forbidden)
    }

    /// The session that a guard has let in.
    pub(crate) fn admitted(&self) -> Option<&Session> {
        self.0.admitted.get()
    }
}

pub(crate) fn denied(request: &AuthRequest, reason: AccessDenial) -> Error {
    let session = request.admitted();
    request.auth().tell(EventKind::AccessDenied {
        user_id: session.map(|session| session.user_id.clone()),
        session_id: session.map(|session| session.id.clone()),
        reason,
    });
    match reason {
        AccessDenial::Forbidden => Error::Forbidden,
        AccessDenial::ReauthenticationRequired => Error::ReauthenticationRequired,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(feature = "http", feature = "sqlite", feature = "test-support"))]
    mod decisions;

    use super::*;

    #[test]
    fn every_condition_needs_a_valid_session() {
        let minute = Duration::from_secs(60);
        for guard in [
            Guard::anyone().recent(minute),
            Guard::anyone().redirect("/login"),
        ] {
            assert!(guard.needs_session, "{guard:?}");
        }
        assert!(!Guard::anyone().needs_session);
    }

    #[cfg(any(feature = "actix", feature = "axum"))]
    #[test]
    fn two_guards_admit_what_both_admit() {
        use TokenSource::{Bearer, Cookie, CookieOrBearer};

        let guard = |source: Option<TokenSource>| {
            let guard = Guard::authenticated();
            match source {
                Some(source) => guard.token_source(source),
                None => guard,
            }
        };
        for (one, other, both) in [
            (None, None, None),
            (Some(Bearer), None, Some(Bearer)),
            (Some(Bearer), Some(Bearer), Some(Bearer)),
            (Some(Bearer), Some(CookieOrBearer), Some(Bearer)),
            (Some(Cookie), Some(CookieOrBearer), Some(Cookie)),
            (Some(CookieOrBearer), None, Some(CookieOrBearer)),
        ] {
            for guards in [(one, other), (other, one)] {
                let found = guard(guards.0).and(guard(guards.1)).token_source;
                assert_eq!(found, both, "{guards:?}");
            }
        }
        let recent = |seconds| Guard::anyone().recent(Duration::from_secs(seconds));
        for guard in [
            recent(5).and(recent(60)),
            recent(60).and(recent(5)),
            recent(5).and(Guard::authenticated()),
        ] {
            assert_eq!(guard.within, Some(Duration::from_secs(5)), "{guard:?}");
            assert!(guard.needs_session);
        }
        let neither = std::panic::catch_unwind(|| guard(Some(Cookie)).and(guard(Some(Bearer))));
        assert!(neither.is_err());
    }
}
