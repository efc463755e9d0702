//! Requests without a server.

use std::net::IpAddr;

use axum::http::Request;
use lucia::http::PeerAddress;
use lucia::{Auth, AuthRequest, Session};

/// A request without a cookie, from an address that is not known.
pub(crate) fn request_to(auth: &Auth) -> AuthRequest {
    request_from(auth, None)
}

/// A request without a cookie, from this address.
pub(crate) fn request_from(auth: &Auth, address: impl Into<Option<IpAddr>>) -> AuthRequest {
    let mut request = Request::post("https://example.com/").body(()).unwrap();
    if let Some(address) = address.into() {
        request.extensions_mut().insert(PeerAddress(address));
    }
    let auth_request = auth.handle_request(&request);
    // It is never answered.
    lucia::adapter::adopt(&auth_request);
    auth_request
}

/// A request of the user of this session, from an address that is not known.
pub(crate) fn request_of(auth: &Auth, session: &Session) -> AuthRequest {
    let auth_request = request_to(auth);
    auth_request.set_session(Some(session));
    auth_request
}
