//! Tokens of links and codes, and the ids that they are found by.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::ascii::Ascii;
use crate::clock::{random_bytes, random_text};
use crate::{Error, Result};

/// The token of a link: 40 characters of `[a-z0-9]`, about 206 bits from the operating system's
/// generator (OWASP ASVS 5.0, 6.5.3).
///
/// The database stores only a SHA-256 of it, so it cannot be read again. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeToken(Ascii<{ Self::LENGTH }>);

impl OneTimeToken {
    /// How many characters it has.
    pub const LENGTH: usize = 40;

    /// The token itself. Put it only into the message to the person for whom it was created.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn generate() -> Result<Self> {
        let text = random_text(Self::LENGTH)?;
        Self::parse(&text).ok_or_else(|| Error::internal("a token of other characters"))
    }

    /// A token that a client sent. The blanks around it are those of copying.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() | byte.is_ascii_digit();
        Ascii::parse(text.trim().as_bytes(), is_allowed).map(Self)
    }

    /// What it is found by, for this purpose.
    pub(super) fn id(&self, purpose: &str) -> String {
        id("link", purpose, self.expose())
    }
}

/// A code of 6 to 8 digits, all equally likely. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// The code itself. Put it only into the message to the person for whom it was created.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn generate(digits: u8) -> Result<Self> {
        // 2^128 is so much larger than the number of codes that none is favoured.
        let code = u128::from_ne_bytes(random_bytes()?) % 10_u128.pow(digits.into());
        Ok(Self(format!("{code:0width$}", width = usize::from(digits))))
    }

    /// A code that a client sent. People write blanks and hyphens between the digits.
    pub(super) fn parse(text: &str, digits: u8) -> Option<Self> {
        let digits = usize::from(digits);
        let is_between = |letter: char| letter.is_whitespace() || letter == '-';
        let typed = text.chars().filter(|letter| !is_between(*letter));
        let code: String = typed.take(digits + 1).collect();
        let is_code = code.len() == digits && code.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then_some(Self(code))
    }

    /// What the code of this purpose and subject is found by.
    pub(super) fn id(purpose: &str, subject: &str) -> String {
        id("code", purpose, subject)
    }
}

impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeToken([redacted])")
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode([redacted])")
    }
}

/// The SHA-256 of these texts, each with its length, so that no other texts have the same. The kind keeps
/// the subject of a code from being taken for the token of a link.
fn id(kind: &str, purpose: &str, text: &str) -> String {
    let mut sha256 = Sha256::new();
    for part in [kind, purpose, text] {
        sha256.update((part.len() as u64).to_be_bytes());
        sha256.update(part);
    }
    Ascii::hex(sha256.finalize().into()).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz0123456789abcd";

    #[test]
    fn r58_a_token_has_40_characters_of_36_each() {
        let bits = 36_f64.log2() * 40.0;
        assert!(bits > 128.0, "{bits}");
        let tokens: HashSet<_> = (0..1000)
            .map(|_| OneTimeToken::generate().unwrap().expose().to_owned())
            .collect();
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|token| token.len() == 40));
    }

    #[test]
    fn r58_an_id_is_of_one_kind_purpose_and_token() {
        let token = OneTimeToken::parse(TOKEN).unwrap();
        let ids = HashSet::from([
            token.id("a"),
            token.id("b"),
            OneTimeCode::id("a", TOKEN),
            OneTimeCode::id("b", TOKEN),
            OneTimeCode::id("ab", "c"),
            OneTimeCode::id("a", "bc"),
            OneTimeCode::id("", "abc"),
        ]);
        assert_eq!(ids.len(), 7);
        assert!(ids.iter().all(|id| id.len() == 64 && !id.contains(TOKEN)));
    }

    #[test]
    fn a_token_is_read_with_blanks_around_it_and_not_if_anything_else_differs() {
        for text in [TOKEN.to_owned(), format!(" {TOKEN}\r\n")] {
            assert_eq!(OneTimeToken::parse(&text).unwrap().expose(), TOKEN);
        }
        for text in [
            "",
            &TOKEN[1..],
            &TOKEN.to_uppercase(),
            &format!("{TOKEN}a"),
            &format!("{TOKEN}{TOKEN}"),
            &TOKEN.replace('a', "é"),
            &TOKEN.replace('a', "\0"),
            &TOKEN.replacen('a', " ", 1),
        ] {
            assert!(OneTimeToken::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn codes_have_their_number_of_digits_and_no_favourite() {
        for digits in [6, 7, 8] {
            let mut firsts = [0_u32; 10];
            for _ in 0..2000 {
                let code = OneTimeCode::generate(digits).unwrap();
                assert_eq!(
                    OneTimeCode::parse(code.expose(), digits),
                    Some(code.clone())
                );
                firsts[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
            }
            // 200 are expected, with a standard deviation of 13.4.
            assert!(
                firsts.iter().all(|count| (100..300).contains(count)),
                "{firsts:?}"
            );
        }
    }

    #[test]
    fn a_code_is_read_as_people_write_it_and_not_if_it_is_longer_or_shorter() {
        for text in [
            "012345",
            " 012 345\n",
            "012-345",
            "0 1 2 3 4 5",
            "012\u{a0}345",
        ] {
            assert_eq!(OneTimeCode::parse(text, 6).unwrap().expose(), "012345");
        }
        let long = "0".repeat(100_000);
        for text in [
            "",
            "01234",
            "0123456",
            "01234x",
            "+12345",
            "０１２３４５",
            &long,
        ] {
            assert!(OneTimeCode::parse(text, 6).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let code = OneTimeCode::parse("012345", 6).unwrap();
        let token = OneTimeToken::parse(TOKEN).unwrap();
        assert_eq!(
            format!("{token:?} {code:?}"),
            "OneTimeToken([redacted]) OneTimeCode([redacted])"
        );
    }
}
