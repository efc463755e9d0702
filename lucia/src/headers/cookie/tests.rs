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
