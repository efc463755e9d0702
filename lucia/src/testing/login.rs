use crate::{Auth, Session, UserId};

/// Signs a user in, without a password and without a request.
///
/// For a session with a device, with attributes or [`unproven`](crate::CreateSession::unproven), create it
/// with [`Auth::create_session`] and pass it to [`LoggedIn::new`].
///
/// # Panics
///
/// If the user does not exist.
pub async fn login_as(auth: &Auth, user_id: &UserId) -> LoggedIn {
    match auth.create_session(user_id).await {
        Ok(session) => LoggedIn::new(auth, session),
        Err(error) => panic!("nobody can be signed in as `{user_id}`: {error}"),
    }
}

/// A signed-in user: the headers that their browser sends, or their client with a bearer token.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    session: Session,
    cookie_name: String,
}

impl LoggedIn {
    /// The user of this session, which `auth` created.
    #[must_use]
    pub fn new(auth: &Auth, session: Session) -> Self {
        Self {
            cookie_name: auth.session_cookie(Some(&session)).name().to_owned(),
            session,
        }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The name and the value of the session cookie, for a client with a cookie jar.
    ///
    /// In production the cookie is `Secure`, so a jar may not send it over plain HTTP. Build the `Auth` of
    /// such a test with [`Environment::Development`](crate::Environment::Development).
    #[must_use]
    pub fn cookie_pair(&self) -> (&str, &str) {
        (&self.cookie_name, self.session.token().expose())
    }

    /// The value of a `Cookie` header: `__Host-auth_session=<token>`.
    #[must_use]
    pub fn cookie_header(&self) -> String {
        let (name, value) = self.cookie_pair();
        format!("{name}={value}")
    }

    /// The header with which a browser says that a request comes from a page of the site itself. Without
    /// such a header, an unsafe request with the cookie is refused with 403.
    #[must_use]
    pub fn origin_header(&self) -> (&'static str, &'static str) {
        ("Sec-Fetch-Site", "same-origin")
    }

    /// The headers of a request that a signed-in browser sends: [`cookie_header`] and
    /// [`origin_header`].
    ///
    /// [`cookie_header`]: Self::cookie_header
    /// [`origin_header`]: Self::origin_header
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 2] {
        let (name, value) = self.origin_header();
        [("Cookie", self.cookie_header()), (name, value.to_owned())]
    }

    /// The value of an `Authorization` header, for handlers with `bearer`: `Bearer <token>`.
    #[must_use]
    pub fn bearer_header(&self) -> String {
        format!("Bearer {}", self.session.token().expose())
    }
}
