//! What an OIDC provider says of itself: fetched when it is needed, kept for an hour.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use openidconnect::core::CoreJsonWebKeySet;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::error::Failure;
use super::fetch::{Http, is_loopback, is_safe};
use super::presets::SecretIn;
use crate::clock::UnixMillis;

/// How long a document is used without asking again.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// How long a document is used while the provider does not give another one.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait before asking again: after a failure, and for keys that tokens name.
const PAUSE: Duration = Duration::from_secs(60);

/// An issuer, and what is known of it.
pub(super) struct Discovery {
    issuer: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Document>>,
    /// The request on its way, for all who need its answer.
    fetching: Option<Arc<OnceCell<Arc<Document>>>>,
    failed: Option<UnixMillis>,
    /// When the keys were last fetched because a token asked for it.
    rotated: Option<UnixMillis>,
}

/// The discovery document (OpenID Connect Discovery 1.0, 3) with the keys that it refers to.
pub(super) struct Document {
    pub(super) issuer: String,
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) user_info: Option<Url>,
    pub(super) secret_in: SecretIn,
    /// Whether callbacks carry `iss` (RFC 9207, 3).
    pub(super) names_issuer: bool,
    pub(super) keys: CoreJsonWebKeySet,
    fetched: UnixMillis,
}

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Discovery {
    pub(super) fn new(issuer: String) -> Self {
        Self {
            issuer,
            state: Mutex::default(),
        }
    }

    /// The document, not older than an hour where the provider can be reached.
    pub(super) async fn document(
        &self,
        http: &Http,
        now: UnixMillis,
    ) -> Result<Arc<Document>, Failure> {
        let former = {
            let state = self.lock();
            let known = state.known.clone();
            let pause = state.failed.is_some_and(|failed| failed.until(now) < PAUSE);
            let enough = if pause { STALE } else { FRESH };
            match known {
                Some(known) if known.fetched.until(now) < enough => return Ok(known),
                known => known,
            }
        };
        match (self.fetch(http, now).await, former) {
            (Err(failure), Some(former)) if former.fetched.until(now) < STALE => {
                let issuer = &self.issuer;
                tracing::warn!(%issuer, ?failure, "the provider's discovery document is older than it should be");
                Ok(former)
            }
            (fetched, _) => fetched,
        }
    }

    /// Another document than this one, whose keys do not verify a token: the provider may have others by
    /// now. `None` where that was asked a moment ago, so bad tokens cause no stream of requests.
    pub(super) async fn newer(
        &self,
        than: &Arc<Document>,
        http: &Http,
        now: UnixMillis,
    ) -> Result<Option<Arc<Document>>, Failure> {
        {
            let mut state = self.lock();
            if let Some(known) = &state.known
                && !Arc::ptr_eq(known, than)
            {
                return Ok(Some(known.clone()));
            }
            if state.rotated.is_some_and(|at| at.until(now) < PAUSE) {
                return Ok(None);
            }
            state.rotated = Some(now);
        }
        self.fetch(http, now).await.map(Some)
    }

    /// Fetches the document. Calls that meet share one request.
    async fn fetch(&self, http: &Http, now: UnixMillis) -> Result<Arc<Document>, Failure> {
        let cell = self.lock().fetching.get_or_insert_default().clone();
        let fetched = cell
            .get_or_try_init(async || self.get(http, now).await.map(Arc::new))
            .await
            .cloned();
        let mut state = self.lock();
        if state
            .fetching
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, &cell))
        {
            state.fetching = None;
            match &fetched {
                Ok(document) => {
                    state.known = Some(document.clone());
                    state.failed = None;
                }
                Err(_) => state.failed = Some(now),
            }
        }
        fetched
    }

    async fn get(&self, http: &Http, now: UnixMillis) -> Result<Document, Failure> {
        let place = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let place = Url::parse(&place).map_err(|_| Failure::answer("the issuer is not a URL"))?;
        let document = http.json(Method::GET, &place, None).await?;
        let raw = self.check(document, is_loopback(&place))?;
        let keys = http.json(Method::GET, &raw.jwks_uri, None).await?;
        let keys: CoreJsonWebKeySet = serde_json::from_value(keys)
            .map_err(|_| Failure::answer("what is at `jwks_uri` is not a set of keys"))?;
        let methods = raw.token_endpoint_auth_methods_supported;
        let only_body = methods.is_some_and(|methods| {
            let has = |wanted: &str| methods.iter().any(|method| method == wanted);
            !has("client_secret_basic") && has("client_secret_post")
        });
        Ok(Document {
            issuer: raw.issuer,
            authorization: raw.authorization_endpoint,
            token: raw.token_endpoint,
            user_info: raw.userinfo_endpoint,
            secret_in: if only_body {
                SecretIn::Body
            } else {
                SecretIn::Header
            },
            names_issuer: raw.authorization_response_iss_parameter_supported,
            keys,
            fetched: now,
        })
    }

    /// Refuses the document of another issuer (OpenID Connect Discovery 1.0, 4.3), and URLs that secrets
    /// must not be sent to.
    fn check(&self, document: Value, within_machine: bool) -> Result<Raw, Failure> {
        let raw: Raw = serde_json::from_value(document).map_err(|error| {
            // Names of fields, no values.
            let what = error.to_string();
            let what = if what.starts_with("missing field") {
                what
            } else {
                "a value has another type".to_owned()
            };
            Failure::answer(format!("its discovery document cannot be read: {what}"))
        })?;
        if raw.issuer != self.issuer {
            return Err(Failure::answer(format!(
                "the discovery document is that of the issuer {:?}, and {:?} is configured: both have to \
                 be equal, up to a slash at the end",
                bounded(&raw.issuer),
                self.issuer
            )));
        }
        let urls = [
            &raw.authorization_endpoint,
            &raw.token_endpoint,
            &raw.jwks_uri,
        ];
        for url in urls.into_iter().chain(&raw.userinfo_endpoint) {
            if !is_safe(url, within_machine) {
                let url = bounded(url.as_str());
                let reason = format!("its discovery document names a URL without TLS: {url}");
                return Err(Failure::answer(reason));
            }
        }
        Ok(raw)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of a text that a provider wrote.
fn bounded(text: &str) -> String {
    text.chars().take(200).collect()
}
