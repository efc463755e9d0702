use super::*;
use crate::headers::TrustedProxy;

struct Fake {
    method: &'static str,
    headers: Vec<(&'static str, &'static [u8])>,
    tls: bool,
}

impl RequestInfo for Fake {
    fn method(&self) -> &str {
        self.method
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    fn is_tls(&self) -> bool {
        self.tls
    }
}

impl OriginPolicy {
    fn permits(&self, request: &Fake, with_cookie: bool) -> bool {
        self.check(request, with_cookie).is_ok()
    }
}

fn post(headers: &[(&'static str, &'static str)]) -> Fake {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    Fake {
        method: "POST",
        headers,
        tls: false,
    }
}

fn one(kind: TrustedProxy) -> Proxies {
    Proxies { kind, hops: 1 }
}

fn policy() -> OriginPolicy {
    OriginPolicy {
        allowed: Vec::new(),
        secure: true,
        proxies: None,
        allow_missing: false,
    }
}

const HOST: (&str, &str) = ("host", "example.com");

#[test]
fn the_own_origin_is_scheme_host_and_port_exactly() {
    assert!(policy().permits(&post(&[HOST, ("origin", "https://example.com")]), true));
    for foreign in [
        "http://example.com",
        "https://example.com:8443",
        "https://example.com.evil.org",
        "https://evil-example.com",
        "https://sub.example.com",
        "https://user@example.com",
        "https://example.com@evil.org",
        "https://example.com/",
        "https://example.com?",
        "https://example.com https://evil.org",
        "null",
        "",
        "example.com",
        "://example.com",
        "https://",
        "file://",
    ] {
        assert!(
            !policy().permits(&post(&[HOST, ("origin", foreign)]), true),
            "{foreign:?}"
        );
    }
}

#[test]
fn ports_and_case_are_compared_as_the_standard_says() {
    for (host, origin) in [
        ("Example.COM", "https://example.com"),
        ("example.com:443", "https://example.com"),
        ("example.com", "https://example.com:443"),
        ("example.com:8443", "https://example.com:8443"),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ] {
        assert!(
            policy().permits(&post(&[("host", host), ("origin", origin)]), true),
            "{host}"
        );
    }
    let http_port = post(&[
        ("host", "example.com:80"),
        ("origin", "https://example.com"),
    ]);
    assert!(!policy().permits(&http_port, true));
}

#[test]
fn a_secure_cookie_also_comes_from_this_machine_without_tls() {
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
        let origin = format!("http://{host}").leak();
        assert!(
            policy().permits(&post(&[("host", host), ("origin", origin)]), true),
            "{host}"
        );
    }
    let pretender = post(&[
        ("host", "localhost.evil.org"),
        ("origin", "http://localhost.evil.org"),
    ]);
    assert!(!policy().permits(&pretender, true));
}

#[test]
fn in_development_the_scheme_is_that_of_the_connection() {
    let policy = OriginPolicy {
        secure: false,
        ..policy()
    };
    let mut request = post(&[HOST, ("origin", "http://example.com")]);
    assert!(policy.permits(&request, true));
    request.tls = true;
    assert!(!policy.permits(&request, true));
}

#[test]
fn safe_methods_are_never_refused() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let request = Fake {
            method,
            ..post(&[HOST, ("origin", "https://evil.org")])
        };
        assert!(policy().permits(&request, true));
    }
    for method in ["PUT", "PATCH", "DELETE", "QUERY", "get", ""] {
        let request = Fake {
            method,
            ..post(&[HOST, ("origin", "https://evil.org")])
        };
        assert!(!policy().permits(&request, true), "{method}");
    }
}

