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

/// The head of a request, as far as authentication reads it.
pub trait RequestInfo {
    /// The method in upper case: `GET`, `POST`, ...
    fn method(&self) -> &str;

    /// Every value of a header in the order received, as bytes. `name` is in lower case.
    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The host, and the port where there is one, that the request was sent to: HTTP/2's
    /// `:authority` or the `Host` header. `None` where there is not exactly one.
    fn host(&self) -> Option<&str> {
        let mut hosts = self.header("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => std::str::from_utf8(host).ok(),
            _ => None,
        }
    }

    /// Whether the connection itself is encrypted, regardless of proxy headers.
    fn is_tls(&self) -> bool;

    /// The IP address of the peer of the connection, which is a proxy where there is one. `None`
    /// where it is not known, and for a connection over a Unix socket. Headers do not count here.
    ///
    /// Sign-in attempts are counted by it: see
    /// [`AuthRequest::client_address`](crate::AuthRequest::client_address).
    fn peer_address(&self) -> Option<IpAddr> {
        None
    }
}

/// The headers of a response, as far as lucia reads and writes them. An adapter for a framework
/// with its own header type implements this, for the sake of
/// [`ResponseHeaders::put_on`](crate::adapter::ResponseHeaders::put_on); for the crate `http` it is
/// done.
pub trait HeadersMut {
    /// Every value of a header, as bytes. `name` is in lower case.
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;

    /// Adds a value to those that a header has. `name` is in lower case.
    fn append(&mut self, name: &'static str, value: &str);

    /// Takes away those values of a header that `is_meant` names. `name` is in lower case.
    fn remove(&mut self, name: &'static str, is_meant: impl Fn(&[u8]) -> bool);
}
