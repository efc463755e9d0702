//! Keys: the ways in which a user signs in.

use std::fmt;
use std::ops::Deref;

use crate::store::KeyRow;
use crate::user::UserId;
use crate::{Error, Result};

/// One way in which a user signs in, for example the username `ada` with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserKey {
    /// The way to sign in: `"username"`, `"email"`, `"github"`.
    pub provider_id: String,
    /// Who the user is there.
    pub provider_user_id: String,
    /// Whose key it is.
    pub user_id: UserId,
    /// Whether it opens with a password.
    pub has_password: bool,
}

/// A key that somebody has just opened: what [`use_key`](crate::Auth::use_key) and
/// [`reset_password`](crate::Auth::reset_password) return. It dereferences to the [`UserKey`].
///
/// It remembers what it was opened with. A session that is created
/// [by it](crate::Auth::create_session) begins only where that still opens the key, so that no
/// password signs anybody in once it has been replaced.
#[derive(Clone, Debug)]
pub struct VerifiedKey {
    key: UserKey,
    /// As it was in the database when it was opened.
    row: KeyRow,
}

impl Deref for VerifiedKey {
    type Target = UserKey;

    fn deref(&self) -> &UserKey {
        &self.key
    }
}

/// A way to sign in that a user gets, for [`NewUser::with_key`](crate::NewUser::with_key) and
/// [`create_key`](crate::Auth::create_key).
///
/// `provider_id` names the way (`"username"`, `"email"`, `"github"`), without a colon;
/// `provider_user_id` is who the user is there: the username or e-mail address itself. lucia
/// compares it as it is, so bring it into one form first if `Ada` and `ada` shall be one user.
#[derive(Clone, Copy)]
pub struct NewKey<'a> {
    pub(crate) provider_id: &'a str,
    pub(crate) provider_user_id: &'a str,
    pub(crate) password: Option<&'a str>,
}

impl<'a> NewKey<'a> {
    /// A key that opens with this password.
    #[must_use]
    pub fn with_password(
        provider_id: &'a str,
        provider_user_id: &'a str,
        password: &'a str,
    ) -> Self {
        Self {
            provider_id,
            provider_user_id,
            password: Some(password),
        }
    }

    /// A key that opens without a password, since somebody else vouches for the user: an OAuth
    /// provider, or a link sent by e-mail. It never passes a password check.
    #[must_use]
    pub fn without_password(provider_id: &'a str, provider_user_id: &'a str) -> Self {
        Self {
            provider_id,
            provider_user_id,
            password: None,
        }
    }
}

impl fmt::Debug for NewKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("provider_id", &self.provider_id)
            .field("provider_user_id", &self.provider_user_id)
            .field("password", &self.password.map(|_| "[redacted]"))
            .finish()
    }
}

/// How long the parts of a key may be, in characters. It keeps the key inside what a Postgres
/// index can hold, whatever a client sends.
const MAX_LENGTH: usize = 255;

/// As many bytes as a part of a key can have.
const MAX_BYTES: usize = 4 * MAX_LENGTH;

/// All of a text that can be a part of a key, and the beginning of a longer one: what is done with
/// it costs no more than it does for a key.
pub(crate) fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Looks at the bytes first: a client can send millions of characters.
fn is_too_long(text: &str) -> bool {
    text.len() > MAX_BYTES || text.chars().count() > MAX_LENGTH
}

/// The id that a key has in the database: `provider:provider_user_id`, as in Lucia.
///
/// # Errors
///
/// [`Error::InvalidKey`] says which of the two is at fault and why.
pub(crate) fn key_id(provider_id: &str, provider_user_id: &str) -> Result<String> {
    let invalid = |reason| Err(Error::InvalidKey { reason });
    if is_too_long(provider_id) || is_too_long(provider_user_id) {
        return invalid("each part of a key has 255 characters at the most");
    }
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
    }
    Ok(format!("{provider_id}:{provider_user_id}"))
}

impl VerifiedKey {
    pub(crate) fn from_row(row: KeyRow) -> Result<Self> {
        Ok(Self {
            key: UserKey::from_row(row.clone())?,
            row,
        })
    }

    pub(crate) fn row(&self) -> &KeyRow {
        &self.row
    }
}

impl UserKey {
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
    fn an_opened_key_does_not_show_what_opens_it() {
        let key = VerifiedKey::from_row(KeyRow {
            id: "username:ada".into(),
            user_id: "ada".parse().unwrap(),
            hashed_password: Some("canary".into()),
        });
        let key = key.unwrap();
        assert!(key.has_password);
        assert!(!format!("{key:?}").contains("canary"), "{key:?}");
    }

    #[test]
    fn only_the_first_colon_divides_a_stored_key() {
        let key = UserKey::from_row(KeyRow {
            id: "oidc:issuer:subject".into(),
            user_id: "ada".parse().unwrap(),
            hashed_password: None,
        });
        let key = key.unwrap();
        assert_eq!(
            (&*key.provider_id, &*key.provider_user_id),
            ("oidc", "issuer:subject")
        );
    }
}
