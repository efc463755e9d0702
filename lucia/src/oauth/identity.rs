//! [`OAuthIdentity`]: who a person is, according to the provider.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use super::discovery::Document;
use super::error::Failure;
use super::fetch::FetchError;
use super::presets::{EmailIn, Endpoints, UserInfoMethod};
use super::provider::Parts;
use super::tokens::OAuthTokens;
use crate::email_address;
use crate::user::key::{KeyId, KeySecret, NewKey};
use crate::{Error, Result};

/// Who a person is, according to a provider.
///
/// Only the subject identifies the user: [`key_id`](Self::key_id) is the key of that user. Names and
/// addresses change, and a provider can give them to another person.
#[derive(Clone)]
#[non_exhaustive]
pub struct OAuthIdentity {
    /// The [id](super::OAuthProvider::id) of the provider.
    pub provider: String,
    /// The id of the person at the provider: `sub`, or the provider's own id.
    pub subject: String,
    /// The person's e-mail address, if the provider gives one.
    pub email: Option<String>,
    /// Whether the provider says that it has verified the address. An address that it has not verified can
    /// be anyone's.
    pub email_verified: bool,
    /// A display name, if the provider gives one.
    pub name: Option<String>,
    /// When the person signed in at the provider, if the provider says so (`auth_time`). This can be long
    /// ago unless the sign-in began with [`max_age`](super::BeginOAuth::max_age).
    pub authenticated_at: Option<SystemTime>,
    claims: Value,
    /// The tokens, where they are stored with the key.
    pub(super) secret: Option<KeySecret>,
}

impl OAuthIdentity {
    /// The key of the user with this identity: the id of the provider, and the subject.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId::from((&self.provider, &self.subject))
    }

    /// The key for a new user: `NewUser::with_key(identity.new_key())`. It carries the tokens of the
    /// provider if they are [stored](super::OAuthProviderBuilder::store_tokens).
    #[must_use]
    pub fn new_key(&self) -> NewKey<'static> {
        NewKey {
            secret: self.secret.clone(),
            ..NewKey::without_password(self.key_id())
        }
    }

    /// The address, if the provider says that it has verified it.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified)
    }

    /// Everything that the provider says, as your type: the claims of the ID token and of the user-info
    /// endpoint, or the JSON of a provider without ID tokens.
    ///
    /// ```
    /// # fn f(identity: &lucia::oauth::OAuthIdentity) -> lucia::Result<()> {
    /// #[derive(serde::Deserialize)]
    /// struct GitHub {
    ///     login: String,
    ///     avatar_url: Option<String>,
    /// }
    ///
    /// let github: GitHub = identity.claims()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OAuth`] if the claims do not fit `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.claims).map_err(|_| {
            let what = std::any::type_name::<T>();
            let reason = format!("its claims do not fit `{what}`: make fields of it an `Option`");
            Error::OAuth(Failure::answer(reason).of(&self.provider))
        })
    }
}

/// Compares who it is, and not the tokens that it carries.
impl PartialEq for OAuthIdentity {
    fn eq(&self, other: &Self) -> bool {
        let of = |it: &Self| {
            let texts = (it.provider.clone(), it.subject.clone(), it.name.clone());
            (texts, it.email.clone(), it.email_verified)
        };
        of(self) == of(other) && self.claims == other.claims
    }
}

debug_of!(OAuthIdentity: provider, subject);