#[test]
fn fetch_metadata_counts_and_a_conflict_is_refused() {
    let own = ("origin", "https://example.com");
    for (headers, permitted) in [
        (vec![HOST, ("sec-fetch-site", "same-origin")], true),
        (vec![HOST, ("sec-fetch-site", "none")], true),
        (vec![HOST, ("sec-fetch-site", "same-site")], false),
        (vec![HOST, ("sec-fetch-site", "cross-site")], false),
        (vec![HOST, ("sec-fetch-site", "SAME-ORIGIN ")], false),
        (vec![HOST, ("sec-fetch-site", "")], false),
        (vec![HOST, own, ("sec-fetch-site", "same-origin")], true),
        (vec![HOST, own, ("sec-fetch-site", "cross-site")], false),
        (vec![HOST, own, ("sec-fetch-site", "same-site")], false),
        (
            vec![
                HOST,
                ("origin", "https://evil.org"),
                ("sec-fetch-site", "same-origin"),
            ],
            false,
        ),
        (
            vec![
                HOST,
                own,
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "none"),
            ],
            false,
        ),
        (vec![HOST, own, ("origin", "https://evil.org")], false),
    ] {
        assert_eq!(
            policy().permits(&post(&headers), true),
            permitted,
            "{headers:?}"
        );
    }
}

#[test]
fn an_opaque_origin_is_ours_by_the_browsers_word_alone() {
    let from = |site: Option<&'static str>| {
        let site = site.map(|site| ("sec-fetch-site", site));
        let headers = [Some(HOST), Some(("origin", "null")), site];
        let headers: Vec<_> = headers.into_iter().flatten().collect();
        policy().check(&post(&headers), false)
    };
    assert_eq!(from(Some("same-origin")), Ok(()));
    assert_eq!(from(Some("none")), Err(Refusal::Opaque));
    assert_eq!(from(None), Err(Refusal::Opaque));
    for site in ["same-site", "cross-site", "null", ""] {
        assert_eq!(from(Some(site)), Err(Refusal::Site(site.to_owned())));
    }
    let lenient = OriginPolicy {
        allow_missing: true,
        ..policy()
    };
    assert!(!lenient.permits(&post(&[HOST, ("origin", "null")]), false));
}

#[test]
fn a_scheme_that_cannot_be_known_is_what_the_browser_says_and_one_that_is_known_is_not() {
    let development = OriginPolicy {
        secure: false,
        ..policy()
    };
    let proxied = OriginPolicy {
        proxies: Some(one(TrustedProxy::XForwarded)),
        ..policy()
    };
    let same = ("sec-fetch-site", "same-origin");
    let local = [("host", "localhost"), ("origin", "https://localhost")];
    let public = [HOST, ("origin", "http://example.com")];
    let is_scheme = |answer| matches!(answer, Err(Refusal::Scheme { .. }));
    for policy in [policy(), development.clone()] {
        assert!(is_scheme(policy.check(&post(&local), true)));
        assert!(policy.permits(&post(&[local[0], local[1], same]), true));
    }
    let mut over_tls = post(&[local[0], ("origin", "http://localhost"), same]);
    over_tls.tls = true;
    assert!(is_scheme(policy().check(&over_tls, true)));
    assert!(is_scheme(
        policy().check(&post(&[public[0], public[1], same]), true)
    ));
    let said = ("x-forwarded-proto", "http");
    let said = post(&[local[0], local[1], same, said]);
    assert!(is_scheme(proxied.check(&said, true)));
}

#[test]
fn without_any_word_of_its_origin_a_request_with_a_cookie_is_refused() {
    assert!(!policy().permits(&post(&[HOST]), true));
    assert!(policy().permits(&post(&[HOST]), false));
    let lenient = OriginPolicy {
        allow_missing: true,
        ..policy()
    };
    assert!(lenient.permits(&post(&[HOST]), true));
    assert!(!lenient.permits(&post(&[HOST, ("origin", "https://evil.org")]), true));
}

#[test]
fn an_allowed_origin_is_exact_and_may_be_of_another_site() {
    let allowed = vec![parse_allowed("https://app.example.org").unwrap()];
    let policy = OriginPolicy {
        allowed,
        ..policy()
    };
    let from = |origin, site| post(&[HOST, ("origin", origin), ("sec-fetch-site", site)]);
    assert!(policy.permits(&from("https://app.example.org", "cross-site"), true));
    assert!(!policy.permits(&from("http://app.example.org", "cross-site"), true));
    assert!(!policy.permits(&from("https://www.example.org", "cross-site"), true));
    assert!(!policy.permits(&from("https://example.org", "cross-site"), true));
}

