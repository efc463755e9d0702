//! What goes back to the client, in no framework's types: adapters turn it into theirs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::Error;
use crate::error::{chain, whole_seconds};
use crate::headers::HeadersMut;
use crate::headers::cookie::SessionCookie;
use crate::request::sender::{Sender, Source};
use crate::request::{AuthRequest, Shared};

/// What a response to a request is to carry.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ResponseHeaders {
    /// The `Set-Cookie` that is to be on the response, in place of any other of this name.
    pub set_cookie: Option<SessionCookie>,
    /// Whether the response is for one person: `Cache-Control: no-store`, unless the handler chose
    /// otherwise.
    pub private: bool,
    /// The request header that decided who the person is, for `Vary`.
    pub vary: Option<&'static str>,
    /// Whether the application chose what `set_cookie` says.
    pub(crate) set_by_application: bool,
    /// Why the response must not carry a session cookie.
    pub(crate) no_cookie: Option<&'static str>,
    pub(crate) cookie_name: Arc<str>,
    /// The `Set-Cookie` that binds a sign-in at a provider or by a code to the browser.
    pub(crate) browser_cookie: Option<Box<SessionCookie>>,
}

impl ResponseHeaders {
    /// Puts this on a response: its cookie in place of one of the same name, `Cache-Control:
    /// no-store` if the handler has set none, and the missing headers in `Vary`. Doing it
    /// again changes nothing.
    ///
    /// A response that sets a cookie of lucia gets `no-store` as well, unless the handler made it `private` or
    /// `no-store`. A shared cache may store the cookie with any other response, also one with `max-age` or
    /// `no-cache` alone (RFC 9111, 3 and 7.3). `CDN-Cache-Control` and `Surrogate-Control`, which only shared
    /// caches read, are removed from a response that sets a cookie.
    ///
    /// A session cookie that the handler put there by itself is taken off where none is allowed: from
    /// the response to a refused request of another origin, and to one that authenticated by its
    /// bearer token. Elsewhere it stays and makes the response private. It counts more than a renewal,
    /// and less than [`set_session`](crate::AuthRequest::set_session). One that removes the cookie of
    /// another path or domain stays beside both.
    pub fn put_on(&self, headers: &mut impl HeadersMut) {
        let is_ours = |value: &[u8]| sets(value, &self.cookie_name);
        let mut carries_ours = headers.values("set-cookie").any(is_ours);
        if carries_ours && let Some(reason) = self.no_cookie {
            headers.remove("set-cookie", is_ours);
            carries_ours = false;
            tracing::warn!(
                reason,
                "a session cookie that the handler set by itself was taken off the response"
            );
        }
        let set_cookie = self.set_cookie.as_ref();
        let is_replaced = |value: &[u8]| {
            is_ours(value) && !set_cookie.is_some_and(|cookie| cookie.is_kept_by_removal(value))
        };
        if let Some(cookie) = set_cookie
            && (self.set_by_application || !headers.values("set-cookie").any(is_replaced))
        {
            headers.remove("set-cookie", is_replaced);
            headers.append("set-cookie", &cookie.to_string());
        }
        if let Some(cookie) = &self.browser_cookie {
            headers.remove("set-cookie", |value| sets(value, cookie.name()));
            headers.append("set-cookie", &cookie.to_string());
        }
        let sets_cookie = carries_ours || set_cookie.is_some() || self.browser_cookie.is_some();
        if sets_cookie {
            let has_any = headers.values("cache-control").next().is_some();
            if has_any && !is_kept_from_shared_caches(headers) {
                headers.remove("cache-control", |_| true);
                tracing::debug!(
                    "a shared cache may keep a response that sets a cookie for one person: it is sent with \
                     `no-store`"
                );
            }
            // What they say is for shared caches alone (RFC 9213).
            for name in ["cdn-cache-control", "surrogate-control"] {
                headers.remove(name, |_| true);
            }
        }
        let is_private = self.private || carries_ours;
        if is_private && headers.values("cache-control").next().is_none() {
            headers.append("cache-control", "no-store");
        }
        let by_cookie = carries_ours.then_some("Cookie");
        for wanted in [self.vary, by_cookie].into_iter().flatten() {
            if !varies_by(headers, wanted) {
                headers.append("vary", wanted);
            }
        }
    }
}

