//! What the headers of a request say, and those of a response: pure rules, without a framework and
//! without a store.

pub(crate) mod bearer;
pub(crate) mod cookie;
pub(crate) mod denial;
#[cfg(any(feature = "actix", feature = "http"))]
pub(crate) mod maps;
pub(crate) mod origin;

pub use cookie::{CookieOptions, SameSite, SessionCookie};
pub use denial::{Denial, DenialBody};
pub use origin::TrustedProxy;

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

    /// Whether the connection itself is encrypted. What a proxy says of its own connection does
    /// not count here.
    fn is_tls(&self) -> bool;
}
