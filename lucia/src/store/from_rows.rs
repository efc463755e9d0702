//! Rows as what applications see of them. `user` and `session` know of no store, so what makes their
//! types of rows is here.

use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use super::{KeyRow, SessionRow, UnixMillis, UserRow};
use crate::Result;
use crate::session::{RowAttributes, SessionInfo, SessionState};
use crate::user::key::{KeyId, SignInMethod, UserKey, VerifiedKey};
use crate::user::{User, read_columns};

impl<A: DeserializeOwned> User<A> {
    /// Reads the row of a user of table `table`.
    pub(crate) fn from_row(row: &UserRow, table: &str) -> Result<Self> {
        Ok(Self {
            id: row.id.clone(),
            attributes: read_columns(&row.attributes, table, "the row has no such column")?,
        })
    }
}

impl UserKey {
    pub(crate) fn from_row(row: KeyRow) -> Result<Self> {
        Ok(Self {
            id: KeyId::stored(row.id)?,
            user_id: row.user_id,
            has_password: row.hashed_password.is_some(),
            verified_at: row.verified_at.map(SystemTime::from),
        })
    }
}

impl VerifiedKey {
    /// A key that has just been opened, as it is in the database.
    pub(crate) fn from_row(row: KeyRow, method: SignInMethod) -> Result<Self> {
        let hashed_password = row.hashed_password.clone();
        Ok(Self {
            key: UserKey::from_row(row)?,
            method,
            hashed_password,
        })
    }

    /// The key as it was in the database when it was opened.
    pub(crate) fn row(&self) -> KeyRow {
        KeyRow {
            verified_at: self.verified_at.map(UnixMillis::from),
            ..KeyRow::new(
                self.id.text(),
                self.user_id.clone(),
                self.hashed_password.clone(),
            )
        }
    }
}

impl SessionInfo {
    /// Reads the row of a session of table `table`.
    #[inline]
    pub(crate) fn from_row(
        row: SessionRow,
        table: &Arc<str>,
        state: SessionState,
        fresh: bool,
    ) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            created_at: row.created_at.into(),
            authenticated_at: row.authenticated_at.map(SystemTime::from),
            renewed_at: row.expiries.renewed_at.into(),
            active_expires: row.expiries.active_expires.into(),
            idle_expires: row.expiries.idle_expires.into(),
            device: row.device,
            address: row.address.and_then(|address| address.parse().ok()),
            persistent: row.persistent,
            state,
            fresh,
            attributes: RowAttributes {
                json: row.attributes,
                table: table.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::{NoAttributes, UserId};

    #[derive(Debug, serde::Deserialize)]
    struct Profile {
        username: String,
        age: Option<u32>,
    }

    fn row(attributes: &str) -> UserRow {
        UserRow::new(UserId::new("ada").unwrap(), attributes)
    }

    #[test]
    fn a_row_becomes_the_applications_type() {
        let user = User::<Profile>::from_row(
            &row(r#"{"id":"ada","username":"Ada","age":36,"unread":[1]}"#),
            "auth_user",
        );
        let user = user.unwrap();
        assert_eq!((user.username.as_str(), user.age), ("Ada", Some(36)));
        assert!(User::<NoAttributes>::from_row(&row(r#"{"id":"ada"}"#), "auth_user").is_ok());
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = User::<Profile>::from_row(&row(r#"{"id":"ada"}"#), "auth_user").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`auth_user`") && text.contains("`username`"),
            "{text}"
        );
    }

    #[test]
    fn a_column_of_another_type_is_named_and_its_value_is_not_shown() {
        let error =
            User::<Profile>::from_row(&row(r#"{"username":"Ada","age":"swordfish"}"#), "auth_user");
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("`auth_user`") && text.contains("`age`"),
            "{text}"
        );
        assert!(!text.contains("swordfish"), "{text}");
    }

    #[test]
    fn an_opened_key_does_not_show_what_opens_it() {
        let (user_id, hash) = ("ada".parse().unwrap(), Some("canary".to_owned()));
        let row = KeyRow::new("username:ada", user_id, hash);
        let key = VerifiedKey::from_row(row, SignInMethod::Password).unwrap();
        assert!(key.has_password);
        assert!(!format!("{key:?}").contains("canary"), "{key:?}");
    }

    #[test]
    fn only_the_first_colon_divides_a_stored_key() {
        let row = KeyRow::new("oidc:issuer:subject", "ada".parse().unwrap(), None);
        let key = UserKey::from_row(row).unwrap();
        assert_eq!(
            (key.id.provider_id(), key.id.provider_user_id()),
            ("oidc", "issuer:subject")
        );
    }
}
