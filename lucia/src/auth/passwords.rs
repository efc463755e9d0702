//! Changing passwords, and replacing hashes that are out of date.

use super::{Auth, optional_table};
use crate::error::chain;
use crate::event::{EventKind, SignInFailure};
use crate::session::Session;
use crate::store::{KeyRow, OldHash, PasswordChange};
use crate::user::UserId;
use crate::user::key::{KeyId, SignInMethod, UserKey, VerifiedKey};
use crate::{Error, Result};

impl Auth {
    /// Checks a new password against the policy and does nothing else. Use it for a form that shows the
    /// problems of all fields at once, or that checks while the user types.
    ///
    /// All calls that set a password check it themselves.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPassword`] says which rule the password breaks (OWASP ASVS 5.0, 6.2). Errors of
    /// [`refuse_when`](crate::PasswordOptions::refuse_when) are returned as well.
    pub async fn check_new_password(&self, password: &str) -> Result<()> {
        self.passwords().check(password).await.map(drop)
    }

    /// Replaces the password of a key, or adds one to a key that has none. The user's sessions do not end.
    /// If the user or an attacker may have a session that should end with the old password, use
    /// [`change_password`](Self::change_password) or [`reset_password`](Self::reset_password). In a handler
    /// where a user without a password sets one, use
    /// [`auth_request.set_password(..)`](crate::AuthRequest::set_password): `update_key_password` does not
    /// check the session, so it can store the password after the session has ended.
    ///
    /// If a sign-in with the old password is still in progress, it either creates its session before this
    /// call, or [`create_session(&key)`](Self::create_session) refuses it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKey`], [`Error::InvalidPassword`], [`Error::Busy`] if too many passwords are waiting
    /// to be hashed, [`Error::Unavailable`] if the store is unavailable.
    pub async fn update_key_password(
        &self,
        key: impl Into<KeyId>,
        password: &str,
    ) -> Result<UserKey> {
        let row = self.known_key(&key.into()).await?;
        let hash = self.0.passwords.hash(password).await?;
        self.set_key_password(row, Some(hash)).await
    }

    /// Removes the password of a key. The user's sessions do not end. The key then opens only with
    /// [`trusted_key`](Self::trusted_key), if the application vouches for the user. A sign-in with the
    /// password that is still in progress is refused, as with
    /// [`update_key_password`](Self::update_key_password).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKey`], [`Error::Unavailable`] if the store is unavailable.
    pub async fn remove_key_password(&self, key: impl Into<KeyId>) -> Result<UserKey> {
        let row = self.known_key(&key.into()).await?;
        self.set_key_password(row, None).await
    }

    async fn set_key_password(&self, mut row: KeyRow, hash: Option<String>) -> Result<UserKey> {
        row.hashed_password = hash;
        let hash = row.hashed_password.as_deref();
        let (user_id, provider_id) = (row.user_id.clone(), row.provider_id());
        let change = match hash {
            Some(_) => EventKind::PasswordSet {
                user_id,
                provider_id,
            },
            None => EventKind::PasswordRemoved {
                user_id,
                provider_id,
            },
        };
        let store = self.store();
        let updated = store.update_key_password(&row.id, &row.user_id, hash, OldHash::Any);
        if !self.change(change, updated, |updated| *updated).await? {
            return Err(Error::UnknownKey);
        }
        UserKey::from_row(row)
    }

    /// Changes the password of a signed-in user, after [`verify_password`](Self::verify_password) has
    /// checked the current password. All other sessions of the user end in the same transaction, and this
    /// session gets a new token (OWASP ASVS 5.0, 6.2.3 and 7.4.3). Before that, all open links and codes of
    /// the user are [invalidated](Self::invalidate_user_tokens). Set the cookie of the session with
    /// [`set_session`](crate::AuthRequest::set_session). In a handler,
    /// [`auth_request.change_password(..)`](crate::AuthRequest::change_password) does all of this.
    ///
    /// ```
    /// # use lucia::{Auth, Session};
    /// # async fn f(auth: &Auth, session: &Session, current: &str, new: &str) -> lucia::Result<Session> {
    /// let key = auth.verify_password(("username", "ada"), current).await?;
    /// let session = auth.change_password(session, &key, new).await?;
    /// # Ok(session) }
    /// ```
    ///
    /// The password is replaced only if the key has not changed since it was verified. So a password that
    /// an administrator has set in the meantime stays.
    ///
    /// A sign-in with the old password that is still in progress leaves no session. If
    /// [`create_session(&key)`](Self::create_session) comes first, this call ends its session. If it comes
    /// later, it is refused. `create_session(&user_id)` does not check the key and is not refused.
    ///
    /// With a separate store for sessions ([`AuthBuilder::sessions`](crate::AuthBuilder::sessions)), the
    /// call takes several steps: this session gets its token, the other sessions end, the password changes,
    /// and sessions that began in the meantime end. If a step fails, the call returns an error, the user
    /// has to sign in again, and the password is either the new one or still the old one. If the password
    /// is the new one, no session from before the call remains. A session that began with the old password
    /// during the call can remain; [`reset_password`](Self::reset_password) then ends all sessions.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`] if the key belongs to another user, or its password has changed since
    /// it was verified; [`Error::InvalidPassword`]; [`Error::Unauthenticated`] if the session has ended in
    /// the meantime; [`Error::Busy`] if too many passwords are waiting to be hashed; [`Error::Unavailable`]
    /// if the store is unavailable.
    pub async fn change_password<A>(
        &self,
        session: &Session<A>,
        key: &VerifiedKey,
        password: &str,
    ) -> Result<Session> {
        self.check_owner(key, &session.user_id)?;
        let hashed_password = self.0.passwords.hash(password).await?;
        let rotation = self.rotation(session, None)?;
        self.end_tokens(&session.user_id).await?;
        let KeyRow {
            id,
            user_id,
            hashed_password: old,
            ..
        } = key.row();
        let change = PasswordChange {
            key_id: id,
            user_id,
            hashed_password,
            old: OldHash::Is(old),
            kept: Some((session.id.clone(), rotation.clone())),
        };
        let told = EventKind::PasswordChanged {
            user_id: session.user_id.clone(),
            provider_id: key.id.provider_id().to_owned(),
            session_id: rotation.token.session_id(),
            former_session_id: session.id.clone(),
        };
        let changing = self.store().change_password(change);
        if !self.change(told, changing, |changed| *changed).await? {
            // The store does not say which of the two has changed.
            if self.ask(self.store().session(&session.id)).await?.is_none() {
                return Err(Error::Unauthenticated);
            }
            self.tell_refusal(key, SignInFailure::KeyChanged);
            return Err(Error::InvalidCredentials);
        }
        Ok(session.info().clone().rotated(&rotation, self.now()))
    }

