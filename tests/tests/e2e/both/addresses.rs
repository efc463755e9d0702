//! The address of a client, by which attempts to sign in are counted.

use std::net::{IpAddr, Ipv6Addr};

use lucia::{Password, TrustedProxy};
use lucia_tests::watch;
use serde::Deserialize;

use super::framework::{Form, Response, Routes, answer, auth_request, serve, serve_at};
use crate::support::{PASSWORD, Site, Stage, on_each_store, sign_up};

on_each_store![
    r34_behind_a_proxy_each_client_has_its_own_count,
    r36_a_client_of_an_ipv6_listener_has_one_count_with_its_ipv4_address,
];

#[auth_request]
async fn address() -> Response {
    // Asked twice, it says the same.
    let address = auth_request.client_address();
    assert_eq!(address, auth_request.client_address());
    answer(200, &[], &format!("{address:?}"))
}

#[derive(Deserialize)]
struct Attempt {
    username: String,
    password: String,
}

#[auth_request]
async fn login(Form(form): Form<Attempt>) -> lucia::Result<Response> {
    let password = Password::new(("username", &form.username), &form.password);
    auth_request.sign_in(password).await?;
    Ok(answer(204, &[], ""))
}

fn routes() -> Routes {
    Routes::default()
        .get("/address", address)
        .post("/address", address)
        .post("/login", login)
}

/// A site behind so many proxies, or none.
async fn behind(stage: &Stage, proxies: Option<(TrustedProxy, u8)>) -> Site {
    let mut builder = stage.builder().await;
    if let Some((kind, hops)) = proxies {
        builder = builder.trusted_proxy(kind).proxy_hops(hops);
    }
    serve(builder.build().unwrap(), routes()).await
}

/// What the site takes for the address of a request with these header lines, by either method.
async fn seen(site: &Site, lines: &[&[u8]]) -> String {
    let got = site.exchange("GET /address", lines, b"").await;
    let posted = site.exchange("POST /address", lines, b"").await;
    assert_eq!((got.status, posted.status), (200, 200));
    assert_eq!(got.body, posted.body);
    got.body
}

async fn status(site: &Site, password: &str, line: &[u8]) -> u16 {
    let body = format!("username=ada&password={}", password.replace(' ', "+"));
    let form: &[u8] = b"content-type: application/x-www-form-urlencoded";
    let lines = [form, line];
    let reply = site.exchange("POST /login", &lines, body.as_bytes()).await;
    reply.status
}

