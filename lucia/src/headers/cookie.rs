//! The session cookie: its attributes, and how it is read and written.

pub(crate) mod browser;

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, iter};

use cookie::time::OffsetDateTime;
use memchr::memchr;

use crate::clock::UnixMillis;
use crate::session::token::{Presented, SessionToken};
use crate::{Error, Result};

/// No browser keeps a cookie longer (RFC 6265bis, 5.5), so none is asked to.
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The most bytes that browsers accept in a name or an attribute.
const MAX_LENGTH: usize = 4096;

/// Names with `__Host-` and `__Secure-`, `SameSite=None`, and `Partitioned` (RFC 6265bis, 5.7).
const NEEDS_SECURE: &str = "browsers refuse this without `Secure`, which the cookie has not in \
    `Environment::Development`: set it in production only";

/// How many different tokens are looked up, at most, where a request has several cookies of our name.
const CANDIDATES: usize = 4;

/// Whether browsers send the cookie with requests that other sites cause (RFC 6265bis, 4.1.2.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only with top-level navigation, such as a followed link.
    #[default]
    Lax,
    /// Always. Browsers then require `Secure`.
    None,
}

impl From<SameSite> for cookie::SameSite {
    fn from(same_site: SameSite) -> Self {
        match same_site {
            SameSite::Strict => Self::Strict,
            SameSite::Lax => Self::Lax,
            SameSite::None => Self::None,
        }
    }
}

/// Changes to the default session cookie.
///
/// Settings that are not given keep their defaults. In production, the cookie is `__Host-auth_session` with
/// `Secure`, `HttpOnly`, `SameSite=Lax` and `Path=/`. In development, it is `auth_session` without
/// `Secure`. Only the [`Environment`](crate::Environment) decides on `Secure`, and `HttpOnly` is always
/// set.
#[derive(Clone, Debug, Default)]
#[must_use = "options take effect by `builder.cookie(options)`"]
pub struct CookieOptions {
    name: Option<String>,
    path: Option<String>,
    domain: Option<String>,
    same_site: Option<SameSite>,
    partitioned: bool,
}

impl CookieOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the cookie. With a name that begins with `__Host-`, browsers ensure that no other host
    /// can set the cookie; such a cookie can have neither a domain nor another path.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The path below which the cookie is sent; `/` by default. After a change, browsers keep the cookie of
    /// the old path beside the new one until it expires:
    /// [`AuthRequest::validate`](crate::AuthRequest::validate) says which of them counts.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The domain to which the cookie is sent, with all its subdomains. By default the cookie is sent only
    /// to the host that set it. Two sites on one domain need different [names](Self::name). Otherwise a
    /// browser sends the cookies of both to one of them. The notes on a change of the [path](Self::path)
    /// apply to the domain as well.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Whether the cookie is sent with requests from other sites; `Lax` by default.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Whether the cookie is separate for each site that embeds this one (CHIPS). Use it with
    /// [`SameSite::None`], for pages that are shown in frames of other sites. Browsers then require
    /// `Secure`. Off by default.
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// The cookie with these options over the defaults.
    pub(crate) fn build(self, secure: bool) -> Result<CookieConfig> {
        let default_name = if secure {
            "__Host-auth_session"
        } else {
            "auth_session"
        };
        let config = CookieConfig {
            name: self.name.map_or_else(|| default_name.into(), Arc::from),
            path: self.path.unwrap_or_else(|| "/".to_owned()),
            domain: self.domain,
            same_site: self.same_site.unwrap_or_default(),
            partitioned: self.partitioned,
            secure,
        };
        config.check()?;
        Ok(config)
    }
}

/// The session cookie as settled by the settings.
#[derive(Clone, Debug)]
pub(crate) struct CookieConfig {
    name: Arc<str>,
    path: String,
    domain: Option<String>,
    same_site: SameSite,
    partitioned: bool,
    secure: bool,
}

