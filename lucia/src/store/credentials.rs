//! What goes into a store of credentials, and what comes out of it.

use super::UnixMillis;
use super::rows::debug_of;
use crate::user::UserId;

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

debug_of! {
    CredentialRow: id, user_id, kind, created_at, last_used_at;
}
