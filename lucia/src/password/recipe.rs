//! How new hashes are made.

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use super::Password;
use super::memory::Memory;
use crate::clock::RandomSource;
use crate::{Error, Result};

pub(super) const SALT_LENGTH: usize = 16;

/// The kind of new hashes, and what they cost.
#[derive(Clone, Debug)]
pub(super) struct Recipe(Params);

impl Recipe {
    pub(super) fn new(params: Params) -> Self {
        Self(params)
    }

    /// The hash of a password with a salt of its own. It takes the work.
    pub(super) fn hash(
        &self,
        password: &Password,
        random: &dyn RandomSource,
        memory: &mut Memory,
    ) -> Result<String> {
        let Self(params) = self;
        let password = password.normal.as_bytes();
        let salt: [u8; SALT_LENGTH] = bytes(random)?;
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let hashed = memory.with(params.block_count(), |blocks| {
            argon2.hash_password_into_with_memory(password, &salt, &mut output, blocks)
        });
        hashed.map_err(Error::internal)?;
        phc(params, &salt, &output)
    }

    /// Random bytes in place of a hash. Verifying it takes the work of a real one, and no password
    /// opens it.
    pub(super) fn unopenable(&self, random: &dyn RandomSource) -> Result<String> {
        let salt: [u8; SALT_LENGTH] = bytes(random)?;
        let output: [u8; Params::DEFAULT_OUTPUT_LEN] = bytes(random)?;
        phc(&self.0, &salt, &output)
    }
}

fn bytes<const LENGTH: usize>(random: &dyn RandomSource) -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    random.fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
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
