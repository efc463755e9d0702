//! Keys: the ways to sign in that a user has.

use super::creation::PreparedKey;
use super::{Auth, awaited};
use crate::event::EventKind;
use crate::store::{KeyDeletion, KeyRow, LastKey};
use crate::user::UserId;
use crate::user::key::{KeyId, NewKey, UserKey};
use crate::{Error, Result};

impl Auth {
    /// A key, or `None` if it does not exist: `auth.key(("username", "ada")).await?`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable.
    #[doc(alias = "getKey")]
    pub async fn key(&self, key: impl Into<KeyId>) -> Result<Option<UserKey>> {
        let row = self.find_key(&key.into()).await?;
        row.map(UserKey::from_row).transpose()
    }

    /// All keys of a user, ordered by id.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable.
    #[doc(alias = "getAllUserKeys")]
    pub async fn user_keys(&self, user_id: &UserId) -> Result<Vec<UserKey>> {
        let rows = self.ask(self.store().user_keys(user_id)).await?;
        rows.into_iter().map(UserKey::from_row).collect()
    }

    /// Deletes a key: `auth.delete_key(("github", "1234")).await?`, or `auth.delete_key(&key.id)` for a key
    /// that you looked up. Does nothing if the key does not exist.
    ///
    /// The last key of a user is not deleted, except with [`even_if_last`](DeleteKey::even_if_last).
    ///
    /// # Errors
    ///
    /// [`Error::LastKey`]; [`Error::Unavailable`] if the store is unavailable.
    pub fn delete_key(&self, key: impl Into<KeyId>) -> DeleteKey<'_> {
        DeleteKey {
            auth: self,
            id: key.into(),
            last: LastKey::Keep,
        }
    }

    /// The row of a key. `None` also for an id that no key can have.
    pub(crate) async fn find_key(&self, id: &KeyId) -> Result<Option<KeyRow>> {
        match id.valid() {
            Ok(id) => self.ask(self.store().key(id)).await,
            Err(_) => Ok(None),
        }
    }

    /// A new key with its password hashed.
    pub(super) async fn prepare_key(
        &self,
        key: NewKey<'_>,
        user_id: UserId,
    ) -> Result<PreparedKey> {
        let id = key.id.valid()?;
        let hashed_password = match key.password {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        let mut row = KeyRow::new(id, user_id, hashed_password);
        row.verified_at = key.is_verified.then(|| self.now());
        Ok(PreparedKey {
            row,
            #[cfg(feature = "oauth")]
            secret: key.secret,
        })
    }

    pub(super) async fn known_key(&self, id: &KeyId) -> Result<KeyRow> {
        self.find_key(id).await?.ok_or(Error::UnknownKey)
    }
}

/// A key that is about to be deleted; `.await` deletes it.
#[derive(Debug)]
#[must_use = "a key is deleted by `.await`"]
pub struct DeleteKey<'a> {
    auth: &'a Auth,
    id: KeyId,
    last: LastKey,
}

impl DeleteKey<'_> {
    /// Deletes the key even if the user cannot sign in without it.
    pub fn even_if_last(mut self) -> Self {
        self.last = LastKey::Delete;
        self
    }

    async fn delete(self) -> Result<()> {
        let Ok(id) = self.id.valid() else {
            return Ok(());
        };
        let told = |user_id| EventKind::KeyDeleted {
            user_id,
            provider_id: self.id.provider_id().to_owned(),
        };
        let pending = self.auth.pending(told(None));
        let deletion = self.auth.store().delete_key(id, self.last);
        match pending.settle(self.auth.ask(deletion).await, |_| false)? {
            KeyDeletion::Deleted(user_id) => {
                self.auth.tell(told(Some(user_id.clone())));
                #[cfg(feature = "oauth")]
                self.auth.forget_secrets(&user_id, id).await;
                Ok(())
            }
            KeyDeletion::Unknown => Ok(()),
            KeyDeletion::Last => Err(Error::LastKey),
        }
    }
}

awaited!(DeleteKey::delete -> ());
