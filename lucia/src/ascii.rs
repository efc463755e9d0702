//! [`Ascii`]: short texts of a known length, which are copied without allocating.

/// A text of `N` ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ascii<const N: usize>([u8; N]);

impl<const N: usize> Ascii<N> {
    /// The text, if it is as long as that and ASCII, and `is_allowed` says so of each of its bytes.
    pub(crate) fn parse(text: &[u8], is_allowed: impl Fn(u8) -> bool) -> Option<Self> {
        let text: [u8; N] = text.try_into().ok()?;
        // It looks at all of them, which a processor does to many at once.
        let are_allowed = text
            .iter()
            .fold(true, |all, byte| all & byte.is_ascii() & is_allowed(*byte));
        are_allowed.then_some(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        // ASCII is UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Ascii<64> {
    /// A hash in lower-case hexadecimal digits.
    pub(crate) fn hex(hash: [u8; 32]) -> Self {
        let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
        let mut text = [0; 64];
        let (pairs, _) = text.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(hash) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_another_length_or_other_bytes_is_not_parsed() {
        let parse = |text| Ascii::<3>::parse(text, |byte| byte.is_ascii_lowercase());
        assert_eq!(parse(b"abc").unwrap().as_str(), "abc");
        for text in [&b""[..], b"ab", b"abcd", b"aBc", b"ab\xff"] {
            assert!(parse(text).is_none(), "{text:?}");
        }
        assert!(Ascii::<2>::parse("é".as_bytes(), |_| true).is_none());
    }

    #[test]
    fn a_hash_is_written_in_lower_case_digits() {
        let mut hash = [0; 32];
        hash[..3].copy_from_slice(&[0x09, 0xaf, 0xf0]);
        assert_eq!(
            Ascii::hex(hash).as_str(),
            format!("09aff0{}", "0".repeat(58))
        );
    }
}