/// The identity that an ID token gives, with what the user-info endpoint adds. The claims were verified.
pub(super) async fn of_claims(
    provider: &Parts,
    document: &Document,
    mut claims: Map<String, Value>,
    tokens: &OAuthTokens,
) -> Result<OAuthIdentity, Failure> {
    let asked_for_email = provider.scopes.iter().any(|scope| scope == "email");
    if let Some(user_info) = &document.user_info
        && asked_for_email
        && !claims.contains_key("email")
    {
        let more = get(provider, Method::GET, user_info, tokens).await?;
        let Value::Object(more) = more else {
            return Err(Failure::answer(
                "what is at the user-info endpoint is no object",
            ));
        };
        // It can be about somebody else (OpenID Connect Core 1.0, 5.3.2).
        if more.get("sub") != claims.get("sub") {
            let reason = "the user-info endpoint tells of another `sub` than the ID token";
            return Err(Failure::answer(reason));
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
    }
    let subject = claims
        .get("sub")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let seconds = claims.get("auth_time").and_then(Value::as_u64);
    let authenticated_at =
        seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let identity = OAuthIdentity {
        provider: provider.id.clone(),
        subject: subject.to_owned(),
        email: text("email").and_then(address),
        email_verified: is_true(claims.get("email_verified")),
        name: text("name").or(text("preferred_username")).and_then(shown),
        authenticated_at,
        claims: Value::Object(claims),
        secret: None,
    };
    checked(identity)
}

/// The identity that a provider without ID tokens gives at its user-info endpoint.
pub(super) async fn of_user_info(
    provider: &Parts,
    endpoints: &Endpoints,
    tokens: &OAuthTokens,
) -> Result<OAuthIdentity, Failure> {
    let method = match endpoints.user_info_method {
        UserInfoMethod::Get => Method::GET,
        UserInfoMethod::Post => Method::POST,
    };
    let user_info = url(endpoints.user_info)?;
    let claims = get(provider, method, &user_info, tokens).await?;
    let addresses = match endpoints.email {
        EmailIn::List { url: list, .. } => {
            match get(provider, Method::GET, &url(list)?, tokens).await {
                Ok(addresses) => addresses,
                // Without the scope for it, there are none.
                Err(FetchError::Status { status, .. }) if status.is_client_error() => Value::Null,
                Err(error) => return Err(error.into()),
            }
        }
        _ => Value::Null,
    };
    told(&provider.id, endpoints, claims, &addresses)
}

/// What a user info says, with the list of addresses that is elsewhere.
fn told(
    provider: &str,
    endpoints: &Endpoints,
    claims: Value,
    addresses: &Value,
) -> Result<OAuthIdentity, Failure> {
    let (email, email_verified) = match endpoints.email {
        EmailIn::Nowhere => (None, false),
        EmailIn::Unverified(email) => (text_at(&claims, email), false),
        EmailIn::Verified(email) => (text_at(&claims, email), true),
        EmailIn::Flagged { email, verified } => {
            let is_verified = is_true(claims.pointer(verified));
            (text_at(&claims, email), is_verified)
        }
        EmailIn::List {
            list,
            email,
            primary,
            verified,
            ..
        } => of_list(addresses, list, email, primary, verified),
    };
    let subject = match claims.pointer(endpoints.subject) {
        Some(Value::String(subject)) => subject.clone(),
        Some(Value::Number(subject)) if subject.is_u64() => subject.to_string(),
        _ => String::new(),
    };
    let identity = OAuthIdentity {
        provider: provider.to_owned(),
        subject,
        email: email.as_deref().and_then(address),
        email_verified,
        name: text_at(&claims, endpoints.name).as_deref().and_then(shown),
        authenticated_at: None,
        claims,
        secret: None,
    };
    checked(identity)
}

fn checked(identity: OAuthIdentity) -> Result<OAuthIdentity, Failure> {
    if identity.key_id().valid().is_err() {
        let reason =
            "it does not say who the person is: the subject is missing, or cannot be part of a key";
        return Err(Failure::answer(reason));
    }
    let email_verified = identity.email_verified && identity.email.is_some();
    Ok(OAuthIdentity {
        email_verified,
        ..identity
    })
}

async fn get(
    provider: &Parts,
    method: Method,
    url: &Url,
    tokens: &OAuthTokens,
) -> Result<Value, FetchError> {
    let access_token = Some(tokens.access_token());
    provider.http.json(method, url, access_token).await
}

fn url(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|_| Failure::answer("the preset has a URL that is none"))
}

/// The primary address of a list, and whether it is verified.
fn of_list(
    addresses: &Value,
    place: &str,
    email: &str,
    primary: &str,
    verified: &str,
) -> (Option<String>, bool) {
    let addresses = addresses.pointer(place).and_then(Value::as_array);
    let mut addresses = addresses.into_iter().flatten();
    let found = addresses.find(|address| is_true(address.get(primary)));
    let email = found.and_then(|found| found.get(email)?.as_str());
    let is_verified = found.is_some_and(|found| is_true(found.get(verified)));
    (email.map(str::to_owned), is_verified)
}

fn text_at(claims: &Value, place: &str) -> Option<String> {
    claims.pointer(place)?.as_str().map(str::to_owned)
}

/// Apple sends the text `"true"`.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(is_true)) => *is_true,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

/// An address that mails can be sent to, as the provider writes it.
fn address(text: &str) -> Option<String> {
    email_address::parse(text).is_ok().then(|| text.to_owned())
}

/// A text that can be shown and stored.
fn shown(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(255).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
