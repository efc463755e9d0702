//! Counting sign-in attempts, so that no client guesses passwords for long, and the links and codes that
//! are asked for, so that no client fills a mailbox.
//!
//! An attempt is counted in two places, each for one address (or for all clients together where addresses are not
//! known), by [one step of the
//! store](crate::store::AttemptStore::count_attempt), which finds the key as well:
//!
//! 1. By the key's [one form for all spellings](spelling). When it is full, the answer is 429, and
//!    the key is not looked for.
//! 2. By the id of the key as the store has it. The collation of a language can take for one key what the
//!    first place holds apart: Danish `aa` and `å`. An unknown key is counted by the id that was asked for,
//!    so that both cost the same.
//!
//! When only the second place is full, other spellings of the key have used it up. An answer of 429 would
//! tell that there is a key of another spelling. So the password is not checked, and the answer is that of
//! a wrong password, after the same work.
//!
//! A code is shorter than a password, and can be guessed at for many keys, of which few have one. So a client's
//! codes are counted for all keys together as well, after they are counted for the key.
//!
//! A link or code that is asked for is counted in three places, in one step as well:
//!
//! 1. By the client that asks, for all keys and purposes together.
//! 2. By the client and what it asks for: the key, in one form for all spellings, and the purpose. When one of
//!    these two is full, the answer is 429, and the key is not looked for. So it does not tell whether there is
//!    such a key, and a client that asks for the links of another person fills its own place.
//! 3. By the purpose and the key as the store has it, whichever clients ask. When only this place is full, a 429
//!    would tell that there is such a key. So the answer is that for an unknown key.
//!
//! Purposes are counted apart, so that sign-in codes do not use up the resets of the password.

mod spelling;

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::ascii::Ascii;
use crate::auth::Auth;
use crate::error::chain;
use crate::store::{CountedAttempt, CountedPlace, KeyRow, NewAttempt, attempt_place};
use crate::user::key::KeyId;
use crate::{Error, Result};
use spelling::one_spelling;

/// How many links and codes one client can ask for within [`MAIL_PERIOD`], for all users together. Many
/// people can share an address.
const MAILS_BY_CLIENT: u32 = 100;

/// How many links or codes of one purpose a client can ask for within [`MAIL_PERIOD`] for one key: as many as a
/// person needs who presses "send again".
const MAILS_TO_KEY_BY_CLIENT: u32 = 5;

/// How many links or codes of one purpose are created for one key within [`MAIL_PERIOD`], whichever clients ask.
/// This is the bound on what many clients together send to a mailbox, and four of them can use it up.
const MAILS_TO_KEY: u32 = 20;

const MAIL_PERIOD: Duration = Duration::from_secs(60 * 60);

/// How many wrong codes one client can try within [`CODE_PERIOD`], for all keys together (OWASP ASVS 5.0, 6.6.3).
/// Many people can share an address.
const CODES_BY_CLIENT: u32 = 100;

const CODE_PERIOD: Duration = Duration::from_secs(60 * 60);

/// How many times as many attempts to sign in may fail for a key where the addresses of clients are not known, and
/// all of them share a count.
const WITHOUT_ADDRESS: u32 = 10;

/// An attempt that was counted as one that fails. It stays counted unless it is found to be
/// something else: an attempt that is dropped before its answer was a guess as well.
#[must_use]
pub(crate) struct Attempt<'a> {
    auth: &'a Auth,
    places: Vec<CountedPlace>,
}

/// What was found at the place of an attempt.
pub(crate) struct Found {
    pub(crate) key: Option<KeyRow>,
    /// Whether its password may be checked.
    pub(crate) may_open: bool,
}

impl Found {
    /// What is found where attempts are not counted.
    pub(crate) fn uncounted(key: Option<KeyRow>) -> Self {
        Self {
            key,
            may_open: true,
        }
    }
}

impl Auth {
    /// Counts an attempt, if it may be made.
    async fn count(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
        let now = attempt.now;
        let counted = self.ask(self.attempts()?.count_attempt(attempt)).await?;
        if counted.places.is_empty() {
            return Err(Error::TooManyAttempts {
                retry_after: now.until(counted.expires),
            });
        }
        Ok(counted)
    }

