//! [`SessionToken`], the secret in the cookie, and [`SessionId`], which the application may show.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::ascii::Ascii;
use crate::clock::random_text;
use crate::{Error, Result};

/// The secret that authenticates a browser or client: 40 characters of `[a-z0-9]`,
/// about 206 bits from the operating system's generator (OWASP ASVS 5.0, 7.2.3 asks for 128).
///
/// It exists only in the cookie and in a [`Session`](crate::Session) that was just created or validated.
/// The database stores only its SHA-256, so a stolen dump cannot be used to sign in. `Debug` does not show
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(Ascii<{ Self::LENGTH }>);

impl SessionToken {
    /// How many characters a token has.
    pub const LENGTH: usize = 40;

    /// Parses a token that a client sent. Returns `None` if the text is not a valid token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text.as_bytes())
    }

    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        Ascii::parse(text, |byte| {
            byte.is_ascii_lowercase() | byte.is_ascii_digit()
        })
        .map(Self)
    }

    /// The token itself. Anyone who reads it can act as the user, so put it only into the cookie or the
    /// `Authorization` header of that user.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// The public id of this token's session.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        SessionId(Ascii::hex(Sha256::digest(self.0.as_bytes()).into()))
    }

    pub(crate) fn generate() -> Result<Self> {
        let text = random_text(Self::LENGTH)?;
        Self::parse(&text).ok_or_else(|| Error::internal("a token of other characters"))
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken([redacted])")
    }
}

/// What a request has as its session token, in its cookie or its `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presented {
    /// Nothing.
    Nothing,
    /// Something that no token can be read from.
    Unreadable,
    /// This.
    Token(SessionToken),
    /// Different tokens in several cookies, few enough to be looked up together.
    Several(Arc<[SessionToken]>),
    /// More of them than are looked up.
    TooMany,
}

impl Presented {
    /// What was sent where a token is to be.
    pub(crate) fn read(text: &[u8]) -> Self {
        SessionToken::read(text).map_or(Self::Unreadable, Self::Token)
    }

    pub(crate) fn token(self) -> Option<SessionToken> {
        match self {
            Self::Token(token) => Some(token),
            Self::Nothing | Self::Unreadable | Self::Several(_) | Self::TooMany => None,
        }
    }
}

/// The public id of a session: the SHA-256 of its token, 64 hexadecimal digits.
///
/// It can be shown in a page, a form or a log, because it is useless as a credential. It is the primary key
/// of the session table.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Ascii<{ Self::LENGTH }>);

impl SessionId {
    /// How many characters an id has.
    pub const LENGTH: usize = 64;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionId").field(&self.as_str()).finish()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// The text is not the id of a session, which has 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session id is 64 lower-case hexadecimal digits")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let text = Ascii::parse(text.as_bytes(), is_hex).ok_or(InvalidSessionId)?;
        Ok(Self(text))
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn r01_tokens_have_one_format_no_duplicate_and_no_favourite_character() {
        const TOKENS: u32 = 36_000;

        let mut seen = HashSet::new();
        let mut counts = HashMap::<char, u32>::new();
        for _ in 0..TOKENS {
            let token = SessionToken::generate().unwrap();
            assert_eq!(SessionToken::parse(token.expose()).as_ref(), Some(&token));
            for character in token.expose().chars() {
                *counts.entry(character).or_default() += 1;
            }
            assert!(seen.insert(token.0));
        }
        assert_eq!(counts.len(), 36);
        // 40,000 of each are expected, with a standard deviation of 197. Bytes modulo 36 would give 4 of
        // the characters 45,000.
        for (character, count) in counts {
            assert!((38_000..42_000).contains(&count), "{character}: {count}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_parsed() {
        let forty = "a".repeat(40);
        for text in [
            String::new(),
            "a".repeat(39),
            "a".repeat(41),
            "A".repeat(40),
            "é".repeat(20),
            forty.replace('a', "\0"),
            format!("{}\"", "a".repeat(39)),
            format!(" {}", "a".repeat(39)),
            "f".repeat(64),
        ] {
            assert!(SessionToken::parse(&text).is_none(), "{text:?}");
        }
        assert!(SessionToken::parse(&forty).is_some());
    }

    #[test]
    fn the_id_is_the_sha_256_of_the_token() {
        let token = SessionToken::parse(&"a".repeat(40)).unwrap();
        assert_eq!(
            token.session_id().as_str(),
            "e33cdf9c7f7120b98e8c78408953e07f2ecd183006b5606df349b4c212acf43e"
        );
    }

    #[test]
    fn a_session_id_is_never_a_token() {
        let token = SessionToken::generate().unwrap();
        assert!(SessionToken::parse(token.session_id().as_str()).is_none());
    }

    #[test]
    fn ids_that_are_none_are_refused() {
        for text in ["", "abc", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65)] {
            assert!(text.parse::<SessionId>().is_err(), "{text:?}");
        }
        let quoted = format!("\"{}\"", "0".repeat(64));
        assert!(serde_json::from_str::<SessionId>(&quoted).is_ok());
        assert!(serde_json::from_str::<SessionId>("\"x\"").is_err());
    }

    #[test]
    fn debug_does_not_show_a_token() {
        let token = SessionToken::parse(&"a".repeat(40)).unwrap();
        assert_eq!(format!("{token:?}"), "SessionToken([redacted])");
        assert_eq!(token.expose(), "a".repeat(40));
    }

    #[test]
    fn an_id_is_shown_as_its_text() {
        let text = "0".repeat(64);
        let id: SessionId = text.parse().unwrap();
        assert_eq!((id.to_string(), id.as_ref()), (text.clone(), &*text));
        assert!(format!("{id:?}").contains(&text));
    }

    #[test]
    fn only_one_token_that_was_read_is_a_token() {
        let token = SessionToken::parse(&"a".repeat(40)).unwrap();
        assert_eq!(Presented::Token(token.clone()).token(), Some(token.clone()));
        for other in [
            Presented::Nothing,
            Presented::Unreadable,
            Presented::Several([token].into()),
            Presented::TooMany,
        ] {
            assert_eq!(other.token(), None);
        }
    }
}
