//! [`OAuthProvider`]: a provider, and the registration of this application there.

mod builder;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use builder::OAuthProviderBuilder;

use super::discovery::{Discovery, Document};
use super::error::Failure;
use super::fetch::Http;
use super::presets::{Endpoints, Preset};
use super::tokens::TokenEndpoint;
use crate::Result;
use crate::clock::UnixMillis;
use crate::time_limit::within;

/// A provider with which people sign in, and the registration of the application there. A clone is another
/// handle to the same provider.
///
/// ```
/// use lucia::oauth::{OAuthProvider, presets};
///
/// # fn build(id: &str, secret: &str) -> lucia::Result<()> {
/// let github = OAuthProvider::preset(&presets::GITHUB)
///     .client(id, secret)
///     .redirect_url("https://example.com/login/github/callback")
///     .build()?;
/// let company = OAuthProvider::oidc("company", "https://id.example.com/realms/main")
///     .client(id, secret)
///     .redirect_url("https://example.com/login/company/callback")
///     .build()?;
/// # Ok(()) }
/// ```
///
/// Build it once, when the application starts, and share it as you share the `Auth`. The first sign-in
/// fetches the discovery document and the keys of an OIDC provider, and lucia keeps them for an hour. If a
/// token names an unknown key, the keys are fetched again, at most once a minute.
#[derive(Clone)]
pub struct OAuthProvider(pub(super) Arc<Parts>);

pub(super) struct Parts {
    pub(super) id: String,
    name: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) redirect_url: Url,
    pub(super) scopes: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) kind: Kind,
    pub(super) http: Http,
    pub(super) timeout: Duration,
    pub(super) stores_tokens: bool,
}

/// How a provider says who a person is.
pub(super) enum Kind {
    /// By an ID token.
    Oidc(Discovery),
    /// At its user-info endpoint.
    Plain {
        endpoints: Box<Endpoints>,
        authorization: Url,
        token: Url,
    },
}

/// What the provider says of itself now.
pub(super) enum Known<'a> {
    Oidc(Arc<Document>, &'a Discovery),
    Plain(&'a Endpoints, &'a Url, &'a Url),
}

/// Parameters that lucia sends itself.
pub(super) const OWN: [&str; 9] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "max_age",
    "code_challenge",
    "code_challenge_method",
];

impl OAuthProvider {
    /// A provider of the [table](super::presets).
    pub fn preset(preset: &Preset) -> OAuthProviderBuilder {
        OAuthProviderBuilder::new(preset)
    }

    /// Any OpenID Connect provider, by its issuer: the base URL of `/.well-known/openid-configuration`. The
    /// `id` is the [provider id](crate::KeyId::provider_id) of keys. Subjects are unique only within an
    /// issuer, so use another id for another issuer.
    pub fn oidc(id: impl Into<String>, issuer: impl Into<String>) -> OAuthProviderBuilder {
        OAuthProviderBuilder::oidc(id.into(), issuer.into())
    }

    /// The provider id of its users' keys, such as `github`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its display name, such as `GitHub`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl Parts {
    /// What is known of the provider, which may have to be asked.
    pub(super) async fn known(&self, now: UnixMillis) -> Result<Known<'_>, Failure> {
        Ok(match &self.kind {
            Kind::Oidc(discovery) => {
                Known::Oidc(discovery.document(&self.http, now).await?, discovery)
            }
            Kind::Plain {
                endpoints,
                authorization,
                token,
            } => Known::Plain(endpoints, authorization, token),
        })
    }

    /// Limits the time that all requests of one call take together.
    pub(super) async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match within(self.timeout, asking).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(Failure::unreachable(elapsed.to_string())),
        }
    }
}

impl Known<'_> {
    pub(super) fn authorization(&self) -> &Url {
        match self {
            Self::Oidc(document, _) => &document.authorization,
            Self::Plain(_, authorization, _) => authorization,
        }
    }

    pub(super) fn token_endpoint(&self) -> TokenEndpoint<'_> {
        let (url, secret_in) = match self {
            Self::Oidc(document, _) => (&document.token, document.secret_in),
            Self::Plain(endpoints, _, token) => (*token, endpoints.secret_in),
        };
        TokenEndpoint { url, secret_in }
    }
}

impl fmt::Debug for OAuthProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthProvider")
            .field("id", &self.0.id)
            .field("client_id", &self.0.client_id)
            .field("redirect_url", &self.0.redirect_url.as_str())
            .finish_non_exhaustive()
    }
}
