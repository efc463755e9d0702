use super::*;

fn token(letter: &str) -> SessionToken {
    SessionToken::parse(&letter.repeat(40)).unwrap()
}

fn default() -> CookieConfig {
    CookieOptions::new().build(true).unwrap()
}

fn read(headers: &[&[u8]]) -> Presented {
    default().read(headers.iter().copied())
}

#[test]
fn r07_the_default_cookie_is_secure_http_only_lax_for_the_whole_host() {
    let cookie = default()
        .set(&token("a"), Some(UnixMillis(60_000)), UnixMillis(0))
        .to_string();
    let mut parts: Vec<&str> = cookie.split("; ").collect();
    assert_eq!(
        parts.remove(0),
        format!("__Host-auth_session={}", "a".repeat(40))
    );
    parts.sort_unstable();
    assert_eq!(
        parts,
        [
            "Expires=Thu, 01 Jan 1970 00:01:00 GMT",
            "HttpOnly",
            "Max-Age=60",
            "Path=/",
            "SameSite=Lax",
            "Secure",
        ]
    );
}

#[test]
fn in_development_the_cookie_is_plain() {
    let config = CookieOptions::new().build(false).unwrap();
    let cookie = config
        .set(&token("a"), Some(UnixMillis(60_000)), UnixMillis(0))
        .to_string();
    assert!(cookie.starts_with("auth_session="), "{cookie}");
    assert!(!cookie.contains("Secure"), "{cookie}");
}

#[test]
fn options_are_merged_over_the_defaults() {
    let config = CookieOptions::new()
        .same_site(SameSite::Strict)
        .build(true)
        .unwrap();
    let cookie = config
        .set(&token("a"), Some(UnixMillis(60_000)), UnixMillis(0))
        .to_string();
    for kept in [
        "__Host-auth_session=",
        "Path=/",
        "HttpOnly",
        "Secure",
        "SameSite=Strict",
    ] {
        assert!(cookie.contains(kept), "{kept}: {cookie}");
    }
}

#[test]
fn r08_a_host_cookie_is_refused_with_a_domain_another_path_or_insecure() {
    let options = CookieOptions::new;
    for (options, secure, setting) in [
        (options().domain("example.com"), true, "cookie.domain"),
        (options().path("/app"), true, "cookie.path"),
        (options().name("__Host-x"), false, "cookie.name"),
        (options().name("__host-x"), false, "cookie.name"),
        (options().name("__Secure-x"), false, "cookie.name"),
        (
            options().same_site(SameSite::None),
            false,
            "cookie.same_site",
        ),
    ] {
        match options.build(secure) {
            Err(Error::Setting { setting: named, .. }) => assert_eq!(named, setting),
            other => panic!("{setting}: {other:?}"),
        }
    }
    let named = CookieOptions::new()
        .name("__Secure-session")
        .domain("example.com")
        .path("/app");
    assert!(named.build(true).is_ok());
}

#[test]
fn r10_the_removal_cookie_repeats_name_path_domain_and_flags() {
    let options = CookieOptions::new()
        .name("sid")
        .path("/app")
        .domain("example.com");
    let config = options.same_site(SameSite::Strict).build(true).unwrap();
    let removal = config.removal();
    assert!(removal.is_removal());
    let removal = removal.to_string();
    for part in [
        "sid=;",
        "Path=/app",
        "Domain=example.com",
        "HttpOnly",
        "Secure",
        "SameSite=Strict",
        "Max-Age=0",
        "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ] {
        assert!(removal.contains(part), "{part}: {removal}");
    }
}

#[test]
fn a_cookie_that_ends_with_the_browser_tells_no_time() {
    let config = default();
    let until = |expires| {
        config
            .set(&token("a"), expires, UnixMillis(5_000))
            .to_string()
    };
    let persistent = until(Some(UnixMillis(60_000)));
    let other = until(None);
    let is_time = |part: &&str| part.starts_with("Max-Age=") || part.starts_with("Expires=");
    let times = persistent.split("; ").filter(is_time);
    assert_eq!(times.count(), 2, "{persistent}");
    let rest: Vec<_> = persistent
        .split("; ")
        .filter(|part| !is_time(part))
        .collect();
    assert_eq!(other.split("; ").collect::<Vec<_>>(), rest);
}

