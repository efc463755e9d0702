//! The key that the provider signs by, made anew at each start.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use lucia::Error;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

const KEY_ID: &str = "demo";

pub struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    pub fn generate() -> lucia::Result<Self> {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(internal)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random);
        Ok(Self(pair.map_err(internal)?))
    }

    /// The public key (RFC 7518, 6.2.1): a point, whose coordinates come after a byte 4.
    pub fn public(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID,
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        })
    }

    /// The claims as a signed token (RFC 7515, 3.1).
    pub fn sign(&self, claims: &Value) -> lucia::Result<String> {
        let header = json!({ "alg": "ES256", "kid": KEY_ID, "typ": "JWT" });
        let encode = |part: &Value| BASE64.encode(part.to_string());
        let text = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes());
        let signature = BASE64.encode(signature.map_err(internal)?);
        Ok(format!("{text}.{signature}"))
    }
}

/// 256 random bits.
pub fn random() -> lucia::Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(internal)?;
    Ok(BASE64.encode(bytes))
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}
