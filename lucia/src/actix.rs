//! lucia in actix-web: extractors, middleware, and errors as responses.
//!
//! Put the `Auth` into the application's data once, `.app_data(web::Data::new(auth))`, and ask for
//! what a handler needs:
//!
//! | parameter | whom it lets in |
//! |---|---|
//! | [`User<A>`](crate::User), [`Session`](crate::Session) | only who is signed in: 401 for others, 403 for an unsafe request from another origin |
//! | [`MaybeUser<A>`](crate::MaybeUser) | everybody |
//! | [`AuthRequest`](crate::AuthRequest) | everybody; it answers when asked |
//!
//! All are 503 when the store is away: who is asking is not known then. However many are asked
//! for, there is one query.
//!
//! A parameter alone cannot put a cookie or cache headers on the response, and actix reads the body
//! of a request while it asks who sent it. `#[auth_request]`, `#[authenticated]` and
//! [`Auth::middleware`](crate::Auth::middleware) put both on responses; `#[authenticated]` and
//! the middleware's [`protect`](AuthMiddleware::protect) decide before a body is read.
//!
//! # Several `Auth`s
//!
//! An application with customers and staff can have an `Auth` for each. The nearest one decides for
//! attributes and extractors: the data of a resource counts more than that of the scope around it, and
//! the middleware of a scope more than the data of the same scope. Give each scope both, or the data
//! alone, always as `web::Data<Auth>`: what a handler takes as `web::Data<Auth>` goes by the data
//! only.

mod extractors;
#[cfg(feature = "macros")]
mod handler;
mod middleware;
mod nearest;
mod permit;
mod response;

use actix_web::http::header::HOST;
use actix_web::{HttpMessage, HttpRequest};

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use lucia_attributes::{auth_request, authenticated};
pub use middleware::{AuthMiddleware, AuthMiddlewareService};
pub use permit::{Asks, PermitArgument};

/// For the code that the attributes generate.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use super::handler::{Admitted, Extractor, Incoming, Reply, Response, extract, respond};
}

use crate::headers::RequestInfo;
use crate::request::context::{RequestContext, RequestSlot};
use nearest::auth_request;

impl RequestInfo for HttpRequest {
    fn method(&self) -> &str {
        self.head().method.as_str()
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let values = match response::known_name(name) {
            Some(name) => self.headers().get_all(name),
            None => self.headers().get_all(name),
        };
        values.map(|value| value.as_bytes())
    }

    fn host(&self) -> Option<&str> {
        // HTTP/2 has no `Host` header; its `:authority` is that of the URI.
        if let Some(authority) = self.head().uri.authority() {
            return Some(authority.as_str());
        }
        let mut hosts = self.headers().get_all(HOST);
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok(),
            _ => None,
        }
    }

    fn is_tls(&self) -> bool {
        self.app_config().secure()
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
