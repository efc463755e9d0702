//! Hashes as the database holds them, read and checked before any work is done for them.

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, RECOMMENDED_SALT_LEN, Version};
use subtle::ConstantTimeEq;

use super::cost::Cost;
#[cfg(feature = "legacy-hashes")]
use super::legacy::LegacyHash;
use super::memory::Memory;
use super::{NewHashes, Password, PasswordOptions, Verdict};

/// A stored hash that can be verified.
pub(super) enum StoredHash {
    Argon2(Box<Argon2Hash>),
    #[cfg(feature = "legacy-hashes")]
    Legacy(LegacyHash),
}

pub(super) struct Argon2Hash {
    argon2: Argon2<'static>,
    salt: Salt,
    output: Output,
    outdated: bool,
}

/// Why a stored hash cannot be verified. It shows nothing of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownHash {
    #[error("a stored password hash is of no supported kind, which are {SUPPORTED}")]
    Unsupported,
    #[cfg(not(feature = "legacy-hashes"))]
    #[error(
        "a stored password hash looks like one of Lucia for Node or bcrypt: lucia verifies those \
         with its cargo feature `legacy-hashes`, and without it {SUPPORTED}"
    )]
    SwitchedOff,
    #[error("a stored password hash is malformed: {0}")]
    Malformed(&'static str),
    #[error("a stored password hash asks for more work than lucia does: {0}")]
    TooCostly(&'static str),
    #[error("a stored password hash was not computed: {0}")]
    NotComputed(argon2::Error),
}

#[cfg(not(feature = "legacy-hashes"))]
const SUPPORTED: &str = "PHC strings of Argon2";
#[cfg(feature = "legacy-hashes")]
const SUPPORTED: &str = "PHC strings of Argon2, `s2:<salt>:<hex>` and `<salt>:<hex>` of Lucia for \
                         Node, and `$2a$`, `$2b$` and `$2y$` of bcrypt";

/// What a stored hash may ask for, unless the settings themselves ask for more: 2 GiB, which is
/// the most that RFC 9106 recommends, and 8 GiB to go over in all.
const MOST_MEMORY_KIB: u32 = 2 * 1024 * 1024;
const MOST_WORK_KIB: u64 = 8 * 1024 * 1024;

impl StoredHash {
    /// Reads a stored hash, and judges it by the settings of today.
    pub(super) fn read(text: &str, options: &PasswordOptions) -> Result<Self, UnknownHash> {
        if text.starts_with("$argon2") {
            Argon2Hash::read(text, options).map(|hash| Self::Argon2(Box::new(hash)))
        } else if text.starts_with("$2") || (!text.starts_with('$') && text.contains(':')) {
            Self::read_legacy(text, options)
        } else {
            Err(UnknownHash::Unsupported)
        }
    }

    #[cfg(feature = "legacy-hashes")]
    fn read_legacy(text: &str, options: &PasswordOptions) -> Result<Self, UnknownHash> {
        LegacyHash::read(text, options.upgrade_legacy_hashes).map(Self::Legacy)
    }

    #[cfg(not(feature = "legacy-hashes"))]
    fn read_legacy(_: &str, _: &PasswordOptions) -> Result<Self, UnknownHash> {
        Err(UnknownHash::SwitchedOff)
    }

    /// What [`verify`](Self::verify) takes.
    pub(super) fn cost(&self) -> Cost {
        match self {
            Self::Argon2(hash) => {
                let params = hash.argon2.params();
                Cost::argon2(params.m_cost(), params.t_cost())
            }
            #[cfg(feature = "legacy-hashes")]
            Self::Legacy(hash) => hash.cost(),
        }
    }

    /// Does the work.
    pub(super) fn verify(
        &self,
        password: &Password,
        memory: &mut Memory,
    ) -> Result<Verdict, UnknownHash> {
        match self {
            Self::Argon2(hash) => hash.verify(password, memory),
            #[cfg(feature = "legacy-hashes")]
            Self::Legacy(hash) => hash.verify(password),
        }
    }
}

impl Argon2Hash {
    fn read(text: &str, options: &PasswordOptions) -> Result<Self, UnknownHash> {
        let malformed = UnknownHash::Malformed;
        let mut hash = PasswordHash::new(text).map_err(|_| malformed("it is no PHC string"))?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())
            .map_err(|_| malformed("there is no such variant of Argon2"))?;
        // Strings of the first version do not name it.
        let version = *hash.version.get_or_insert(Version::V0x10.into());
        let version = Version::try_from(version)
            .map_err(|_| malformed("there is no such version of Argon2"))?;
        let params = Params::try_from(&hash).map_err(|_| malformed("its parameters cannot be"))?;
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
            return Err(malformed("it has no salt or no hash"));
        };

        let (memory, iterations) = (params.m_cost(), params.t_cost());
        let work = |memory: u32, iterations: u32| u64::from(memory) * u64::from(iterations);
        let most_work = MOST_WORK_KIB.max(work(options.memory_kib, options.iterations));
        if memory > MOST_MEMORY_KIB.max(options.memory_kib) {
            return Err(UnknownHash::TooCostly("too much memory"));
        }
        if work(memory, iterations) > most_work {
            return Err(UnknownHash::TooCostly("too many iterations"));
        }

        // The number of lanes makes a hash neither stronger nor weaker.
        let weaker = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || memory < options.memory_kib
            || iterations < options.iterations
            || salt.len() < RECOMMENDED_SALT_LEN
            || output.len() < Params::DEFAULT_OUTPUT_LEN;
        Ok(Self {
            argon2: Argon2::new(algorithm, version, params),
            salt,
            output,
            outdated: weaker && options.new_hashes == NewHashes::Argon2id,
        })
    }

    fn verify(&self, password: &Password, memory: &mut Memory) -> Result<Verdict, UnknownHash> {
        let (password, salt) = (password.normal.as_bytes(), &*self.salt);
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..self.output.len()];
        memory
            .with(self.argon2.params().block_count(), |blocks| {
                let argon2 = &self.argon2;
                argon2.hash_password_into_with_memory(password, salt, output, blocks)
            })
            .map_err(UnknownHash::NotComputed)?;
        let opens: bool = output.ct_eq(self.output.as_bytes()).into();
        Ok(match (opens, self.outdated) {
            (false, _) => Verdict::Refused,
            (true, false) => Verdict::Opens,
            (true, true) => Verdict::OpensOutdated,
        })
    }
}

#[cfg(test)]
mod tests;
