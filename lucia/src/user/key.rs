//! Keys: the ways in which a user signs in.

use std::fmt;
use std::ops::Deref;
use std::time::SystemTime;

use serde::Serialize;
#[cfg(feature = "oauth")]
use sha2::{Digest, Sha256};

#[cfg(feature = "oauth")]
use crate::ascii::Ascii;
use crate::email_address;
use crate::user::UserId;
use crate::{Error, Result};

/// The id of a key: the id of the provider, and the id of the user there.
///
/// All calls that take a key take `impl Into<KeyId>`, so a pair of strings is enough:
///
/// ```
/// # async fn f(auth: lucia::Auth, name: String) -> lucia::Result<()> {
/// let key = auth.key(("username", &name)).await?;
/// # Ok(()) }
/// ```
///
/// The provider id names the way to sign in (`"username"`, `"email"`, `"github"`). It has no colon, because
/// the pair is stored as `provider_id:provider_user_id`. The provider user id is the username, the e-mail
/// address, or the id of the account at GitHub. Neither part is empty or contains U+0000, and each has at
/// most 255 characters. lucia compares both as they are. So use [`KeyId::email`] for e-mail addresses,
/// and normalize usernames first if `Ada` and `ada` are to be one user.
///
/// Pairs that break these rules can come from a client. A call that creates a key refuses them with
/// [`Error::InvalidKey`]. A call that looks up a key treats them as a key that no user has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyId {
    /// `provider_id:provider_user_id`, as in Lucia and in the database. Of a part that is too long
    /// it has only the beginning.
    text: String,
    /// Where the provider id ends.
    colon: usize,
    /// Why no key can have this id.
    invalid: Option<&'static str>,
}

impl KeyId {
    fn new(provider_id: &str, provider_user_id: &str) -> Self {
        let invalid = problem(provider_id, provider_user_id);
        let (provider_id, provider_user_id) = (bounded(provider_id), bounded(provider_user_id));
        Self {
            text: format!("{provider_id}:{provider_user_id}"),
            colon: provider_id.len(),
            invalid,
        }
    }

    /// The key of an e-mail address, with the provider id `email`:
    ///
    /// ```
    /// use lucia::KeyId;
    ///
    /// assert_eq!(KeyId::email(" Ada@Example.com"), KeyId::from(("email", "ada@example.com")));
    /// ```
    ///
    /// The address is in the form in which all its spellings are one: in lower case and Unicode's form NFC,
    /// without whitespace around it, and with the domain in its ASCII form. Mail servers may distinguish `Ada`
    /// and `ada` (RFC 5321, 2.4), but hardly any does, and people type both.
    ///
    /// An address that no mail can be sent to is a key that no user has, and a call that creates a key refuses
    /// it with [`Error::InvalidKey`].
    #[must_use]
    pub fn email(address: &str) -> Self {
        match email_address::normalize(address) {
            Ok(address) => Self::new("email", &address),
            Err(reason) => Self {
                invalid: Some(reason),
                ..Self::new("email", address)
            },
        }
    }

    /// The id of a key that is in the database, whatever lucia would say of it today.
    pub(crate) fn stored(text: String) -> Result<Self> {
        let Some(colon) = text.find(':') else {
            return Err(Error::Misuse(
                "the database holds a key whose id has no colon".to_owned(),
            ));
        };
        Ok(Self {
            text,
            colon,
            invalid: None,
        })
    }