    /// Counts an attempt to open a key, and finds the key, before any work is done for it. `None` where
    /// attempts are not counted.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`] when as many have failed as may fail.
    pub(crate) async fn count_attempt(
        &self,
        key: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<Option<(Attempt<'_>, Found)>> {
        let Some(limit) = self.sign_in_limit() else {
            return Ok(None);
        };
        let failures = match address {
            Some(_) => limit.failures,
            None => limit.failures.saturating_mul(WITHOUT_ADDRESS),
        };
        let now = self.now();
        let spellings = [key.provider_id(), key.provider_user_id()].map(one_spelling);
        let salt = place(&[b"stored"], address);
        let attempt = NewAttempt {
            client: None,
            place: place(&spellings, address),
            key_id: key.valid().ok().map(str::to_owned),
            unknown_place: attempt_place(&salt, key.text()),
            salt,
            now,
            expires: now.plus(limit.period),
            limit: failures,
            stored_limit: failures,
        };
        let counted = self.count(attempt).await?;
        let found = Found {
            key: counted.key,
            may_open: counted.places.len() == 2,
        };
        let attempt = Attempt {
            auth: self,
            places: counted.places,
        };
        Ok(Some((attempt, found)))
    }
}

impl Auth {
    /// Counts a code that a client tries.
    async fn count_client(&self, address: IpAddr) -> Result<Vec<CountedPlace>> {
        let now = self.now();
        let salt = place(&[b"any code"], Some(address));
        let attempt = NewAttempt {
            client: None,
            place: place(&[b"codes"], Some(address)),
            key_id: None,
            unknown_place: attempt_place(&salt, ""),
            salt,
            now,
            expires: now.plus(CODE_PERIOD),
            limit: CODES_BY_CLIENT,
            stored_limit: CODES_BY_CLIENT,
        };
        Ok(self.count(attempt).await?.places)
    }
}

/// A link or code that was counted.
pub(crate) struct Mail {
    /// The key that it is for, if there is one.
    pub(crate) key: Option<KeyRow>,
    /// Whether it may be sent: not as many were created for the key as are allowed.
    pub(crate) is_allowed: bool,
}

impl Mail {
    /// The key of the user who gets it.
    pub(crate) fn recipient(self) -> Option<KeyRow> {
        self.key.filter(|_| self.is_allowed)
    }
}

impl Auth {
    /// Counts a link or code of this purpose that is asked for from this address, and finds the key that it is for.
    ///
    /// Where sign-in attempts are not counted, neither are these.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`] when this client has asked too often, at all or for the key. Without an address, it
    /// is one when the key was asked for as often as links are created for it. In each case all spellings of a key
    /// count as one, whether there is such a key or not.
    pub(crate) async fn count_mail(
        &self,
        purpose: &str,
        key: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<Mail> {
        if self.sign_in_limit().is_none() {
            return Ok(Mail {
                key: self.find_key(key).await?,
                is_allowed: true,
            });
        }
        let now = self.now();
        let purpose = purpose.as_bytes();
        let salt = place(&[b"mails to a key", purpose], None);
        let [provider, user] = [key.provider_id(), key.provider_user_id()].map(one_spelling);
        let asked = [&b"mails"[..], purpose, &provider, &user];
        let mail = NewAttempt {
            client: address.map(|_| (place(&[b"mails"], address), MAILS_BY_CLIENT)),
            place: place(&asked, address),
            key_id: key.valid().ok().map(str::to_owned),
            // Where no user has the key, nothing says which spellings lead to one mailbox.
            unknown_place: attempt_place(&salt, &place(&[provider, user], None)),
            salt,
            now,
            expires: now.plus(MAIL_PERIOD),
            limit: match address {
                Some(_) => MAILS_TO_KEY_BY_CLIENT,
                None => MAILS_TO_KEY,
            },
            stored_limit: MAILS_TO_KEY,
        };
        let places = 2 + usize::from(mail.client.is_some());
        let provider_id = key.provider_id();
        let counted = self.count(mail).await.inspect_err(|error| {
            if let Error::TooManyAttempts { .. } = error {
                tracing::warn!(provider_id, "too many links and codes are asked for");
            }
        })?;
        let is_allowed = counted.places.len() == places;
        if !is_allowed {
            tracing::warn!(
                provider_id,
                "too many links and codes are asked for one key"
            );
        }
        Ok(Mail {
            key: counted.key,
            is_allowed,
        })
    }
}

impl Attempt<'_> {
    /// Counts the attempt for the client as well, whatever the key, since it is one by a code.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`] when as many codes of the client were wrong as may be. Then the attempt is taken
    /// back.
    pub(crate) async fn count_code(mut self, address: IpAddr) -> Result<Self> {
        match self.auth.count_client(address).await {
            // Behind those of the key: all attempts take rows in this order.
            Ok(places) => self.places.extend(places),
            Err(error) => {
                self.end(Some(&error)).await;
                return Err(error);
            }
        }
        Ok(self)
    }