#[tokio::test]
async fn r34_without_a_proxy_the_peer_is_the_client_whatever_headers_say() {
    let stage = Stage::sqlite().await;
    let logged = watch(["no proxy is trusted"]);
    let site = behind(&stage, None).await;
    assert_eq!(seen(&site, &[]).await, "Some(127.0.0.1)");
    assert_eq!(logged.lines().len(), 0);
    for line in ["X-Forwarded-For: 9.9.9.9", "Forwarded: for=9.9.9.9"] {
        assert_eq!(seen(&site, &[line.as_bytes()]).await, "Some(127.0.0.1)");
    }
    // Other tests of this process send such headers, too; each `Auth` says it once.
    let lines = logged.lines();
    assert!(!lines.is_empty(), "{lines:?}");
    assert!(
        lines[0].contains("`AuthBuilder::trusted_proxy`"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn r34_the_element_of_the_outermost_trusted_proxy_is_the_client() {
    let stage = Stage::sqlite().await;
    for (hops, lines, expected) in [
        (1, vec!["X-Forwarded-For: 192.0.2.1"], "Some(192.0.2.1)"),
        (
            1,
            vec!["X-Forwarded-For: 9.9.9.9, 192.0.2.1"],
            "Some(192.0.2.1)",
        ),
        (
            1,
            vec!["X-Forwarded-For: 9.9.9.9", "X-Forwarded-For: 192.0.2.1"],
            "Some(192.0.2.1)",
        ),
        (
            1,
            vec!["x-forwarded-for:", "X-FORWARDED-FOR: [2001:db8::1]:443"],
            "Some(2001:db8::1)",
        ),
        (
            2,
            vec!["X-Forwarded-For: 9.9.9.9, 192.0.2.1, 10.0.0.2"],
            "Some(192.0.2.1)",
        ),
        (
            2,
            vec![
                "X-Forwarded-For: 9.9.9.9",
                "X-Forwarded-For: 192.0.2.1,10.0.0.2:80",
            ],
            "Some(192.0.2.1)",
        ),
        (2, vec!["X-Forwarded-For: 192.0.2.1"], "None"),
        (1, vec!["X-Forwarded-For: 9.9.9.9, unknown"], "None"),
        (1, vec!["Forwarded: for=9.9.9.9"], "None"),
        (1, vec![], "None"),
    ] {
        let site = behind(&stage, Some((TrustedProxy::XForwarded, hops))).await;
        let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(seen(&site, &lines).await, expected, "{lines:?}");
    }
    for (hops, lines, expected) in [
        (
            1,
            vec!["Forwarded: for=9.9.9.9;host=\", for=\"[2001:db8::1]:443\";proto=https"],
            "Some(2001:db8::1)",
        ),
        (
            2,
            vec![
                "Forwarded: for=192.0.2.1;proto=https",
                "Forwarded: for=10.0.0.2",
            ],
            "Some(192.0.2.1)",
        ),
        (1, vec!["Forwarded: for=9.9.9.9, for=_hidden"], "None"),
        (1, vec!["X-Forwarded-For: 9.9.9.9"], "None"),
    ] {
        let site = behind(&stage, Some((TrustedProxy::Forwarded, hops))).await;
        let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(seen(&site, &lines).await, expected, "{lines:?}");
    }
    let site = behind(&stage, Some((TrustedProxy::XForwarded, 1))).await;
    let spoofed: &[u8] = b"X-Forwarded-For: 9.9.9.9\xff, 192.0.2.1";
    assert_eq!(seen(&site, &[spoofed]).await, "Some(192.0.2.1)");
    let unreadable: &[u8] = b"X-Forwarded-For: 9.9.9.9, 192.0.2.1\xff";
    assert_eq!(seen(&site, &[unreadable]).await, "None");
}

#[tokio::test]
async fn a_header_that_is_missing_or_cannot_be_read_is_logged_with_what_to_write() {
    let stage = Stage::sqlite().await;
    // No other test counts 77 or 78 proxies.
    let hops = 77 + u8::from(std::any::type_name::<Response>().contains("actix"));
    let logged = watch([format!("has fewer than {hops} elements")]);
    let site = behind(&stage, Some((TrustedProxy::XForwarded, hops))).await;
    for _ in 0..3 {
        let line: &[u8] = b"X-Forwarded-For: 192.0.2.1";
        assert_eq!(seen(&site, &[line]).await, "None");
    }
    let lines = logged.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("WARN") && lines[0].contains("`proxy_hops`"),
        "{lines:?}"
    );

    let logged = watch(["has no `X-Forwarded-For` header"]);
    assert_eq!(seen(&site, &[]).await, "None");
    let lines = logged.lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("let the proxy write it")),
        "{lines:?}"
    );
}

async fn r34_behind_a_proxy_each_client_has_its_own_count(stage: Stage) {
    let auth = stage
        .builder()
        .await
        .trusted_proxy(TrustedProxy::XForwarded);
    let auth = auth.build().unwrap();
    sign_up(&auth, "ada").await;
    let site = serve(auth, routes()).await;
    for attempt in 0..10 {
        // A guesser makes up another address each time.
        let line = format!("X-Forwarded-For: 9.9.9.{attempt}, 192.0.2.1");
        assert_eq!(
            status(&site, "wrong horse battery", line.as_bytes()).await,
            401
        );
    }
    let again: &[u8] = b"X-Forwarded-For: 9.9.9.99, 192.0.2.1";
    assert_eq!(status(&site, PASSWORD, again).await, 429);
    let owner: &[u8] = b"X-Forwarded-For: 192.0.2.2";
    assert_eq!(status(&site, PASSWORD, owner).await, 204);
}

async fn r36_a_client_of_an_ipv6_listener_has_one_count_with_its_ipv4_address(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let everywhere = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let dual = serve_at(auth.clone(), everywhere, routes()).await;
    assert_eq!(seen(&dual, &[]).await, "Some(127.0.0.1)");
    let plain = serve(auth, routes()).await;
    for attempt in 0..10 {
        let site = if attempt % 2 == 0 { &dual } else { &plain };
        assert_eq!(status(site, "wrong horse battery", b"x: y").await, 401);
    }
    assert_eq!(status(&dual, PASSWORD, b"x: y").await, 429);
    assert_eq!(status(&plain, PASSWORD, b"x: y").await, 429);
}
