//! Begins a sign-in and sends a browser to a provider.

use std::time::Duration;

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use serde::{Deserialize, Serialize};

use super::provider::{Kind, OAuthProvider, OWN};
use crate::auth::awaited;
use crate::clock::random_text;
use crate::headers::cookie::browser::LIFETIME;
use crate::request::AuthRequest;
use crate::request::redirect::LocalPath;
use crate::token::TokenPurpose;
use crate::user::key::KeyId;
use crate::{Error, Result};

pub(super) const BEGUN: TokenPurpose<Begun> =
    TokenPurpose::own("lucia: sign in by a provider").expires_in(LIFETIME);

/// The longest path that is kept for a sign-in, in bytes. Anyone can begin one, and each is a row.
const LONGEST_NEXT: usize = 2048;

/// A sign-in at a provider that is on its way. The token that it is found by is its `state`.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) provider: String,
    /// The SHA-256 of the secret in the browser's cookie.
    pub(super) browser: String,
    /// For PKCE.
    pub(super) verifier: String,
    pub(super) nonce: String,
    /// Since when the person must have signed in at the provider, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<i64>,
    pub(super) next: String,
}

impl AuthRequest {
    /// Begins a sign-in at a provider. Returns the URL to redirect to, and makes the response set a cookie
    /// that binds the sign-in to this browser:
    ///
    /// ```
    /// use lucia::oauth::OAuthProvider;
    /// use lucia::{AuthRequest, LocalPath};
    ///
    /// async fn log_in_by_github(
    ///     auth_request: &AuthRequest,
    ///     github: &OAuthProvider,
    ///     next: LocalPath, // of the query
    /// ) -> lucia::Result<String> {
    ///     let url = auth_request.begin_oauth(github).next(next).await?;
    ///     Ok(url) // Redirect::to(&url) in axum, Redirect::to(url).see_other() in actix-web
    /// }
    /// ```
    ///
    /// The person has 15 minutes. The callback page calls [`finish_oauth`](Self::finish_oauth). It has to
    /// be on the same host, because the cookie is sent to no other.
    ///
    /// Each call stores a one-time token. If anyone can call it, limit how often each client does.
    ///
    /// # Errors
    ///
    /// [`Error::CrossOrigin`] for an unsafe request from another origin; [`Error::OAuth`] if the discovery
    /// document of the provider cannot be fetched; [`Error::Misuse`] if the store has no one-time tokens,
    /// and for a provider with [`store_tokens`](crate::oauth::OAuthProviderBuilder::store_tokens) if there
    /// is no encryption key; [`Error::Unavailable`] if the store is unavailable.
    pub fn begin_oauth<'a>(&'a self, provider: &'a OAuthProvider) -> BeginOAuth<'a> {
        BeginOAuth {
            request: self,
            provider,
            next: LocalPath::default(),
            parameters: Vec::new(),
            max_age: None,
            link: false,
        }
    }

    /// Like [`begin_oauth`](Self::begin_oauth), for a signed-in user who wants to sign in with this
    /// provider as well. When they come back, [`finish_oauth`](Self::finish_oauth) gives them the key.
    ///
    /// Call it in a POST. With a link, another site could begin it and give the user a key that belongs to
    /// an attacker.
    ///
    /// # Errors
    ///
    /// Those of [`begin_oauth`](Self::begin_oauth); [`Error::Unauthenticated`] for an anonymous request;
    /// [`Error::ReauthenticationRequired`] if the user has not authenticated within the last 10 minutes;
    /// [`Error::Misuse`] for a GET or HEAD request.
    pub fn link_oauth<'a>(&'a self, provider: &'a OAuthProvider) -> BeginOAuth<'a> {
        BeginOAuth {
            link: true,
            ..self.begin_oauth(provider)
        }
    }

    /// Removes a provider from the signed-in user: deletes their key with this
    /// [subject](super::OAuthIdentity::subject), which is the second half of the key's id. The last key of
    /// a user is not deleted, because the user could not sign in without it. Sessions that began with the
    /// key do not end.
    ///
    /// # Errors
    ///
    /// Those of [`delete_key`](Self::delete_key). [`Error::UnknownKey`] means that this user has no such
    /// key of the provider.
    pub async fn unlink_oauth(&self, provider: &OAuthProvider, subject: &str) -> Result<()> {
        let key = KeyId::from((provider.id(), subject));
        let session = self.require_recent().await?;
        let row = self.auth().key_in(&session, &key).await?;
        if row.hashed_password.is_some() {
            return Err(Error::UnknownKey);
        }
        self.auth().delete_key_in(&session, row).await
    }
}

