//! Building blocks for adapters of frameworks that use the crate [`http`](https://docs.rs/http). axum
//! already has its adapter: [`lucia::axum`](crate::axum).
//!
//! # An adapter, without a framework
//!
//! ```
//! use http::{Request, Response};
//! use lucia::{Auth, Guard, adapter};
//!
//! async fn respond<B>(auth: &Auth, guard: &Guard, request: Request<B>) -> Response<String> {
//!     let (mut parts, _body) = request.into_parts();
//!     // First of all: all who ask later find the same `AuthRequest`.
//!     lucia::http::keep_slot(&mut parts.extensions);
//!     let target = lucia::http::Target::new(&parts.method, &parts.uri, &parts.headers);
//!     let auth_request = auth.handle_request(&parts);
//!     // From here on every response carries what the `AuthRequest` asks for.
//!     adapter::adopt(&auth_request);
//!     match guard.check(&auth_request).await {
//!         Ok(()) => {
//!             let response = Response::new("Hello!".to_owned()); // Here the body may be read.
//!             adapter::finish(response, &auth_request, &target).await
//!         }
//!         Err(denial) => {
//!             let response = lucia::http::response(denial);
//!             adapter::deny(response, guard, &auth_request, &target).await
//!         }
//!     }
//! }
//! ```
//!
//! For a framework with its own request types, [`RequestHead`] represents the parts. `examples/adapter` in
//! the repository is a complete adapter for such a framework.
//!
//! # What a request has to bring
//!
//! - The host is that of the URI, if it has one (HTTP/2, and requests in absolute form), and otherwise that
//!   of the `Host` header.
//! - [`keep_slot`] keeps the slot in the extensions. A request without a slot gets an empty one for each
//!   lookup: everything works, but each lookup queries the store again, and one lookup does not see a
//!   change of the cookie by another.
//! - Such a request does not know whether its connection is encrypted, because the scheme of its URI comes
//!   from the client. A server that terminates TLS itself sets [`OverTls`]. Without it the connection
//!   counts as plain, which matters only if the session cookie is not `Secure`: in development, and there
//!   only over `https://`.
//! - Nor does it know its peer, for whose address sign-in attempts are counted. A server sets
//!   [`PeerAddress`].

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode};

use crate::Error;
use crate::adapter::{self, Answer, DefaultLook};
use crate::headers::RequestInfo;
use crate::headers::maps::header_map;
use crate::request::context::{RequestContext, RequestSlot};

header_map!(pub http);

/// In the extensions of a request, says that its own connection is encrypted. Only the code that accepted
/// the connection may set it, and never because of a header of the request.
///
/// ```
/// # let mut request = http::Request::new(());
/// request.extensions_mut().insert(lucia::http::OverTls);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// In the extensions of a request, the peer address of its connection. The code that accepts the connection
/// sets it, and does not use headers of a proxy or client. In axum,
/// `into_make_service_with_connect_info::<SocketAddr>()` also works.
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
    if let Some(peer) = axum_peer(extensions) {
        return Some(peer.ip());
    }
    None
}

/// The peer of a connection, which axum's server or a test of it has put there.
#[cfg(feature = "axum")]
fn axum_peer(extensions: &Extensions) -> Option<std::net::SocketAddr> {
    use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    match extensions.get() {
        Some(ConnectInfo(peer)) => Some(*peer),
        None => extensions.get().map(|MockConnectInfo(peer)| *peer),
    }
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

/// A request of a framework with its own request type, built from the types of the crate `http`. It is the
/// [`RequestContext`] of such a framework's adapter:
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
    /// A request whose slot is in these extensions, by [`keep_slot`]. The host is that of the URI, if it
    /// has one, and otherwise that of the headers.
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

    /// Sets whether the connection itself is encrypted, if the framework knows. Headers of proxies and
    /// clients do not count. Without this call, [`OverTls`] decides.
    #[must_use]
    pub fn over_tls(mut self, over_tls: bool) -> Self {
        self.over_tls = over_tls;
        self
    }

    /// Sets the peer address of the connection, if the framework knows it. Headers do not count. Without
    /// this call, it is that of [`PeerAddress`].
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

/// The host that a request was sent to, and the port where there is one: that of its URI, and
/// otherwise of the one `Host` header.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    // HTTP/2 has no `Host` header; its `:authority` is that of the URI. So is that of a request in
    // absolute form, which counts more than the header (RFC 9112, 3.2.2).
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => host_header(headers),
    }
}

fn slot(extensions: &Extensions) -> RequestSlot {
    let kept = extensions.get::<RequestSlot>();
    kept.cloned().unwrap_or_default()
}

/// Ensures that a request has a slot for its [`AuthRequest`](crate::AuthRequest), before the first use. An
/// existing slot stays.
pub fn keep_slot(extensions: &mut Extensions) {
    if extensions.get::<RequestSlot>().is_none() {
        extensions.insert(RequestSlot::default());
    }
}

/// The response to a client for `error`: see [`Answer::of`]. Its extensions contain the error as an
/// `Arc<Error>`.
#[must_use]
pub fn response<B: From<String>>(error: Error) -> Response<B> {
    let answer = Answer::of(&error);
    let mut response = Response::new(answer.body.to_owned().into());
    *response.status_mut() = status_code(answer.status);
    for (name, value) in answer.headers {
        adapter::HeadersMut::append(response.headers_mut(), name, &value);
    }
    response.extensions_mut().insert(DefaultLook);
    response.extensions_mut().insert(Arc::new(error));
    response
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl<B: From<String>> adapter::Response for Response<B> {
    type Headers = HeaderMap;

    fn error(&self) -> Option<&Error> {
        self.extensions().get::<DefaultLook>()?;
        self.extensions().get::<Arc<Error>>().map(|error| &**error)
    }

    fn status(&self) -> u16 {
        self.status().as_u16()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn set_status(&mut self, status: u16) {
        *self.status_mut() = status_code(status);
    }

    fn with_body(mut self, body: String) -> Self {
        self.extensions_mut().remove::<DefaultLook>();
        self.map(|_| body.into())
    }
}

#[cfg(test)]
mod tests;