impl AuthRequest {
    /// See [`adapter::response_headers`](crate::adapter::response_headers).
    pub(crate) async fn response_headers(&self) -> ResponseHeaders {
        let sender = self.sender();
        if !self.0.leaves_cookie_alone(&sender) {
            let several = self.0.first.several();
            let auth = several.map_or_else(|| self.base_auth(), |_| self.auth());
            sender.settle(auth, several).await;
        }
        let set_cookie = self.0.set_cookie(&sender);
        let browser_cookie = self.0.browser.cookie(&self.0.auth).map(Box::new);
        let is_known = sender.session().is_some();
        // That there was no cookie decides as well as what it says.
        let by_cookie = set_cookie.is_some() || is_known || self.0.asked.load(Ordering::Relaxed);
        let by_bearer = self.0.bearer.was_asked();
        // Where a token would have come first, that there was none has decided, too.
        let no_bearer = by_cookie && self.0.for_want_of_bearer.load(Ordering::Relaxed);
        ResponseHeaders {
            private: set_cookie.is_some()
                || is_known
                || self.0.bearer.was_found()
                || browser_cookie.is_some(),
            set_cookie,
            vary: match (by_cookie, by_bearer || no_bearer) {
                (true, false) => Some("Cookie"),
                (false, true) => Some("Authorization"),
                (true, true) => Some("Cookie, Authorization"),
                (false, false) => None,
            },
            set_by_application: !matches!(sender.source, Source::Presented(_)),
            no_cookie: self.0.no_cookie(),
            cookie_name: self.0.auth.cookie().name(),
            browser_cookie,
        }
    }
}

impl Shared {
    /// Why a response to this request may not have a session cookie.
    fn no_cookie(&self) -> Option<&'static str> {
        if self.refusal.get().is_some() {
            Some("the request comes from another origin")
        } else if self.by_bearer.load(Ordering::Relaxed) {
            Some("the request authenticates by its bearer token")
        } else {
            None
        }
    }

    /// Whether the response has no session cookie on it, whatever became of the session.
    fn leaves_cookie_alone(&self, sender: &Sender) -> bool {
        // A client that came by a token is not a browser, and knows no cookie.
        let is_change = !matches!(sender.source, Source::Presented(_));
        self.refusal.get().is_some() || (is_change && self.by_bearer.load(Ordering::Relaxed))
    }

    pub(super) fn set_cookie(&self, sender: &Sender) -> Option<SessionCookie> {
        if self.leaves_cookie_alone(sender) {
            return None;
        }
        if matches!(sender.source, Source::SignedOut) {
            return Some(self.auth.session_cookie(None));
        }
        let session = sender.session_to_send()?;
        Some(self.auth.session_cookie(Some(session)))
    }
}

/// Whether `Cache-Control` says that shared caches may not keep the response (RFC 9111, 5.2.2). `private="name"`
/// is for one header.
fn is_kept_from_shared_caches(headers: &impl HeadersMut) -> bool {
    let has = |wanted: &str, with_value: bool| {
        let values = headers.values("cache-control");
        let mut directives = values.flat_map(|value| value.split(|byte| *byte == b','));
        directives.any(|directive| {
            let mut parts = directive.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default().trim_ascii();
            name.eq_ignore_ascii_case(wanted.as_bytes()) && (with_value || parts.next().is_none())
        })
    };
    let is_shared = has("public", true) || has("s-maxage", true);
    // With `must-understand`, a cache that knows the status passes over `no-store` (RFC 9111, 5.2.2.3).
    let is_not_stored = has("no-store", true) && !has("must-understand", true);
    !is_shared && (has("private", false) || is_not_stored)
}

/// Whether a value of `Set-Cookie` sets the cookie `name`, as browsers read it (RFC 6265bis, 5.6).
/// What stands after an empty name is sent back as if it had one.
fn sets(value: &[u8], name: &str) -> bool {
    let pair = value.split(|byte| *byte == b';').next().unwrap_or_default();
    let pair = pair.trim_ascii();
    let pair = pair.strip_prefix(b"=").unwrap_or(pair);
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let given = parts.next().unwrap_or_default();
    parts.next().is_some() && given.trim_ascii() == name.as_bytes()
}

fn varies_by(headers: &impl HeadersMut, wanted: &str) -> bool {
    // Most responses have none.
    if headers.values("vary").next().is_none() {
        return false;
    }
    let has = |wanted: &str| {
        let mut names = headers
            .values("vary")
            .flat_map(|value| value.split(|byte| *byte == b','));
        names.any(|name| name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    has("*") || wanted.split(',').all(|name| has(name.trim()))
}

/// The response that lucia makes of an error, before the application gives it another
/// [look](crate::AuthBuilder::denials).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: &'static str,
}

impl Answer {
    pub(crate) const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

    /// The response to `error`: its [`status`](Error::status), its
    /// [`public_message`](Error::public_message) as plain text, and `Retry-After` where it applies. The
    /// details of a 500, or of a refused column, go to the log.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            _ if error.status() == 500 => tracing::error!("{}", chain(error)),
            // The client is not told which column: it may be a mistake of the application's.
            Error::Constraint { .. } | Error::InvalidAttribute { .. } => {
                tracing::info!("{}", chain(error));
            }
            Error::InvalidKey { .. }
            | Error::InvalidAddress { .. }
            | Error::InvalidPassword { .. }
            | Error::DuplicateKey => {
                tracing::debug!("{}", chain(error));
            }
            _ => {}
        }
        let mut headers = vec![
            ("content-type", Self::CONTENT_TYPE.to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        if let Some(wait) = error.retry_after() {
            headers.push(("retry-after", whole_seconds(wait).to_string()));
        }
        Self {
            status: error.status(),
            headers,
            body: error.public_message(),
        }
    }
}

#[cfg(test)]
mod tests;
