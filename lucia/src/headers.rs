//! What the headers of a request say, and those of a response: pure rules, without a framework and
//! without a store.

pub(crate) mod bearer;
pub(crate) mod cookie;
pub(crate) mod denial;
pub(crate) mod forwarded;
#[cfg(any(feature = "actix", feature = "http"))]
pub(crate) mod maps;
pub(crate) mod origin;

use std::net::IpAddr;

pub use cookie::{CookieOptions, SameSite, SessionCookie};
pub use denial::{Denial, DenialBody};
pub use forwarded::TrustedProxy;

/// The head of a request, as far as authentication needs it.
pub trait RequestInfo {
    /// The method in upper case: `GET`, `POST`, ...
    fn method(&self) -> &str;

    /// Every value of a header in the order received, as bytes. `name` is in lower case.
    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The host to which the request was sent, with the port if there is one: HTTP/2's `:authority` or the
    /// `Host` header. `None` if there is not exactly one.
    fn host(&self) -> Option<&str> {
        let mut hosts = self.header("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => std::str::from_utf8(host).ok(),
            _ => None,
        }
    }

    /// Whether the connection itself is encrypted, regardless of proxy headers.
    fn is_tls(&self) -> bool;

    /// The peer IP address of the connection, which may be that of a proxy. `None` if it is unknown, and
    /// for a Unix socket. Headers do not count here.
    ///
    /// Sign-in attempts are counted for this address: see
    /// [`AuthRequest::client_address`](crate::AuthRequest::client_address).
    fn peer_address(&self) -> Option<IpAddr> {
        None
    }
}

/// The headers of a response, as far as lucia reads and writes them. An adapter for a framework with its
/// own header type implements this trait, for
/// [`ResponseHeaders::put_on`](crate::adapter::ResponseHeaders::put_on). lucia implements it for the crate
/// `http`.
pub trait HeadersMut {
    /// Every value of a header, as bytes. `name` is in lower case.
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;

    /// Adds a value to those of a header. `name` is in lower case.
    fn append(&mut self, name: &'static str, value: &str);

    /// Removes the values of a header for which `is_meant` returns `true`. `name` is in lower case.
    fn remove(&mut self, name: &'static str, is_meant: impl Fn(&[u8]) -> bool);
}
