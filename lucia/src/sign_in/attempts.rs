//! Counting attempts to sign in, so that nobody guesses for long.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::spelling::one_spelling;
use crate::auth::Auth;
use crate::clock::UnixMillis;
use crate::error::chain;
use crate::session::ascii::Ascii;
use crate::store::NewAttempt;
use crate::user::key::KeyId;
use crate::{Error, Result};

/// An attempt that was counted as one that fails. It stays counted unless it is found to be
/// something else: whoever goes away before the answer has had a guess all the same.
#[must_use]
pub(crate) struct Attempt<'a> {
    auth: &'a Auth,
    id: String,
    /// When the count started that it is in.
    started_at: UnixMillis,
}

impl Auth {
    /// Counts an attempt to open a key by its password, before any work is done for it. `None`
    /// where attempts are not counted.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`] when as many have failed as may fail.
    pub(crate) async fn count_attempt(
        &self,
        key: &KeyId,
        address: IpAddr,
    ) -> Result<Option<Attempt<'_>>> {
        let Some(limit) = self.sign_in_limit() else {
            return Ok(None);
        };
        let id = attempt_id(key, address)?;
        let now = self.now();
        let attempt = NewAttempt {
            id: id.clone(),
            now,
            expires: now.plus(limit.period),
            limit: limit.failures,
        };
        let counted = self.ask(self.store().count_attempt(attempt)).await?;
        if counted.admitted {
            return Ok(Some(Attempt {
                auth: self,
                id,
                started_at: counted.started_at,
            }));
        }
        Err(Error::TooManyAttempts {
            retry_after: now.until(counted.expires),
        })
    }
}

impl Attempt<'_> {
    /// Takes the attempt back, unless it has failed: where it has succeeded, and where it was not
    /// judged. It takes back itself and no other attempt. Different keys share a count, and the
    /// owner of one would otherwise wipe out their guesses at another by signing in.
    ///
    /// An error here turns nobody away: the attempt then stays counted.
    pub(crate) async fn end<T>(self, outcome: &Result<T>) {
        if let Err(Error::InvalidCredentials) = outcome {
            return;
        }
        let store = self.auth.store();
        let uncounted = store.uncount_attempt(&self.id, self.started_at);
        if let Err(error) = self.auth.ask(uncounted).await {
            tracing::warn!(error = %chain(&error), "an attempt to sign in stays counted as failed");
        }
    }
}

/// What attempts are counted by: the SHA-256 of the key and of where it comes from, so that the
/// table shows neither at a glance, and has rows of one size whatever is sent.
///
/// An IPv4 address is one also where it is written in IPv6: mapped (`::ffff:0:0/96`), as a server
/// that listens on IPv6 sees it, behind a translator (`64:ff9b::/96`, RFC 6052), where all of IPv4
/// would be one network, and in 6to4 (`2002::/16`, RFC 3056), where each has 65,536 of them.
///
/// # Errors
///
/// Those of [`one_spelling`].
fn attempt_id(key: &KeyId, address: IpAddr) -> Result<String> {
    let mut sha256 = Sha256::new();
    for text in [key.provider_id(), key.provider_user_id()] {
        // With its length, so that no two keys are one text.
        let text = one_spelling(text)?;
        sha256.update((text.len() as u64).to_be_bytes());
        sha256.update(text);
    }
    match address.to_canonical() {
        IpAddr::V4(address) => sha256.update(address.octets()),
        IpAddr::V6(address) => match address.octets() {
            [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ipv4 @ ..] => sha256.update(ipv4),
            [0x20, 0x02, a, b, c, d, ..] => sha256.update([a, b, c, d]),
            // The half of it that names a network: its owner has all addresses in it.
            octets => sha256.update(&octets[..8]),
        },
    }
    Ok(Ascii::hex(sha256.finalize().into()).as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(address: &str) -> String {
        attempt_id(&("username", "ada").into(), address.parse().unwrap()).unwrap()
    }

    #[test]
    fn r36_ipv6_is_counted_by_its_first_64_bits() {
        assert_eq!(
            id("2001:db8:0:1::1"),
            id("2001:db8:0:1:ffff:ffff:ffff:ffff")
        );
        assert_ne!(id("2001:db8:0:1::1"), id("2001:db8:0:2::1"));
    }

    #[test]
    fn r36_a_mapped_ipv4_address_is_an_ipv4_address() {
        assert_eq!(id("::ffff:192.0.2.1"), id("192.0.2.1"));
        assert_ne!(id("::ffff:192.0.2.1"), id("::ffff:192.0.2.2"));
        assert_ne!(id("192.0.2.1"), id("192.0.2.2"));
    }

    #[test]
    fn r36_a_translated_ipv4_address_is_an_ipv4_address() {
        assert_eq!(id("64:ff9b::192.0.2.1"), id("192.0.2.1"));
        assert_ne!(id("64:ff9b::192.0.2.1"), id("64:ff9b::192.0.2.2"));
        assert_eq!(id("2002:c000:0201::1"), id("192.0.2.1"));
        assert_eq!(id("2002:c000:0201:5::1"), id("2002:c000:0201:6::2"));
        assert_ne!(id("2002:c000:0201::1"), id("2002:c000:0202::1"));
        // What only begins like one is none.
        assert_ne!(id("64:ff9b:1::192.0.2.1"), id("192.0.2.1"));
        assert_ne!(id("2001:c000:0201::1"), id("192.0.2.1"));
    }

    #[test]
    fn attempts_at_different_keys_are_counted_apart() {
        let address = "192.0.2.1".parse().unwrap();
        let ids = [
            ("a", "bc"),
            ("ab", "c"),
            ("abc", ""),
            ("", "abc"),
            ("a", "bd"),
        ];
        let mut ids =
            ids.map(|(provider, user)| attempt_id(&(provider, user).into(), address).unwrap());
        ids.sort_unstable();
        assert!(ids.windows(2).all(|two| two[0] != two[1]), "{ids:?}");
    }

    #[test]
    fn r34_all_spellings_of_a_key_are_counted_together() {
        let id = |provider: &str, user: &str| {
            let address = "192.0.2.1".parse().unwrap();
            attempt_id(&(provider, user).into(), address).unwrap()
        };
        assert_eq!(id("email", "ada"), id("Email", "\u{ff21}DA"));
        assert_ne!(id("email", "ada"), id("email", "adb"));
        assert_ne!(id("email", "ada"), id("username", "ada"));
    }

    #[test]
    fn an_id_shows_neither_key_nor_address_and_has_one_length() {
        let long = "x".repeat(10_000);
        for user in ["ada", "", &long] {
            let id = attempt_id(&("username", user).into(), "192.0.2.1".parse().unwrap()).unwrap();
            assert_eq!(id.len(), 64);
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }
}
