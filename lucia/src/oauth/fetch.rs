//! Requests to providers, each with a limit of size. The caller limits the time.

use std::pin::Pin;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use serde_json::Value;
use url::{Host, Url};

use crate::error::BoxError;
use crate::{Error, Result};

/// The largest answer that is read, in bytes. Discovery documents and sets of keys have some 10 KB.
const LARGEST: usize = 512 * 1024;

/// GitHub and Reddit refuse requests without one.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("lucia/", env!("CARGO_PKG_VERSION")));

/// An HTTP client that follows no redirects.
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why a request has no usable answer. It quotes neither the request nor the answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{host} cannot be reached")]
    Unreachable {
        host: String,
        #[source]
        source: BoxError,
    },
    #[error("{host} answers with a redirect, and redirects are not followed")]
    Redirect { host: String },
    #[error("the answer of {host} has more than {LARGEST} bytes")]
    TooLarge { host: String },
    #[error("{host} answers with status {status}")]
    Status { host: String, status: StatusCode },
    #[error("the answer of {host} is not JSON")]
    NotJson { host: String },
}

impl Http {
    pub(super) fn new() -> Result<Self> {
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| {
                let reason = format!(
                    "the system's root certificates cannot be read ({error}): install them \
                     (`ca-certificates` in most distributions), or set `SSL_CERT_FILE`"
                );
                Error::setting("oauth", reason)
            })?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // A connection belongs to the runtime that made it, and actix-web has one for each thread.
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request. Redirects and server errors are errors.
    pub(super) async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        request.headers_mut().insert(USER_AGENT, AGENT);
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let response = self.0.request(request).await;
        let response = response.map_err(|error| FetchError::Unreachable {
            host: host.clone(),
            source: error.into(),
        })?;
        let status = response.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect { host });
        }
        if status.is_server_error() {
            return Err(FetchError::Status { host, status });
        }
        let (parts, body) = response.into_parts();
        match Limited::new(body, LARGEST).collect().await {
            Ok(body) => Ok(Response::from_parts(parts, body.to_bytes().into())),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge { host }),
            Err(source) => Err(FetchError::Unreachable { host, source }),
        }
    }

    /// The JSON at this URL, for the owner of the access token if there is one.
    pub(super) async fn json(
        &self,
        method: Method,
        url: &Url,
        access_token: Option<&str>,
    ) -> Result<Value, FetchError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = Request::new(if method == Method::POST {
            // Dropbox wants a body where a call has no arguments.
            b"null".to_vec()
        } else {
            Vec::new()
        });
        if method == Method::POST {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        *request.method_mut() = method;
        let unreachable = |source: BoxError| FetchError::Unreachable {
            host: host.clone(),
            source,
        };
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|error: http::uri::InvalidUri| unreachable(error.into()))?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        if let Some(access_token) = access_token {
            let value = HeaderValue::try_from(format!("Bearer {access_token}"));
            // The error would quote the token.
            let mut value =
                value.map_err(|_| unreachable("no header can hold its access token".into()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let response = self.send(request).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(FetchError::Status { host, status });
        }
        serde_json::from_slice(response.body()).map_err(|_| FetchError::NotJson { host })
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Whether secrets may be sent to this URL: over TLS, or within this machine where the application has
/// configured a provider there.
pub(super) fn is_safe(url: &Url, within_machine: bool) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => within_machine && is_loopback(url),
        _ => false,
    }
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r64_secrets_are_sent_over_tls_or_within_the_machine() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (text, everywhere, here) in [
            ("https://id.example/token", true, true),
            ("http://id.example/token", false, false),
            ("http://127.0.0.1:9/token", false, true),
            ("http://[::1]/token", false, true),
            ("http://localhost:9/token", false, true),
            ("http://localhost.evil.example/", false, false),
            ("http://127.0.0.1.evil.example/", false, false),
            ("http://user@evil.example/", false, false),
            ("file:///etc/passwd", false, false),
            ("data:application/json,{}", false, false),
        ] {
            assert_eq!(is_safe(&url(text), false), everywhere, "{text}");
            assert_eq!(is_safe(&url(text), true), here, "{text}");
        }
    }
}
