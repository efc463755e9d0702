//! Requests from other sites.

use lucia::{Auth, AuthBuilder, Session, TrustedProxy};
use lucia_tests::watch;
use reqwest::Method;

use super::framework::{Response, Routes, answer, auth_request, authenticated, front_page, serve};
use crate::support::{PASSWORD, Reply, Site, Stage, sign_up};

fn routes() -> Routes {
    front_page()
        .post("/change", change)
        .post("/checked", checked)
}

#[authenticated]
async fn change() -> Response {
    answer(204, &[], "")
}

#[auth_request]
async fn checked() -> lucia::Result<Response> {
    auth_request.check_origin()?;
    Ok(answer(204, &[], ""))
}

/// A site reached as `https://app.example.com:8443`, and somebody who is signed in there.
struct Reached {
    stage: Stage,
    site: Site,
    session: Session,
}

impl Reached {
    async fn with(settings: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Self {
        let stage = Stage::postgres().await;
        let auth: Auth = settings(stage.builder().await).build().unwrap();
        let session = sign_up(&auth, "ada").await;
        let site = serve(auth, routes()).await;
        stage.probe.calls();
        Self {
            stage,
            site,
            session,
        }
    }

    async fn post(&self, path: &str, headers: &[(&str, &[u8])]) -> Reply {
        let browser = self.site.browser_of(&self.session);
        let mut request = browser.bare(Method::POST, path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "app.example.com:8443");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        browser.send(request).await
    }

    async fn status(&self, headers: &[(&str, &[u8])]) -> u16 {
        self.post("/change", headers).await.status
    }
}

#[tokio::test]
async fn r26_an_origin_that_is_not_exactly_ours_is_refused() {
    let reached = Reached::with(|settings| settings).await;
    assert_eq!(
        reached
            .status(&[("origin", b"https://app.example.com:8443")])
            .await,
        204
    );
    reached.stage.probe.calls();
    let foreign: [&[u8]; 20] = [
        b"http://app.example.com:8443",
        b"https://app.example.com",
        b"https://app.example.com:443",
        b"https://app.example.com:84430",
        b"https://example.com:8443",
        b"https://evil.app.example.com:8443",
        b"https://app.example.com.evil:8443",
        b"https://evilapp.example.com:8443",
        b"https://app.example.com:8443.evil",
        b"https://app.example.com:8443@evil.example",
        b"https://user@app.example.com:8443",
        b"https://app.example.com:8443/",
        b"https://app.example.com:8443 ,",
        b"app.example.com:8443",
        b"//app.example.com:8443",
        b"null",
        b"",
        b"garbage",
        b"\xff\xfe",
        b"https://app.example.com:8443, https://app.example.com:8443",
    ];
    for origin in foreign {
        let reply = reached.post("/change", &[("origin", origin)]).await;
        let shown = String::from_utf8_lossy(origin).into_owned();
        assert_eq!(reply.status, 403, "{shown}");
        assert!(reply.set_cookies().is_empty(), "{shown}");
    }
    let twice: [(&str, &[u8]); 2] = [("origin", b"https://app.example.com:8443"); 2];
    assert_eq!(reached.status(&twice).await, 403);
    // Nobody was looked up for any of these.
    assert!(reached.stage.probe.calls().is_empty());
}

#[tokio::test]
async fn r26_safe_methods_are_served_whatever_the_origin() {
    let reached = Reached::with(|settings| settings).await;
    let browser = reached.site.browser_of(&reached.session);
    for origin in ["null", "https://evil.example"] {
        let request = browser.bare(Method::GET, "/me").header("origin", origin);
        assert_eq!(browser.send(request).await.status, 200);
    }
}

#[tokio::test]
async fn r27_what_fetch_metadata_calls_foreign_is_refused_also_against_the_origin() {
    let reached = Reached::with(|settings| settings).await;
    let own: (&str, &[u8]) = ("origin", b"https://app.example.com:8443");
    let foreign: (&str, &[u8]) = ("origin", b"https://evil.example");
    for (headers, status) in [
        (&[("sec-fetch-site", b"same-origin" as &[u8])][..], 204),
        (&[("sec-fetch-site", b"none")], 204),
        (&[("sec-fetch-site", b"cross-site")], 403),
        (&[("sec-fetch-site", b"same-site")], 403),
        (&[("sec-fetch-site", b"nonsense")], 403),
        (&[("sec-fetch-site", b"\xff")], 403),
        (&[own, ("sec-fetch-site", b"same-origin")], 204),
        (&[own, ("sec-fetch-site", b"cross-site")], 403),
        (&[own, ("sec-fetch-site", b"same-site")], 403),
        (&[foreign, ("sec-fetch-site", b"same-origin")], 403),
        (&[foreign, ("sec-fetch-site", b"cross-site")], 403),
    ] {
        assert_eq!(reached.status(headers).await, status, "{headers:?}");
    }
}

#[tokio::test]
async fn r28_neither_header_with_a_cookie_is_refused_unless_allowed() {
    let reached = Reached::with(|settings| settings).await;
    assert_eq!(reached.status(&[]).await, 403);
    // A client without a cookie has nothing to abuse, and is simply not signed in.
    let browser = reached.site.browser();
    let anonymous = browser.send(browser.bare(Method::POST, "/change")).await;
    assert_eq!(anonymous.status, 401);
    let let_in = browser.send(browser.bare(Method::POST, "/checked")).await;
    assert_eq!(let_in.status, 204);

    let lenient = Reached::with(|settings| settings.allow_missing_origin(true)).await;
    assert_eq!(lenient.status(&[]).await, 204);
    assert_eq!(
        lenient.status(&[("origin", b"https://evil.example")]).await,
        403
    );
}

#[tokio::test]
async fn r29_allowed_origins_are_exact_and_never_a_pattern() {
    let reached =
        Reached::with(|settings| settings.allowed_origins(["https://www.example.com"])).await;
    let cross: (&str, &[u8]) = ("sec-fetch-site", b"same-site");
    assert_eq!(
        reached
            .status(&[("origin", b"https://www.example.com"), cross])
            .await,
        204
    );
    for origin in [
        "http://www.example.com",
        "https://example.com",
        "https://a.www.example.com",
        "https://www.example.com:8443",
    ] {
        assert_eq!(
            reached.status(&[("origin", origin.as_bytes())]).await,
            403,
            "{origin}"
        );
    }
    for pattern in [
        "*",
        "https://*.example.com",
        "*.co.uk",
        "example.com",
        "https://a.example/",
    ] {
        let builder = reached.stage.builder().await;
        assert!(
            builder.allowed_origins([pattern]).build().is_err(),
            "{pattern}"
        );
    }
}

#[tokio::test]
async fn r30_forwarded_headers_count_only_where_the_proxy_is_trusted() {
    let origin: (&str, &[u8]) = ("origin", b"https://public.example");
    let x_forwarded: [(&str, &[u8]); 3] = [
        origin,
        ("x-forwarded-host", b"public.example"),
        ("x-forwarded-proto", b"https"),
    ];
    let forwarded: [(&str, &[u8]); 2] = [
        origin,
        (
            "forwarded",
            b"for=192.0.2.1;host=public.example;proto=https",
        ),
    ];
    let nobody = Reached::with(|settings| settings).await;
    assert_eq!(nobody.status(&x_forwarded).await, 403);
    assert_eq!(nobody.status(&forwarded).await, 403);

    let x = Reached::with(|settings| settings.trusted_proxy(TrustedProxy::XForwarded)).await;
    assert_eq!(x.status(&x_forwarded).await, 204);
    assert_eq!(x.status(&forwarded).await, 403);
    // What a client put before what the proxy wrote does not count.
    let prepended: [(&str, &[u8]); 2] = [
        ("origin", b"https://evil.example"),
        ("x-forwarded-host", b"evil.example, public.example"),
    ];
    assert_eq!(x.status(&prepended).await, 403);

    let standard = Reached::with(|settings| settings.trusted_proxy(TrustedProxy::Forwarded)).await;
    assert_eq!(standard.status(&forwarded).await, 204);
    assert_eq!(standard.status(&x_forwarded).await, 403);
}

#[tokio::test]
async fn signing_in_can_be_kept_to_our_own_pages() {
    let reached = Reached::with(|settings| settings).await;
    let foreign: [(&str, &[u8]); 1] = [("origin", b"https://evil.example")];
    let reply = reached.post("/checked", &foreign).await;
    assert_eq!(reply.status, 403);
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn a_login_that_another_site_sends_gets_no_cookie_and_is_logged() {
    let reached = Reached::with(|settings| settings).await;
    let stranger = reached.site.browser();
    let logged = watch(["https://login-csrf.example"]);
    let login = stranger
        .bare(Method::POST, "/login")
        .header("host", "app.example.com:8443")
        .header("origin", "https://login-csrf.example")
        .form(&[("username", "ada"), ("password", PASSWORD)]);
    let reply = stranger.send(login).await;
    assert_eq!(reply.status, 403);
    assert!(reply.set_cookies().is_empty());
    let logged = logged.lines();
    assert!(
        logged.iter().any(|line| line.contains("was refused")),
        "{logged:?}"
    );
}

#[tokio::test]
async fn an_opaque_origin_is_ours_only_where_the_browser_says_that_the_request_is() {
    let reached = Reached::with(|settings| settings).await;
    let null: (&str, &[u8]) = ("origin", b"null");
    let logged = watch(["Origin: null"]);
    for (headers, status) in [
        (
            &[null, ("sec-fetch-site", b"same-origin" as &[u8])][..],
            204,
        ),
        (&[null], 403),
        (&[null, ("sec-fetch-site", b"none")], 403),
        (&[null, ("sec-fetch-site", b"same-site")], 403),
        (&[null, ("sec-fetch-site", b"cross-site")], 403),
        (&[null, ("sec-fetch-site", b"Same-Origin")], 403),
        (
            &[null, ("sec-fetch-site", b"same-origin, same-origin")],
            403,
        ),
        (&[null, null, ("sec-fetch-site", b"same-origin")], 403),
        (
            &[("origin", b"Null"), ("sec-fetch-site", b"same-origin")],
            403,
        ),
        (
            &[
                ("origin", b"null, null"),
                ("sec-fetch-site", b"same-origin"),
            ],
            403,
        ),
        (&[("origin", b""), ("sec-fetch-site", b"same-origin")], 403),
    ] {
        assert_eq!(reached.status(headers).await, status, "{headers:?}");
    }
    let logged = logged.lines();
    let advice = "`Referrer-Policy: same-origin`";
    assert!(
        logged.iter().any(|line| line.contains(advice)),
        "{logged:?}"
    );

    // Signing in, too.
    let login = reached.site.browser();
    let login_with = async |site: &str| {
        let request = login.bare(Method::POST, "/login").header("origin", "null");
        let request = request.header("sec-fetch-site", site.to_owned());
        let form = [("username", "ada"), ("password", PASSWORD)];
        login.send(request.form(&form)).await.set_cookies().len()
    };
    assert_eq!(login_with("cross-site").await, 0);
    assert_eq!(login_with("same-origin").await, 1);
}

#[tokio::test]
async fn a_web_socket_is_opened_by_our_own_pages_alone_whatever_their_referrer_policy() {
    let reached = Reached::with(|settings| settings).await;
    let browser = reached.site.browser_of(&reached.session);
    for (site, status) in [
        (Some("same-origin"), 200),
        (Some("cross-site"), 403),
        (Some("none"), 403),
        (None, 403),
    ] {
        let mut request = browser.bare(Method::GET, "/me").header("origin", "null");
        request = request
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        assert_eq!(browser.send(request).await.status, status, "{site:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_names_the_web_sockets_scheme_means_the_same_connection() {
    let origin: (&str, &[u8]) = ("origin", b"https://public.example");
    let plain: (&str, &[u8]) = ("origin", b"http://public.example");
    let host: (&str, &[u8]) = ("x-forwarded-host", b"public.example");
    let x = Reached::with(|settings| settings.trusted_proxy(TrustedProxy::XForwarded)).await;
    for (origin, protos, status) in [
        (origin, &[b"wss" as &[u8]][..], 204),
        (origin, &[b"WSS"], 204),
        (origin, &[b" Wss "], 204),
        (origin, &[b"http, wss"], 204),
        (origin, &[b"ws", b"wss"], 204),
        (origin, &[b"ws"], 403),
        (origin, &[b"wss, ws"], 403),
        (origin, &[b"wss", b"ws"], 403),
        (plain, &[b"ws"], 204),
        (plain, &[b"WS"], 204),
        (plain, &[b"wss,ws"], 204),
        (plain, &[b"wss"], 403),
    ] {
        let mut headers = vec![origin, host];
        headers.extend(protos.iter().map(|proto| ("x-forwarded-proto", *proto)));
        let shown = String::from_utf8_lossy(protos[0]).into_owned();
        assert_eq!(x.status(&headers).await, status, "{shown} {headers:?}");
    }
    let standard = Reached::with(|settings| settings.trusted_proxy(TrustedProxy::Forwarded)).await;
    for (origin, forwarded, status) in [
        (origin, b"host=public.example;proto=wss" as &[u8], 204),
        (origin, b"Host=public.example; Proto=\"WSS\"", 204),
        (origin, b"proto=ws, host=public.example;proto=wss", 204),
        (origin, b"host=public.example;proto=ws", 403),
        (plain, b"host=public.example;proto=ws", 204),
    ] {
        let headers = [origin, ("forwarded", forwarded)];
        assert_eq!(standard.status(&headers).await, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_ends_tls_on_this_machine_and_keeps_the_host_is_believed_by_the_browsers_word()
{
    let same: (&str, &[u8]) = ("sec-fetch-site", b"same-origin");
    let production = Reached::with(|settings| settings).await;
    let logged = watch(["differs from", "only in its scheme"]);
    for (host, origin) in [
        ("localhost", "https://localhost"),
        ("localhost:8443", "https://localhost:8443"),
        ("LOCALHOST", "https://localhost"),
        ("127.0.0.1", "https://127.0.0.1"),
        ("127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("[::1]", "https://[::1]"),
        ("[::1]:8443", "https://[::1]:8443"),
        ("app.localhost", "https://app.localhost"),
        ("app.localhost:8443", "https://app.localhost:8443"),
    ] {
        let host: (&str, &[u8]) = ("host", host.as_bytes());
        let given: (&str, &[u8]) = ("origin", origin.as_bytes());
        let plain = origin
            .replace("https:", "http:")
            .replace("localhost:443", "localhost");
        let plain: (&str, &[u8]) = ("origin", plain.as_bytes());
        assert_eq!(
            production.status(&[host, given, same]).await,
            204,
            "{origin}"
        );
        // Without the browser's word, one of the two is another origin.
        let by_https = production.status(&[host, given]).await;
        let by_http = production.status(&[host, plain]).await;
        let in_person: (&str, &[u8]) = ("sec-fetch-site", b"none");
        assert_eq!(production.status(&[host, given, in_person]).await, by_https);
        let is_below = origin.contains("app.localhost");
        let expected = if is_below { (204, 403) } else { (403, 204) };
        assert_eq!((by_https, by_http), expected, "{origin}");
        assert_eq!(
            production.status(&[host, plain, same]).await,
            204,
            "{origin}"
        );
        for site in ["same-site", "cross-site", "nonsense"] {
            let site: (&str, &[u8]) = ("sec-fetch-site", site.as_bytes());
            assert_eq!(
                production.status(&[host, given, site]).await,
                403,
                "{origin}"
            );
        }
    }
    let logged = logged.lines();
    let advice = "`trusted_proxy`";
    assert!(
        logged.iter().any(|line| line.contains(advice)),
        "{logged:?}"
    );
    for (host, origin) in [
        ("localhost", "https://localhost:8443"),
        ("localhost:8443", "https://localhost"),
        ("localhost:8443", "https://localhost:8444"),
        ("localhost", "https://127.0.0.1"),
        ("app.localhost", "https://localhost"),
        ("app.localhost", "https://other.localhost"),
        ("localhost.evil.example", "http://localhost.evil.example"),
        ("evillocalhost", "http://evillocalhost"),
        ("app.example.com:8443", "http://app.example.com:8443"),
    ] {
        let host: (&str, &[u8]) = ("host", host.as_bytes());
        let given: (&str, &[u8]) = ("origin", origin.as_bytes());
        assert_eq!(
            production.status(&[host, given, same]).await,
            403,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn in_development_a_proxy_that_ends_tls_is_believed_by_the_browsers_word() {
    let development =
        Reached::with(|settings| settings.environment(lucia::Environment::Development)).await;
    let same: (&str, &[u8]) = ("sec-fetch-site", b"same-origin");
    for host in ["localhost:8443", "dev.example:8443", "192.168.1.5"] {
        let origin = format!("https://{host}");
        let given: (&str, &[u8]) = ("origin", origin.as_bytes());
        let host: (&str, &[u8]) = ("host", host.as_bytes());
        assert_eq!(
            development.status(&[host, given, same]).await,
            204,
            "{origin}"
        );
        assert_eq!(development.status(&[host, given]).await, 403, "{origin}");
    }
}