#[test]
fn r11_no_cookie_outlives_its_session_or_400_days() {
    let short = default()
        .set(&token("a"), Some(UnixMillis(1_999)), UnixMillis(0))
        .to_string();
    assert!(
        short.contains("Max-Age=1;") || short.ends_with("Max-Age=1"),
        "{short}"
    );
    assert!(short.contains("00:00:01 GMT"), "{short}");
    let long = default()
        .set(&token("a"), Some(UnixMillis(i64::MAX)), UnixMillis(0))
        .to_string();
    assert!(long.contains("Max-Age=34560000"), "{long}");
    assert!(long.contains("Expires=Fri, 05 Feb 1971"), "{long}");
    let expired = default()
        .set(&token("a"), Some(UnixMillis(0)), UnixMillis(5_000))
        .to_string();
    assert!(expired.contains("Max-Age=0"), "{expired}");
}

#[test]
fn r12_what_could_split_a_header_or_overflow_it_is_refused() {
    let long = "x".repeat(4097);
    for bad in ["a;b", "a\r\nb", "a\0b", "a\u{7f}", "é", &long] {
        let path = format!("/{bad}");
        for options in [
            CookieOptions::new().name(bad),
            CookieOptions::new().name("x").path(path),
            CookieOptions::new().name("x").domain(bad),
        ] {
            assert!(
                matches!(options.build(true), Err(Error::Setting { .. })),
                "{bad:?}"
            );
        }
    }
    for name in ["", "a b", "a=b", "a,b", "\"a\""] {
        assert!(
            CookieOptions::new().name(name).build(true).is_err(),
            "{name:?}"
        );
    }
    assert!(
        CookieOptions::new()
            .name("x")
            .path("app")
            .build(true)
            .is_err()
    );
    assert!(
        CookieOptions::new()
            .name("x")
            .domain("")
            .build(true)
            .is_err()
    );
}

#[test]
fn r13_odd_neighbours_never_hide_our_cookie() {
    let ours = format!("__Host-auth_session={}", "a".repeat(40));
    let many = (0..100)
        .map(|n| format!("c{n}=v{n}"))
        .collect::<Vec<_>>()
        .join("; ");
    let mut raw = b"x=\xff\xfe; ".to_vec();
    raw.extend_from_slice(ours.as_bytes());
    for header in [
        format!("a; {ours}").into_bytes(),
        format!("=x; {ours}; =").into_bytes(),
        format!("%db=%ff; {ours}").into_bytes(),
        format!("{many}; {ours}; {many}").into_bytes(),
        format!(";;{ours};;").into_bytes(),
        format!("toString=1; __Host-auth_sessionx=1; x__Host-auth_session=2;{ours}").into_bytes(),
        raw,
    ] {
        assert_eq!(
            read(&[&header]),
            Presented::Token(token("a")),
            "{}",
            String::from_utf8_lossy(&header)
        );
    }
    assert_eq!(
        read(&[b"a=1", ours.as_bytes(), b"b=2"]),
        Presented::Token(token("a"))
    );
}

