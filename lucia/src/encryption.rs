//! Encryption of secrets that are stored: XChaCha20-Poly1305 with random nonces, by keys of the application.
//!
//! A sealed text is `v1.KEY ID.BASE64`, where the last part is the nonce and the ciphertext. It is bound to its
//! place, a row of a user, by the associated data: elsewhere it cannot be opened. A nonce has 192 bits, so that
//! no number of texts makes two of them meet under one key.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::clock::random_bytes;
use crate::{Error, Result};

/// How many bytes a key has.
const KEY: usize = 32;
/// How many bytes a nonce has.
const NONCE: usize = 24;
/// The format of sealed texts.
const VERSION: &str = "v1";

/// A key with which the application encrypts secrets in the database, for
/// [`AuthBuilder::encryption_keys`](crate::AuthBuilder::encryption_keys). `Debug` shows only its id.
///
/// ```
/// use lucia::EncryptionKey;
///
/// // In production from the environment: std::env::var("ENCRYPTION_KEYS")?
/// let text = "2026:V4ZsHvQNi8BISSvJbQ+ShQ7rNl5SHOc8ZFgvS0ebGqE=";
/// let keys = EncryptionKey::parse_list(text)?;
/// # assert_eq!(keys.len(), 1);
/// # Ok::<(), lucia::Error>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKey {
    id: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl EncryptionKey {
    /// A key of 32 random bytes. Its id is stored with each secret that it encrypts, and says which key
    /// decrypts the secret. An id has up to 32 letters, digits, `-` and `_`, such as `2026`. Give each key
    /// another id.
    ///
    /// [`AuthBuilder::build`](crate::AuthBuilder::build) checks the id and the key.
    pub fn new(id: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            id: id.into(),
            bytes: Zeroizing::new(bytes.as_ref().to_vec()),
        }
    }

    /// Parses keys from one text, such as an environment variable: `ID:KEY`, separated by commas or white
    /// space. A key is written in base64 or in hexadecimal digits. `openssl rand -base64 32` creates one.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] says which entry is wrong and how to write it, without quoting the text.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        let entries = text.split([',', ' ', '\t', '\r', '\n']);
        let entries = entries.filter(|entry| !entry.is_empty());
        let keys: Vec<_> = (1..)
            .zip(entries)
            .map(|(number, entry)| Self::parse(entry).map_err(|reason| refused(number, reason)))
            .collect::<Result<_>>()?;
        if keys.is_empty() {
            return Err(refuse(EMPTY));
        }
        Ok(keys)
    }

    fn parse(entry: &str) -> Result<Self, &'static str> {
        let (id, key) = entry.split_once(':').ok_or(
            "write an id before the key, as in `2026:KEY`: it says later which key reads what",
        )?;
        let bytes = of_hex(key).or_else(|| of_base64(key)).ok_or(
            "the key is neither base64 nor hexadecimal digits: `openssl rand -base64 32` makes one",
        )?;
        let key = Self {
            id: id.to_owned(),
            bytes,
        };
        key.check().map(|()| key)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !is_id(&self.id) {
            return Err("the id of a key has 1 to 32 letters, digits, `-` and `_`");
        }
        if self.bytes.len() != KEY {
            return Err("a key has 32 bytes: `openssl rand -base64 32` makes one");
        }
        if self.bytes.iter().all(|byte| *byte == self.bytes[0]) {
            return Err(
                "all bytes of the key are the same: `openssl rand -base64 32` makes a random one",
            );
        }
        Ok(())
    }
}

debug_of!(EncryptionKey: id);

fn is_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(is_allowed)
}

const EMPTY: &str = "there is no key: the variable that holds them may not be set";

fn refuse(reason: impl Into<String>) -> Error {
    Error::setting("encryption_keys", reason)
}

fn refused(number: usize, reason: &str) -> Error {
    refuse(format!("key {number}: {reason}"))
}

fn of_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() != 2 * KEY {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok());
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

/// Either alphabet (RFC 4648, 4 and 5), with padding or without.
fn of_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabets = [alphabet::STANDARD, alphabet::URL_SAFE];
    alphabets.into_iter().find_map(|alphabet| {
        let decoded = GeneralPurpose::new(&alphabet, config).decode(text);
        decoded.ok().map(Zeroizing::new)
    })
}

