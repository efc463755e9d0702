//! Hashes that other software made: scrypt of Lucia for Node, and bcrypt.
//!
//! Their memory is not kept for the next one, since `scrypt` allocates its own. glibc gives the
//! 32 MiB of `s2` back to the system each time. The 16 MiB of the first versions are below its limit
//! for that, and stay with the thread.

use subtle::ConstantTimeEq;

use super::cost::Cost;
use super::stored::UnknownHash;
use super::{Password, Verdict};

/// What bcrypt looks at of a password.
const BCRYPT_BYTES: usize = 72;

/// Takes seconds; each one more takes twice as long.
const BCRYPT_MAX_COST: u32 = 16;

pub(super) const SCRYPT_KEY_BYTES: usize = 64;

/// The parameter r, now and in the first versions.
const SCRYPT_BLOCK_SIZE: u32 = 16;
const SCRYPT_FIRST_BLOCK_SIZE: u32 = 8;

/// Lucia's own are 16 characters.
const SCRYPT_MAX_SALT_BYTES: usize = 64;

pub(super) struct LegacyHash {
    kind: Kind,
    upgrade: bool,
}

enum Kind {
    Scrypt(Scrypt),
    /// In order, and of a cost that we pay.
    Bcrypt {
        hash: String,
        cost: u32,
    },
}

/// N=16384, p=1; what the other parameters are follows from the form.
struct Scrypt {
    salt: String,
    key: [u8; SCRYPT_KEY_BYTES],
    /// The first versions: r=8 and not 16, and the password as it was typed.
    two_parts: bool,
}

impl LegacyHash {
    pub(super) fn read(text: &str, upgrade: bool) -> Result<Self, UnknownHash> {
        let kind = if text.starts_with('$') {
            let cost = read_bcrypt(text)?;
            let hash = text.to_owned();
            Kind::Bcrypt { hash, cost }
        } else {
            Scrypt::read(text).map(Kind::Scrypt)?
        };
        Ok(Self { kind, upgrade })
    }

    pub(super) fn cost(&self) -> Cost {
        match &self.kind {
            Kind::Scrypt(scrypt) => Cost::scrypt(scrypt.block_size()),
            Kind::Bcrypt { cost, .. } => Cost::bcrypt(*cost),
        }
    }

    pub(super) fn verify(&self, password: &Password) -> Result<Verdict, UnknownHash> {
        let as_typed = match &self.kind {
            // `s2` has always been hashed in the Unicode form NFKC.
            Kind::Scrypt(scrypt) if !scrypt.two_parts => None,
            Kind::Scrypt(_) | Kind::Bcrypt { .. } => password.as_typed.as_deref(),
        };
        for text in as_typed.into_iter().chain([password.normal.as_str()]) {
            if self.is_of(text.as_bytes())? {
                // From 72 bytes on, a bcrypt hash is the same whatever follows: to replace it by the
                // hash of the typed password could lock the owner out.
                let is_cut = matches!(self.kind, Kind::Bcrypt { .. }) && text.len() >= BCRYPT_BYTES;
                return Ok(match self.upgrade && !is_cut {
                    true => Verdict::OpensOutdated,
                    false => Verdict::Opens,
                });
            }
        }
        Ok(Verdict::Refused)
    }

    fn is_of(&self, password: &[u8]) -> Result<bool, UnknownHash> {
        match &self.kind {
            Kind::Scrypt(scrypt) => scrypt.is_of(password),
            // Compares in constant time.
            Kind::Bcrypt { hash, .. } => bcrypt::verify(password, hash).map_err(|_| NO_BCRYPT),
        }
    }
}

const NO_BCRYPT: UnknownHash = UnknownHash::Malformed("it is no hash of bcrypt");

/// The cost of `$2b$<cost>$<salt and hash>`: 60 characters in all. `$2x$`, which marks the hashes of
/// an implementation with a bug, is none of ours.
fn read_bcrypt(text: &str) -> Result<u32, UnknownHash> {
    if !["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
    {
        return Err(UnknownHash::Unsupported);
    }
    let parts: bcrypt::HashParts = text.parse().map_err(|_| NO_BCRYPT)?;
    match parts.get_cost() {
        0..4 => Err(UnknownHash::Malformed("the cost of bcrypt is at least 4")),
        cost @ 4..=BCRYPT_MAX_COST => Ok(cost),
        _ => Err(UnknownHash::TooCostly("the cost of bcrypt is above 16")),
    }
}

impl Scrypt {
    fn read(text: &str) -> Result<Self, UnknownHash> {
        let malformed = UnknownHash::Malformed;
        let parts: Vec<_> = text.splitn(4, ':').collect();
        let (salt, hex, two_parts) = match parts[..] {
            ["s2", salt, hex] => (salt, hex, false),
            [salt, hex] => (salt, hex, true),
            _ => return Err(UnknownHash::Unsupported),
        };
        if salt.is_empty() || salt.len() > SCRYPT_MAX_SALT_BYTES {
            return Err(malformed("a salt has 1 to 64 bytes"));
        }
        let key = read_hex(hex).ok_or(malformed("a key has 128 hexadecimal digits"))?;
        Ok(Self {
            salt: salt.to_owned(),
            key,
            two_parts,
        })
    }

    fn block_size(&self) -> u32 {
        if self.two_parts {
            SCRYPT_FIRST_BLOCK_SIZE
        } else {
            SCRYPT_BLOCK_SIZE
        }
    }

    fn is_of(&self, password: &[u8]) -> Result<bool, UnknownHash> {
        let key = scrypt_key(password, &self.salt, self.block_size())?;
        Ok(key.ct_eq(&self.key).into())
    }
}

/// The key that Lucia for Node, version 2, makes of a password in the Unicode form NFKC.
pub(super) fn lucia_scrypt(
    password: &[u8],
    salt: &str,
) -> Result<[u8; SCRYPT_KEY_BYTES], UnknownHash> {
    scrypt_key(password, salt, SCRYPT_BLOCK_SIZE)
}

/// A hash as Lucia for Node, version 2, stores and reads it: in lower case, since it compares the
/// text.
pub(super) fn write_lucia_scrypt(salt: &str, key: &[u8; SCRYPT_KEY_BYTES]) -> String {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("s2:{salt}:{hex}")
}

fn scrypt_key(
    password: &[u8],
    salt: &str,
    block_size: u32,
) -> Result<[u8; SCRYPT_KEY_BYTES], UnknownHash> {
    const IMPOSSIBLE: UnknownHash = UnknownHash::Malformed("scrypt refuses its parameters");
    let params = scrypt::Params::new(14, block_size, 1).map_err(|_| IMPOSSIBLE)?;
    let mut key = [0; SCRYPT_KEY_BYTES];
    scrypt::scrypt(password, salt.as_bytes(), &params, &mut key).map_err(|_| IMPOSSIBLE)?;
    Ok(key)
}

fn read_hex(hex: &str) -> Option<[u8; SCRYPT_KEY_BYTES]> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes: Option<Vec<_>> = pairs
        .iter()
        .map(|&[high, low]| u8::try_from(digit(high)? * 16 + digit(low)?).ok())
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
pub(super) mod tests;