    /// The way to sign in: `"username"`, `"email"`, `"github"`.
    #[must_use]
    pub fn provider_id(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The user's id there, for example the username.
    #[must_use]
    pub fn provider_user_id(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// The id, whether a key can have it or not.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The id that the key has in the database.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] says why no key can have this id.
    pub(crate) fn valid(&self) -> Result<&str> {
        match self.invalid {
            None => Ok(&self.text),
            Some(reason) => Err(Error::InvalidKey { reason }),
        }
    }
}

impl<P: AsRef<str>, U: AsRef<str>> From<(P, U)> for KeyId {
    fn from((provider_id, provider_user_id): (P, U)) -> Self {
        Self::new(provider_id.as_ref(), provider_user_id.as_ref())
    }
}

impl From<&KeyId> for KeyId {
    fn from(id: &KeyId) -> Self {
        id.clone()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyId")
            .field("provider_id", &self.provider_id())
            .field("provider_user_id", &self.provider_user_id())
            .finish_non_exhaustive()
    }
}

/// One way in which a user signs in, for example the username `ada` with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserKey {
    /// The id of the key: `auth.delete_key(&key.id)` deletes it.
    pub id: KeyId,
    /// The user of the key.
    pub user_id: UserId,
    /// Whether the key has a password.
    pub has_password: bool,
    /// When the user proved to own the key, with a link or code that was sent to its address. `None` if
    /// nothing has proved it yet.
    pub verified_at: Option<SystemTime>,
}

/// A key that was just verified, for example by [`verify_password`](crate::Auth::verify_password),
/// [`trusted_key`](crate::Auth::trusted_key) or [`reset_password`](crate::Auth::reset_password). It
/// dereferences to the [`UserKey`].
///
/// It remembers how it was opened. [`create_session`](crate::Auth::create_session) stores a session only if
/// the key can still be opened in that way. So a password that was replaced cannot create a session, and
/// neither can a key without a password that has been [verified](UserKey::verified_at) since.
#[derive(Clone)]
pub struct VerifiedKey {
    pub(crate) key: UserKey,
    pub(crate) method: SignInMethod,
    /// As it was in the database when it was opened.
    pub(crate) hashed_password: Option<String>,
}

debug_of!(VerifiedKey: key);

impl Deref for VerifiedKey {
    type Target = UserKey;

    fn deref(&self) -> &UserKey {
        &self.key
    }
}

/// How a user proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignInMethod {
    /// With a password.
    Password,
    /// With a link that was sent to them: a [`SignInLink`](crate::SignInLink), or a link that verifies an
    /// address, undoes a change of address or resets a password.
    Link,
    /// With a [`SignInCode`](crate::SignInCode).
    Code,
    /// With an OAuth 2 or OpenID Connect provider.
    #[serde(rename = "oauth")]
    OAuth,
    /// By signing up: the user is new.
    SignUp,
    /// The application vouched for the user: [`trusted_key`](crate::Auth::trusted_key),
    /// [`Auth::reset_password`](crate::Auth::reset_password), or the id of a user.
    Application,
}

/// A new way to sign in, for [`NewUser::with_key`](crate::NewUser::with_key) and
/// [`create_key`](crate::Auth::create_key).
#[derive(Clone)]
pub struct NewKey<'a> {
    pub(crate) id: KeyId,
    pub(crate) password: Option<&'a str>,
    pub(crate) is_verified: bool,
    /// What is stored encrypted with the key.
    #[cfg(feature = "oauth")]
    pub(crate) secret: Option<KeySecret>,
}

/// A secret that belongs to a key: the tokens of its provider.
#[cfg(feature = "oauth")]
#[derive(Clone)]
pub(crate) struct KeySecret {
    pub(crate) kind: SecretKind,
    pub(crate) bytes: zeroize::Zeroizing<Vec<u8>>,
}

/// What a secret of a key is.
#[cfg(feature = "oauth")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretKind {
    OAuthTokens,
}

#[cfg(feature = "oauth")]
impl SecretKind {
    pub(crate) const ALL: [Self; 1] = [Self::OAuthTokens];

    /// The kind of credential in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OAuthTokens => "oauth_tokens",
        }
    }

    /// The id of the credential that holds the secret of a key of this user.
    pub(crate) fn row_id(self, user_id: &UserId, key_id: &str) -> String {
        // No part holds the character U+0000.
        let digest = Sha256::digest(format!("{}\0{user_id}\0{key_id}", self.name()));
        Ascii::hex(digest.into()).as_str().to_owned()
    }
}

impl<'a> NewKey<'a> {
    /// A key that opens with this password: `NewKey::with_password(("username", "ada"), password)`.
    #[must_use]
    pub fn with_password(key: impl Into<KeyId>, password: &'a str) -> Self {
        Self {
            id: key.into(),
            password: Some(password),
            is_verified: false,
            #[cfg(feature = "oauth")]
            secret: None,
        }
    }

    /// A key that opens without a password, because the application vouches for the user after an OAuth
    /// provider, or a link sent by e-mail, has proved who they are:
    /// `NewKey::without_password(("github", "1815"))`. It never passes a password check;
    /// [`trusted_key`](crate::Auth::trusted_key) opens it.
    #[must_use]
    pub fn without_password(key: impl Into<KeyId>) -> Self {
        Self {
            id: key.into(),
            password: None,
            is_verified: false,
            #[cfg(feature = "oauth")]
            secret: None,
        }
    }