/// The keys of an application: the first one seals, and all of them open.
pub(crate) struct Vault {
    keys: Vec<(String, XChaCha20Poly1305)>,
}

/// Where a sealed text is stored.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) kind: &'a str,
    pub(crate) user_id: &'a str,
    /// The id of the row.
    pub(crate) id: &'a str,
}

/// What was in a sealed text.
pub(crate) struct Opened {
    pub(crate) secret: Zeroizing<Vec<u8>>,
    /// Whether the first key sealed it.
    pub(crate) is_current: bool,
}

/// Why a sealed text cannot be opened.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("its key `{0}` is not among `encryption_keys`: add it behind the others")]
    UnknownKey(String),
    #[error(
        "it was changed, moved here from another row, or sealed with another key of the same id"
    )]
    Refused,
    #[error("it has a format that this version of lucia does not know")]
    UnknownFormat,
}

impl Vault {
    /// Checks the keys.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`].
    pub(crate) fn new(keys: Vec<EncryptionKey>) -> Result<Self> {
        if keys.is_empty() {
            return Err(refuse(EMPTY));
        }
        for (at, key) in keys.iter().enumerate() {
            key.check().map_err(|reason| refused(at + 1, reason))?;
            if let Some(former) = keys[..at].iter().position(|former| former.id == key.id) {
                let reason = format!("it has the id of key {}: each has another", former + 1);
                return Err(refused(at + 1, &reason));
            }
            if let Some(former) = keys[..at]
                .iter()
                .position(|former| *former.bytes == *key.bytes)
            {
                let reason = format!("it is the same as key {}: leave one out", former + 1);
                return Err(refused(at + 1, &reason));
            }
        }
        let keys = keys.iter().map(|key| {
            let cipher = XChaCha20Poly1305::new_from_slice(&key.bytes);
            let cipher = cipher.map_err(|_| refuse("a key has 32 bytes"))?;
            Ok((key.id.clone(), cipher))
        });
        Ok(Self {
            keys: keys.collect::<Result<_>>()?,
        })
    }

    /// Seals a secret for this place, with the first key.
    pub(crate) fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<String> {
        let Some((id, cipher)) = self.keys.first() else {
            return Err(refuse(EMPTY));
        };
        let nonce: [u8; NONCE] = random_bytes()?;
        let payload = Payload {
            msg: secret,
            aad: &place.bound_to(id),
        };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::internal("a secret is too long to be encrypted"))?;
        let sealed = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        Ok(format!("{VERSION}.{id}.{sealed}"))
    }

    /// Opens a text that was sealed for this place.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &str) -> Result<Opened, Unreadable> {
        let mut parts = sealed.splitn(3, '.');
        let (Some(VERSION), Some(id), Some(sealed)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Unreadable::UnknownFormat);
        };
        let Some(at) = self.keys.iter().position(|(known, _)| known == id) else {
            // Text that is no id may hold anything.
            return Err(match is_id(id) {
                true => Unreadable::UnknownKey(id.to_owned()),
                false => Unreadable::UnknownFormat,
            });
        };
        let sealed = URL_SAFE_NO_PAD.decode(sealed);
        let sealed = sealed.map_err(|_| Unreadable::Refused)?;
        let (nonce, msg) = sealed
            .split_first_chunk::<NONCE>()
            .ok_or(Unreadable::Refused)?;
        let payload = Payload {
            msg,
            aad: &place.bound_to(id),
        };
        let secret = self.keys[at].1.decrypt(&XNonce::from(*nonce), payload);
        Ok(Opened {
            secret: Zeroizing::new(secret.map_err(|_| Unreadable::Refused)?),
            is_current: at == 0,
        })
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|(id, _)| id))
            .finish()
    }
}

impl Place<'_> {
    /// The associated data. Each part stands behind its length, so that no two places have the same.
    fn bound_to(self, key_id: &str) -> Vec<u8> {
        let parts = ["lucia", VERSION, key_id, self.kind, self.user_id, self.id];
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