/// A sign-in at a provider that is about to begin; `.await` begins it.
#[must_use = "a sign-in is begun by `.await`"]
pub struct BeginOAuth<'a> {
    request: &'a AuthRequest,
    provider: &'a OAuthProvider,
    next: LocalPath,
    parameters: Vec<(String, String)>,
    max_age: Option<Duration>,
    link: bool,
}

impl BeginOAuth<'_> {
    /// Sets where the person wants to go afterwards: [`OAuthSignIn::next`](super::OAuthSignIn::next). A
    /// path of more than 2048 bytes is replaced by the front page.
    pub fn next(mut self, next: LocalPath) -> Self {
        self.next = match next.as_str().len() {
            ..=LONGEST_NEXT => next,
            _ => LocalPath::default(),
        };
        self
    }

    /// Sends this parameter to the provider. It replaces a parameter of the same name that was set when the
    /// provider was built: `.parameter("prompt", "select_account")`, `.parameter("login_hint", address)`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.parameters.retain(|(former, _)| *former != name);
        self.parameters.push((name, value.into()));
        self
    }

    /// Makes the provider ask the person to sign in again if their last sign-in there is longer ago than `max_age`
    /// (OpenID Connect Core 1.0, 3.1.2.1). Only whole seconds count. With `Duration::ZERO`, the provider always asks:
    ///
    /// ```
    /// # async fn f(auth_request: &lucia::AuthRequest, provider: &lucia::oauth::OAuthProvider) -> lucia::Result<()> {
    /// use std::time::Duration;
    ///
    /// let url = auth_request.begin_oauth(provider).max_age(Duration::ZERO).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Without `max_age`, a provider at which the person is still signed in sends them back at once. With `max_age`,
    /// [`finish_oauth`](AuthRequest::finish_oauth) refuses an ID token whose `auth_time` is missing or too old, with a
    /// minute of leeway. Not all providers support it: Google does not.
    ///
    /// Before [`reauthenticate`](AuthRequest::reauthenticate), also check
    /// [`OAuthIdentity::authenticated_at`](super::OAuthIdentity::authenticated_at) on the callback page,
    /// because the browser may have begun a sign-in without `max_age`.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    async fn begin(self) -> Result<String> {
        let Self {
            request, provider, ..
        } = self;
        request.check_forgery()?;
        let parts = &*provider.0;
        if let Some((name, _)) = self
            .parameters
            .iter()
            .find(|(name, _)| OWN.contains(&&**name))
        {
            return Err(Error::Misuse(format!(
                "lucia sends the parameter `{name}` itself"
            )));
        }
        let is_oidc = matches!(parts.kind, Kind::Oidc(_));
        if self.max_age.is_some() && !is_oidc {
            let reason = "`max_age` needs a provider of OpenID Connect: others do not say when a person signed in";
            return Err(Error::Misuse(reason.to_owned()));
        }
        let user_id = if self.link {
            if request.is_safe() {
                let reason =
                    "`link_oauth` is called for a POST: by a link, another site could begin it";
                return Err(Error::Misuse(reason.to_owned()));
            }
            Some(request.require_recent().await?.user_id.clone())
        } else {
            None
        };
        let auth = request.auth();
        if parts.stores_tokens {
            auth.vault()?;
        }
        let known = parts.in_time(parts.known(auth.now())).await;
        let known = known.map_err(|failure| failure.logged(&parts.id))?;

        let since = self.max_age.map(|max_age| auth.now().minus(max_age).0);
        let verifier = random_text(64)?;
        let nonce = random_text(40)?;
        let begun = Begun {
            provider: parts.id.clone(),
            browser: request.browser_secret()?.hash(),
            verifier: verifier.clone(),
            nonce: nonce.clone(),
            since,
            next: self.next.as_str().to_owned(),
        };
        let mut create = auth.create_token(BEGUN, &begun);
        if let Some(user_id) = &user_id {
            create = create.user(user_id);
        }
        let state = create.await?;
        request.bind_browser();

        let client = BasicClient::new(ClientId::new(parts.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(known.authorization().clone()))
            .set_redirect_uri(RedirectUrl::from_url(parts.redirect_url.clone()));
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier));
        let mut url = client
            .authorize_url(|| CsrfToken::new(state.expose().to_owned()))
            .add_scopes(parts.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        if is_oidc {
            url = url.add_extra_param("nonce", nonce);
        }
        if let Some(max_age) = self.max_age {
            url = url.add_extra_param("max_age", max_age.as_secs().to_string());
        }
        let is_replaced = |name: &str| self.parameters.iter().any(|(new, _)| new == name);
        let kept = parts
            .parameters
            .iter()
            .filter(|(name, _)| !is_replaced(name));
        for (name, value) in kept.chain(&self.parameters) {
            url = url.add_extra_param(name, value);
        }
        Ok(url.url().0.into())
    }
}

awaited!(BeginOAuth::begin -> String);

debug_of!(BeginOAuth<'_>: provider, link);
