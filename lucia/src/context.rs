//! [`RequestContext`]: what a web framework must give so that a request can be authenticated.

use crate::AuthRequest;

/// A request, as far as authentication looks at it.
///
/// An adapter for a framework implements this for its request type, and puts what
/// [`AuthRequest::response_headers`] says on the response.
pub trait RequestContext {
    /// The method in upper case: `GET`, `POST`, ...
    fn method(&self) -> &str;

    /// Every value of a header in the order received, as bytes. `name` is in lower case.
    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The host, and the port where there is one, that the request was sent to: the `Host` header
    /// or HTTP/2's `:authority`. `None` where there is not exactly one.
    fn host(&self) -> Option<&str> {
        let mut hosts = self.header("host");
        let host = hosts.next()?;
        if hosts.next().is_some() {
            None
        } else {
            std::str::from_utf8(host).ok()
        }
    }

    /// Whether the connection itself is encrypted. What a proxy says of its own connection does
    /// not count here.
    fn is_tls(&self) -> bool;

    /// The `AuthRequest` that is kept with this request, after keeping the one of `new` if there
    /// is none: all parts of an application share one, and the part that writes the response
    /// finds in it where the cookie stands. It need not belong to the `Auth` that asks: the core
    /// finds those of other `Auth`s by way of the one that is kept.
    fn auth_request(&self, new: impl FnOnce() -> AuthRequest) -> AuthRequest;
}
