//! A secret that a browser keeps in a cookie while a sign-in at a provider or by a code is on its way, so that no
//! other browser can finish it. It authenticates nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::AuthRequest;
use crate::Result;
use crate::auth::Auth;
use crate::headers::RequestInfo;
use crate::headers::cookie::SessionCookie;
use crate::headers::cookie::browser::BrowserSecret;

/// The secrets of a browser.
#[derive(Default)]
pub(super) struct BrowserBinding {
    /// Those of the request.
    presented: Vec<BrowserSecret>,
    /// The one that sign-ins of this request are bound to.
    secret: OnceLock<BrowserSecret>,
    /// Whether one has begun, so that the response sets the cookie.
    has_begun: AtomicBool,
}

impl BrowserBinding {
    /// Reads the cookie where something can ask for it: a code is sent by an unsafe request, and a provider
    /// sends people back by a safe one.
    pub(super) fn read(auth: &Auth, request: &impl RequestInfo, is_safe: bool) -> Self {
        if is_safe && !cfg!(feature = "oauth") {
            return Self::default();
        }
        Self {
            presented: auth.cookie().read_browser_secrets(request.header("cookie")),
            ..Self::default()
        }
    }

    /// The cookie that the response is to set.
    pub(super) fn cookie(&self, auth: &Auth) -> Option<SessionCookie> {
        let has_begun = self.has_begun.load(Ordering::Relaxed);
        let secret = self.secret.get().filter(|_| has_begun)?;
        Some(auth.cookie().browser_secret(secret, auth.now()))
    }

    /// The secret that the browser has.
    fn kept(&self) -> Option<&BrowserSecret> {
        self.secret.get().or(self.presented.first())
    }
}

impl AuthRequest {
    /// The secrets that the browser shows.
    #[cfg(feature = "oauth")]
    pub(crate) fn browser_secrets(&self) -> &[BrowserSecret] {
        &self.0.browser.presented
    }

    /// The secret to bind a sign-in to. A browser keeps one that it has, which sign-ins in other tabs are bound
    /// to.
    pub(crate) fn browser_secret(&self) -> Result<BrowserSecret> {
        let binding = &self.0.browser;
        let secret = match binding.kept() {
            Some(secret) => secret.clone(),
            None => BrowserSecret::generate()?,
        };
        Ok(binding.secret.get_or_init(|| secret).clone())
    }

    /// Makes the response set the cookie with the secret.
    pub(crate) fn bind_browser(&self) {
        self.0.browser.has_begun.store(true, Ordering::Relaxed);
    }

    /// What a code that this request asks for is bound to. Makes the response set the cookie of the browser.
    pub(crate) fn bind_code(&self) -> Result<String> {
        if let Some(binding) = self.bearer_binding() {
            return Ok(binding);
        }
        let secret = self.browser_secret()?;
        self.bind_browser();
        Ok(secret.hash())
    }

    /// What the codes that this request uses are bound to.
    pub(crate) fn code_binding(&self) -> Option<String> {
        self.bearer_binding()
            .or_else(|| Some(self.0.browser.kept()?.hash()))
    }

    /// A client that authenticates by its bearer token knows no cookies: its codes are bound to its user.
    fn bearer_binding(&self) -> Option<String> {
        let found = self.is_by_bearer().then(|| self.0.bearer.found());
        found.map(|found| match found {
            Some((session, _)) => format!("user {}", session.user_id),
            None => String::new(),
        })
    }

    /// Whether the method is one that changes nothing.
    #[cfg(feature = "oauth")]
    pub(crate) fn is_safe(&self) -> bool {
        self.0.is_safe
    }
}
