//! Addresses that a person proves to be theirs, by a link.

use super::AuthRequest;
#[cfg(doc)]
use crate::Error;
use crate::Result;
use crate::session::Session;
use crate::token::KeyLink;
use crate::user::key::UserKey;

/// An address that was verified by [`AuthRequest::verify_email`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmailVerification {
    /// The key of the address.
    pub key: UserKey,
    /// The session that began, where the browser was not signed in as the user of the key. The passwords of the
    /// user's keys have been removed then: where your users have passwords, ask for a new one.
    pub new_session: Option<Session>,
}

/// An address that took the place of another one by [`AuthRequest::change_email`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmailChange {
    /// The key, under its new address.
    pub key: UserKey,
    /// A link to undo the change within 7 days, by [`AuthRequest::undo_email_change`]. Its key has the former address:
    /// send the link there, and tell the user about the change. If the link is lost, [`AuthRequest::change_email`]
    /// returns another one.
    ///
    /// `None` if the former address was not [verified](UserKey::verified_at): the address can be mistyped and belong to
    /// another person. Send nothing there. Also `None` if another link is asked for and the [limit](KeyLink#limits) of
    /// such links for the former address is reached.
    pub undo: Option<KeyLink>,
}

impl AuthRequest {
    /// Verifies an address by the token of a link that
    /// [`create_email_verification`](Self::create_email_verification) has created:
    ///
    /// ```
    /// use lucia::AuthRequest;
    ///
    /// /// Where to go on.
    /// async fn verify(auth_request: &AuthRequest, token: &str) -> lucia::Result<&'static str> {
    ///     let verified = auth_request.verify_email(token).await?;
    ///     Ok(match verified.new_session {
    ///         None => "/",
    ///         Some(_) => "/new-password",
    ///     })
    /// }
    /// ```
    ///
    /// Call it in the POST of the page that the link opens, and not when the page is opened: mail scanners
    /// open links as well.
    ///
    /// It refuses an unsafe request from another origin. In a browser that is signed in as the user of the key, the key
    /// is [verified](UserKey::verified_at), and nothing else changes. Another browser may belong to another person,
    /// because a sign-up does not prove who owns the address. So if the key was not verified before, this call
    ///
    /// 1. in one transaction, uses the link, removes the passwords of all keys of the user, ends all their sessions,
    ///    invalidates all their open links and codes, and verifies the key;
    /// 2. signs the browser in, as [`sign_in`](Self::sign_in) does once the proof is checked.
    ///
    /// If a step fails, the steps after it do not happen. A request of a former session that is still under way cannot
    /// add, change or delete a key afterwards by these calls of `AuthRequest`: [`create_key`](Self::create_key),
    /// [`set_password`](Self::set_password), [`delete_key`](Self::delete_key),
    /// [`change_password`](Self::change_password), [`change_email`](Self::change_email), `unlink_oauth`, and
    /// `finish_oauth` for a link. The calls of [`Auth`](crate::Auth) do not know the session.
    ///
    /// A user who has signed up on another device can avoid this by opening the link there, or by signing in first: say
    /// so on the page. Afterwards, the user can set a new password with [`set_password`](Self::set_password), without
    /// the old one.
    ///
    /// A user who has another key that is verified, or one that opens without a password, has to sign in first: the
    /// account is not given to the owner of an address that may be mistyped. The check is part of the transaction, so
    /// the account is not given away either if the user gets such a key at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::InvalidOneTimeToken`] if the link is wrong, used or expired, or if
    /// the key now belongs to another user; [`Error::Unauthenticated`] where the user has to sign in
    /// before, and the link still works; [`Error::Unavailable`] if the store is unavailable.
    pub async fn verify_email(&self, token: &str) -> Result<EmailVerification> {
        self.check_forgery()?;
        let signed_in = self.validate().await?;
        let signed_in = signed_in.as_deref();
        let verified = self.auth().verify_address(token, signed_in).await?;
        let new_session = match verified.is_new_owner {
            true => Some(self.sign_in(&verified.key).await?),
            false => None,
        };
        Ok(EmailVerification {
            key: verified.key.key,
            new_session,
        })
    }

    /// Gives a key another address by the token of a link that
    /// [`create_email_change`](Self::create_email_change) has created. Its password and all sessions stay, and the
    /// new address counts as [verified](UserKey::verified_at).
    ///
    /// Call it in the POST of the page that the link opens, and not when the page is opened: mail scanners
    /// open links as well. The browser has to be signed in as the user who asked for the change: the new
    /// address can be mistyped, and its owner another person. If their session ends meanwhile, nothing
    /// changes.
    ///
    /// A request can be dropped after the address has changed, and [the link to undo it](EmailChange::undo) is lost
    /// then. So the user can use the confirming link again. It then changes nothing, and the call returns another link
    /// to undo the change, which counts toward the [limits](KeyLink#limits). To tell the former address even if the
    /// client hangs up, call this and send the mail in a task.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::Unauthenticated`], also if the session has ended meanwhile, and
    /// then the link still works; [`Error::InvalidOneTimeToken`] if the link is wrong, used, expired or
    /// another user's, if the key has changed since, and if a user has the new address by now;
    /// [`Error::TooManyAttempts`] for a key whose address was changed within the last 7 days, and when the
    /// client has asked too often for another link to undo the change; [`Error::Unavailable`] if the store
    /// is unavailable.
    pub async fn change_email(&self, token: &str) -> Result<EmailChange> {
        self.check_forgery()?;
        let session = self.require().await?;
        let address = self.client_address();
        let auth = self.auth();
        let (key, undo) = auth.change_address(token, &session, address).await?;
        Ok(EmailChange { key, undo })
    }

    /// Restores the former address of a key by the token of a link that [`change_email`](Self::change_email) has
    /// returned, for a person who did not want the change. The one who did can know the password and have sessions
    /// and other ways to sign in. So in one transaction, this
    ///
    /// 1. uses the link, and all others that undo the same change;
    /// 2. gives the user a key of the former address, which is verified, even if the other person has deleted the
    ///    changed one. If another user has the address by now, and has not verified it, it is taken from them;
    /// 3. deletes all keys that the user did not have when the address changed, and the new address. Those that they
    ///    had stay, without their passwords, and unverified if they were so then. A key that got another address by
    ///    another change that can be undone counts by its former one;
    /// 4. ends all sessions and open links and codes of the user.
    ///
    /// Then the call signs the browser in. Ask for a new password, and set it with
    /// [`set_password`](Self::set_password).
    ///
    /// A key that the other person added before the change stays, because nothing distinguishes it from the user's own
    /// keys. Show the user [their keys](crate::Auth::user_keys), and let them [delete](crate::Auth::delete_key) those
    /// that they do not know.
    ///
    /// Call it in a POST, as [`change_email`](Self::change_email).
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::InvalidOneTimeToken`] if the link is wrong, used or expired, if the
    /// user was deleted, and if another user has verified the former address; [`Error::Constraint`] if a
    /// row of your tables refers to a key that is deleted; [`Error::Unavailable`] if the store is
    /// unavailable. The link still works unless it was used.
    pub async fn undo_email_change(&self, token: &str) -> Result<Session> {
        self.check_forgery()?;
        let key = self.auth().undo_address_change(token).await?;
        self.sign_in(key).await
    }
}
