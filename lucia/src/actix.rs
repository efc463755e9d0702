//! lucia in actix-web: extractors, middleware, and errors as responses.
//!
//! Put the `Auth` into the application's data once, `.app_data(web::Data::new(auth))`, and ask for
//! what a handler needs:
//!
//! | parameter | admits |
//! |---|---|
//! | [`User<A>`](crate::User), [`Session`](crate::Session) | authenticated requests: 401 for others, 403 for an unsafe request from another origin |
//! | [`MaybeUser<A>`](crate::MaybeUser), [`MaybeSession<A>`](crate::MaybeSession) | every request |
//! | [`AuthRequest`](crate::AuthRequest) | every request; it looks up the session when a method asks for it |
//!
//! If the store is unavailable, a lookup is answered with 503, because the sender is then unknown. However
//! many parameters a handler has, there is one query. Do not take `Option<User<A>>` or
//! `Option<Session<A>>`: actix-web turns every error of such a parameter into `None`, so an outage would
//! look like an anonymous request.
//!
//! A parameter alone cannot put a cookie or cache headers on the response, and actix-web reads the body
//! while the sender is still being looked up. `#[auth_request]`, `#[authenticated]` and
//! [`Auth::middleware`](crate::Auth::middleware) put both on responses. `#[authenticated]` and the
//! middleware's [`protect`](AuthMiddleware::protect) decide before the body is read.
//!
//! A response that was created from an [`Error`](crate::Error) carries the error, whatever refused the
//! request: `response.error().and_then(|error| error.as_error::<lucia::Error>())`.
//! [`AuthBuilder::denials`](crate::AuthBuilder::denials) changes how such responses look.
//!
//! # Several `Auth`s
//!
//! An application with customers and staff can have an `Auth` for each. Attributes and extractors use the
//! nearest one: that of the innermost scope or resource that has one, in its data or as a middleware. Give
//! each scope the data, or the data and the middleware, always as `web::Data<Auth>`. A middleware that
//! finds another `Auth` in the data refuses every request: see
//! [`Auth::middleware`](crate::Auth::middleware).
//!
//! A scope without a default service uses that of the `App`, within its own data and middleware. So the
//! `Auth` of the scope applies there. Give each scope that has an `Auth` its own `.default_service(..)`.

mod extractors;
#[cfg(feature = "macros")]
mod handler;
mod mailbox;
mod middleware;
mod nearest;
mod permit;
mod problem;
mod response;

use std::net::IpAddr;

use actix_web::http;
use actix_web::{HttpMessage, HttpRequest};

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use lucia_attributes::{auth_request, authenticated};
pub use mailbox::mailbox;
pub use middleware::{AuthMiddleware, AuthMiddlewareService};
pub use permit::PermitArgument;
pub use problem::problem_details;

/// For the code that the attributes generate.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "macros")]
    pub use super::handler::{Admitted, Extractor, Incoming, Reply, Response, extract, respond};
    pub use super::permit::{Permitted, permit};
}

use crate::headers::RequestInfo;
use crate::headers::maps::header_map;
use crate::request::context::{RequestContext, RequestSlot};
use nearest::auth_request;

header_map!(http);

impl RequestInfo for HttpRequest {
    fn method(&self) -> &str {
        self.head().method.as_str()
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(self.headers(), name)
    }

    fn host(&self) -> Option<&str> {
        // HTTP/2 has no `Host` header; its `:authority` is that of the URI.
        match self.head().uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => host_header(self.headers()),
        }
    }

    fn is_tls(&self) -> bool {
        self.app_config().secure()
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.peer_addr().map(|peer| peer.ip())
    }
}

impl RequestContext for HttpRequest {
    fn slot(&self) -> RequestSlot {
        if let Some(slot) = self.extensions().get::<RequestSlot>() {
            return slot.clone();
        }
        let slot = RequestSlot::default();
        self.extensions_mut().insert(slot.clone());
        slot
    }
}
