//! [`Reauthenticate`]: what is said of a second proof before it is asked for.

use std::net::IpAddr;
use std::pin::Pin;

use super::VerifyPassword;
use crate::Result;
use crate::auth::Auth;
use crate::session::{Session, SessionInfo};
use crate::user::key::KeyId;

impl Auth {
    /// Has the user of a session prove once more who they are, for
    /// `#[authenticated(recent = "10m")]` and what else is worth it. The session goes on under
    /// another token; set its cookie by [`set_session`](crate::AuthRequest::set_session).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`](crate::Error::InvalidCredentials) as in
    /// [`verify_password`](Self::verify_password), and when the key belongs to another user;
    /// [`Error::TooManyAttempts`](crate::Error::TooManyAttempts) where attempts are counted;
    /// [`Error::Unauthenticated`](crate::Error::Unauthenticated) when the session has ended
    /// meanwhile; [`Error::Busy`](crate::Error::Busy) when too many passwords wait to be checked;
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    pub fn reauthenticate<'a, A>(
        &'a self,
        session: &'a Session<A>,
        key: impl Into<KeyId>,
        password: &'a str,
    ) -> Reauthenticate<'a> {
        Reauthenticate {
            auth: self,
            session,
            check: self.verify_password(key, password),
        }
    }
}

/// A second proof that is about to be asked for; `.await` asks for it.
#[derive(Debug)]
#[must_use = "a session is reauthenticated by `.await`"]
pub struct Reauthenticate<'a> {
    auth: &'a Auth,
    session: &'a SessionInfo,
    check: VerifyPassword<'a>,
}

impl Reauthenticate<'_> {
    /// Says which address the attempt comes from, and has it counted together with those to sign
    /// in: see [`VerifyPassword::address`].
    pub fn address(mut self, address: IpAddr) -> Self {
        self.check = self.check.address(address);
        self
    }

    async fn reauthenticate(self) -> Result<Session> {
        self.check.of(&self.session.user_id).await?;
        let now = self.auth.now();
        self.auth.rotate(self.session, Some(now)).await
    }
}

impl<'a> IntoFuture for Reauthenticate<'a> {
    type Output = Result<Session>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.reauthenticate())
    }
}
