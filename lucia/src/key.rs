//! Keys: the ways in which a user signs in.

use crate::store::KeyRow;
use crate::user::UserId;
use crate::{Error, Result};

/// One way in which a user signs in, for example the username `ada` with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// The way to sign in: `"username"`, `"email"`, `"github"`.
    pub provider_id: String,
    /// Who the user is there.
    pub provider_user_id: String,
    /// Whose key it is.
    pub user_id: UserId,
    /// Whether it opens with a password.
    pub has_password: bool,
}

/// How long the parts of a key may be, in characters. It keeps the key inside what a Postgres
/// index can hold, whatever a client sends.
const MAX_LENGTH: usize = 255;

/// The id that a key has in the database: `provider:provider_user_id`, as in Lucia.
///
/// # Errors
///
/// [`Error::InvalidKey`] says which of the two is at fault and why.
pub(crate) fn key_id(provider_id: &str, provider_user_id: &str) -> Result<String> {
    let invalid = |reason| Err(Error::InvalidKey { reason });
    if provider_id.is_empty() {
        return invalid("the provider id is empty");
    }
    if provider_id.contains(':') {
        return invalid("the provider id holds a colon");
    }
    if provider_user_id.is_empty() {
        return invalid("the provider user id is empty");
    }
    for text in [provider_id, provider_user_id] {
        if text.contains('\0') {
            return invalid("a key cannot hold the character U+0000");
        }
        if text.chars().count() > MAX_LENGTH {
            return invalid("each part of a key has 255 characters at the most");
        }
    }
    Ok(format!("{provider_id}:{provider_user_id}"))
}

impl Key {
    pub(crate) fn from_row(row: KeyRow) -> Result<Self> {
        let Some((provider_id, provider_user_id)) = row.id.split_once(':') else {
            return Err(Error::Misuse(
                "the database holds a key whose id has no colon".to_owned(),
            ));
        };
        Ok(Self {
            provider_id: provider_id.to_owned(),
            provider_user_id: provider_user_id.to_owned(),
            user_id: row.user_id,
            has_password: row.hashed_password.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_joins_provider_and_user() {
        assert_eq!(
            key_id("email", "ada@example.com").unwrap(),
            "email:ada@example.com"
        );
        assert_eq!(
            key_id("oidc", "issuer:subject").unwrap(),
            "oidc:issuer:subject"
        );
    }

    #[test]
    fn keys_that_cannot_be_are_refused() {
        let long = "x".repeat(256);
        for (provider, user) in [
            ("", "ada"),
            ("a:b", "ada"),
            ("email", ""),
            ("email", "a\0"),
            ("email", &long),
        ] {
            assert!(matches!(
                key_id(provider, user),
                Err(Error::InvalidKey { .. })
            ));
        }
    }

    #[test]
    fn only_the_first_colon_divides_a_stored_key() {
        let key = Key::from_row(KeyRow {
            id: "oidc:issuer:subject".into(),
            user_id: "ada".into(),
            hashed_password: None,
        });
        let key = key.unwrap();
        assert_eq!(
            (&*key.provider_id, &*key.provider_user_id),
            ("oidc", "issuer:subject")
        );
    }
}
