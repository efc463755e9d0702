//! Keys of the signed-in user.

use std::time::Duration;

use super::AuthRequest;
use crate::session::Session;
use crate::user::key::{KeyId, NewKey, UserKey};
use crate::{Error, Result};

/// How long ago a user may have signed in who changes an address or their keys.
const RECENT: Duration = Duration::from_secs(10 * 60);

impl AuthRequest {
    /// Gives the signed-in user one more way to sign in. [`Auth::create_key`](crate::Auth::create_key) does
    /// this for any user:
    ///
    /// ```
    /// use lucia::{AuthRequest, NewKey, UserKey};
    ///
    /// async fn add(auth_request: &AuthRequest, name: &str, password: &str) -> lucia::Result<UserKey> {
    ///     let key = NewKey::with_password(("username", name), password);
    ///     auth_request.create_key(key).await
    /// }
    /// ```
    ///
    /// The key is stored only if the session of the request still exists, checked in the same transaction.
    /// So an attacker's request cannot add a key to an account that its owner has recovered in the
    /// meantime, for example with [`reset_password`](Self::reset_password) or
    /// [`verify_email`](Self::verify_email).
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::Unauthenticated`] for an anonymous request, and if the session has
    /// ended in the meantime; [`Error::ReauthenticationRequired`] if the user has not authenticated within
    /// the last 10 minutes; those of [`Auth::create_key`](crate::Auth::create_key).
    pub async fn create_key(&self, key: NewKey<'_>) -> Result<UserKey> {
        let session = self.require_recent().await?;
        self.auth().create_key_in(&session, key).await
    }

    /// Sets a password on a key of the signed-in user that has none, for example after
    /// [`verify_email`](Self::verify_email) or [`undo_email_change`](Self::undo_email_change). For a key
    /// that has a password, use [`change_password`](Self::change_password).
    ///
    /// ```
    /// use lucia::{AuthRequest, KeyId};
    ///
    /// async fn choose(auth_request: &AuthRequest, address: &str, password: &str) -> lucia::Result<()> {
    ///     auth_request.set_password(KeyId::email(address), password).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// As with [`create_key`](Self::create_key), the password is stored only if the session of the request
    /// still exists. No session ends.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::Unauthenticated`] for an anonymous request, and if the session has
    /// ended in the meantime; [`Error::ReauthenticationRequired`] if the user has not authenticated within
    /// the last 10 minutes; [`Error::UnknownKey`] if the key belongs to another user or to none;
    /// [`Error::InvalidCredentials`] if it has a password; [`Error::InvalidPassword`]; [`Error::Busy`] if
    /// too many passwords are waiting to be hashed; [`Error::Unavailable`] if the store is unavailable.
    pub async fn set_password(&self, key: impl Into<KeyId>, password: &str) -> Result<UserKey> {
        let key = key.into();
        let session = self.require_recent().await?;
        let auth = self.auth();
        auth.set_password_in(&session, &key, password).await
    }

    /// Removes a way to sign in from the signed-in user. [`Auth::delete_key`](crate::Auth::delete_key) does
    /// this for any user. The last key of a user is not deleted, because the user could not sign in without
    /// it. Sessions that began with the key do not end.
    ///
    /// ```
    /// use lucia::AuthRequest;
    ///
    /// async fn remove(auth_request: &AuthRequest, name: &str) -> lucia::Result<()> {
    ///     auth_request.delete_key(("username", name)).await
    /// }
    /// ```
    ///
    /// As with [`create_key`](Self::create_key), the key is deleted only if the session of the request
    /// still exists.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::Unauthenticated`] for an anonymous request, and if the session has
    /// ended in the meantime; [`Error::ReauthenticationRequired`] if the user has not authenticated within
    /// the last 10 minutes; [`Error::UnknownKey`] if the key belongs to another user or to none;
    /// [`Error::LastKey`]; [`Error::Constraint`] if a row of your tables refers to the key;
    /// [`Error::Unavailable`] if the store is unavailable.
    pub async fn delete_key(&self, key: impl Into<KeyId>) -> Result<()> {
        let key = key.into();
        let session = self.require_recent().await?;
        let row = self.auth().key_in(&session, &key).await?;
        self.auth().delete_key_in(&session, row).await
    }

    /// The session of a sender who has signed in a moment ago.
    pub(crate) async fn require_recent(&self) -> Result<Session> {
        self.check_forgery()?;
        let session = self.require().await?;
        if !self.auth().is_recently_authenticated(&session, RECENT) {
            return Err(Error::ReauthenticationRequired);
        }
        Ok(session)
    }
}
