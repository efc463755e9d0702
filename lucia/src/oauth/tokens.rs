//! The provider's tokens: exchanged for a code, and refreshed.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AccessToken, AuthType, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet,
    EndpointSet, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::error::{Failure, word};
use super::fetch::FetchError;
use super::presets::SecretIn;
use super::provider::Parts;

/// The tokens that the provider gave, for calls of its API on behalf of the person. `Debug` does not show
/// them.
///
/// lucia stores them if the provider is built with
/// [`store_tokens`](crate::oauth::OAuthProviderBuilder::store_tokens). An application that only signs
/// people in can drop them.
#[derive(Clone)]
pub struct OAuthTokens(Answer);

impl OAuthTokens {
    /// What is stored of them.
    pub(super) fn to_store(&self) -> Answer {
        Answer {
            id_token: None,
            ..self.0.clone()
        }
    }

    /// Tokens that were stored, with what is left of their time.
    pub(super) fn of_store(stored: Answer, expires_in: Option<Duration>) -> Self {
        Self(Answer {
            expires_in: expires_in.map(|left| left.as_secs().into()),
            ..stored
        })
    }

    /// The access token, for the header `Authorization: Bearer`.
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.0.access_token.secret()
    }

    /// The refresh token, for
    /// [`Auth::refresh_oauth_tokens`](crate::Auth::refresh_oauth_tokens). Many providers give one only
    /// for a scope or parameter such as `offline_access` or `access_type=offline`.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.0.refresh_token()
    }

    /// The ID token of an OIDC provider, as the provider sent it. lucia has checked it. `None` for tokens
    /// that were refreshed or stored.
    #[must_use]
    pub fn id_token(&self) -> Option<&str> {
        self.0.id_token.as_deref()
    }

    /// How much longer the access token works, if the provider says so.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.0.expires_in()
    }

    /// The granted scopes, if they may differ from the requested ones.
    #[must_use]
    pub fn scopes(&self) -> Option<Vec<String>> {
        let split = |text: &str| text.split([' ', ',']).map(str::to_owned).collect();
        match self.0.scope.as_ref()? {
            Value::String(scopes) => Some(split(scopes)),
            // Twitch sends an array.
            Value::Array(scopes) => {
                let scopes = scopes.iter().filter_map(Value::as_str);
                Some(scopes.map(str::to_owned).collect())
            }
            _ => None,
        }
    }
}

impl fmt::Debug for OAuthTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthTokens")
            .field("expires_in", &self.expires_in())
            .finish_non_exhaustive()
    }
}

/// An answer of the token endpoint (RFC 6749, 5.1), read as providers write it: some send numbers as text.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Answer {
    access_token: AccessToken,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<RefreshToken>,
    scope: Option<Value>,
    id_token: Option<String>,
}

impl Answer {
    pub(super) fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(|token| &**token.secret())
    }

    pub(super) fn set_refresh_token(&mut self, refresh_token: &str) {
        self.refresh_token = Some(RefreshToken::new(refresh_token.to_owned()));
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer([redacted])")
    }
}

impl TokenResponse for Answer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &BasicTokenType::Bearer
    }

    fn expires_in(&self) -> Option<Duration> {
        let seconds = match self.expires_in.as_ref()? {
            Value::String(seconds) => seconds.parse().ok(),
            seconds => seconds.as_u64(),
        };
        seconds.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

type TokenClient = Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Where a provider gives tokens.
pub(super) struct TokenEndpoint<'a> {
    pub(super) url: &'a Url,
    pub(super) secret_in: SecretIn,
}

/// Exchanges a code for tokens.
pub(super) async fn exchange(
    provider: &Parts,
    endpoint: TokenEndpoint<'_>,
    code: String,
    verifier: String,
) -> Result<OAuthTokens, Failure> {
    let client = client(provider, endpoint);
    let redirect_url = RedirectUrl::from_url(provider.redirect_url.clone());
    let request = client
        .exchange_code(AuthorizationCode::new(code))
        .set_redirect_uri(Cow::Owned(redirect_url))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier));
    accepted(request.request_async(&provider.http).await)
}

/// What token endpoints answer to a refresh token that works no more (RFC 6749, 5.2), GitHub's among them.
const REVOKED: [&str; 2] = ["invalid_grant", "bad_refresh_token"];