/// The tokens that are read, sorted, from one header and from one for each cookie, in both orders.
fn candidates(values: &[&str]) -> Vec<String> {
    let cookies: Vec<_> = values
        .iter()
        .map(|value| format!("__Host-auth_session={value}"))
        .collect();
    let reversed: Vec<_> = cookies.iter().rev().cloned().collect();
    let mut answers = Vec::new();
    for cookies in [cookies, reversed] {
        let joined = cookies.join("; ");
        let apart: Vec<_> = cookies.iter().map(String::as_bytes).collect();
        for headers in [&[joined.as_bytes()][..], &apart] {
            let mut tokens = match read(headers) {
                Presented::Nothing => vec!["nothing".to_owned()],
                Presented::Unreadable => vec!["unreadable".to_owned()],
                Presented::Token(token) => vec![token.expose().to_owned()],
                Presented::Several(tokens) => {
                    let tokens = tokens.iter().map(SessionToken::expose);
                    tokens.map(str::to_owned).collect()
                }
                Presented::TooMany => vec!["too many".to_owned()],
            };
            tokens.sort();
            answers.push(tokens);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the order decides: {answers:?}");
    answers.remove(0)
}

#[test]
fn r14_different_tokens_are_candidates_in_either_order_up_to_a_handful() {
    let token = |letter: &str| letter.repeat(40);
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(token);
    assert_eq!(candidates(&[&a, &a, &a, &a, &a]), [&*a]);
    assert_eq!(candidates(&[&a, "", "x", &"A".repeat(40)]), [&*a]);
    assert_eq!(candidates(&["", "x"]), ["unreadable"]);
    assert_eq!(candidates(&[&a, &b]), [&*a, &b]);
    assert_eq!(
        candidates(&[&a, &b, "x", &a, &c, &b, &d]),
        [&*a, &b, &c, &d]
    );
    assert_eq!(candidates(&[&a, &b, &c, &d, &e]), ["too many"]);
    assert_eq!(candidates(&[&a, &b, &c, &d, &e, &a]), ["too many"]);
}

#[test]
fn r15_what_is_no_token_is_unreadable_and_no_panic() {
    for value in [
        Vec::new(),
        vec![b'a'; 8192],
        b"\0".repeat(40),
        "é".repeat(20).into_bytes(),
        b"\xff".repeat(40),
        vec![b'A'; 40],
        format!("\"{}\"", "a".repeat(40)).into_bytes(),
    ] {
        let header = [b"__Host-auth_session=".as_slice(), &value].concat();
        assert_eq!(read(&[&header]), Presented::Unreadable);
    }
    assert_eq!(read(&[b""]), Presented::Nothing);
    assert_eq!(read(&[b"__Host-auth_session"]), Presented::Nothing);
    assert_eq!(read(&[b"__host-auth_session=x"]), Presented::Nothing);
}

#[test]
fn debug_does_not_show_the_token() {
    let cookie = default().set(&token("a"), Some(UnixMillis(60_000)), UnixMillis(0));
    assert!(!format!("{cookie:?}").contains("aaaa"));
}

#[test]
fn r09_none_and_partitioned_are_refused_without_secure() {
    let options = CookieOptions::new;
    for (options, named) in [
        (options().same_site(SameSite::None), "cookie.same_site"),
        (options().partitioned(true), "cookie.partitioned"),
    ] {
        match options.build(false) {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, named),
            other => panic!("{other:?}"),
        }
    }
    let options = CookieOptions::new().same_site(SameSite::None);
    let config = options.partitioned(true).build(true).unwrap();
    for cookie in [config.removal().to_string(), {
        let token = SessionToken::parse(&"a".repeat(40)).unwrap();
        let now = UnixMillis(0);
        config
            .set(&token, Some(UnixMillis(1_000_000)), now)
            .to_string()
    }] {
        assert!(cookie.contains("; Partitioned"), "{cookie}");
        assert!(cookie.contains("; SameSite=None"), "{cookie}");
        assert!(cookie.contains("; Secure"), "{cookie}");
    }
}

#[test]
fn r12_names_paths_and_domains_of_4096_bytes_are_accepted() {
    let long = "x".repeat(4096);
    for options in [
        CookieOptions::new().name(&*long),
        CookieOptions::new()
            .name("x")
            .path(format!("/{}", &long[1..])),
        CookieOptions::new().name("x").domain(&*long),
    ] {
        options.build(true).unwrap();
    }
}

#[test]
fn a_cookie_tells_its_parts_and_debug_no_token() {
    let set = default().set(&token("a"), None, UnixMillis(0));
    assert_eq!(set.name(), "__Host-auth_session");
    assert_eq!(set.value(), "a".repeat(40));
    assert!(!set.is_removal());
    let debug = format!("{set:?}");
    assert!(debug.contains(set.name()), "{debug}");
    assert!(!debug.contains(set.value()), "{debug}");
    for production in [true, false] {
        let config = CookieOptions::new().build(production).unwrap();
        assert_eq!(config.is_secure(), production);
    }
}

#[test]
fn a_removal_for_another_path_or_domain_leaves_the_cookie() {
    let options = CookieOptions::new().name("sid").path("/app");
    let config = options.domain("example.com").build(true).unwrap();
    let cookie = config.set(&token("a"), None, UnixMillis(0));
    for (removal, is_kept) in [
        ("sid=; Path=/; Domain=example.com", true),
        ("sid=; Path=/app; Domain=www.example.com", true),
        ("sid=; Path=/app", true),
        ("sid=; Path=/app; Domain=example.com", false),
        ("sid=; Domain=example.com", false),
        ("sid=a; Path=/; Domain=example.com", false),
        ("sid", false),
    ] {
        assert_eq!(
            cookie.is_kept_by_removal(removal.as_bytes()),
            is_kept,
            "{removal}"
        );
    }
    assert!(!cookie.is_kept_by_removal(b"sid=\xff"));
}