    /// Sets the password of a user who has forgotten it and proved their identity by other means. For a
    /// link that is sent to the user, use
    /// [`create_password_reset`](crate::AuthRequest::create_password_reset). All sessions of the user end
    /// in the same transaction. Before that, all their open links and codes are invalidated. A sign-in with
    /// the old password that is still in progress leaves no session, as with
    /// [`change_password`](Self::change_password).
    ///
    /// The returned key counts as verified. To sign the user in right away, pass it to
    /// [`create_session`](Self::create_session). [Counted](crate::VerifyPassword::limit_by) failures stay
    /// counted, because a reset does not prove who caused them. So an address that has used up its attempts
    /// cannot use the new password until the count ends.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKey`], [`Error::InvalidPassword`], [`Error::Busy`] if too many passwords are waiting
    /// to be hashed, [`Error::Unavailable`] if the store is unavailable.
    pub async fn reset_password(
        &self,
        key: impl Into<KeyId>,
        password: &str,
    ) -> Result<VerifiedKey> {
        let row = self.known_key(&key.into()).await?;
        let hashed_password = self.0.passwords.hash(password).await?;
        self.end_tokens(&row.user_id).await?;
        self.reset_to(row, hashed_password, SignInMethod::Application)
            .await
    }

    /// Deletes the open links and codes of a user whose password is about to be another one: if a step fails,
    /// none from before is left beside the new password. The event of the password covers them. Without the
    /// table for them, there is nothing to delete.
    pub(crate) async fn end_tokens(&self, user_id: &UserId) -> Result<()> {
        let Some(tokens) = self.store().tokens() else {
            return Ok(());
        };
        optional_table(self.ask(tokens.delete_user_tokens(user_id)).await)
    }

    /// As [`reset_password`](Self::reset_password), with the hash of an accepted password, for a user who has
    /// proved by this who they are.
    pub(crate) async fn reset_to(
        &self,
        mut row: KeyRow,
        hashed_password: String,
        method: SignInMethod,
    ) -> Result<VerifiedKey> {
        let change = PasswordChange {
            key_id: row.id.clone(),
            user_id: row.user_id.clone(),
            hashed_password: hashed_password.clone(),
            old: OldHash::Any,
            kept: None,
        };
        let told = EventKind::PasswordReset {
            user_id: row.user_id.clone(),
            provider_id: row.provider_id(),
        };
        let changing = self.store().change_password(change);
        if !self.change(told, changing, |changed| *changed).await? {
            return Err(Error::UnknownKey);
        }
        row.hashed_password = Some(hashed_password);
        VerifiedKey::from_row(row, method)
    }

    /// Replaces an outdated hash that `password` has just opened. `false` if it was changed in the
    /// meantime. A failure is logged, and does not refuse the sign-in.
    pub(crate) async fn upgrade_hash(&self, key: &mut KeyRow, password: &str) -> bool {
        let upgrade = async {
            let new_hash = self.0.passwords.rehash(password).await?;
            let old = OldHash::Is(key.hashed_password.clone());
            let store = self.store();
            let (id, user_id) = (&key.id, &key.user_id);
            let swap = store.update_key_password(id, user_id, Some(&new_hash), old);
            let told = EventKind::HashUpgraded {
                user_id: user_id.clone(),
                provider_id: key.provider_id(),
            };
            let swapped = self.change(told, swap, |swapped| *swapped).await?;
            Ok::<_, Error>(swapped.then_some(new_hash))
        };
        let upgraded = upgrade.await;
        let user_id = &key.user_id;
        match upgraded {
            Ok(Some(new_hash)) => key.hashed_password = Some(new_hash),
            Ok(None) => {
                tracing::debug!(%user_id, "password changed before its upgrade");
                return false;
            }
            Err(error) => {
                tracing::warn!(%user_id, error = %chain(&error), "password hash not upgraded");
            }
        }
        true
    }
}
