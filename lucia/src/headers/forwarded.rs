//! What reverse proxies say of the connection that they received: the client's address, and the
//! host and scheme that it asked for.
//!
//! Elements are counted from the right. A proxy appends, so what a client sends by itself is to
//! the left of what the proxies in front of the application write.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::headers::RequestInfo;
use crate::headers::origin::is_safe;

/// Which headers your reverse proxy writes.
///
/// The proxy has to append to the header with the address, or to overwrite it. It **has to remove or
/// overwrite the other headers if a client sends them**.
///
/// If several proxies are between the client and the application, set
/// [`AuthBuilder::proxy_hops`](crate::AuthBuilder::proxy_hops).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedProxy {
    /// `X-Forwarded-For`, `X-Forwarded-Host` and `X-Forwarded-Proto`.
    XForwarded,
    /// `Forwarded` (RFC 7239) with `for=`, `host=` and `proto=`.
    Forwarded,
}

/// The proxies between the clients and the application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxies {
    pub(crate) kind: TrustedProxy,
    /// How many there are; at least one.
    pub(crate) hops: u8,
}

/// Elements of a list that are longer than this are not read, in bytes.
const LONGEST: usize = 1024;

/// From where a request was sent, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: Result<IpAddr, NoAddress>,
    /// Whether the request has a header of a proxy, and no proxy is trusted. Only looked for in
    /// requests that change something.
    pub(crate) is_forwarded: bool,
}

/// Why the address of a client is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAddress {
    #[error(
        "the request does not say who its peer is: in axum, serve \
         `app.into_make_service_with_connect_info::<SocketAddr>()`; in an adapter, implement \
         `RequestInfo::peer_address`; behind a proxy that connects by a Unix socket, set \
         `trusted_proxy`"
    )]
    NoPeer,
    #[error(
        "`trusted_proxy` is set, and the request has no `{0}` header: let the proxy write it, or \
         name the header that it writes in `trusted_proxy`"
    )]
    NoHeader(&'static str),
    #[error(
        "the `{header}` header has fewer than {hops} elements, or the element {hops} from the right \
         is not an IP address: let each proxy append the address of its peer, and set `proxy_hops` to \
         the number of proxies"
    )]
    Unreadable { header: &'static str, hops: u8 },
}

impl Client {
    pub(crate) fn of(request: &impl RequestInfo, proxies: Option<Proxies>) -> Self {
        let address = match proxies {
            Some(proxies) => proxies.address(request),
            None => request.peer_address().ok_or(NoAddress::NoPeer),
        };
        let is_forwarded = proxies.is_none()
            && !is_safe(request.method())
            && [X_FORWARDED_FOR.0, FORWARDED.0]
                .iter()
                .any(|name| request.header(name).next().is_some());
        Self {
            address: address.map(|address| address.to_canonical()),
            is_forwarded,
        }
    }
}

/// The header in lower case, and as documents write it.
const X_FORWARDED_FOR: (&str, &str) = ("x-forwarded-for", "X-Forwarded-For");
const FORWARDED: (&str, &str) = ("forwarded", "Forwarded");

impl Proxies {
    fn address(self, request: &impl RequestInfo) -> Result<IpAddr, NoAddress> {
        let ((name, header), is_standard) = match self.kind {
            TrustedProxy::XForwarded => (X_FORWARDED_FOR, false),
            TrustedProxy::Forwarded => (FORWARDED, true),
        };
        let unreadable = NoAddress::Unreadable {
            header,
            hops: self.hops,
        };
        let element = match self.element(request, name, is_standard) {
            Ok(element) => element,
            Err(Missing::Absent) => return Err(NoAddress::NoHeader(header)),
            Err(Missing::TooFew(_) | Missing::Malformed) => return Err(unreadable),
        };
        if is_standard {
            parameter(element, "for").and_then(|node| ip_address(&node))
        } else {
            ip_address(element)
        }
        .ok_or(unreadable)
    }

    /// The host and the scheme that the client asked for, in the element that has its address.
    ///
    /// Many proxies overwrite `X-Forwarded-Host` and `X-Forwarded-Proto`, or pass on what the proxy in
    /// front of them wrote. So the first element counts where there are fewer of them than proxies.
    pub(crate) fn host_and_scheme(
        self,
        request: &impl RequestInfo,
    ) -> (Option<String>, Option<String>) {
        match self.kind {
            TrustedProxy::XForwarded => {
                let value = |name| match self.element(request, name, false) {
                    Ok(element) | Err(Missing::TooFew(element)) => Some(element.to_owned()),
                    Err(Missing::Absent | Missing::Malformed) => None,
                };
                (value("x-forwarded-host"), value("x-forwarded-proto"))
            }
            TrustedProxy::Forwarded => {
                let element = self.element(request, FORWARDED.0, true).unwrap_or_default();
                let value = |name| parameter(element, name).map(Cow::into_owned);
                (value("host"), value("proto"))
            }
        }
    }

