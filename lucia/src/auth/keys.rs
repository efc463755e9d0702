//! Keys: signing in, and the ways to do so that a user has.

use std::fmt;
use std::pin::Pin;

use super::Auth;
use crate::key::{Key, NewKey, OpenedKey, key_id};
use crate::password::Verdict;
use crate::store::{KeyDeletion, KeyRow};
use crate::user::UserId;
use crate::{Error, Result};

impl Auth {
    /// Checks a key and its password, and tells whose it is. `None` is for keys that have no
    /// password because somebody else vouches for the user. Hand what it returns to
    /// [`create_session`](Self::create_session), which checks that it still holds.
    ///
    /// Whoever is refused waits as long and is told the same, whether there is no such user, the
    /// password is wrong, or the key has none (OWASP ASVS 5.0, 6.3.8). Where the stored hash is an
    /// [older one](crate::PasswordOptions#older-hashes), it takes longer. Once its password has
    /// opened it, a hash that is weaker than the settings is replaced.
    ///
    /// A stored hash that cannot be verified is refused in the same way. An event at `ERROR` names
    /// the user, and says why and which hashes can be.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`], [`Error::Busy`] when too many passwords wait to be checked,
    /// [`Error::Unavailable`] when the store is.
    pub async fn use_key(
        &self,
        provider_id: &str,
        provider_user_id: &str,
        password: Option<&str>,
    ) -> Result<OpenedKey> {
        let mut opened = self
            .open_key(provider_id, provider_user_id, password)
            .await?;
        if let (Some((row, Verdict::OpensOutdated)), Some(password)) = (&mut opened, password)
            && !self.upgrade_hash(row, password).await
        {
            // Somebody else was faster: with another hash of this password, or another password.
            opened = self
                .open_key(provider_id, provider_user_id, Some(password))
                .await?;
        }
        let Some((row, _)) = opened else {
            tracing::info!(provider_id, "key refused");
            return Err(Error::InvalidCredentials);
        };
        tracing::debug!(user_id = %row.user_id, provider_id, "key accepted");
        OpenedKey::from_row(row)
    }

    /// The key as it is, if it opens, and how.
    async fn open_key(
        &self,
        provider_id: &str,
        provider_user_id: &str,
        password: Option<&str>,
    ) -> Result<Option<(KeyRow, Verdict)>> {
        // What cannot be a key is one that nobody has.
        let row = match key_id(provider_id, provider_user_id) {
            Ok(id) => self.ask(self.store().key(&id)).await?,
            Err(_) => None,
        };
        let hash = row.as_ref().and_then(|row| row.hashed_password.as_deref());
        let verdict = match password {
            Some(password) => self.0.passwords.verify(password, hash).await?,
            None if hash.is_none() => Verdict::Opens,
            None => Verdict::Refused,
        };
        if let (Some(row), Verdict::Unreadable(problem)) = (&row, verdict) {
            // Not an error to whoever signs in: that would tell them that there is such a user.
            tracing::error!(user_id = %row.user_id, provider_id, error = %problem, "password hash not verified");
        }
        Ok(row.filter(|_| verdict.opens()).map(|row| (row, verdict)))
    }

    /// Gives a user one more way to sign in.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] and [`Error::InvalidPassword`] for what cannot be accepted,
    /// [`Error::DuplicateKey`] when somebody has this key already, [`Error::UnknownUser`],
    /// [`Error::Busy`] when too many passwords wait to be hashed, [`Error::Unavailable`] when the
    /// store is.
    pub async fn create_key(&self, user_id: &UserId, key: NewKey<'_>) -> Result<Key> {
        let row = self.key_row(key, user_id.clone()).await?;
        if user_id.cannot_be_stored() {
            return Err(Error::UnknownUser);
        }
        self.ask(self.store().insert_key(row.clone())).await?;
        tracing::info!(%user_id, provider_id = key.provider_id, "key created");
        Key::from_row(row)
    }

    /// A key, `None` when there is no such key.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store is.
    #[doc(alias = "getKey")]
    pub async fn key(&self, provider_id: &str, provider_user_id: &str) -> Result<Option<Key>> {
        match key_id(provider_id, provider_user_id) {
            Ok(id) => {
                let row = self.ask(self.store().key(&id)).await?;
                row.map(Key::from_row).transpose()
            }
            Err(_) => Ok(None),
        }
    }

    /// All keys of a user, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store is.
    #[doc(alias = "getAllUserKeys")]
    pub async fn user_keys(&self, user_id: &UserId) -> Result<Vec<Key>> {
        if user_id.cannot_be_stored() {
            return Ok(Vec::new());
        }
        let rows = self.ask(self.store().user_keys(user_id)).await?;
        rows.into_iter().map(Key::from_row).collect()
    }

    /// Deletes a key: `auth.delete_key("github", "1234").await?`. Silent when there is none.
    ///
    /// The last key of a user stays, unless
    /// [`even_if_last`](DeleteKey::even_if_last) says otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::LastKey`], [`Error::Unavailable`] when the store is.
    pub fn delete_key<'a>(
        &'a self,
        provider_id: &'a str,
        provider_user_id: &'a str,
    ) -> DeleteKey<'a> {
        DeleteKey {
            auth: self,
            provider_id,
            provider_user_id,
            even_last: false,
        }
    }

    /// A new key with its password hashed.
    pub(super) async fn key_row(&self, key: NewKey<'_>, user_id: UserId) -> Result<KeyRow> {
        let id = key_id(key.provider_id, key.provider_user_id)?;
        let hashed_password = match key.password {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        Ok(KeyRow {
            id,
            user_id,
            hashed_password,
        })
    }

    pub(super) async fn known_key(
        &self,
        provider_id: &str,
        provider_user_id: &str,
    ) -> Result<KeyRow> {
        let id = key_id(provider_id, provider_user_id).map_err(|_| Error::UnknownKey)?;
        let row = self.ask(self.store().key(&id)).await?;
        row.ok_or(Error::UnknownKey)
    }
}

/// A key about to be deleted; `.await` deletes it.
#[must_use = "a key is deleted by `.await`"]
pub struct DeleteKey<'a> {
    auth: &'a Auth,
    provider_id: &'a str,
    provider_user_id: &'a str,
    even_last: bool,
}

impl DeleteKey<'_> {
    /// Deletes the key even if its user cannot sign in without it.
    pub fn even_if_last(mut self) -> Self {
        self.even_last = true;
        self
    }

    async fn delete(self) -> Result<()> {
        let Ok(id) = key_id(self.provider_id, self.provider_user_id) else {
            return Ok(());
        };
        let deletion = self.auth.store().delete_key(&id, self.even_last);
        match self.auth.ask(deletion).await? {
            KeyDeletion::Deleted => {
                tracing::info!(provider_id = self.provider_id, "key deleted");
                Ok(())
            }
            KeyDeletion::Unknown => Ok(()),
            KeyDeletion::Last => Err(Error::LastKey),
        }
    }
}

impl<'a> IntoFuture for DeleteKey<'a> {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.delete())
    }
}

impl fmt::Debug for DeleteKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteKey")
            .field("provider_id", &self.provider_id)
            .field("provider_user_id", &self.provider_user_id)
            .field("even_last", &self.even_last)
            .finish_non_exhaustive()
    }
}
