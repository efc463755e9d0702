//! lucia for every framework whose requests and responses are those of the crate
//! [`http`](https://docs.rs/http): what an adapter is made of. For axum it is made already:
//! [`lucia::axum`](crate::axum).
//!
//! # An adapter, without a framework
//!
//! ```
//! use http::{Request, Response};
//! use lucia::{Auth, Guard};
//!
//! async fn respond<B>(auth: &Auth, guard: &Guard, request: Request<B>) -> Response<String> {
//!     let (mut parts, _body) = request.into_parts();
//!     // First of all: whoever asks later finds the same `AuthRequest`.
//!     lucia::http::keep_slot(&mut parts.extensions);
//!     let auth_request = auth.handle_request(&parts);
//!     // From here on every response carries what the `AuthRequest` asks for.
//!     auth_request.adopt();
//!     let mut response = match guard.check(&auth_request).await {
//!         Ok(()) => Response::new("Hello!".to_owned()), // Here the body may be read.
//!         Err(denial) => {
//!             let target = lucia::http::target(&parts.method, &parts.uri);
//!             let answer = guard.answer(&denial, &auth_request, target);
//!             lucia::http::response(answer).map(str::to_owned)
//!         }
//!     };
//!     lucia::http::put_headers(response.headers_mut(), &auth_request).await;
//!     response
//! }
//! ```
//!
//! Where a framework has request types of its own, [`RequestHead`] stands for the parts.
//! `examples/adapter` in the repository is a whole adapter for such a framework.
//!
//! # What a request has to bring
//!
//! - The host is that of the URI, where it has one (HTTP/2, and requests in absolute form), and
//!   that of the `Host` header otherwise.
//! - The slot is kept in the extensions by [`keep_slot`]. A request that has none is given an empty
//!   one each time that it is asked for: all works, but each asks the store anew, and a change of
//!   the cookie that one of them makes is not known to the others.
//! - Such a request does not know whether its connection is encrypted: the scheme of its URI is
//!   what the client says. A server that ends TLS itself says so by [`OverTls`]. Without it the
//!   connection counts as plain, which makes a difference only where the session cookie is not
//!   `Secure`: in development, and there only over `https://`.
//! - It does not know its peer either, by whose address attempts to sign in are counted: a server says
//!   so by [`PeerAddress`].

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SET_COOKIE, UPGRADE, VARY,
};
use http::request::Parts;
use http::{Extensions, Method, Request, Response, StatusCode, Uri};

use crate::AuthRequest;
use crate::headers::RequestInfo;
use crate::request::context::{RequestContext, RequestSlot};
use crate::request::response::{Answer, HeadersMut};

/// Says in the extensions of a request that its own connection is encrypted. To be put there by
/// whoever accepted the connection, and not after what a proxy or client says.
///
/// ```
/// # let mut request = http::Request::new(());
/// request.extensions_mut().insert(lucia::http::OverTls);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// The address of the peer of a connection, in the extensions of a request. The code that accepts
/// the connection puts it there, and does not ask the headers of a proxy or client. With axum,
/// `into_make_service_with_connect_info::<SocketAddr>()` does as well.
///
/// ```
/// # let mut request = http::Request::new(());
/// # let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 4711));
/// request.extensions_mut().insert(lucia::http::PeerAddress(peer.ip()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub IpAddr);

fn peer_address(extensions: &Extensions) -> Option<IpAddr> {
    if let Some(PeerAddress(address)) = extensions.get() {
        return Some(*address);
    }
    #[cfg(feature = "axum")]
    if let Some(peer) = crate::axum::peer(extensions) {
        return Some(peer.ip());
    }
    None
}

impl RequestInfo for Parts {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.headers, name)
    }

    fn host(&self) -> Option<&str> {
        host(&self.uri, &self.headers)
    }

    fn is_tls(&self) -> bool {
        self.extensions.get::<OverTls>().is_some()
    }

    fn peer_address(&self) -> Option<IpAddr> {
        peer_address(&self.extensions)
    }
}

impl RequestContext for Parts {
    fn slot(&self) -> RequestSlot {
        slot(&self.extensions)
    }
}

impl<B> RequestInfo for Request<B> {
    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(self.headers(), name)
    }

    fn host(&self) -> Option<&str> {
        host(self.uri(), self.headers())
    }

    fn is_tls(&self) -> bool {
        self.extensions().get::<OverTls>().is_some()
    }

    fn peer_address(&self) -> Option<IpAddr> {
        peer_address(self.extensions())
    }
}

impl<B> RequestContext for Request<B> {
    fn slot(&self) -> RequestSlot {
        slot(self.extensions())
    }
}

/// A request of a framework that has a type of its own for requests, and keeps in it what the crate
/// `http` has types for. It is the [`RequestContext`] of such a framework's adapter:
///
/// ```
/// use http::{Extensions, HeaderMap, Method, Uri};
/// use lucia::http::RequestHead;
///
/// struct Request { method: Method, uri: Uri, headers: HeaderMap, extensions: Extensions, tls: bool }
///
/// fn head(request: &Request) -> RequestHead<'_> {
///     RequestHead::new(&request.method, &request.uri, &request.headers, &request.extensions)
///         .over_tls(request.tls)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'r> {
    method: &'r Method,
    uri: &'r Uri,
    headers: &'r HeaderMap,
    extensions: &'r Extensions,
    over_tls: bool,
    peer_address: Option<IpAddr>,
}

