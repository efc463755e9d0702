//! Signing in with a key.

use super::Auth;
use crate::error::chain;
use crate::key::{Key, key_id};
use crate::password::Verdict;
use crate::store::KeyRow;
use crate::{Error, Result};

impl Auth {
    /// Checks a key and its password, and tells whose it is. `None` is for keys that have no
    /// password because somebody else vouches for the user.
    ///
    /// Whoever is refused waits as long and is told the same, whether there is no such user, the
    /// password is wrong, or the key has none (OWASP ASVS 5.0, 6.3.8). Where the stored hash is an
    /// [older one](crate::PasswordOptions#older-hashes), the time is another. Once its password has
    /// opened it, a hash that is weaker than the settings is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`], [`Error::Busy`] when too many passwords wait to be checked,
    /// [`Error::Unavailable`] when the store is, [`Error::Internal`] when the stored hash is none
    /// that can be verified: it says which can.
    pub async fn use_key(
        &self,
        provider_id: &str,
        provider_user_id: &str,
        password: Option<&str>,
    ) -> Result<Key> {
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
        match row {
            Some(row) if verdict.opens() => {
                if let (Verdict::OpensOutdated, Some(old), Some(password)) =
                    (verdict, &row.hashed_password, password)
                {
                    self.upgrade_hash(&row, old, password).await;
                }
                tracing::debug!(user_id = %row.user_id, provider_id, "key accepted");
                Key::from_row(row)
            }
            _ => {
                tracing::info!(provider_id, "key refused");
                Err(Error::InvalidCredentials)
            }
        }
    }

    /// Puts a hash of today's settings in the place of an outdated one that `password` has just
    /// opened, unless it was changed in the meantime.
    ///
    /// This is for the next time: nobody is turned away because it cannot be done now.
    async fn upgrade_hash(&self, key: &KeyRow, old_hash: &str, password: &str) {
        let upgrade = async {
            let new_hash = self.0.passwords.rehash(password).await?;
            let store = self.store();
            let swap = store.update_key_password(&key.id, Some(&new_hash), Some(old_hash));
            self.ask(swap).await
        };
        let user_id = &key.user_id;
        match upgrade.await {
            Ok(true) => tracing::debug!(%user_id, "password hash upgraded"),
            Ok(false) => tracing::debug!(%user_id, "password changed before its upgrade"),
            Err(error) => {
                tracing::warn!(%user_id, error = %chain(&error), "password hash not upgraded");
            }
        }
    }
}
