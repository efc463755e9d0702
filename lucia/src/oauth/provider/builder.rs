//! The settings of an [`OAuthProvider`].

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Kind, OAuthProvider, OWN, Parts};
use crate::oauth::discovery::Discovery;
use crate::oauth::fetch::{Http, is_loopback, is_safe};
use crate::oauth::presets::table::OIDC;
use crate::oauth::presets::{Preset, Server};
use crate::user::key::KeyId;
use crate::{Error, Result};

/// The settings of an [`OAuthProvider`]. [`build`](Self::build) checks them all together.
#[must_use = "settings take effect by `build()`"]
pub struct OAuthProviderBuilder {
    id: String,
    name: String,
    server: Server,
    issuer: Option<String>,
    client: Option<(String, Option<String>)>,
    redirect_url: String,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
    timeout: Duration,
    stores_tokens: bool,
}

impl OAuthProviderBuilder {
    pub(super) fn new(preset: &Preset) -> Self {
        Self {
            id: preset.id.to_owned(),
            name: preset.name.to_owned(),
            server: preset.server.clone(),
            issuer: None,
            client: None,
            redirect_url: String::new(),
            scopes: preset
                .scopes
                .iter()
                .map(|&scope| scope.to_owned())
                .collect(),
            parameters: preset
                .parameters
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            timeout: Duration::from_secs(15),
            stores_tokens: false,
        }
    }

    pub(super) fn oidc(id: String, issuer: String) -> Self {
        Self {
            name: id.clone(),
            id,
            issuer: Some(issuer),
            ..Self::new(&OIDC)
        }
    }

    /// Sets the client id and secret that the provider gave to the application.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.client = Some((id.into(), Some(secret.into())));
        self
    }

    /// Sets the client id of a registration without a secret, as with Lichess.
    pub fn public_client(mut self, id: impl Into<String>) -> Self {
        self.client = Some((id.into(), None));
        self
    }

    /// Sets the URL of the callback page, exactly as it is registered at the provider. Each provider needs
    /// a callback with another path (RFC 9700, 4.4.2.2).
    pub fn redirect_url(mut self, url: impl Into<String>) -> Self {
        self.redirect_url = url.into();
        self
    }

    /// Sets the issuer, for presets whose customers each have their own, such as
    /// `https://example.eu.auth0.com/`, and for your own GitLab.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the display name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Requests these scopes as well.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        for scope in scopes.into_iter().map(Into::into) {
            if !self.scopes.contains(&scope) {
                self.scopes.push(scope);
            }
        }
        self
    }

    /// Adds a parameter to the URL to which people are sent. It replaces a parameter of the same name in
    /// the preset: `.parameter("access_type", "offline")`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.parameters.retain(|(former, _)| *former != name);
        self.parameters.push((name, value.into()));
        self
    }

    /// Stores the tokens of each person who signs in, for [`Auth::oauth_tokens`]. They are encrypted with
    /// [`encryption_keys`](crate::AuthBuilder::encryption_keys), in the table `user_credential`.
    ///
    /// [`finish_oauth`](crate::AuthRequest::finish_oauth) stores them for a known user and for a link. For
    /// a new user, `NewUser::with_key(identity.new_key())` carries them, and they are stored when the user
    /// is created. They are deleted when the provider is unlinked, when the key or the user is deleted, and
    /// by [`Auth::delete_oauth_tokens`].
    ///
    /// [`Auth::oauth_tokens`]: crate::Auth::oauth_tokens
    /// [`Auth::delete_oauth_tokens`]: crate::Auth::delete_oauth_tokens
    pub fn store_tokens(mut self) -> Self {
        self.stores_tokens = true;
        self
    }

    /// Sets how long all requests of one call to the provider may take together; 15 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the invalid setting and says why.
    pub fn build(self) -> Result<OAuthProvider> {
        let refuse = |setting, reason: &str| Err(Error::setting(setting, reason));

        if let Err(Error::InvalidKey { reason }) = KeyId::from((&self.id, "x")).valid() {
            return refuse("oauth.id", reason);
        }
        let Some((client_id, client_secret)) = self.client else {
            let reason = "say what the provider gave you at the registration: `client(id, secret)`";
            return refuse("oauth.client", reason);
        };
        if client_id.is_empty() || client_secret.as_deref() == Some("") {
            let reason = "the id or the secret is empty: the variable that holds it may not be set";
            return refuse("oauth.client", reason);
        }
        let redirect_url = match Url::parse(&self.redirect_url) {
            Ok(url) if is_safe(&url, true) && url.fragment().is_none() => url,
            _ => {
                let reason = "it is the whole URL of the callback page, with `https://`, and without `#`: \
                              `https://example.com/login/github/callback`";
                return refuse("oauth.redirect_url", reason);
            }
        };
        for (name, _) in &self.parameters {
            if OWN.contains(&&**name) {
                return refuse("oauth.parameter", "lucia sends this parameter itself");
            }
        }
        if self.timeout.is_zero() {
            return refuse("oauth.timeout", "it is zero: every request would time out");
        }
        let kind = kind(&self.server, self.issuer)?;
        Ok(OAuthProvider(Arc::new(Parts {
            id: self.id,
            name: self.name,
            client_id,
            client_secret,
            redirect_url,
            scopes: self.scopes,
            parameters: self.parameters,
            kind,
            http: Http::new()?,
            timeout: self.timeout,
            stores_tokens: self.stores_tokens,
        })))
    }
}