impl<'r> RequestHead<'r> {
    /// Of a request whose slot is in these extensions, by [`keep_slot`]. The host is that of the
    /// URI, where it has one, and otherwise that of the headers.
    #[must_use]
    pub fn new(
        method: &'r Method,
        uri: &'r Uri,
        headers: &'r HeaderMap,
        extensions: &'r Extensions,
    ) -> Self {
        Self {
            method,
            uri,
            headers,
            extensions,
            over_tls: extensions.get::<OverTls>().is_some(),
            peer_address: peer_address(extensions),
        }
    }

    /// Whether the connection itself is encrypted, where the framework knows. What a proxy or a
    /// client says of it does not count. Otherwise it counts as encrypted after [`OverTls`].
    #[must_use]
    pub fn over_tls(mut self, over_tls: bool) -> Self {
        self.over_tls = over_tls;
        self
    }

    /// The address of the peer of the connection, where the framework knows it. What a header
    /// says of it does not count. Otherwise it is that of [`PeerAddress`].
    #[must_use]
    pub fn peer_address(mut self, address: Option<IpAddr>) -> Self {
        self.peer_address = address;
        self
    }
}

impl RequestInfo for RequestHead<'_> {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(self.headers, name)
    }

    fn host(&self) -> Option<&str> {
        host(self.uri, self.headers)
    }

    fn is_tls(&self) -> bool {
        self.over_tls
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.peer_address
    }
}

impl RequestContext for RequestHead<'_> {
    fn slot(&self) -> RequestSlot {
        slot(self.extensions)
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let values = match known_name(name) {
        Some(name) => headers.get_all(name),
        None => headers.get_all(name),
    };
    values.into_iter().map(HeaderValue::as_bytes)
}

fn header_name(name: &'static str) -> HeaderName {
    known_name(name).unwrap_or_else(|| HeaderName::from_static(name))
}

/// The names that most requests and responses are asked for, which need not be read.
fn known_name(name: &str) -> Option<HeaderName> {
    Some(match name {
        "authorization" => AUTHORIZATION,
        "cache-control" => CACHE_CONTROL,
        "cookie" => COOKIE,
        "origin" => ORIGIN,
        "set-cookie" => SET_COOKIE,
        "upgrade" => UPGRADE,
        "vary" => VARY,
        _ => return None,
    })
}

/// The value of a header. Those that are on most responses are not copied.
fn header_value(value: &str) -> Option<HeaderValue> {
    static BY_COOKIE: HeaderValue = HeaderValue::from_static("Cookie");
    static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

    match value {
        "Cookie" => Some(BY_COOKIE.clone()),
        "no-store" => Some(NO_STORE.clone()),
        other => HeaderValue::try_from(other).ok(),
    }
}

/// The host that a request was sent to, and the port where there is one: that of its URI, and
/// otherwise of the one `Host` header. For the [`RequestContext::host`] of a framework with
/// requests of its own.
#[must_use]
pub fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    // HTTP/2 has no `Host` header; its `:authority` is that of the URI. So is that of a request in
    // absolute form, which counts more than the header (RFC 9112, 3.2.2).
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

fn slot(extensions: &Extensions) -> RequestSlot {
    let kept = extensions.get::<RequestSlot>();
    kept.cloned().unwrap_or_default()
}

/// Sees to it that a request has a slot for its [`AuthRequest`], before anybody asks for one. One
/// that is there already stays.
pub fn keep_slot(extensions: &mut Extensions) {
    if extensions.get::<RequestSlot>().is_none() {
        extensions.insert(RequestSlot::default());
    }
}

/// The path and query that a request asked for, where a client that comes back from the login page
/// can ask for it again: `None` for an unsafe method. For [`Guard::answer`](crate::Guard::answer).
#[must_use]
pub fn target<'a>(method: &Method, uri: &'a Uri) -> Option<&'a str> {
    let target = uri.path_and_query().filter(|_| method.is_safe());
    target.map(|target| target.as_str())
}

/// Puts on a response what the request's `AuthRequest` asks for, when the handler has finished: see
/// [`AuthRequest::response_headers`]. Doing it again changes nothing.
pub async fn put_headers(headers: &mut HeaderMap, auth_request: &AuthRequest) {
    auth_request.response_headers().await.put_on(headers);
}

/// The response that an [`Answer`] is. `.map(..)` makes the body of a framework of it.
#[must_use]
pub fn response(answer: Answer) -> Response<&'static str> {
    let mut response = Response::new(answer.body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        HeadersMut::append(response.headers_mut(), name, &value);
    }
    response
}

impl HeadersMut for HeaderMap {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        values(self, name)
    }

    fn append(&mut self, name: &'static str, value: &str) {
        let name = header_name(name);
        // What cannot stand in a header was refused when `Auth` was built.
        if let Some(mut value) = header_value(value) {
            value.set_sensitive(name == SET_COOKIE);
            Self::append(self, name, value);
        }
    }

    fn remove(&mut self, name: &'static str, is_meant: impl Fn(&[u8]) -> bool) {
        if !values(self, name).any(&is_meant) {
            return;
        }
        let name = header_name(name);
        let all: Vec<_> = self.get_all(&name).into_iter().cloned().collect();
        Self::remove(self, &name);
        for other in all.into_iter().filter(|value| !is_meant(value.as_bytes())) {
            Self::append(self, &name, other);
        }
    }
}

#[cfg(test)]
mod tests;
