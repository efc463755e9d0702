//! Signing in with a key.

use super::Auth;
use crate::key::{Key, key_id};
use crate::{Error, Result};

impl Auth {
    /// Checks a key and its password, and tells whose it is. `None` is for keys that have no
    /// password because somebody else vouches for the user.
    ///
    /// Whoever is refused waits as long and is told the same, whether there is no such user, the
    /// password is wrong, or the key has none (OWASP ASVS 5.0, 6.3.8).
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
    ) -> Result<Key> {
        // What cannot be a key is one that nobody has.
        let row = match key_id(provider_id, provider_user_id) {
            Ok(id) => self.ask(self.store().key(&id)).await?,
            Err(_) => None,
        };
        let hash = row.as_ref().and_then(|row| row.hashed_password.as_deref());
        let opens = match password {
            Some(password) => self.0.passwords.verify(password, hash).await?,
            None => hash.is_none(),
        };
        match row {
            Some(row) if opens => {
                tracing::debug!(user_id = %row.user_id, provider_id, "key accepted");
                Key::from_row(row)
            }
            _ => {
                tracing::info!(provider_id, "key refused");
                Err(Error::InvalidCredentials)
            }
        }
    }
}
