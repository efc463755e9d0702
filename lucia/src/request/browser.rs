//! A secret that a browser keeps in a cookie while a sign-in at a provider is on its way, so that no other
//! browser can finish it. It authenticates nothing.

#[cfg(feature = "oauth")]
use std::sync::OnceLock;
#[cfg(feature = "oauth")]
use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::Auth;
use crate::headers::RequestInfo;
use crate::headers::cookie::SessionCookie;
#[cfg(feature = "oauth")]
use crate::headers::cookie::browser::BrowserSecret;

/// The secrets of a browser. Without the feature `oauth` there are none.
#[derive(Default)]
pub(super) struct BrowserBinding {
    /// Those of the request.
    #[cfg(feature = "oauth")]
    presented: Vec<BrowserSecret>,
    /// The one that sign-ins of this request are bound to.
    #[cfg(feature = "oauth")]
    secret: OnceLock<BrowserSecret>,
    /// Whether one has begun, so that the response sets the cookie.
    #[cfg(feature = "oauth")]
    has_begun: AtomicBool,
}

impl BrowserBinding {
    #[cfg(feature = "oauth")]
    pub(super) fn read(auth: &Auth, request: &impl RequestInfo) -> Self {
        Self {
            presented: auth.cookie().read_browser_secrets(request.header("cookie")),
            ..Self::default()
        }
    }

    #[cfg(not(feature = "oauth"))]
    pub(super) fn read(_: &Auth, _: &impl RequestInfo) -> Self {
        Self::default()
    }

    /// The cookie that the response is to set.
    #[cfg(feature = "oauth")]
    pub(super) fn cookie(&self, auth: &Auth) -> Option<SessionCookie> {
        let has_begun = self.has_begun.load(Ordering::Relaxed);
        let secret = self.secret.get().filter(|_| has_begun)?;
        Some(auth.cookie().browser_secret(secret, auth.now()))
    }

    #[cfg(not(feature = "oauth"))]
    pub(super) fn cookie(&self, _: &Auth) -> Option<SessionCookie> {
        None
    }
}

#[cfg(feature = "oauth")]
impl super::AuthRequest {
    /// The secrets that the browser shows.
    pub(crate) fn browser_secrets(&self) -> &[BrowserSecret] {
        &self.0.browser.presented
    }

    /// The secret to bind a sign-in to. A browser keeps one that it has, which sign-ins in other tabs are bound
    /// to.
    pub(crate) fn browser_secret(&self) -> crate::Result<BrowserSecret> {
        let binding = &self.0.browser;
        let secret = match (binding.secret.get(), binding.presented.first()) {
            (Some(secret), _) | (None, Some(secret)) => secret.clone(),
            (None, None) => BrowserSecret::generate()?,
        };
        Ok(binding.secret.get_or_init(|| secret).clone())
    }

    /// Makes the response set the cookie with the secret.
    pub(crate) fn bind_browser(&self) {
        self.0.browser.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether the method is one that changes nothing.
    pub(crate) fn is_safe(&self) -> bool {
        self.0.is_safe
    }
}
