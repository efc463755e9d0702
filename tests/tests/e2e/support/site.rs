//! A site over real HTTP.

use std::net::{Ipv4Addr, SocketAddr};

use lucia::{Auth, Session};
use reqwest::Method;

use super::{Browser, Reply};

/// A site on a port of 127.0.0.1, on threads of its own, until it is dropped.
pub(crate) struct Site {
    pub(crate) auth: Auth,
    address: SocketAddr,
    /// Stops it when it is dropped.
    _running: Box<dyn Send>,
}

impl Site {
    pub(super) fn new(auth: Auth, mut address: SocketAddr, running: impl Send + 'static) -> Self {
        // One that listens everywhere is reached by IPv4.
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Self {
            auth,
            address,
            _running: Box::new(running),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin of its pages.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.origin())
    }

    /// A browser with the cookie of a session.
    pub(crate) fn browser_of(&self, session: &Session) -> Browser {
        let browser = self.browser();
        let cookie = self.auth.session_cookie(Some(session));
        browser.keep(cookie.name(), cookie.value());
        browser
    }

    /// Gets a page with these `Authorization` headers and no cookie.
    pub(crate) async fn get_with(&self, path: &str, authorizations: &[&str]) -> Reply {
        let browser = self.browser();
        let mut request = browser.bare(Method::GET, path);
        for authorization in authorizations {
            request = request.header("authorization", *authorization);
        }
        browser.send(request).await
    }
}

/// The `Authorization` header that a session's token is sent in.
pub(crate) fn bearer(session: &Session) -> String {
    format!("Bearer {}", session.token().expose())
}
