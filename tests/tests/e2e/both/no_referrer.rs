//! `Origin: null` in a real Chromium: from our own pages that send no referrer, and from pages that
//! are not ours.

use std::sync::{Arc, Mutex};

use lucia::{Auth, CookieOptions, SameSite};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::framework::{Data, Headers, Path, Query, Response, Routes, answer, auth_request, serve};
use crate::support::chromium::Driver;
use crate::support::{PASSWORD, Stage, eventually, sign_up};

/// What came of a request.
#[derive(Clone, Debug)]
struct Seen {
    name: String,
    origin: Option<String>,
    site: Option<String>,
    accepted: bool,
    signed_in: bool,
}

type All = Arc<Mutex<Vec<Seen>>>;

/// The request of this name, once it is there.
async fn wait_for(all: &All, name: &str) -> Seen {
    let find = || {
        let all = all.lock().unwrap();
        all.iter().find(|seen| seen.name == name).cloned()
    };
    eventually(async || find().is_some()).await;
    find().unwrap()
}

/// A page, and how it is sent.
#[derive(Deserialize)]
struct Page {
    html: String,
    policy: Option<String>,
}

async fn page(page: Query<Page>) -> Response {
    let policy = page
        .policy
        .as_deref()
        .unwrap_or("strict-origin-when-cross-origin");
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("referrer-policy", policy),
    ];
    answer(200, &headers, &page.html)
}

#[derive(Deserialize)]
struct Hop {
    to: String,
}

/// Sends a request on, with its method and body.
async fn hop(hop: Query<Hop>) -> Response {
    answer(307, &[("location", &hop.to)], "")
}

#[auth_request]
async fn change(all: Data<All>, name: Path<String>, headers: Headers) -> lucia::Result<Response> {
    let accepted = auth_request.check_origin().is_ok();
    let signed_in = auth_request.validate().await?.is_some();
    let seen = Seen {
        name: (*name).clone(),
        origin: headers.one("origin"),
        site: headers.one("sec-fetch-site"),
        accepted,
        signed_in,
    };
    all.lock().unwrap().push(seen);
    Ok(answer(200, &[], "changed"))
}

#[auth_request]
async fn sign_in(auth: Data<Auth>) -> lucia::Result<&'static str> {
    let key = auth.verify_password(("username", "ada"), PASSWORD).await?;
    let session = auth.create_session(&key).await?;
    auth_request.set_session(Some(&session));
    Ok("signed in")
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn page_at(origin: &str, html: &str, policy: &str) -> String {
    format!("{origin}/page?policy={policy}&html={}", encoded(html))
}

