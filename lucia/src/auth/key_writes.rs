//! Keys that users write themselves: only while the session is there that they do it in.

use super::Auth;
use crate::event::EventKind;
use crate::session::SessionInfo;
use crate::session::token::SessionId;
use crate::store::{KeyRow, KeyWrite, UnixMillis, WrittenBy};
use crate::user::key::{KeyId, NewKey, UserKey};
use crate::{Error, Result};

impl Auth {
    /// Writes a key in a session of its user. Returns whether it did; `false` where the key is not there (any
    /// more), or not as it has to be.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where the session has ended.
    pub(crate) async fn write_key(
        &self,
        write: KeyWrite,
        session_id: &SessionId,
        at: UnixMillis,
        told: EventKind,
    ) -> Result<bool> {
        let store = self.store();
        let writing = store.write_key(write, WrittenBy::Session(session_id), at);
        let is_written = self.change(told, writing, |written| *written).await?;
        // The store does not say which of the two is gone.
        if !is_written && self.ask(store.session(session_id)).await?.is_none() {
            return Err(Error::Unauthenticated);
        }
        Ok(is_written)
    }

    /// Creates a key of the user of a session.
    pub(crate) async fn create_key_in(
        &self,
        session: &SessionInfo,
        key: NewKey<'_>,
    ) -> Result<UserKey> {
        let key = self.prepare_key(key, session.user_id.clone()).await?;
        let told = EventKind::KeyCreated {
            user_id: session.user_id.clone(),
            provider_id: key.row.provider_id(),
            in_transaction: false,
        };
        let write = KeyWrite::Insert(key.row.clone());
        let now = self.now();
        if !self.write_key(write, &session.id, now, told).await? {
            // It is there again: another store may be behind.
            return Err(Error::Unauthenticated);
        }
        self.store_secret_of(&session.user_id, &key).await?;
        UserKey::from_row(key.row)
    }

    /// Deletes a key of the user of a session, unless it is their last one.
    pub(crate) async fn delete_key_in(&self, session: &SessionInfo, row: KeyRow) -> Result<()> {
        let told = EventKind::KeyDeleted {
            user_id: Some(row.user_id.clone()),
            provider_id: row.provider_id(),
        };
        let write = KeyWrite::Delete {
            id: row.id.clone(),
            user_id: row.user_id.clone(),
        };
        let now = self.now();
        if !self.write_key(write, &session.id, now, told).await? {
            return Err(Error::UnknownKey);
        }
        #[cfg(feature = "oauth")]
        self.forget_secrets(&row.user_id, &row.id).await;
        Ok(())
    }

    /// A key of the user of a session.
    pub(crate) async fn key_in(&self, session: &SessionInfo, key: &KeyId) -> Result<KeyRow> {
        let row = self.find_key(key).await?;
        let row = row.filter(|row| row.user_id == session.user_id);
        row.ok_or(Error::UnknownKey)
    }

    /// Gives a key of the user of a session a password, if it has none.
    pub(crate) async fn set_password_in(
        &self,
        session: &SessionInfo,
        key: &KeyId,
        password: &str,
    ) -> Result<UserKey> {
        let row = self.key_in(session, key).await?;
        if row.hashed_password.is_some() {
            return Err(Error::InvalidCredentials);
        }
        let hashed_password = self.passwords().hash(password).await?;
        let write = KeyWrite::SetPassword {
            id: row.id.clone(),
            user_id: row.user_id.clone(),
            hashed_password: hashed_password.clone(),
        };
        let told = EventKind::PasswordSet {
            user_id: row.user_id.clone(),
            provider_id: row.provider_id(),
        };
        let now = self.now();
        if !self.write_key(write, &session.id, now, told).await? {
            return Err(Error::InvalidCredentials);
        }
        UserKey::from_row(KeyRow {
            hashed_password: Some(hashed_password),
            ..row
        })
    }
}