#[test]
fn forwarded_headers_count_only_from_a_trusted_proxy_and_only_the_kind_that_it_sets() {
    let x_forwarded = [
        ("host", "10.0.0.7:8080"),
        ("origin", "https://example.com"),
        ("x-forwarded-host", "example.com"),
        ("x-forwarded-proto", "https"),
    ];
    let standard = [
        ("host", "10.0.0.7:8080"),
        ("origin", "https://example.com"),
        (
            "forwarded",
            "for=192.0.2.1, for=10.0.0.1;Host=\"example.com\";proto=https",
        ),
    ];
    let trusting = |proxy| OriginPolicy {
        proxies: Some(one(proxy)),
        ..policy()
    };
    for headers in [x_forwarded.as_slice(), standard.as_slice()] {
        assert!(!policy().permits(&post(headers), true));
    }
    assert!(trusting(TrustedProxy::XForwarded).permits(&post(&x_forwarded), true));
    assert!(!trusting(TrustedProxy::XForwarded).permits(&post(&standard), true));
    assert!(trusting(TrustedProxy::Forwarded).permits(&post(&standard), true));
    assert!(!trusting(TrustedProxy::Forwarded).permits(&post(&x_forwarded), true));
}

#[test]
fn the_proxy_nearest_to_us_is_the_one_believed() {
    let policy = OriginPolicy {
        proxies: Some(one(TrustedProxy::XForwarded)),
        ..policy()
    };
    let spoofed = post(&[
        ("host", "10.0.0.7"),
        ("origin", "https://evil.org"),
        ("x-forwarded-host", "evil.org, example.com"),
    ]);
    assert!(!policy.permits(&spoofed, true));
}

#[test]
fn headers_that_are_no_text_are_refused() {
    let mut request = post(&[HOST]);
    request.headers.push(("origin", b"\xff\xfe"));
    assert!(!policy().permits(&request, true));
}

#[test]
fn a_request_to_several_hosts_or_none_has_no_own_origin() {
    let own = ("origin", "https://example.com");
    assert!(!policy().permits(&post(&[own]), true));
    assert!(!policy().permits(&post(&[HOST, HOST, own]), true));
}

#[test]
fn an_allowed_origin_of_the_settings_is_an_origin_and_nothing_else() {
    assert_eq!(
        parse_allowed("https://Example.com").unwrap(),
        "https://example.com"
    );
    assert_eq!(
        parse_allowed("http://localhost:3000").unwrap(),
        "http://localhost:3000"
    );
    for refused in [
        "*",
        "https://*.example.com",
        "*.co.uk",
        "example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com:443",
        "https://user@example.com",
        "https://bücher.example",
        "ftp://example.com",
        "null",
        "",
        "https://",
    ] {
        assert!(parse_allowed(refused).is_err(), "{refused:?}");
    }
}

#[test]
fn a_web_socket_is_opened_from_our_own_pages_only() {
    let open = |origin: &'static str, upgrade: &'static str| Fake {
        method: "GET",
        ..post(&[HOST, ("origin", origin), ("upgrade", upgrade)])
    };
    assert!(policy().permits(&open("https://example.com", "websocket"), true));
    for upgrade in ["websocket", "WebSocket", "h2c, websocket"] {
        let request = open("https://evil.org", upgrade);
        assert_eq!(
            policy().check(&request, true),
            Err(Refusal::Origin {
                given: "https://evil.org".to_owned(),
                expected: "https://example.com".to_owned(),
            }),
        );
    }
    assert!(policy().permits(&open("https://evil.org", "h2c"), true));
}

#[test]
fn a_host_that_is_none_is_nobodys_own() {
    for (host, origin) in [
        ("", "https://"),
        (":443", "https://:443"),
        ("", "https://:443"),
    ] {
        assert!(
            !policy().permits(&post(&[("host", host), ("origin", origin)]), true),
            "{host:?} {origin:?}"
        );
    }
    assert!(is_below_localhost("app.localhost:80") && is_below_localhost("a.b.LOCALHOST"));
    for other in [
        "localhost",
        "applocalhost",
        "localhost.evil.org",
        "[::1]",
        "[a.localhost",
    ] {
        assert!(!is_below_localhost(other), "{other}");
    }
    assert!(!is_loopback("[::1].evil.org"));
    assert!(is_loopback("[::1]:8080") && is_loopback("[::1]") && is_loopback("127.0.0.1:80"));
}
