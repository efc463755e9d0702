use super::*;

struct Fake {
    method: &'static str,
    headers: Vec<(&'static str, Vec<u8>)>,
    peer: Option<IpAddr>,
}

impl RequestInfo for Fake {
    fn method(&self) -> &str {
        self.method
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value.as_slice())
    }

    fn is_tls(&self) -> bool {
        false
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.peer
    }
}

/// A request of 10.0.0.1 with these lines of one header.
fn with(name: &'static str, lines: &[&[u8]]) -> Fake {
    Fake {
        method: "POST",
        headers: lines.iter().map(|line| (name, line.to_vec())).collect(),
        peer: Some([10, 0, 0, 1].into()),
    }
}

fn address(request: &Fake, kind: TrustedProxy, hops: u8) -> Option<String> {
    let client = Client::of(request, Some(Proxies { kind, hops }));
    client.address.ok().map(|address| address.to_string())
}

fn x_forwarded(lines: &[&[u8]], hops: u8) -> Option<String> {
    address(
        &with("x-forwarded-for", lines),
        TrustedProxy::XForwarded,
        hops,
    )
}

fn standard(lines: &[&[u8]], hops: u8) -> Option<String> {
    address(&with("forwarded", lines), TrustedProxy::Forwarded, hops)
}

#[test]
fn r30_without_a_trusted_proxy_the_peer_is_the_client() {
    let mut request = with("x-forwarded-for", &[b"192.0.2.1"]);
    let peer = |request: &Fake| Client::of(request, None);
    assert_eq!(peer(&request).address, Ok([10, 0, 0, 1].into()));
    assert!(peer(&request).is_forwarded);
    request.method = "GET";
    assert!(!peer(&request).is_forwarded);
    request.peer = Some("::ffff:192.0.2.7".parse().unwrap());
    assert_eq!(peer(&request).address, Ok([192, 0, 2, 7].into()));
    request.peer = None;
    assert_eq!(peer(&request).address, Err(NoAddress::NoPeer));
}

#[test]
fn r30_a_trusted_proxy_that_writes_nothing_gives_no_address() {
    let request = with("forwarded", &[b"for=192.0.2.1"]);
    let proxies = Proxies {
        kind: TrustedProxy::XForwarded,
        hops: 1,
    };
    let missing = Err(NoAddress::NoHeader("X-Forwarded-For"));
    assert_eq!(Client::of(&request, Some(proxies)).address, missing);
    assert_eq!(address(&request, TrustedProxy::XForwarded, 1), None);
}

