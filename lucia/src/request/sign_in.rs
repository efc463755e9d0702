//! [`SignIn`] and [`SignUp`]: a browser gets a new session.

use std::fmt;
use std::pin::Pin;

use super::AuthRequest;
use crate::Result;
use crate::auth::{CreateSession, CreateUser, SessionOptions, awaited};
use crate::error::chain;
use crate::event::InvalidationCause;
use crate::session::Session;
use crate::sign_in::{Evidence, Proof};
use crate::user::key::{SignInMethod, VerifiedKey};
use crate::user::{NewUser, OwnedOrCallReturning, User};

impl AuthRequest {
    /// Signs a user in: `auth_request.sign_in(Password::new(("username", name), password)).await?`.
    ///
    /// In this order, the call
    ///
    /// 1. refuses an unsafe request from another origin, so that no other site can sign a visitor in;
    /// 2. counts the attempt for the key and the [address of the client](Self::client_address), and refuses
    ///    it if too many have failed;
    /// 3. checks the proof, which takes the same time whether or not the user exists. A
    ///    [link](crate::SignInLink) or [code](crate::SignInCode) is used up here;
    /// 4. in one transaction, creates the session, but only if the key has not changed since it was
    ///    verified, and ends the session of the request's cookie, whichever user it belongs to (OWASP ASVS
    ///    5.0, 7.2.4);
    /// 5. makes the response set the cookie of the new session.
    ///
    /// If a step fails, the later steps do not happen: a wrong password does not end the browser's session.
    /// If a request has several session cookies, all their sessions end: one in the transaction, the others
    /// right after it.
    ///
    /// A request that authenticated with a bearer token gets a session but no cookie. Its own session does
    /// not end.
    ///
    /// To check a password and do nothing else, use
    /// [`Auth::verify_password`](crate::Auth::verify_password).
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`](crate::Error::CrossOrigin);
    /// [`Error::TooManyAttempts`](crate::Error::TooManyAttempts);
    /// [`Error::InvalidCredentials`](crate::Error::InvalidCredentials);
    /// [`Error::InvalidOneTimeToken`](crate::Error::InvalidOneTimeToken) for a link or code;
    /// [`Error::Unauthenticated`](crate::Error::Unauthenticated) if the link or code would be the first
    /// proof of an address, and the user has another way to sign in or a change of the user's address can
    /// still be undone (the user then has to sign in first, in the same browser), or if the session of the
    /// browser has ended in the meantime; [`Error::Constraint`](crate::Error::Constraint) and the other errors of
    /// [`update_session_attributes`](crate::Auth::update_session_attributes) for
    /// [attributes](SignIn::attributes) that do not fit; [`Error::Busy`](crate::Error::Busy) if too many
    /// passwords are waiting to be checked; [`Error::Unavailable`](crate::Error::Unavailable) if the store
    /// is unavailable.
    pub fn sign_in<'a>(&'a self, proof: impl Proof + 'a) -> SignIn<'a> {
        self.sign_in_by(proof.evidence(), SessionOptions::default())
    }

    /// As [`sign_in`](Self::sign_in), for all that signs a user in.
    pub(super) fn sign_in_by<'a>(
        &'a self,
        evidence: Evidence<'a>,
        options: SessionOptions,
    ) -> SignIn<'a> {
        SignIn {
            request: self,
            evidence,
            options,
        }
    }

    /// Creates a user and their key, and signs them in:
    ///
    /// ```
    /// use lucia::{AuthRequest, NewUser};
    ///
    /// async fn sign_up(auth_request: &AuthRequest, name: &str, password: &str) -> lucia::Result<()> {
    ///     let new_user = NewUser::with_password(("username", name), password);
    ///     let (user, session) = auth_request.sign_up(new_user).await?;
    ///     assert_eq!(user.id, session.user_id);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The call refuses an unsafe request from another origin. Then it creates the user, as
    /// [`Auth::create_user`](crate::Auth::create_user) does, and signs them in, as
    /// [`sign_in`](Self::sign_in) does after it has checked the proof.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`](crate::Error::CrossOrigin), and those of
    /// [`Auth::create_user`](crate::Auth::create_user) and
    /// [`Auth::create_session`](crate::Auth::create_session). The user is created first. If the session
    /// cannot be created, for example because the store fails in between, the user exists and can sign in.
    pub fn sign_up<'a, A: for<'de> OwnedOrCallReturning<'de>>(
        &'a self,
        new_user: NewUser<'a, A>,
    ) -> SignUp<'a, A> {
        SignUp {
            request: self,
            create_user: self.auth().create_user(new_user),
            options: SessionOptions::default(),
        }
    }

    /// Creates the session in place of those that the browser has.
    async fn begin_session(
        &self,
        create: CreateSession<'_>,
        options: SessionOptions,
    ) -> Result<Session> {
        let before = self.browser_sessions();
        let create = create.options(options).replace_id(before.first().cloned());
        let session = create.await?;
        let overtaken = self.replace_session(Some(&session));
        // What one transaction cannot end: further cookies, and what this request set meanwhile.
        let others = before.iter().skip(1);
        let overtaken = overtaken.as_ref().filter(|id| !before.contains(id));
        for id in others.chain(overtaken) {
            let ending = self.auth().revoke_session(id, InvalidationCause::SignIn);
            if let Err(error) = ending.await {
                let error = chain(&error);
                tracing::warn!(%error, session_id = %id, "another session of the browser is left");
            }
        }
        Ok(session)
    }
}

