//! E-mail addresses that a person proves to own, with a link.

use std::borrow::Cow;

use super::sign_in::browser_session_options;
use super::{AuthRequest, SignIn};
#[cfg(doc)]
use crate::Error;
use crate::Result;
use crate::auth::{SessionOptions, awaited};
use crate::session::Session;
use crate::sign_in::Evidence;
use crate::token::KeyLink;
use crate::user::key::UserKey;

/// An address that was verified by [`AuthRequest::verify_email`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmailVerification {
    /// The key of the address.
    pub key: UserKey,
    /// The session that began if the browser was not signed in as the user of the key. The passwords of the
    /// user's keys have then been removed. If your users have passwords, ask for a new one.
    pub new_session: Option<Session>,
}

/// An address that replaced another one by [`AuthRequest::change_email`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmailChange {
    /// The key, under its new address.
    pub key: UserKey,
    /// A link to undo the change within 7 days with [`AuthRequest::undo_email_change`]. Its key has the
    /// former address: send the link there, and tell the user about the change. If the link is lost,
    /// [`AuthRequest::change_email`] returns another one.
    ///
    /// `None` if the former address was not [verified](UserKey::verified_at): it may be mistyped and belong
    /// to another person, so send nothing there. Also `None` if the user asks for another link after the
    /// [limit](KeyLink#limits) of such links for the former address is reached.
    pub undo: Option<KeyLink>,
}

impl AuthRequest {
    /// Verifies an address with the token of a link from
    /// [`create_email_verification`](Self::create_email_verification):
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
    /// Call it in the POST of the page that the link opens, not when the page is opened, because mail
    /// scanners also open links.
    ///
    /// The call refuses an unsafe request from another origin. If the browser is signed in as the user of
    /// the key, the key becomes [verified](UserKey::verified_at), and nothing else changes. Another browser
    /// may belong to another person, because a sign-up does not prove who owns the address. So if the key
    /// was not verified before, the call
    ///
    /// 1. in one transaction, uses the link, removes the passwords of all keys of the user, ends all their
    ///    sessions, invalidates all their open links and codes, and verifies the key;
    /// 2. signs the browser in, as [`sign_in`](Self::sign_in) does after it has checked the proof, with the
    ///    options of [`VerifyEmail`].
    ///
    /// If a step fails, the later steps do not happen. Afterwards, a request of a former session that is
    /// still in progress cannot add, change or delete a key with these calls of `AuthRequest`:
    /// [`create_key`](Self::create_key), [`set_password`](Self::set_password),
    /// [`delete_key`](Self::delete_key), [`change_password`](Self::change_password),
    /// [`change_email`](Self::change_email), `unlink_oauth`, and `finish_oauth` for a link. The calls of
    /// [`Auth`](crate::Auth) do not check the session.
    ///
    /// A user who signed up on another device can keep their password and sessions by opening the link
    /// there, or by signing in first. Say so on the page. Otherwise, the user can set a new password with
    /// [`set_password`](Self::set_password), without the old one.
    ///
    /// The user has to sign in first if they have another key that is verified or opens without a password, or
    /// if a change of their address can still be [undone](Self::undo_email_change). Otherwise the account could
    /// go to the owner of a mistyped address. The check is part of the transaction, so it also covers a key
    /// that the user gets at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::InvalidOneTimeToken`] if the link is wrong, used or expired, or if
    /// the key now belongs to another user; [`Error::Unauthenticated`] if the user has to sign in first, in
    /// which case the link still works; [`Error::Unavailable`] if the store is unavailable.
    pub fn verify_email<'a>(&'a self, token: &'a str) -> VerifyEmail<'a> {
        VerifyEmail {
            request: self,
            token,
            options: SessionOptions::default(),
        }
    }

