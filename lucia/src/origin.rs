//! Whether an unsafe request comes from this site: the defence against cross-site request
//! forgery, after OWASP's cheat sheet (verifying origin with standard headers, and Fetch
//! metadata).

use std::fmt;

use crate::context::RequestContext;

/// Where requests that change something may come from.
#[derive(Clone, Debug)]
pub(crate) struct OriginPolicy {
    /// Origins allowed besides the site's own, as a browser writes them.
    pub(crate) allowed: Vec<String>,
    /// Whether this site is reached over TLS, whoever ends it: the cookie is `Secure`.
    pub(crate) secure: bool,
    /// Whose word on the client's side of a proxy counts.
    pub(crate) trusted_proxy: Option<TrustedProxy>,
    /// Whether a request that says nothing of its origin is let through.
    pub(crate) allow_missing: bool,
}

/// Which headers your reverse proxy sets, **and removes when a client sends them**.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedProxy {
    /// `X-Forwarded-Host` and `X-Forwarded-Proto`.
    XForwarded,
    /// `Forwarded` (RFC 7239) with `host=` and `proto=`.
    Forwarded,
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
        request: &impl RequestContext,
        with_cookie: bool,
    ) -> Result<(), Refusal> {
        let is_safe = matches!(request.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE");
        if is_safe && !opens_web_socket(request) {
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
        match self.own(request) {
            Some(own) if own.is(origin) => Ok(()),
            own => Err(Refusal::Origin {
                given: origin.to_owned(),
                expected: own.map(|own| own.to_string()),
            }),
        }
    }

    fn is_allowed(&self, origin: &str) -> bool {
        self.allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// The origin that the request was sent to.
    fn own(&self, request: &impl RequestContext) -> Option<Own> {
        let forwarded = self.trusted_proxy.map(|proxy| forwarded(request, proxy));
        let (host, proto) = match forwarded {
            Some(Forwarded { host, proto }) => {
                (host.or_else(|| request.host().map(str::to_owned)), proto)
            }
            None => (request.host().map(str::to_owned), None),
        };
        let host = host.filter(|host| !host.is_empty() && !host.starts_with(':'))?;
        let scheme = match proto {
            Some(proto) => proto,
            // The cookie is `Secure`, so browsers bring it over TLS only, or to this machine.
            None if self.secure && !is_loopback(&host) => Scheme::Https,
            None if request.is_tls() => Scheme::Https,
            None => Scheme::Http,
        };
        Some(Own { scheme, host })
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
        "its `Origin: {given}` is not {}: where this is your own site, a proxy changes the `Host`; \
         set `allowed_origins` or `trusted_proxy`",
        expected.as_deref().unwrap_or("to be compared, since the request names no host")
    )]
    Origin {
        given: String,
        expected: Option<String>,
    },
}

/// Where a request was sent to.
struct Own {
    scheme: Scheme,
    host: String,
}

impl Own {
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
    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else {
            None
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What a proxy says of the connection that it received.
struct Forwarded {
    host: Option<String>,
    proto: Option<Scheme>,
}

/// The last element counts where there are several: the proxy next to us wrote it.
fn forwarded(request: &impl RequestContext, proxy: TrustedProxy) -> Forwarded {
    let last = |name| -> Option<String> {
        let value = std::str::from_utf8(request.header(name).last()?).ok()?;
        value
            .rsplit(',')
            .next()
            .map(|element| element.trim().to_owned())
    };
    match proxy {
        TrustedProxy::XForwarded => Forwarded {
            host: last("x-forwarded-host"),
            proto: last("x-forwarded-proto").as_deref().and_then(Scheme::parse),
        },
        TrustedProxy::Forwarded => {
            let element = last("forwarded").unwrap_or_default();
            let pair = |name: &str| {
                element.split(';').find_map(|pair| {
                    let (key, value) = pair.trim().split_once('=')?;
                    key.eq_ignore_ascii_case(name)
                        .then(|| value.trim_matches('"').to_owned())
                })
            };
            Forwarded {
                host: pair("host"),
                proto: pair("proto").as_deref().and_then(Scheme::parse),
            }
        }
    }
}

/// Whether the request asks for a WebSocket. It is a `GET`, and any site may ask for one with our
/// cookie; what goes over it afterwards is not checked again (RFC 6455, 10.2).
fn opens_web_socket(request: &impl RequestContext) -> bool {
    request.header("upgrade").any(|value| {
        let mut protocols = value.split(|byte| *byte == b',');
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    })
}

/// `Sec-Fetch-Site` of a request by this very origin, or by the user in person.
fn is_own_site(site: &str) -> bool {
    matches!(site, "same-origin" | "none")
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
            _ => return false,
        },
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
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
