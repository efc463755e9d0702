//! Whether an unsafe request comes from this site: the defence against cross-site request
//! forgery, after OWASP's cheat sheet (verifying origin with standard headers, and Fetch
//! metadata).

use std::fmt;

use crate::headers::RequestInfo;
use crate::headers::forwarded::Proxies;

/// Where requests that change something may come from.
#[derive(Clone, Debug)]
pub(crate) struct OriginPolicy {
    /// Origins allowed besides the site's own, as a browser writes them.
    pub(crate) allowed: Vec<String>,
    /// Whether this site is reached over TLS, even if a proxy terminates it: the cookie is
    /// `Secure`.
    pub(crate) secure: bool,
    /// Whose word on the client's side of a proxy counts.
    pub(crate) proxies: Option<Proxies>,
    /// Whether a request that says nothing of its origin is let through.
    pub(crate) allow_missing: bool,
}

/// Whether a method only reads (RFC 9110, 9.2.1).
pub(crate) fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

impl OriginPolicy {
    /// Whether the request is safe, or may be believed to come from an allowed origin.
    ///
    /// `with_cookie` says whether it carries a session cookie: without one, a request that says
    /// nothing of its origin has nothing that could be abused.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub(crate) fn check(
        &self,
        request: &impl RequestInfo,
        with_cookie: bool,
    ) -> Result<(), Refusal> {
        if is_safe(request.method()) && !opens_web_socket(request) {
            return Ok(());
        }
        let origin = single(request.header("origin")).map_err(|()| Refusal::Unreadable)?;
        let site = single(request.header("sec-fetch-site")).map_err(|()| Refusal::Unreadable)?;
        if origin.is_some_and(|origin| self.is_allowed(origin)) {
            // Such a request may come from any site.
            return Ok(());
        }
        if let Some(site) = site.filter(|site| !is_own_site(site)) {
            return Err(Refusal::Site(site.to_owned()));
        }
        let Some(origin) = origin else {
            let told = site.is_some() || !with_cookie || self.allow_missing;
            return if told { Ok(()) } else { Err(Refusal::Missing) };
        };
        // A page cannot set `Sec-Fetch-Site`. It is `same-origin` only if every URL of the request's
        // redirects has the origin of the page, which a sandboxed page never has (Fetch Metadata, 2.3).
        let vouched_for = site == Some(SAME_ORIGIN);
        if origin == OPAQUE {
            return if vouched_for {
                Ok(())
            } else {
                Err(Refusal::Opaque)
            };
        }
        let Some(own) = self.own(request) else {
            return Err(Refusal::Nowhere(origin.to_owned()));
        };
        if own.is(origin) {
            return Ok(());
        }
        if own.with(own.scheme.other()).is(origin) {
            // Whether a proxy ends TLS in front of a plain connection, the browser knows.
            if vouched_for && own.is_guess {
                return Ok(());
            }
            return Err(Refusal::Scheme {
                given: origin.to_owned(),
                expected: own.to_string(),
                advice: match own.scheme {
                    Scheme::Http => BEHIND_TLS,
                    Scheme::Https => OVER_TLS,
                },
            });
        }
        Err(Refusal::Origin {
            given: origin.to_owned(),
            expected: own.to_string(),
        })
    }

    fn is_allowed(&self, origin: &str) -> bool {
        self.allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// The origin that the request was sent to.
    fn own(&self, request: &impl RequestInfo) -> Option<Own> {
        let (host, scheme) = match self.proxies {
            Some(proxies) => proxies.host_and_scheme(request),
            None => (None, None),
        };
        let host = host.or_else(|| request.host().map(str::to_owned));
        let proto = scheme.as_deref().and_then(Scheme::parse);
        let host = host.filter(|host| !host.is_empty() && !host.starts_with(':'))?;
        let (scheme, is_guess) = match proto {
            Some(proto) => (proto, false),
            None if request.is_tls() => (Scheme::Https, false),
            // The cookie is `Secure`, so browsers bring it over TLS only, or to this machine.
            None if self.secure && !is_loopback(&host) => {
                (Scheme::Https, is_below_localhost(&host))
            }
            None => (Scheme::Http, true),
        };
        Some(Own {
            scheme,
            is_guess,
            host,
        })
    }
}