fn kind(server: &Server, issuer: Option<String>) -> Result<Kind> {
    let issuer = match (server, issuer) {
        (Server::Issuer(_) | Server::YourIssuer(_), Some(issuer)) => issuer,
        (Server::Issuer(issuer), None) => (*issuer).to_owned(),
        (Server::YourIssuer(form), None) => {
            let reason =
                format!("each customer of this provider has another issuer: `issuer(\"{form}\")`");
            return Err(Error::setting("oauth.issuer", reason));
        }
        (Server::Plain(_), Some(_)) => {
            let reason = "this provider is not reached by OpenID Connect: leave it out";
            return Err(Error::setting("oauth.issuer", reason));
        }
        (Server::Plain(endpoints), None) => {
            let url = |text: &str| match Url::parse(text) {
                Ok(url) if is_safe(&url, true) => Ok(url),
                _ => Err(Error::setting(
                    "oauth",
                    "a URL of the preset is not `https://`",
                )),
            };
            url(endpoints.user_info)?;
            return Ok(Kind::Plain {
                authorization: url(endpoints.authorization)?,
                token: url(endpoints.token)?,
                endpoints: Box::new(endpoints.clone()),
            });
        }
    };
    match Url::parse(&issuer) {
        Ok(url)
            if is_safe(&url, is_loopback(&url))
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(Kind::Oidc(Discovery::new(issuer)))
        }
        _ => {
            let reason = "an issuer is a URL with `https://`, and without `?` and `#`";
            Err(Error::setting("oauth.issuer", reason))
        }
    }
}

debug_of!(OAuthProviderBuilder: id, redirect_url);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::presets;

    fn github() -> OAuthProviderBuilder {
        OAuthProvider::preset(&presets::GITHUB)
            .client("id", "canary")
            .redirect_url("https://example.com/callback")
    }

    fn refused(builder: OAuthProviderBuilder) -> &'static str {
        match builder.build() {
            Err(Error::Setting { setting, .. }) => setting,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        github().build().unwrap();
        let callback = |url: &str| refused(github().redirect_url(url));
        for url in [
            "",
            "/callback",
            "example.com/c",
            "http://example.com/c",
            "https://example.com/c#x",
            "ftp://example.com/",
        ] {
            assert_eq!(callback(url), "oauth.redirect_url", "{url}");
        }
        for url in [
            "http://localhost:8080/c",
            "http://127.0.0.1/c",
            "https://example.com/c?x=1",
        ] {
            github().redirect_url(url).build().unwrap();
        }
        let without = OAuthProvider::preset(&presets::GITHUB).redirect_url("https://x.example/");
        assert_eq!(refused(without), "oauth.client");
        assert_eq!(refused(github().client("", "secret")), "oauth.client");
        assert_eq!(refused(github().client("id", "")), "oauth.client");
        assert_eq!(
            refused(github().issuer("https://x.example")),
            "oauth.issuer"
        );
        assert_eq!(refused(github().parameter("state", "x")), "oauth.parameter");
        assert_eq!(refused(github().timeout(Duration::ZERO)), "oauth.timeout");
        let oidc = |id: &str, issuer: &str| {
            OAuthProvider::oidc(id, issuer)
                .client("id", "secret")
                .redirect_url("https://example.com/callback")
        };
        oidc("sso", "https://id.example").build().unwrap();
        oidc("sso", "http://127.0.0.1:9").build().unwrap();
        for issuer in [
            "",
            "id.example",
            "http://id.example",
            "https://id.example/?a",
            "https://id.example/#a",
        ] {
            assert_eq!(refused(oidc("sso", issuer)), "oauth.issuer", "{issuer}");
        }
        for id in ["", "a:b", "a\0"] {
            assert_eq!(
                refused(oidc(id, "https://id.example")),
                "oauth.id",
                "{id:?}"
            );
        }
        let tenant = OAuthProvider::preset(&presets::AUTH0)
            .client("id", "secret")
            .redirect_url("https://example.com/callback");
        assert_eq!(refused(tenant), "oauth.issuer");
    }

    #[test]
    fn r46_debug_shows_no_client_secret() {
        let builder = github();
        assert!(!format!("{builder:?}").contains("canary"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("canary"));
    }
}
