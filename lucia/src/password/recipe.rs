//! How new hashes are made.

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

#[cfg(feature = "legacy-hashes")]
use super::legacy::{SCRYPT_KEY_BYTES, lucia_scrypt, write_lucia_scrypt};
use super::memory::Memory;
use super::{NewHashes, Password, PasswordOptions};
use crate::clock::random_bytes;
#[cfg(feature = "legacy-hashes")]
use crate::clock::random_text;
use crate::{Error, Result};

pub(super) const SALT_LENGTH: usize = 16;

/// The kind of new hashes, and what they cost.
#[derive(Clone, Debug)]
pub(super) enum Recipe {
    Argon2id(Params),
    /// Lucia for Node, version 2.
    #[cfg(feature = "legacy-hashes")]
    LuciaScrypt,
}

impl Recipe {
    /// `params` are those of Argon2id by the options.
    pub(super) fn new(options: &PasswordOptions, params: Params) -> Self {
        match options.new_hashes {
            NewHashes::Argon2id => Self::Argon2id(params),
            #[cfg(feature = "legacy-hashes")]
            NewHashes::LuciaScrypt => Self::LuciaScrypt,
        }
    }

    /// The hash of a password with a new salt. It takes the work.
    pub(super) fn hash(&self, password: &Password, memory: &mut Memory) -> Result<String> {
        let password = password.normal.as_bytes();
        match self {
            Self::Argon2id(params) => {
                let salt: [u8; SALT_LENGTH] = random_bytes()?;
                let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                let hashed = memory.with(params.block_count(), |blocks| {
                    argon2.hash_password_into_with_memory(password, &salt, &mut output, blocks)
                });
                hashed.map_err(Error::internal)?;
                phc(params, &salt, &output)
            }
            #[cfg(feature = "legacy-hashes")]
            Self::LuciaScrypt => {
                let salt = random_text(SALT_LENGTH)?;
                let key = lucia_scrypt(password, &salt).map_err(Error::internal)?;
                Ok(write_lucia_scrypt(&salt, &key))
            }
        }
    }

    /// Random bytes in place of a hash. Verifying it takes the work of a real one, and no password
    /// opens it.
    pub(super) fn unopenable(&self) -> Result<String> {
        match self {
            Self::Argon2id(params) => {
                let salt: [u8; SALT_LENGTH] = random_bytes()?;
                let output: [u8; Params::DEFAULT_OUTPUT_LEN] = random_bytes()?;
                phc(params, &salt, &output)
            }
            #[cfg(feature = "legacy-hashes")]
            Self::LuciaScrypt => {
                let salt = random_text(SALT_LENGTH)?;
                let key: [u8; SCRYPT_KEY_BYTES] = random_bytes()?;
                Ok(write_lucia_scrypt(&salt, &key))
            }
        }
    }
}

/// A PHC string.
fn phc(params: &Params, salt: &[u8], output: &[u8]) -> Result<String> {
    let hash = PasswordHash {
        algorithm: Ident::new("argon2id").map_err(Error::internal)?,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(Error::internal)?,
        salt: Some(Salt::new(salt).map_err(Error::internal)?),
        hash: Some(Output::new(output).map_err(Error::internal)?),
    };
    Ok(hash.to_string())
}

#[cfg(feature = "legacy-hashes")]
#[cfg(test)]
mod tests;
