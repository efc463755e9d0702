//! Stores of credentials: what goes in, and what comes out.

use async_trait::async_trait;

use super::{Result, UnixMillis, UserStore};
use crate::user::UserId;

/// Credentials of users: the tokens of their providers.
///
/// The rules are in [`Auth`](crate::Auth): a store does not interpret a credential. Secrets in the data are
/// encrypted before a store gets them.
#[async_trait]
pub trait CredentialStore: UserStore {
    /// Checks that credentials can be stored.
    ///
    /// # Errors
    ///
    /// [`Schema`](super::StoreError::Schema) if the table for them is not as the store needs it.
    async fn check_credentials(&self) -> Result<()>;

    /// Stores a credential. It replaces the one with the same id completely, if that belongs to the same
    /// user and kind; one of another user or kind does not change. Returns whether it was stored.
    /// [`UnknownUser`](super::StoreError::UnknownUser) if its user does not exist.
    async fn insert_credential(&self, credential: CredentialRow) -> Result<bool>;

    /// The credential with this id.
    async fn credential(&self, id: &str) -> Result<Option<CredentialRow>>;

    /// The credentials of a user of this kind, oldest first.
    async fn user_credentials(&self, user_id: &UserId, kind: &str) -> Result<Vec<CredentialRow>>;

    /// Replaces the data of a credential if it still has this `old` data, in one atomic step, and records
    /// when it was used if `used_at` is set. Returns whether it did. Of any number of concurrent calls with
    /// the same old data, one succeeds.
    async fn replace_credential_data(
        &self,
        id: &str,
        old: &str,
        new: &str,
        used_at: Option<UnixMillis>,
    ) -> Result<bool>;

    /// Deletes a credential if it belongs to this user, and with `data` only if it still has this data.
    /// Returns whether it did.
    async fn delete_credential(
        &self,
        id: &str,
        user_id: &UserId,
        data: Option<&str>,
    ) -> Result<bool>;
}

/// A credential of a user: what a way to sign in, or to act for the user elsewhere, needs in addition to a
/// key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialRow {
    /// Its id, by which it is found.
    pub id: String,
    /// The user of the credential. It is deleted with this user.
    pub user_id: UserId,
    /// The kind of credential.
    pub kind: String,
    /// Which credential of this kind it is.
    pub name: Option<String>,
    /// The data of this kind, as the text of a JSON value. Secrets in it are encrypted.
    pub data: String,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
}

impl CredentialRow {
    /// A credential that has no name and was never used.
    #[must_use]
    pub fn new(
        id: String,
        user_id: UserId,
        kind: String,
        data: String,
        created_at: UnixMillis,
    ) -> Self {
        Self {
            id,
            user_id,
            kind,
            name: None,
            data,
            created_at,
            last_used_at: None,
        }
    }
}

debug_of!(CredentialRow: id, user_id, kind, created_at, last_used_at);