    /// Marks the key as [verified](UserKey::verified_at) from the beginning, because the user has already
    /// proved to own it: with an invitation that was sent to the address, or with an OAuth provider.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.is_verified = true;
        self
    }
}

impl fmt::Debug for NewKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .field("password", &self.password.map(|_| "[redacted]"))
            .field("is_verified", &self.is_verified)
            .finish_non_exhaustive()
    }
}

/// How long the parts of a key may be, in characters. It keeps the key inside what a Postgres
/// index can hold, whatever a client sends.
const MAX_LENGTH: usize = 255;

/// As many bytes as a part of a key can have.
const MAX_BYTES: usize = 4 * MAX_LENGTH;

/// A text that can be a part of a key, or the beginning of a longer one, so that the work for it has a
/// bound.
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

/// Why no key can have this id.
fn problem(provider_id: &str, provider_user_id: &str) -> Option<&'static str> {
    // Those of a provider are for developers. People type the other part, and read what is wrong with it.
    if is_too_long(provider_id) {
        Some("the provider id has more than 255 characters")
    } else if provider_id.is_empty() {
        Some("the provider id is empty")
    } else if provider_id.contains([':', '\0']) {
        Some("the provider id contains a colon or the character U+0000")
    } else if is_too_long(provider_user_id) {
        Some("the name or address has more than 255 characters")
    } else if provider_user_id.is_empty() {
        Some("the name or address is empty")
    } else if provider_user_id.contains('\0') {
        Some("the name or address contains the character U+0000")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_joins_provider_and_user() {
        for (provider, user) in [("email", "ada@example.com"), ("oidc", "issuer:subject")] {
            let id = KeyId::from((provider, user));
            assert_eq!(id.valid().unwrap(), format!("{provider}:{user}"));
            assert_eq!((id.provider_id(), id.provider_user_id()), (provider, user));
            assert_eq!(KeyId::stored(format!("{provider}:{user}")).unwrap(), id);
        }
    }

    #[test]
    fn all_kinds_of_text_name_a_key() {
        let (provider, user) = ("username".to_owned(), "ada".to_owned());
        let id = KeyId::from(("username", "ada"));
        assert_eq!(KeyId::from(("username", &user)), id);
        assert_eq!(KeyId::from((&provider, &&*user)), id);
        assert_eq!(
            KeyId::from(("username", &std::borrow::Cow::from("ada"))),
            id
        );
        assert_eq!(KeyId::from(&id), id);
        assert_eq!(KeyId::from((provider, user)), id);
    }

    #[test]
    fn keys_that_cannot_be_are_refused() {
        let long = "x".repeat(256);
        for (provider, user) in [
            ("", "ada"),
            ("a:b", "ada"),
            (":", "ada"),
            ("email", ""),
            ("email", "a\0"),
            ("a\0", "ada"),
            ("email", &long),
            (&long, "ada"),
        ] {
            let id = KeyId::from((provider, user));
            assert!(
                matches!(id.valid(), Err(Error::InvalidKey { .. })),
                "{id:?}"
            );
            assert_eq!((id.provider_id(), id.provider_user_id()), (provider, user));
            assert!(matches!(
                KeyId::from(&id).valid(),
                Err(Error::InvalidKey { .. })
            ));
        }
        let longest = "\u{1f600}".repeat(255);
        assert!(KeyId::from((&longest, &longest)).valid().is_ok());
    }

    #[test]
    fn r34_an_id_of_megabytes_is_not_copied() {
        for part in ["x", "\u{1f600}", "a\u{1f600}"] {
            let long = part.repeat((2 << 20) / part.len());
            for (provider, user) in [("email", &*long), (&*long, "ada"), (&*long, &*long)] {
                let id = KeyId::from((provider, user));
                assert!(id.valid().is_err());
                assert!(
                    id.text.capacity() <= 4 * MAX_BYTES,
                    "{}",
                    id.text.capacity()
                );
                assert!(provider.starts_with(id.provider_id()));
                assert!(user.starts_with(id.provider_user_id()));
            }
        }
    }

    #[test]
    fn an_id_that_is_stored_stays_as_it_is() {
        let long = "x".repeat(5000);
        for text in [
            format!("email:{long}"),
            "email:".to_owned(),
            ":ada".to_owned(),
        ] {
            let id = KeyId::stored(text.clone()).unwrap();
            assert_eq!(id.valid().unwrap(), text);
        }
    }
}
