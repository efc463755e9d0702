//! What goes back to the client, in no framework's types: adapters turn it into theirs.

use crate::Error;
use crate::error::{chain, whole_seconds};
use crate::headers::HeadersMut;
use crate::request::ResponseHeaders;

impl ResponseHeaders {
    /// Puts this on a response: its cookie in place of one of the same name, `Cache-Control:
    /// no-store` where the handler has said nothing, and the missing headers in `Vary`. Doing it
    /// again changes nothing.
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