/// Exchanges a refresh token for new tokens.
pub(super) async fn refresh(
    provider: &Parts,
    endpoint: TokenEndpoint<'_>,
    refresh_token: &str,
) -> Result<OAuthTokens, Failure> {
    let client = client(provider, endpoint);
    let refresh_token = RefreshToken::new(refresh_token.to_owned());
    let request = client.exchange_refresh_token(&refresh_token);
    let mut tokens = accepted(request.request_async(&provider.http).await)
        .map_err(|failure| failure.revoked_if_refused(&REVOKED))?;
    // It has no nonce that it could be checked by.
    tokens.0.id_token = None;
    // A provider that does not send another one wants the former one next time (RFC 6749, 6).
    tokens.0.refresh_token.get_or_insert(refresh_token);
    Ok(tokens)
}

fn client(provider: &Parts, endpoint: TokenEndpoint<'_>) -> TokenClient {
    let auth_type = match endpoint.secret_in {
        SecretIn::Header => AuthType::BasicAuth,
        SecretIn::Body => AuthType::RequestBody,
    };
    let client = Client::new(ClientId::new(provider.client_id.clone()))
        .set_auth_type(auth_type)
        .set_token_uri(TokenUrl::from_url(endpoint.url.clone()));
    match &provider.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.clone())),
        None => client,
    }
}

type Exchange = Result<Answer, RequestTokenError<FetchError, BasicErrorResponse>>;

fn accepted(exchange: Exchange) -> Result<OAuthTokens, Failure> {
    let refused = |error: &BasicErrorResponse| {
        let code = error.error().to_string();
        Failure::refused(word(&code))
    };
    let answer = match exchange {
        Ok(answer) => answer,
        Err(RequestTokenError::ServerResponse(error)) => return Err(refused(&error)),
        Err(RequestTokenError::Request(error)) => return Err(error.into()),
        // GitHub sends errors with the status 200.
        Err(RequestTokenError::Parse(_, body)) => {
            return Err(match serde_json::from_slice(&body) {
                Ok(error) => refused(&error),
                Err(_) => Failure::answer("the answer of the token endpoint cannot be read"),
            });
        }
        Err(RequestTokenError::Other(_)) => {
            return Err(Failure::answer(
                "the token endpoint answers with no JSON, or with nothing",
            ));
        }
    };
    // Other types need more than the token to be used (RFC 6749, 7.1).
    if let Some(token_type) = &answer.token_type
        && !token_type.eq_ignore_ascii_case("bearer")
    {
        return Err(Failure::answer("the access token is no bearer token"));
    }
    Ok(OAuthTokens(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(json: &Value) -> OAuthTokens {
        accepted(Ok(serde_json::from_value(json.clone()).unwrap())).unwrap()
    }

    #[test]
    fn answers_are_read_as_providers_write_them() {
        let spotless = tokens(&serde_json::json!({
            "access_token": "a", "token_type": "Bearer", "expires_in": 3600, "scope": "a b",
            "refresh_token": "r", "id_token": "i", "more": {},
        }));
        assert_eq!(spotless.access_token(), "a");
        assert_eq!(spotless.refresh_token(), Some("r"));
        assert_eq!(spotless.id_token(), Some("i"));
        assert_eq!(spotless.expires_in(), Some(Duration::from_secs(3600)));
        assert_eq!(spotless.scopes().unwrap(), ["a", "b"]);
        let odd = tokens(&serde_json::json!({
            "access_token": "a", "expires_in": "60", "scope": ["a", "b"], "refresh_token": null,
        }));
        assert_eq!(odd.expires_in(), Some(Duration::from_secs(60)));
        assert_eq!(odd.scopes().unwrap(), ["a", "b"]);
        assert_eq!(odd.refresh_token(), None);
        assert!(
            accepted(Ok(serde_json::from_value(
                serde_json::json!({ "access_token": "a", "token_type": "mac" })
            )
            .unwrap()))
            .is_err()
        );
    }

    #[test]
    fn r46_debug_shows_no_token() {
        let tokens = tokens(&serde_json::json!({
            "access_token": "canary", "refresh_token": "canary", "id_token": "canary",
        }));
        assert!(!format!("{tokens:?} {:?}", tokens.0).contains("canary"));
    }
}
