//! [`Reauthenticate`]: the user of a session proves once more who they are.

use std::net::IpAddr;

use super::VerifyPassword;
use crate::Result;
use crate::auth::{Auth, awaited};
use crate::session::{Session, SessionInfo};
use crate::user::key::KeyId;

impl Auth {
    /// Checks the password of a session's user once more, for `#[authenticated(recent = "10m")]`. The
    /// session goes on under another token; set its cookie with
    /// [`set_session`](crate::AuthRequest::set_session).
    /// [`AuthRequest::reauthenticate`](crate::AuthRequest::reauthenticate) does both, and counts wrong
    /// passwords.
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

/// A session that is about to be reauthenticated by `.await`.
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

    /// As [`address`](Self::address), where the address may be unknown.
    pub(crate) fn counted_at(mut self, address: Option<IpAddr>) -> Self {
        self.check = self.check.counted_at(address);
        self
    }

    async fn reauthenticate(self) -> Result<Session> {
        self.check.of(&self.session.user_id).await?;
        let now = self.auth.now();
        self.auth.rotate(self.session, Some(now)).await
    }
}

awaited!(Reauthenticate::reauthenticate -> Session);