/// Why a request is not believed to come from this site. Shown in logs: browsers do not keep
/// origins secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "it has a session cookie and neither an `Origin` nor a `Sec-Fetch-Site` header: clients \
         that are no browsers send `Origin`, or the setting `allow_missing_origin` lets them through"
    )]
    Missing,
    #[error("its `Origin` or `Sec-Fetch-Site` header is there twice or is no text")]
    Unreadable,
    #[error("it comes from another site: `Sec-Fetch-Site: {0}`")]
    Site(String),
    #[error(
        "its `Origin: null` names no site: pages with `Referrer-Policy: no-referrer` send it, and are \
         believed only with `Sec-Fetch-Site: same-origin`; if the page is your own, send \
         `Referrer-Policy: same-origin` with it"
    )]
    Opaque,
    #[error("its `Origin: {0}` cannot be compared: the request names no host, or several")]
    Nowhere(String),
    #[error("its `Origin: {given}` differs from {expected} only in its scheme: {advice}")]
    Scheme {
        given: String,
        expected: String,
        advice: &'static str,
    },
    #[error(
        "its `Origin: {given}` is not {expected}: where this is your own site, a proxy changes the \
         `Host`; set `allowed_origins` or `trusted_proxy`"
    )]
    Origin { given: String, expected: String },
}

/// What to do where the connection is plain, and the site is reached by `https://`.
const BEHIND_TLS: &str = "if a proxy ends TLS in front of the application, let it send \
                          `X-Forwarded-Proto` and set `trusted_proxy`, or list the origin in \
                          `allowed_origins`";

/// What to do where the site is expected at `https://`, and is reached without.
const OVER_TLS: &str = "if this is your own site, open it by `https://`; without TLS, set \
                        `environment(Environment::Development)`, or `trusted_proxy` behind a proxy \
                        that sends `X-Forwarded-Proto`";

/// Where a request was sent to.
struct Own {
    scheme: Scheme,
    /// Whether it could be the other scheme: nothing tells if a proxy ends TLS in front of a plain
    /// connection.
    is_guess: bool,
    host: String,
}

impl Own {
    /// The same host and port with another scheme.
    fn with(&self, scheme: Scheme) -> Self {
        Self {
            scheme,
            is_guess: self.is_guess,
            host: self.host.clone(),
        }
    }

    /// Whether `origin` is exactly this scheme, host and port.
    fn is(&self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        scheme.eq_ignore_ascii_case(self.scheme.name())
            && without_port(authority, self.scheme)
                .eq_ignore_ascii_case(without_port(&self.host, self.scheme))
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Some proxies name the scheme of the WebSocket that a request opens.
    fn parse(text: &str) -> Option<Self> {
        let is_one_of = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        if is_one_of(["https", "wss"]) {
            Some(Self::Https)
        } else if is_one_of(["http", "ws"]) {
            Some(Self::Http)
        } else {
            None
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Http => Self::Https,
            Self::Https => Self::Http,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Whether the request asks for a WebSocket. It is a `GET`, and any site may ask for one with our
/// cookie; what goes over it afterwards is not checked again (RFC 6455, 10.2).
fn opens_web_socket(request: &impl RequestInfo) -> bool {
    request.header("upgrade").any(|value| {
        let mut protocols = value.split(|byte| *byte == b',');
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    })
}

/// `Sec-Fetch-Site` of a request by this very origin.
const SAME_ORIGIN: &str = "same-origin";

/// `Origin` of a page that has none, or that does not tell it.
const OPAQUE: &str = "null";

/// `Sec-Fetch-Site` of a request by this very origin, or by the user in person.
fn is_own_site(site: &str) -> bool {
    matches!(site, SAME_ORIGIN | "none")
}

/// The name or address of a host, without its port.
fn name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
            _ => "",
        },
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = name(host);
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether the host is a name below `localhost`: browsers take it for this machine (RFC 6761, 6.3).
fn is_below_localhost(host: &str) -> bool {
    let last = name(host).rsplit_once('.').map(|(_, last)| last);
    last.is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

/// Browsers leave the default port out, clients and proxies may not.
fn without_port(authority: &str, scheme: Scheme) -> &str {
    let port = match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// The one value of a header, if it is there; an error if it is there twice or no text.
fn single<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a str>, ()> {
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// An allowed origin of the settings, as a browser would write it.
///
/// # Errors
///
/// What is wrong with it, and what to write.
pub(crate) fn parse_allowed(origin: &str) -> Result<String, String> {
    if origin.contains('*') {
        return Err(format!(
            "`{origin}`: wildcards are not supported; list each origin"
        ));
    }
    let parsed = url::Url::parse(origin).map_err(|error| {
        format!("`{origin}` is no origin ({error}); write `https://host[:port]`")
    })?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(format!(
            "`{origin}`: an origin begins with `https://` or `http://`"
        ));
    }
    let serialized = parsed.origin().ascii_serialization();
    if origin.eq_ignore_ascii_case(&serialized) {
        Ok(serialized)
    } else {
        Err(format!(
            "`{origin}` is not written as browsers do; write `{serialized}`"
        ))
    }
}

#[cfg(test)]
mod tests;