    /// Gives a key another address, with the token of a link from
    /// [`create_email_change`](Self::create_email_change). The password of the key and all sessions stay,
    /// and the new address counts as [verified](UserKey::verified_at).
    ///
    /// Call it in the POST of the page that the link opens, not when the page is opened, because mail
    /// scanners also open links. The browser has to be signed in as the user who asked for the change,
    /// because the new address may be mistyped and belong to another person. If the user's session ends in
    /// the meantime, nothing changes.
    ///
    /// If a request is dropped after the address has changed, [the link to undo the
    /// change](EmailChange::undo) is lost. So the user can use the confirming link again. It then changes
    /// nothing, and the call returns another link to undo the change, which counts toward the
    /// [limits](KeyLink#limits). To notify the former address even if the client disconnects, call this and
    /// send the mail in a separate task.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::Unauthenticated`] for an anonymous request, and if the session has
    /// ended in the meantime, in which case the link still works; [`Error::InvalidOneTimeToken`] if the
    /// link is wrong, used, expired or another user's, if the key has changed since, or if a user now has
    /// the new address; [`Error::TooManyAttempts`] for a key whose address was changed within the last 7
    /// days, and if the client has asked too often for another link to undo the change;
    /// [`Error::Unavailable`] if the store is unavailable.
    pub async fn change_email(&self, token: &str) -> Result<EmailChange> {
        self.check_forgery()?;
        let session = self.require().await?;
        let address = self.client_address();
        let auth = self.auth();
        let (key, undo) = auth.change_address(token, &session, address).await?;
        Ok(EmailChange { key, undo })
    }

    /// Restores the former address of a key, with the token of a link that
    /// [`change_email`](Self::change_email) returned. It is for a person who did not want the change.
    /// Whoever made the change may know the password, and may have sessions and other ways to sign in. So
    /// in one transaction, this call
    ///
    /// 1. uses the link, and all other links that undo the same change;
    /// 2. gives the user a verified key of the former address, even if the changed key has been deleted. If
    ///    another user now has the address and has not verified it, it is taken from them;
    /// 3. deletes all keys that the user did not have when the address changed, and the key of the new
    ///    address. Keys that the user had stay, without their passwords, and are unverified again if they
    ///    were unverified then. A key that got its address by another change that can be undone is compared
    ///    by its former address;
    /// 4. ends all sessions and invalidates all open links and codes of the user.
    ///
    /// Then the call signs the browser in, with the options of [`SignIn`]. Ask for a new password, and set it with
    /// [`set_password`](Self::set_password).
    ///
    /// A key that the other person added before the change stays, because nothing distinguishes it from the
    /// user's own keys. Show the user [their keys](crate::Auth::user_keys), and let them
    /// [delete](crate::Auth::delete_key) those that they do not recognise.
    ///
    /// Call it in a POST, like [`change_email`](Self::change_email).
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`]; [`Error::InvalidOneTimeToken`] if the link is wrong, used or expired, if the
    /// user was deleted, or if another user has verified the former address; [`Error::Constraint`] if a row
    /// of your tables refers to a key that would be deleted; [`Error::Unavailable`] if the store is
    /// unavailable. The link still works unless it was used.
    pub fn undo_email_change<'a>(&'a self, token: &'a str) -> SignIn<'a> {
        let evidence = Evidence::EmailUndo { token };
        self.sign_in_by(evidence, SessionOptions::default())
    }
}

/// A verification that is about to happen; `.await` performs it. See [`AuthRequest::verify_email`]. The
/// options are those of the session that may begin.
#[must_use = "an address is verified by `.await`"]
pub struct VerifyEmail<'a> {
    request: &'a AuthRequest,
    token: &'a str,
    options: SessionOptions,
}

impl VerifyEmail<'_> {
    browser_session_options!();

    async fn verify(self) -> Result<EmailVerification> {
        let request = self.request;
        request.check_forgery()?;
        let options = self.options.check()?;
        let signed_in = request.validate().await?;
        let signed_in = signed_in.as_deref();
        let auth = request.auth();
        let verified = auth.verify_address(self.token, signed_in).await?;
        let new_session = match verified.is_new_owner {
            true => {
                let key = Evidence::Key(Cow::Borrowed(&verified.key));
                Some(request.sign_in_by(key, options).await?)
            }
            false => None,
        };
        Ok(EmailVerification {
            key: verified.key.key,
            new_session,
        })
    }
}

awaited!(VerifyEmail::verify -> EmailVerification);

debug_of!(VerifyEmail<'_>);