    /// Takes the attempt back, unless it has failed: where it has succeeded, and where it was not
    /// judged. It takes back itself and no other attempt. Different keys share a count, and the
    /// owner of one would otherwise wipe out their guesses at another by signing in.
    ///
    /// An error here refuses no user: the attempt then stays counted.
    pub(crate) async fn end(self, error: Option<&Error>) {
        if let Some(Error::InvalidCredentials | Error::InvalidOneTimeToken) = error {
            return;
        }
        let uncounted = async {
            let uncounting = self.auth.attempts()?.uncount_attempt(&self.places);
            self.auth.ask(uncounting).await
        };
        if let Err(error) = uncounted.await {
            tracing::warn!(error = %chain(&error), "an attempt to sign in stays counted as failed");
        }
    }
}

/// What attempts are counted by: the SHA-256 of the key and of where they come from, so that the
/// table shows neither at a glance, and has rows of one size whatever is sent.
///
/// An IPv4 address is one also where it is written in IPv6: mapped (`::ffff:0:0/96`), as a server
/// that listens on IPv6 sees it, behind a translator (`64:ff9b::/96`, RFC 6052), where all of IPv4
/// would be one network, and in 6to4 (`2002::/16`, RFC 3056), where each has 65,536 of them.
fn place(parts: &[impl AsRef<[u8]>], address: Option<IpAddr>) -> String {
    let mut sha256 = Sha256::new();
    for part in parts {
        // With its length, so that no two keys are one text.
        let part = part.as_ref();
        sha256.update((part.len() as u64).to_be_bytes());
        sha256.update(part);
    }
    match address.map(|address| address.to_canonical()) {
        None => {}
        Some(IpAddr::V4(address)) => sha256.update(address.octets()),
        Some(IpAddr::V6(address)) => match address.octets() {
            [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ipv4 @ ..] => sha256.update(ipv4),
            [0x20, 0x02, a, b, c, d, ..] => sha256.update([a, b, c, d]),
            // The half of it that names a network: its owner has all addresses in it.
            octets => sha256.update(&octets[..8]),
        },
    }
    Ascii::hex(sha256.finalize().into()).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of the first place of a key.
    fn of(key: (&str, &str), address: &str) -> String {
        let spellings = [key.0, key.1].map(one_spelling);
        place(&spellings, address.parse().ok())
    }

    fn id(address: &str) -> String {
        of(("username", "ada"), address)
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
        let ids = [
            ("a", "bc"),
            ("ab", "c"),
            ("abc", ""),
            ("", "abc"),
            ("a", "bd"),
        ];
        let mut ids = ids.map(|key| of(key, "192.0.2.1"));
        ids.sort_unstable();
        assert!(ids.windows(2).all(|two| two[0] != two[1]), "{ids:?}");
    }

    #[test]
    fn r34_all_spellings_of_a_key_are_counted_together() {
        let id = |provider, user| of((provider, user), "192.0.2.1");
        assert_eq!(id("email", "ada"), id("Email", "\u{ff21}DA"));
        assert_ne!(id("email", "ada"), id("email", "adb"));
        assert_ne!(id("email", "ada"), id("username", "ada"));
    }

    #[test]
    fn an_id_shows_neither_key_nor_address_and_has_one_length() {
        let long = "x".repeat(10_000);
        for user in ["ada", "", &long] {
            let id = of(("username", user), "192.0.2.1");
            assert_eq!(id.len(), 64);
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }
}