    /// The element that the outermost trusted proxy wrote. Empty elements count: to skip one that a
    /// proxy wrote would lead to one that a client wrote.
    fn element<'a>(
        self,
        request: &'a impl RequestInfo,
        name: &'a str,
        is_quoted: bool,
    ) -> Result<&'a str, Missing<'a>> {
        let mut left = self.hops;
        let mut last_seen = None;
        // Each line has at least one element.
        for index in (0..request.header(name).count()).rev() {
            let mut rest = request.header(name).nth(index);
            while let Some(line) = rest {
                let element;
                (rest, element) = split_last(line, is_quoted).ok_or(Missing::Malformed)?;
                left = left.saturating_sub(1);
                if left == 0 {
                    return text(element).ok_or(Missing::Malformed);
                }
                last_seen = Some(element);
            }
        }
        let first = last_seen.ok_or(Missing::Absent)?;
        Err(text(first).map_or(Missing::Malformed, Missing::TooFew))
    }
}

/// Why a list does not have the element that was asked for.
enum Missing<'a> {
    Absent,
    /// There are elements, the first of which is this.
    TooFew(&'a str),
    Malformed,
}

fn text(element: &[u8]) -> Option<&str> {
    std::str::from_utf8(element).ok().map(str::trim_ascii)
}

/// What is before the last comma, where there is one, and the element after it. `None` if the
/// element is too long, or ends within quotes.
///
/// It is read from the right, so that a quote which a client leaves open does not take in what a proxy
/// appends.
fn split_last(line: &[u8], is_quoted: bool) -> Option<(Option<&[u8]>, &[u8])> {
    let mut within_quotes = false;
    for (length, (index, byte)) in line.iter().enumerate().rev().enumerate() {
        if length > LONGEST {
            return None;
        }
        match byte {
            b'"' if is_quoted => {
                let before = line[..index].iter().rev();
                let is_escaped = before.take_while(|byte| **byte == b'\\').count() % 2 == 1;
                within_quotes = !within_quotes || is_escaped;
            }
            b',' if !within_quotes => return Some((Some(&line[..index]), &line[index + 1..])),
            _ => {}
        }
    }
    (!within_quotes).then_some((None, line))
}

/// The value of a parameter of an element of `Forwarded`. `None` if it is not there exactly once.
fn parameter<'a>(element: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut found = None;
    for pair in pairs(element) {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        if key.trim().eq_ignore_ascii_case(name) && found.replace(value.trim()).is_some() {
            return None;
        }
    }
    unquoted(found?)
}

/// The parts between semicolons that are not quoted.
fn pairs(element: &str) -> impl Iterator<Item = &str> {
    let (mut within_quotes, mut is_escaped) = (false, false);
    element.split(move |char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match char {
            '\\' if within_quotes => is_escaped = !was_escaped,
            '"' if !was_escaped => within_quotes = !within_quotes,
            ';' => return !within_quotes,
            _ => {}
        }
        false
    })
}

/// A token, or the content of a quoted string (RFC 9110, 5.6.4).
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.contains('"')).then_some(Cow::Borrowed(value));
    };
    let content = rest.strip_suffix('"')?;
    if !content.contains(['\\', '"']) {
        return Some(Cow::Borrowed(content));
    }
    let mut chars = content.chars();
    let mut text = String::new();
    while let Some(char) = chars.next() {
        text.push(match char {
            '"' => return None,
            '\\' => chars.next()?,
            other => other,
        });
    }
    Some(Cow::Owned(text))
}

/// The IP address of a node (RFC 7239, 6), with or without a port. `unknown` and obfuscated
/// identifiers are none.
fn ip_address(node: &str) -> Option<IpAddr> {
    if let Ok(address) = node.parse() {
        return Some(address);
    }
    let (address, port) = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address = address.parse::<Ipv6Addr>().ok()?;
            if port.is_empty() {
                return Some(address.into());
            }
            (IpAddr::from(address), port.strip_prefix(':')?)
        }
        None => {
            let (address, port) = node.split_once(':')?;
            (IpAddr::from(address.parse::<Ipv4Addr>().ok()?), port)
        }
    };
    is_port(port).then_some(address)
}

/// Whether it is a number, or obfuscated.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !name.is_empty() && name.bytes().all(is_part)
        }
        None => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests;