impl CookieConfig {
    pub(crate) fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    fn check(&self) -> Result<()> {
        let refuse = |setting, reason: &str| Err(Error::setting(setting, reason));

        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(is_token) {
            return refuse(
                "cookie.name",
                "a cookie's name is letters, digits and -_.!#$%&'*+^`|~",
            );
        }
        if !self.path.starts_with('/') {
            return refuse("cookie.path", "a path begins with `/`");
        }
        if !self
            .path
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte) && byte != b';')
        {
            return refuse(
                "cookie.path",
                "a path holds printable ASCII characters without `;`",
            );
        }
        if let Some(domain) = &self.domain {
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            if !domain.bytes().all(is_host) || domain.trim_matches('.').is_empty() {
                return refuse(
                    "cookie.domain",
                    "a domain is a host name such as `example.com`",
                );
            }
            if domain.len() > MAX_LENGTH {
                return refuse("cookie.domain", "a domain has at most 4096 bytes");
            }
        }
        if self.name.len() > MAX_LENGTH {
            return refuse("cookie.name", "a name has at most 4096 bytes");
        }
        if self.path.len() > MAX_LENGTH {
            return refuse("cookie.path", "a path has at most 4096 bytes");
        }

        let prefixed = |prefix: &str| {
            self.name
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if prefixed("__Host-") {
            if !self.secure {
                return refuse("cookie.name", NEEDS_SECURE);
            }
            if self.domain.is_some() {
                return refuse(
                    "cookie.domain",
                    "a cookie named `__Host-..` has no domain; choose another name, such as \
                     `.name(\"__Secure-auth_session\")`",
                );
            }
            if self.path != "/" {
                return refuse(
                    "cookie.path",
                    "a cookie named `__Host-..` has the path `/`; choose another name, such as \
                     `.name(\"__Secure-auth_session\")`",
                );
            }
        }
        if prefixed("__Secure-") && !self.secure {
            return refuse("cookie.name", NEEDS_SECURE);
        }
        if self.same_site == SameSite::None && !self.secure {
            return refuse("cookie.same_site", NEEDS_SECURE);
        }
        if self.partitioned && !self.secure {
            return refuse("cookie.partitioned", NEEDS_SECURE);
        }
        Ok(())
    }

    /// Reads the session cookie out of the `Cookie` headers. Other cookies, whatever is in them,
    /// make no difference, and neither do cookies of our name that no token can be read from. A
    /// token that comes twice is one. Of different ones, the store decides which counts: their
    /// order says nothing, since a browser sends cookies of other paths and domains in the same
    /// header (RFC 6265bis, 5.8.3).
    pub(crate) fn read<'a>(&self, headers: impl Iterator<Item = &'a [u8]>) -> Presented {
        let mut none = Presented::Nothing;
        let mut first: Option<SessionToken> = None;
        let mut others = Vec::new();
        for value in cookie_values(headers, self.name.as_bytes()) {
            none = Presented::Unreadable;
            let Some(token) = SessionToken::read(value) else {
                continue;
            };
            match &first {
                None => first = Some(token),
                Some(first) if *first == token || others.contains(&token) => {}
                Some(_) if others.len() + 1 == CANDIDATES => return Presented::TooMany,
                Some(_) => others.push(token),
            }
        }
        match first {
            None => none,
            Some(token) if others.is_empty() => Presented::Token(token),
            Some(token) => {
                others.push(token);
                Presented::Several(others.into())
            }
        }
    }

    /// The cookie that carries `token` until `expires`, or with `None` until the browser's own
    /// session ends.
    pub(crate) fn set(
        &self,
        token: &SessionToken,
        expires: Option<UnixMillis>,
        now: UnixMillis,
    ) -> SessionCookie {
        let cookie = self.attributes(token.expose().to_owned());
        let Some(expires) = expires else {
            return SessionCookie(cookie.build());
        };
        SessionCookie(lasting(cookie, expires, now).build())
    }

    /// The cookie that removes the session cookie from the browser.
    pub(crate) fn removal(&self) -> SessionCookie {
        let cookie = self
            .attributes(String::new())
            .max_age(cookie::time::Duration::ZERO)
            .expires(OffsetDateTime::UNIX_EPOCH);
        SessionCookie(cookie.build())
    }

    fn attributes(&self, value: String) -> cookie::CookieBuilder<'static> {
        let cookie = cookie::Cookie::build((self.name.to_string(), value))
            .path(self.path.clone())
            .http_only(true)
            .same_site(cookie::SameSite::from(self.same_site))
            .partitioned(self.partitioned)
            .secure(self.secure);
        match &self.domain {
            Some(domain) => cookie.domain(domain.clone()),
            None => cookie,
        }
    }
}

/// The cookie with its end.
fn lasting(
    cookie: cookie::CookieBuilder<'static>,
    expires: UnixMillis,
    now: UnixMillis,
) -> cookie::CookieBuilder<'static> {
    // Whole seconds, rounded down: the browser never keeps it longer than the database.
    let max_age = now.until(expires).min(MAX_AGE).as_secs();
    let expires = expires.min(now.plus(MAX_AGE)).0.div_euclid(1000);
    cookie
        .max_age(cookie::time::Duration::seconds(
            i64::try_from(max_age).unwrap_or(i64::MAX),
        ))
        .expires(OffsetDateTime::from_unix_timestamp(expires).ok())
}

/// The values of the cookies of this name.
fn cookie_values<'a>(
    headers: impl Iterator<Item = &'a [u8]>,
    name: &[u8],
) -> impl Iterator<Item = &'a [u8]> {
    headers.flat_map(pairs).filter_map(move |pair| {
        let rest = pair.trim_ascii().strip_prefix(name)?;
        Some(rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii())
    })
}

/// The pairs of a `Cookie` header. There are many in some, and all are read in every request.
fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    iter::from_fn(move || {
        let header = rest?;
        match memchr(b';', header) {
            Some(end) => {
                rest = Some(&header[end + 1..]);
                Some(&header[..end])
            }
            None => rest.take(),
        }
    })
}

/// A session cookie for a response. `to_string()` is the value of its `Set-Cookie` header.
///
/// `Debug` does not show the token in it.
#[derive(Clone, PartialEq)]
pub struct SessionCookie(cookie::Cookie<'static>);

impl SessionCookie {
    /// The name of the cookie.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The token, or an empty text in a cookie that removes another one.
    #[must_use]
    pub fn value(&self) -> &str {
        self.0.value()
    }

    /// Whether a value of `Set-Cookie` removes a cookie of this name for another path or domain, and so
    /// leaves this one alone.
    pub(crate) fn is_kept_by_removal(&self, value: &[u8]) -> bool {
        let removal = std::str::from_utf8(value).map(cookie::Cookie::parse);
        let Ok(Ok(removal)) = removal else {
            return false;
        };
        // Without a path, it is that of the page, which may be ours.
        let is_elsewhere = removal
            .path()
            .is_some_and(|path| Some(path) != self.0.path())
            || removal.domain() != self.0.domain();
        removal.value().is_empty() && is_elsewhere
    }

    /// Whether this cookie removes the session cookie.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.0.value().is_empty()
    }
}

impl fmt::Display for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.is_removal() { "" } else { "[redacted]" };
        f.debug_struct("SessionCookie")
            .field("name", &self.name())
            .field("value", &value)
            .finish()
    }
}

#[cfg(test)]
mod tests;
