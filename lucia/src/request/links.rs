//! Links and codes that a person asks for, which are sent to the address of a key.

use super::AuthRequest;
#[cfg(doc)]
use crate::Error;
use crate::Result;
use crate::token::{KeyCode, KeyLink, PASSWORD_RESET, SIGN_IN_LINK};
use crate::user::key::KeyId;

impl AuthRequest {
    /// Creates a link with which the user of this key sets a new password within an hour:
    ///
    /// ```
    /// use lucia::{AuthRequest, KeyId};
    ///
    /// async fn forgotten(auth_request: &AuthRequest, address: &str) -> lucia::Result<()> {
    ///     if let Some(link) = auth_request.create_password_reset(KeyId::email(address)).await? {
    ///         let url = format!("https://example.com/reset?token={}", link.token.expose());
    ///         send(link.key.provider_user_id(), url);
    ///     }
    ///     Ok(()) // the same answer for every address
    /// }
    ///
    /// async fn reset(auth_request: &AuthRequest, token: &str, password: &str) -> lucia::Result<()> {
    ///     auth_request.reset_password(token, password).await?;
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// The call refuses an unsafe request from another origin. It [counts](KeyLink#limits) the link for the
    /// key and the [address of the client](Self::client_address).
    ///
    /// Send the link to the address in [`KeyLink::key`]. If the key is a username, send it to the address
    /// in your database, never to one that came with the request. Send it in another task than the
    /// response. Otherwise the response time reveals who has an account.
    ///
    /// Returns `None` for a key that no user has, after about the same work, and if the
    /// [limit](KeyLink#limits) of links for the key is reached. Send the same response in all cases.
    ///
    /// A job without a request, for example one that invites imported users, uses its own
    /// [purpose](crate::TokenPurpose): it creates a link with
    /// [`Auth::create_token`](crate::Auth::create_token), and the page of the link calls
    /// [`Auth::reset_password`](crate::Auth::reset_password).
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::TooManyAttempts`] if the client has asked too often;
    /// [`Error::Misuse`] if the store has no one-time tokens; [`Error::Unavailable`] if the store is
    /// unavailable.
    pub async fn create_password_reset(&self, key: impl Into<KeyId>) -> Result<Option<KeyLink>> {
        let key = key.into();
        self.check_forgery()?;
        let address = self.client_address();
        let auth = self.auth();
        auth.create_key_link(PASSWORD_RESET, &key, address).await
    }

    /// Creates a link with which the user of this key signs in within 10 minutes (OWASP ASVS 5.0, 6.5.5):
    ///
    /// ```
    /// use lucia::{AuthRequest, KeyId, SignInLink};
    ///
    /// async fn send_link(auth_request: &AuthRequest, address: &str) -> lucia::Result<()> {
    ///     if let Some(link) = auth_request.create_sign_in_link(KeyId::email(address)).await? {
    ///         let url = format!("https://example.com/sign-in?token={}", link.token.expose());
    ///         send(link.key.provider_user_id(), url);
    ///     }
    ///     Ok(()) // the same answer for every address
    /// }
    ///
    /// async fn sign_in(auth_request: &AuthRequest, token: &str) -> lucia::Result<()> {
    ///     auth_request.sign_in(SignInLink::new(token)).await?;
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// The call refuses, counts and returns `None` as
    /// [`create_password_reset`](Self::create_password_reset) does. Send the link in the same way.
    ///
    /// The link opens the key whether or not the key has a password.
    ///
    /// # Errors
    ///
    /// Those of [`create_password_reset`](Self::create_password_reset).
    #[doc(alias = "magic link")]
    pub async fn create_sign_in_link(&self, key: impl Into<KeyId>) -> Result<Option<KeyLink>> {
        let key = key.into();
        self.check_forgery()?;
        let address = self.client_address();
        let auth = self.auth();
        auth.create_key_link(SIGN_IN_LINK, &key, address).await
    }

    /// Creates a code of 8 digits with which the user of this key signs in within 10 minutes (OWASP ASVS
    /// 5.0, 6.5.5):
    ///
    /// ```
    /// use lucia::{AuthRequest, KeyId, SignInCode};
    ///
    /// async fn send_code(auth_request: &AuthRequest, address: &str) -> lucia::Result<()> {
    ///     if let Some(code) = auth_request.create_sign_in_code(KeyId::email(address)).await? {
    ///         let text = format!("Your code is {}", code.code.expose());
    ///         send(code.key.provider_user_id(), text);
    ///     }
    ///     Ok(()) // the same answer for every address
    /// }
    ///
    /// async fn sign_in(auth_request: &AuthRequest, address: &str, typed: &str) -> lucia::Result<()> {
    ///     auth_request.sign_in(SignInCode::new(KeyId::email(address), typed)).await?;
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// The call refuses, counts and returns `None` as
    /// [`create_password_reset`](Self::create_password_reset) does. Send the code in the same way.
    ///
    /// The code works only in the browser that asked for it (OWASP ASVS 5.0, 6.6.2): the response sets the
    /// cookie `__Host-auth_browser`, which authenticates nothing. So another client can neither use the
    /// code nor use up its tries. A client that is not a browser has to send the cookie back. If the
    /// request authenticates with a bearer token, the code works in requests with a bearer token of the
    /// same user.
    ///
    /// A code can be tried five times: see [`Auth::use_code`](crate::Auth::use_code). A new code for the
    /// key in the same browser replaces the previous one. Wrong codes also count as failed [sign-in
    /// attempts](crate::AuthBuilder::sign_in_limit). After a client has sent 100 wrong codes within an
    /// hour, for any keys, further codes from it are refused.
    ///
    /// # Errors
    ///
    /// Those of [`create_password_reset`](Self::create_password_reset), and [`Error::Busy`] if too many
    /// passwords and codes are waiting to be hashed.
    pub async fn create_sign_in_code(&self, key: impl Into<KeyId>) -> Result<Option<KeyCode>> {
        let key = key.into();
        self.check_forgery()?;
        let binding = self.bind_code()?;
        let address = self.client_address();
        self.auth()
            .create_code_to_sign_in(&key, &binding, address)
            .await
    }

