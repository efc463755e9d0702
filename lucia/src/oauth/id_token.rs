//! Checks an ID token (OpenID Connect Core 1.0, 3.1.3.7).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Algorithm,
};
use openidconnect::{
    ClaimsVerificationError as Problem, ClientId, IssuerUrl, Nonce,
    SignatureVerificationError as SignatureProblem,
};
use serde_json::{Map, Value};

use super::discovery::Document;
use crate::clock::UnixMillis;

/// How far the clocks of the provider and of this machine may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// Signatures by the private key of a pair. Those by a shared secret are not among them: a client secret is
/// known to others than the provider, and with `none` all would be open.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];

/// Why a token is refused.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// No key that is known verifies it. The provider may have another one by now.
    Key,
    /// For this reason, with nothing of the token in it.
    Other(&'static str),
}

impl Refusal {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Key => "the ID token is not signed by a key of the provider",
            Self::Other(reason) => reason,
        }
    }
}

/// What a token has to be an answer to.
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Since when the person must have signed in at the provider.
    pub(super) since: Option<UnixMillis>,
}

/// The claims of a token that this provider has issued in answer to this.
pub(super) fn verify(
    token: &str,
    document: &Document,
    expected: &Expected<'_>,
    now: UnixMillis,
) -> Result<Map<String, Value>, Refusal> {
    verify_by(token, &document.issuer, &document.keys, expected, now)
}

fn verify_by(
    token: &str,
    issuer: &str,
    keys: &CoreJsonWebKeySet,
    expected: &Expected<'_>,
    now: UnixMillis,
) -> Result<Map<String, Value>, Refusal> {
    const UNREADABLE: Refusal = Refusal::Other("the ID token cannot be read");

    let issuer = IssuerUrl::new(issuer.to_owned()).map_err(|_| UNREADABLE)?;
    let at = |moment: UnixMillis| DateTime::<Utc>::from(SystemTime::from(moment));
    let leeway = i64::try_from(LEEWAY.as_millis()).unwrap_or(i64::MAX);
    let earlier = at(UnixMillis(now.0.saturating_sub(leeway)));
    let later = at(now.plus(LEEWAY));
    let since = expected.since.map(|since| since.minus(LEEWAY));
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(expected.client_id.to_owned()),
        issuer,
        CoreJsonWebKeySet::new(keys.keys().clone()),
    )
    .set_allowed_algs(ALGORITHMS)
    .set_time_fn(move || earlier)
    .set_issue_time_verifier_fn(move |issued| match issued <= later {
        true => Ok(()),
        false => Err(FUTURE.to_owned()),
    })
    .set_auth_time_verifier_fn(move |signed_in| match (since, signed_in) {
        (None, _) => Ok(()),
        (Some(since), Some(at)) if since.0 <= at.timestamp_millis() && at <= later => Ok(()),
        (Some(_), _) => Err(String::new()),
    });
    let parsed: CoreIdToken = token.parse().map_err(|_| UNREADABLE)?;
    parsed
        .claims(&verifier, &Nonce::new(expected.nonce.to_owned()))
        .map_err(refusal)?;
    // The claims as the provider wrote them. What was verified is this text.
    let payload = token.split('.').nth(1).ok_or(UNREADABLE)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload);
    let payload = payload.map_err(|_| UNREADABLE)?;
    serde_json::from_slice(&payload).map_err(|_| UNREADABLE)
}

const FUTURE: &str = "issued in the future";

fn refusal(problem: Problem) -> Refusal {
    use SignatureProblem::{
        AmbiguousKeyId, CryptoError, DisallowedAlg, NoMatchingKey, NoSignature,
    };

    Refusal::Other(match problem {
        Problem::Expired(reason) if reason == FUTURE => {
            "the ID token was issued in the future: the clock of the provider or of this machine is wrong"
        }
        Problem::Expired(_) => "the ID token has expired",
        Problem::InvalidAudience(_) => "the ID token is meant for another client (`aud`)",
        Problem::InvalidIssuer(_) => "the ID token was issued by another issuer (`iss`)",
        Problem::InvalidAuthTime(_) => {
            "the ID token does not say that the person has signed in as lately as was asked for by `max_age` \
             (`auth_time`)"
        }
        Problem::InvalidNonce(_) => "the ID token belongs to another sign-in (`nonce`)",
        Problem::SignatureVerification(NoMatchingKey | CryptoError(_)) => return Refusal::Key,
        Problem::SignatureVerification(AmbiguousKeyId(_)) => {
            "the ID token does not say by which of the provider's keys it is signed (`kid`)"
        }
        Problem::SignatureVerification(NoSignature) => "the ID token is not signed",
        Problem::SignatureVerification(DisallowedAlg(_)) => {
            "the ID token is signed by an algorithm that is not accepted: a signature by a private key is \
             (RS256, PS256, ES256, EdDSA and their kind)"
        }
        Problem::SignatureVerification(_) => "the signature of the ID token cannot be checked",
        _ => "the ID token is not one that is supported",
    })
}
