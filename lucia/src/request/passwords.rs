//! A user who is signed in types a password again: to change it, or to prove who they are.

use super::{AuthRequest, SignIn};
use crate::Result;
use crate::auth::SessionOptions;
use crate::session::Session;
use crate::sign_in::{Evidence, Password, Proof};

impl AuthRequest {
    /// Changes the password of the signed-in user, who also types the current one:
    ///
    /// ```
    /// use lucia::{AuthRequest, Password, Session};
    ///
    /// async fn change(
    ///     auth_request: &AuthRequest,
    ///     username: &str, // of the user who is signed in
    ///     current: &str,
    ///     new: &str,
    /// ) -> lucia::Result<Session> {
    ///     let current = Password::new(("username", username), current);
    ///     auth_request.change_password(current, new).await
    /// }
    /// ```
    ///
    /// In this order, the call
    ///
    /// 1. refuses an unsafe request from another origin, and an anonymous request;
    /// 2. checks the current password (OWASP ASVS 5.0, 6.2.3), and counts the attempt as
    ///    [`sign_in`](Self::sign_in) does. A key of another user is refused like a wrong password;
    /// 3. checks the new password against the [policy](crate::PasswordOptions);
    /// 4. invalidates all open links and codes of the user;
    /// 5. in one transaction, changes the password if it is still the one that was checked, ends all other
    ///    sessions of the user, and gives this session a new token: see
    ///    [`Auth::change_password`](crate::Auth::change_password);
    /// 6. makes the response set the cookie with the new token.
    ///
    /// If a step fails, the later steps do not happen. A client that authenticated with a bearer token gets
    /// no cookie: send it the [token](Session::token) of the returned session. The rest of such a request
    /// is anonymous.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`](crate::Error::CrossOrigin);
    /// [`Error::Unauthenticated`](crate::Error::Unauthenticated) for an anonymous request, and if the
    /// session has ended in the meantime; [`Error::TooManyAttempts`](crate::Error::TooManyAttempts);
    /// [`Error::InvalidCredentials`](crate::Error::InvalidCredentials) if the current password is wrong, or
    /// if another call has changed it in the meantime;
    /// [`Error::InvalidPassword`](crate::Error::InvalidPassword) for the new password;
    /// [`Error::Busy`](crate::Error::Busy) if too many passwords are waiting to be hashed;
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    pub async fn change_password(&self, current: Password<'_>, new: &str) -> Result<Session> {
        self.check_forgery()?;
        let session = self.require().await?;
        let auth = self.auth();
        let key = auth
            .verify_password(current.key, current.password)
            .limit_by(self.client_address())
            .of(Some(&session.user_id))
            .await?;
        let session = auth.change_password(&session, &key, new).await?;
        Ok(self.replaced(session))
    }

    /// Authenticates the signed-in user again, for
    /// [`#[authenticated(recent = "10m")]`](crate::authenticated) (OWASP ASVS 5.0, 7.5.3):
    ///
    /// ```
    /// use lucia::{AuthRequest, Password};
    ///
    /// async fn confirm(
    ///     auth_request: &AuthRequest,
    ///     username: &str, // of the user who is signed in
    ///     password: &str,
    /// ) -> lucia::Result<()> {
    ///     auth_request.reauthenticate(Password::new(("username", username), password)).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// Users without a password authenticate with a [link](crate::SignInLink) or [code](crate::SignInCode),
    /// or with a key for which the application vouches, for example after another visit to an OAuth
    /// provider: `auth_request.reauthenticate(auth.trusted_key(key).await?)`.
    ///
    /// The call refuses requests and counts attempts as [`change_password`](Self::change_password) does.
    /// Then it gives the session a new token, and makes the response set the cookie with it. For bearer
    /// tokens, the notes on `change_password` apply.
    ///
    /// # Errors
    ///
    /// Those of [`change_password`](Self::change_password), except `InvalidPassword`, and
    /// [`Error::InvalidOneTimeToken`](crate::Error::InvalidOneTimeToken) for a link or code.
    pub async fn reauthenticate(&self, proof: impl Proof) -> Result<Session> {
        let evidence = proof.evidence();
        self.check_forgery()?;
        let session = self.require().await?;
        let auth = self.auth();
        let owner = Some(&session.user_id);
        let (address, binding) = (|| self.client_address(), || self.code_binding());
        let key = evidence
            .verify(auth, address, binding, Some(&session), owner)
            .await?;
        let session = auth.reauthenticate(&session, &key).await?;
        Ok(self.replaced(session))
    }

    /// Resets a forgotten password with the token of a link from
    /// [`create_password_reset`](Self::create_password_reset), and signs the user in.
    ///
    /// In this order, the call
    ///
    /// 1. refuses an unsafe request from another origin;
    /// 2. checks the link, and checks the new password against the [policy](crate::PasswordOptions). A
    ///    refused password does not use up the link;
    /// 3. uses the link, and invalidates all other links and codes of the user, except links that
    ///    [undo a change of an address](Self::undo_email_change). If the key was not
    ///    [verified](crate::UserKey::verified_at), this step verifies it. If the browser is not signed in as the
    ///    user either, the same transaction gives the account to the owner of the address: everything that another
    ///    person may have set ends, as in [`verify_email`](Self::verify_email);
    /// 4. sets the password and ends all sessions of the user, in one transaction;
    /// 5. signs the user in, as [`sign_in`](Self::sign_in) does after it has checked the proof, with the
    ///    options of [`SignIn`].
    ///
    /// If a step fails, the later steps do not happen. After step 3, the user needs a new link.
    ///
    /// If the key was not verified, the browser is not signed in as the user, and the user has another key
    /// that is verified or opens without a password, the reset is refused at step 3, and the link still works.
    /// The user has to sign in with that other key first, as for [`verify_email`](Self::verify_email). The same
    /// applies while a former address of the user can [undo a change](Self::undo_email_change).
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`](crate::Error::CrossOrigin);
    /// [`Error::InvalidOneTimeToken`](crate::Error::InvalidOneTimeToken) if the link is wrong, used or
    /// expired, or if the key now belongs to another user;
    /// [`Error::Unauthenticated`](crate::Error::Unauthenticated) if the user has to sign in first, in which
    /// case the link still works; [`Error::InvalidPassword`](crate::Error::InvalidPassword);
    /// [`Error::Busy`](crate::Error::Busy) if too many passwords are waiting to be hashed;
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable.
    pub fn reset_password<'a>(&'a self, token: &'a str, new: &'a str) -> SignIn<'a> {
        let evidence = Evidence::PasswordReset { token, new };
        self.sign_in_by(evidence, SessionOptions::default())
    }

    /// Notes the session under its new token. The former token, which a client may have shown in its
    /// `Authorization` header, no longer authenticates this request.
    fn replaced(&self, session: Session) -> Session {
        if self.is_by_bearer() {
            self.0.bearer.end();
        }
        self.set_session(Some(&session));
        session
    }
}