/// A form that sends itself.
fn form_to(action: &str) -> String {
    format!(
        "<form method=post action='{action}'></form><script>document.forms[0].submit()</script>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_sends_null_for_our_own_pages_without_a_referrer_and_only_those_are_believed() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let stage = Stage::sqlite().await;
    // Comes along from everywhere, so that it is the check of the origin that decides.
    let cookie = CookieOptions::new().same_site(SameSite::None);
    let auth = stage.builder().await.cookie(cookie).build().unwrap();
    sign_up(&auth, "ada").await;
    let all = All::default();
    let routes = Routes::default()
        .post("/sign-in", sign_in)
        .get("/page", page)
        .any("/hop", hop)
        .any("/change/{name}", change)
        .give(all.clone());
    let site = serve(auth.clone(), routes.clone()).await;
    let hostile = serve(auth, routes).await;
    // Chromium says where requests come from to hosts that it trusts, as this one.
    let own = format!("http://localhost:{}", site.address().port());
    let other_port = format!("http://localhost:{}", hostile.address().port());
    let hostile = hostile.origin();
    let browser = driver.browser("").await;

    // Signing in by a form on a page that sends no referrer.
    let sign_in = page_at(&own, &form_to("/sign-in"), "no-referrer");
    browser.open(&sign_in).await;
    eventually(async || browser.path().await == "/sign-in").await;

    let change = |name: &str| format!("{own}/change/{name}");
    let fetch = |name: &str| {
        let url = change(name);
        format!(
            "<script>fetch('{url}', {{method: 'POST', referrerPolicy: 'no-referrer', credentials: 'include', mode: 'no-cors'}})</script>"
        )
    };
    let sandboxed =
        |src: &str| format!("<iframe sandbox='allow-scripts allow-forms' src='{src}'></iframe>");
    let same_origin = [
        (
            "form",
            page_at(&own, &form_to(&change("form")), "no-referrer"),
        ),
        ("fetch", page_at(&own, &fetch("fetch"), "unsafe-url")),
        (
            "frame",
            page_at(
                &own,
                &format!(
                    "<iframe src='{}'></iframe>",
                    page_at(&own, &form_to(&change("frame")), "no-referrer")
                ),
                "no-referrer",
            ),
        ),
        (
            "hop",
            page_at(
                &own,
                &form_to(&format!("{own}/hop?to={}", encoded(&change("hop")))),
                "no-referrer",
            ),
        ),
    ];
    for (name, page) in &same_origin {
        browser.open(page).await;
        let seen = wait_for(&all, name).await;
        assert_eq!(seen.site.as_deref(), Some("same-origin"), "{seen:?}");
        // Chromium tells the origin of a `fetch` whatever the policy says.
        if *name != "fetch" {
            assert_eq!(seen.origin.as_deref(), Some("null"), "{seen:?}");
        }
        assert!(seen.accepted && seen.signed_in, "{seen:?}");
    }
    // With a referrer, as ever.
    browser
        .open(&page_at(&own, &form_to(&change("plain")), "same-origin"))
        .await;
    let seen = wait_for(&all, "plain").await;
    assert_eq!(seen.origin.as_deref(), Some(own.as_str()));
    assert!(seen.accepted && seen.signed_in, "{seen:?}");

    let foreign = [
        (
            "hostile-form",
            page_at(&hostile, &form_to(&change("hostile-form")), "no-referrer"),
        ),
        (
            "hostile-fetch",
            page_at(&hostile, &fetch("hostile-fetch"), "no-referrer"),
        ),
        (
            "port-form",
            page_at(&other_port, &form_to(&change("port-form")), "no-referrer"),
        ),
        (
            "hostile-sandbox",
            page_at(
                &hostile,
                &sandboxed(&page_at(
                    &hostile,
                    &form_to(&change("hostile-sandbox")),
                    "no-referrer",
                )),
                "no-referrer",
            ),
        ),
        (
            "hostile-srcdoc",
            page_at(
                &hostile,
                &format!(
                    "<iframe sandbox='allow-scripts allow-forms' srcdoc=\"{}\"></iframe>",
                    form_to(&change("hostile-srcdoc"))
                ),
                "no-referrer",
            ),
        ),
        // What is sandboxed of our own is not ours any more: pages that users have written.
        (
            "own-sandbox",
            page_at(
                &own,
                &sandboxed(&page_at(
                    &own,
                    &form_to(&change("own-sandbox")),
                    "no-referrer",
                )),
                "no-referrer",
            ),
        ),
        (
            "own-sandbox-fetch",
            page_at(
                &own,
                &sandboxed(&page_at(&own, &fetch("own-sandbox-fetch"), "no-referrer")),
                "no-referrer",
            ),
        ),
        (
            "hostile-sandbox-of-own",
            page_at(
                &hostile,
                &sandboxed(&page_at(
                    &own,
                    &form_to(&change("hostile-sandbox-of-own")),
                    "no-referrer",
                )),
                "no-referrer",
            ),
        ),
        // From our own page over theirs and back again.
        (
            "round-trip",
            page_at(
                &own,
                &form_to(&format!(
                    "{hostile}/hop?to={}",
                    encoded(&change("round-trip"))
                )),
                "no-referrer",
            ),
        ),
        (
            "hostile-over-own",
            page_at(
                &hostile,
                &form_to(&format!(
                    "{own}/hop?to={}",
                    encoded(&change("hostile-over-own"))
                )),
                "no-referrer",
            ),
        ),
    ];
    for (name, page) in &foreign {
        browser.open(page).await;
        let seen = wait_for(&all, name).await;
        if *name != "hostile-fetch" {
            assert_eq!(seen.origin.as_deref(), Some("null"), "{seen:?}");
        }
        let site = if *name == "port-form" {
            "same-site"
        } else {
            "cross-site"
        };
        assert_eq!(seen.site.as_deref(), Some(site), "{seen:?}");
        assert!(!seen.accepted && !seen.signed_in, "{seen:?}");
    }
}