    /// Creates a link with which the signed-in user verifies the address of one of their keys within a day:
    ///
    /// ```
    /// use lucia::{AuthRequest, KeyId, NewUser};
    ///
    /// async fn sign_up(auth_request: &AuthRequest, address: &str, password: &str) -> lucia::Result<()> {
    ///     auth_request.sign_up(NewUser::with_password(KeyId::email(address), password)).await?;
    ///     if let Some(link) = auth_request.create_email_verification(KeyId::email(address)).await? {
    ///         let url = format!("https://example.com/verify?token={}", link.token.expose());
    ///         send(link.key.provider_user_id(), url);
    ///     }
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// The user has to be signed in. They are after [`sign_up`](Self::sign_up) in the same request. The
    /// call refuses an unsafe request from another origin, and counts the link for the key and the [address
    /// of the client](Self::client_address).
    ///
    /// Send the link to the address in [`KeyLink::key`]. [`verify_email`](Self::verify_email) uses it and
    /// sets [`UserKey::verified_at`](crate::UserKey::verified_at). Several links for the same key can be
    /// open at the same time.
    ///
    /// Returns `None` for a key that is already verified, for a key that is not the user's, and if the
    /// [limit](KeyLink#limits) of links for the key is reached.
    ///
    /// # Errors
    ///
    /// Those of [`create_password_reset`](Self::create_password_reset), and [`Error::Unauthenticated`].
    pub async fn create_email_verification(
        &self,
        key: impl Into<KeyId>,
    ) -> Result<Option<KeyLink>> {
        let key = key.into();
        self.check_forgery()?;
        let session = self.require().await?;
        let address = self.client_address();
        self.auth()
            .create_address_verification(&session.user_id, &key, address)
            .await
    }

    /// Creates a link with which the signed-in user gives one of their keys another address within a day:
    ///
    /// ```
    /// use lucia::{AuthRequest, KeyId};
    ///
    /// async fn ask(auth_request: &AuthRequest, current: &str, new: &str) -> lucia::Result<()> {
    ///     let created = auth_request.create_email_change(KeyId::email(current), KeyId::email(new));
    ///     if let Some(link) = created.await? {
    ///         let url = format!("https://example.com/change?token={}", link.token.expose());
    ///         send(link.key.provider_user_id(), url);
    ///     }
    ///     Ok(()) // the same answer for every address
    /// }
    ///
    /// async fn change(auth_request: &AuthRequest, token: &str) -> lucia::Result<()> {
    ///     let change = auth_request.change_email(token).await?;
    ///     if let Some(link) = change.undo {
    ///         let url = format!("https://example.com/undo?token={}", link.token.expose());
    ///         send(link.key.provider_user_id(), url);
    ///     }
    ///     Ok(())
    /// }
    ///
    /// async fn undo(auth_request: &AuthRequest, token: &str) -> lucia::Result<()> {
    ///     auth_request.undo_email_change(token).await?;
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// Send the link to the new address, in another task than the response. Nothing changes until
    /// [`change_email`](Self::change_email) uses the link.
    ///
    /// Returns `None` if a user already has a key of the new address, after about the same work, and if the
    /// [limit](KeyLink#limits) of links for the new address is reached.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::Unauthenticated`]; [`Error::ReauthenticationRequired`] if the user
    /// has not authenticated within the last 10 minutes; [`Error::UnknownKey`] if the key is not the
    /// user's; [`Error::InvalidKey`] for an address that no key can have; [`Error::TooManyAttempts`] if the
    /// client has asked too often, and for a key whose address was changed within the last 7 days;
    /// [`Error::Misuse`] if the two keys are of different providers, and if the store has no one-time
    /// tokens; [`Error::Unavailable`] if the store is unavailable.
    pub async fn create_email_change(
        &self,
        key: impl Into<KeyId>,
        new: impl Into<KeyId>,
    ) -> Result<Option<KeyLink>> {
        let (key, new) = (key.into(), new.into());
        let session = self.require_recent().await?;
        let auth = self.auth();
        let address = self.client_address();
        auth.create_address_change(&session.user_id, &key, &new, address)
            .await
    }
}