/// Defines the methods of a builder that set the options of the session that it begins in a browser.
macro_rules! browser_session_options {
    () => {
        $crate::auth::session_options!(self => self.request.auth());

        /// Stores the [address of the client](crate::AuthRequest::client_address) with the session, for a page of
        /// "your sessions". An address is personal data.
        pub fn store_address(mut self) -> Self {
            self.options.address = self.request.client_address();
            self
        }
    };
}
pub(super) use browser_session_options;

/// A sign-in that is about to happen; `.await` performs it. See [`AuthRequest::sign_in`],
/// [`AuthRequest::reset_password`] and [`AuthRequest::undo_email_change`].
///
/// ```
/// use lucia::{AuthRequest, Password, Session};
///
/// async fn log_in(
///     auth_request: &AuthRequest,
///     username: &str,
///     password: &str,
///     user_agent: &str,
/// ) -> lucia::Result<Session> {
///     auth_request
///         .sign_in(Password::new(("username", username), password))
///         .device(user_agent)
///         .await
/// }
/// ```
#[must_use = "a sign-in is made by `.await`"]
pub struct SignIn<'a> {
    request: &'a AuthRequest,
    evidence: Evidence<'a>,
    options: SessionOptions,
}

impl SignIn<'_> {
    browser_session_options!();

    async fn sign_in(self) -> Result<Session> {
        let request = self.request;
        request.check_forgery()?;
        let options = self.options.check()?;
        let auth = request.auth();
        let signed_in = match self.evidence.is_mailed() {
            true => request.validate().await?,
            false => None,
        };
        let address = || request.client_address();
        let binding = || request.code_binding();
        let key = self
            .evidence
            .verify(auth, address, binding, signed_in.as_deref(), None)
            .await?;
        let create = auth.create_session(&*key);
        request.begin_session(create, options).await
    }
}

awaited!(SignIn::sign_in -> Session);

impl fmt::Debug for SignIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("proof", &self.evidence)
            .field("device", &self.options.device)
            .finish_non_exhaustive()
    }
}

/// A user who is about to be created and signed in; `.await` does both. See [`AuthRequest::sign_up`]. The
/// options here are those of the session; [`NewUser`] has those of the user.
#[must_use = "a user is signed up by `.await`"]
pub struct SignUp<'a, A> {
    request: &'a AuthRequest,
    create_user: CreateUser<'a, A>,
    options: SessionOptions,
}

impl<A> SignUp<'_, A> {
    browser_session_options!();

    async fn sign_up(self) -> Result<(User<A>, Session)> {
        let request = self.request;
        request.check_forgery()?;
        let options = self.options.check()?;
        let auth = request.auth();
        let (user, key) = self.create_user.create().await?;
        let verified = |row| VerifiedKey::from_row(row, SignInMethod::SignUp);
        let key = key.map(verified).transpose()?;
        let create = match &key {
            Some(key) => auth.create_session(key),
            None => auth.create_session(&user.id),
        };
        let session = request.begin_session(create, options).await?;
        Ok((user, session))
    }
}

impl<'a, A: Send + 'a> IntoFuture for SignUp<'a, A> {
    type Output = Result<(User<A>, Session)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.sign_up())
    }
}

impl<A> fmt::Debug for SignUp<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignUp")
            .field("create_user", &self.create_user)
            .field("device", &self.options.device)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(all(feature = "http", feature = "sqlite", feature = "test-support"))]
mod tests;