#[test]
fn every_spelling_of_an_address_is_read() {
    for (spelling, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        (" \t192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1"),
        ("192.0.2.1:_http", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:c000:201]:443", "192.0.2.1"),
    ] {
        let lines = [spelling.as_bytes()];
        assert_eq!(
            x_forwarded(&lines, 1).as_deref(),
            Some(expected),
            "{spelling}"
        );
        let quoted = format!("proto=https;FOR=\"{}\" ; by=_us", spelling.trim());
        let read = standard(&[quoted.as_bytes()], 1);
        assert_eq!(read.as_deref(), Some(expected), "{quoted}");
    }
    for (element, expected) in [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For = 192.0.2.1:80;host=a", "192.0.2.1"),
        ("for=2001:db8::1", "2001:db8::1"),
        (r#"for="\192.0.2.\1""#, "192.0.2.1"),
        (r#"host="a,b;for=1.1.1.1";for=192.0.2.1"#, "192.0.2.1"),
        (r#"host="\",for=1.1.1.1";for=192.0.2.1"#, "192.0.2.1"),
        (r#"for=192.0.2.1;host="a\\""#, "192.0.2.1"),
    ] {
        let read = standard(&[element.as_bytes()], 1);
        assert_eq!(read.as_deref(), Some(expected), "{element}");
    }
}

#[test]
fn r34_what_cannot_be_read_is_no_address_and_never_the_one_beside_it() {
    for nonsense in [
        "",
        "unknown",
        "_hidden",
        "unix:",
        "example.com",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:+80",
        "192.0.2.1:80:80",
        "192.0.2.1 192.0.2.2",
        "0xc0000201",
        "[192.0.2.1]",
        "[2001:db8::1",
        "[2001:db8::1]443",
        "2001:db8::1]:443",
        "fe80::1%eth0",
        "\u{661}92.0.2.1",
    ] {
        let value = format!("198.51.100.7, {nonsense}");
        assert_eq!(x_forwarded(&[value.as_bytes()], 1), None, "{nonsense:?}");
        let lines: [&[u8]; 2] = [b"198.51.100.7", nonsense.as_bytes()];
        assert_eq!(x_forwarded(&lines, 1), None, "{nonsense:?}");
        let value = format!("for=198.51.100.7, for=\"{nonsense}\"");
        assert_eq!(standard(&[value.as_bytes()], 1), None, "{nonsense:?}");
    }
    for element in [
        "for=",
        "for",
        "host=a",
        "for=192.0.2.1;for=192.0.2.2",
        "for=\"192.0.2.1",
        "for=192.0.2.1\"",
        "for=192.0.2.1\\",
        "xfor=192.0.2.1",
    ] {
        let value = format!("for=198.51.100.7,{element}");
        assert_eq!(standard(&[value.as_bytes()], 1), None, "{element}");
    }
    // Bytes that are no text.
    assert_eq!(x_forwarded(&[b"198.51.100.7, 192.0.2.\xff"], 1), None);
    assert_eq!(
        standard(&[b"for=198.51.100.7, for=192.0.2.1;\xff"], 1),
        None
    );
}

#[test]
fn r34_elements_are_counted_from_the_right_over_all_lines() {
    let lines: [&[u8]; 3] = [b"1.1.1.1, 2.2.2.2", b"3.3.3.3", b",4.4.4.4"];
    for (hops, expected) in [
        (1, Some("4.4.4.4")),
        (2, None), // It is empty, and no reason to look further.
        (3, Some("3.3.3.3")),
        (4, Some("2.2.2.2")),
        (5, Some("1.1.1.1")),
        (6, None),
        (255, None),
    ] {
        assert_eq!(x_forwarded(&lines, hops).as_deref(), expected, "{hops}");
        let standard_lines = lines.map(|line| {
            let elements = std::str::from_utf8(line).unwrap().split(',');
            let elements = elements.map(|element| format!("for={}", element.trim()));
            elements.collect::<Vec<_>>().join(",").into_bytes()
        });
        let standard_lines = standard_lines.each_ref().map(Vec::as_slice);
        assert_eq!(standard(&standard_lines, hops).as_deref(), expected);
    }
}

#[test]
fn r34_nothing_that_a_client_sends_before_a_proxy_appends_changes_the_address() {
    let long = "9.9.9.9,".repeat(100_000);
    let quotes = "\"\\".repeat(1000);
    for sent in [
        "9.9.9.9",
        "9.9.9.9, 8.8.8.8",
        ",,,",
        "\"",
        "for=\"",
        "for=9.9.9.9;host=\"",
        "for=\"9.9.9.9\\",
        "\\",
        "\\\"",
        &long,
        &quotes,
    ] {
        for (hops, appended) in [(1, "192.0.2.1"), (2, "192.0.2.1, 10.0.0.2")] {
            let expected = Some("192.0.2.1");
            let x = format!("{sent}, {appended}");
            assert_eq!(x_forwarded(&[x.as_bytes()], hops).as_deref(), expected);
            let lines = [sent.as_bytes(), appended.as_bytes()];
            assert_eq!(x_forwarded(&lines, hops).as_deref(), expected);
            let appended = appended.replace(", ", "\", for=\"");
            let appended = format!("for=\"{appended}\"");
            let joined = format!("{sent}, {appended}");
            let read = standard(&[joined.as_bytes()], hops);
            assert_eq!(read.as_deref(), expected, "{:.40}", joined);
            let lines = [sent.as_bytes(), appended.as_bytes()];
            assert_eq!(standard(&lines, hops).as_deref(), expected);
        }
    }
    let mut sent = with("x-forwarded-for", &[b"\xff\xfe", b"9.9.9.9\xff, 192.0.2.1"]);
    assert_eq!(
        address(&sent, TrustedProxy::XForwarded, 1).as_deref(),
        Some("192.0.2.1")
    );
    sent.headers.push(("forwarded", b"for=9.9.9.9".to_vec()));
    assert_eq!(
        address(&sent, TrustedProxy::XForwarded, 1).as_deref(),
        Some("192.0.2.1")
    );
}

/// Whatever a client sends, made of what means something in these headers.
#[test]
fn r34_no_mixture_of_separators_changes_the_address() {
    const PARTS: [&str; 9] = ["\"", "\\", ",", ";", "for=", "9.9.9.9", " ", "[", "="];
    let parts = PARTS.len();
    for number in 0..parts.pow(5) {
        let digits = (0..5u32).map(|digit| number / parts.pow(digit) % parts);
        let sent: String = digits.map(|digit| PARTS[digit]).collect();
        let x = format!("{sent},192.0.2.1");
        let read = x_forwarded(&[x.as_bytes()], 1);
        assert_eq!(read.as_deref(), Some("192.0.2.1"), "{x}");
        let forwarded = format!("{sent},host=\"a,\\\"\";for=\"[2001:db8::1]:4\"");
        let read = standard(&[forwarded.as_bytes()], 1);
        assert_eq!(read.as_deref(), Some("2001:db8::1"), "{forwarded}");
    }
}

#[test]
fn elements_that_are_too_long_are_not_read() {
    let padded = |length| format!("{}192.0.2.1", " ".repeat(length));
    assert!(x_forwarded(&[padded(LONGEST / 2).as_bytes()], 1).is_some());
    assert_eq!(x_forwarded(&[padded(LONGEST).as_bytes()], 1), None);
    assert_eq!(x_forwarded(&[padded(10_000_000).as_bytes()], 1), None);
}

#[test]
fn the_host_and_the_scheme_are_in_the_element_that_has_the_address() {
    let x = |headers: &[(&'static str, &str)], hops| {
        let request = Fake {
            method: "POST",
            headers: headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes().to_vec()))
                .collect(),
            peer: None,
        };
        let kind = TrustedProxy::XForwarded;
        let (host, scheme) = Proxies { kind, hops }.host_and_scheme(&request);
        format!(
            "{}://{}",
            scheme.unwrap_or_default(),
            host.unwrap_or_default()
        )
    };
    let appended = [
        ("x-forwarded-host", "evil.org, example.com, inner"),
        ("x-forwarded-proto", "ftp, https, http"),
    ];
    assert_eq!(x(&appended, 1), "http://inner");
    assert_eq!(x(&appended, 2), "https://example.com");
    let overwritten = [
        ("x-forwarded-host", "example.com"),
        ("x-forwarded-proto", "https"),
    ];
    assert_eq!(x(&overwritten, 3), "https://example.com");
    assert_eq!(x(&[], 1), "://");

    let request = with(
        "forwarded",
        &[b"for=9.9.9.9;host=evil.org, for=192.0.2.1;host=\"example.com:8443\";proto=https, for=b;host=inner"],
    );
    let of = |hops| {
        let kind = TrustedProxy::Forwarded;
        Proxies { kind, hops }.host_and_scheme(&request)
    };
    let [host, scheme] = ["example.com:8443", "https"].map(|text| Some(text.to_owned()));
    assert_eq!(of(2), (host, scheme));
    assert_eq!(of(4), (None, None));
}
