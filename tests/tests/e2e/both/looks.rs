//! `AuthBuilder::denials`: how lucia's errors look to clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lucia::{Auth, AuthRequest, Denial, DenialBody, Error, Guard, MaybeUser, Session, User};
use lucia_tests::watch;
use reqwest::Method;
use serde_json::{Value, json};

use super::framework::{
    Json, Response, Routes, answer, auth_request, authenticated, serve, serve_without_auth,
};
use crate::support::{Browser, Profile, Reply, Site, Stage, Teapot, on_each_store, sign_up};

on_each_store![every_way_to_an_error_has_the_look_of_the_application];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every way to a denial: what stands in front of the handler, in its parameters, or in its body.
const REFUSING: [&str; 8] = [
    "/attribute",
    "/protected/open",
    "/guarded/open",
    "/plain/user",
    "/plain/session",
    "/user-below-attribute",
    "/plain/question-mark",
    "/question-mark-below-attribute",
];

fn routes(auth: &Auth) -> Routes {
    let open = || Routes::default().any("/open", open);
    let plain = Routes::default()
        .any("/attribute", attribute)
        .any("/user", user)
        .any("/session", session)
        .any("/maybe-user", maybe_user)
        .any("/question-mark", question_mark)
        .any("/duplicate-key", duplicate_key)
        .any("/own-error", own_error)
        .any("/own-response", own_response);
    Routes::default()
        .any("/attribute", attribute)
        .any("/redirecting-attribute", redirecting_attribute)
        .any("/bearer", bearer)
        .any("/forbidden", forbidden)
        .any("/user-below-attribute", user_below_attribute)
        .any(
            "/question-mark-below-attribute",
            question_mark_below_attribute,
        )
        .any(
            "/duplicate-key-below-attribute",
            duplicate_key_below_attribute,
        )
        .any("/own-error-below-attribute", own_error_below_attribute)
        .post("/json", reads_json)
        .below("/plain", plain.wrapped(auth))
        .below("/protected", open().protected(auth))
        .below(
            "/wrapped-twice",
            Routes::default()
                .below("/protected", open().protected(auth))
                .wrapped(auth),
        )
        .below("/redirecting", open().protected_or_redirect(auth, "/login"))
        .below("/guarded", open().guarded(auth, Guard::authenticated()))
}

async fn open() -> &'static str {
    "open"
}

#[authenticated]
async fn attribute() -> &'static str {
    "attribute"
}

#[authenticated(redirect = "/login")]
async fn redirecting_attribute() -> &'static str {
    ""
}

#[authenticated(bearer)]
async fn bearer() -> &'static str {
    ""
}

fn never(_: User<Profile>) -> bool {
    false
}

#[authenticated(permit = never)]
async fn forbidden() -> &'static str {
    ""
}

async fn user(_: User) -> &'static str {
    ""
}

async fn session(_: Session) -> &'static str {
    ""
}

async fn maybe_user(_: MaybeUser) -> &'static str {
    "anybody"
}

#[auth_request]
async fn user_below_attribute(_: User) -> &'static str {
    ""
}

async fn question_mark(auth_request: AuthRequest) -> lucia::Result<&'static str> {
    auth_request.require().await?;
    Ok("")
}

#[auth_request]
async fn question_mark_below_attribute() -> lucia::Result<&'static str> {
    auth_request.require().await?;
    Ok("")
}

async fn duplicate_key() -> lucia::Result<&'static str> {
    Err(Error::DuplicateKey)
}

#[auth_request]
async fn duplicate_key_below_attribute() -> lucia::Result<&'static str> {
    Err(Error::DuplicateKey)
}

async fn own_error() -> Result<&'static str, Teapot> {
    Err(Teapot)
}

#[auth_request]
async fn own_error_below_attribute() -> Result<&'static str, Teapot> {
    Err(Teapot)
}

async fn own_response() -> Response {
    answer(401, &[("content-type", "text/plain")], "my own 401")
}

#[authenticated]
async fn reads_json(Json(body): Json<Value>) -> String {
    body.to_string()
}

async fn site_with(
    stage: &Stage,
    look: impl Fn(&Denial<'_>) -> DenialBody + Send + Sync + 'static,
) -> (Site, Session) {
    let auth = stage.builder().await.denials(look).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let routes = routes(&auth);
    (serve(auth, routes).await, session)
}

async fn ask(browser: &Browser, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = browser.bare(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    browser.send(request).await
}

#[track_caller]
fn assert_problem(reply: &Reply, path: &str, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{path}: {reply:?}");
    let media_type = reply.header("content-type");
    assert_eq!(
        media_type,
        Some("application/problem+json"),
        "{path}: {reply:?}"
    );
    let problem: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(problem["status"], json!(status), "{path}");
    assert_eq!(problem["code"], json!(code), "{path}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    let length = reply.header("content-length");
    assert_eq!(length, Some(&*reply.body.len().to_string()), "{path}");
}

async fn every_way_to_an_error_has_the_look_of_the_application(stage: Stage) {
    let (site, session) = site_with(&stage, DenialBody::problem).await;
    let browser = site.browser_of(&session);
    let evil = [("origin", "https://evil.example")];
    for path in REFUSING {
        let reply = ask(&site.browser(), Method::GET, path, &[]).await;
        assert_problem(&reply, path, 401, "unauthenticated");
        assert_eq!(reply.header("vary"), Some("Cookie"), "{path}");

        let reply = ask(&browser, Method::POST, path, &evil).await;
        assert_problem(&reply, path, 403, "cross_origin");
        assert!(reply.set_cookies().is_empty(), "{path}");

        stage.probe.set_down(true);
        let reply = ask(&browser, Method::GET, path, &[]).await;
        stage.probe.set_down(false);
        assert_problem(&reply, path, 503, "unavailable");
        assert_eq!(reply.header("retry-after"), Some("1"), "{path}");
        assert!(reply.set_cookies().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn an_error_of_lucia_that_a_handler_returns_has_it_as_well() {
    let (site, _) = site_with(&Stage::sqlite().await, DenialBody::problem).await;
    for path in ["/duplicate-key-below-attribute", "/plain/duplicate-key"] {
        let reply = site.browser().get(path).await;
        assert_problem(&reply, path, 409, "duplicate_key");
    }
}

#[tokio::test]
async fn the_headers_of_a_denial_stay_and_a_renewal_is_put_on_it() {
    let stage = Stage::sqlite().await;
    let (site, session) = site_with(&stage, DenialBody::problem).await;
    let reply = site.browser().get("/bearer").await;
    assert_problem(&reply, "/bearer", 401, "unauthenticated");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));

    stage.clock.advance(2 * DAY);
    let reply = site.browser_of(&session).get("/forbidden").await;
    assert_problem(&reply, "/forbidden", 403, "forbidden");
    reply.assert_renews(&session);
}

#[tokio::test]
async fn what_is_no_denial_keeps_its_own_look() {
    let called = Arc::new(AtomicUsize::new(0));
    let counter = called.clone();
    let count = move |denial: &Denial<'_>| {
        counter.fetch_add(1, Ordering::Relaxed);
        DenialBody::problem(denial)
    };
    let (site, session) = site_with(&Stage::sqlite().await, count).await;
    for path in ["/redirecting-attribute", "/redirecting/open"] {
        let reply = site.browser().get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (303, ""), "{path}");
        assert_eq!(reply.header("content-type"), None, "{path}");
        assert!(
            reply
                .header("location")
                .unwrap()
                .starts_with("/login?next=")
        );
    }
    let browser = site.browser_of(&session);
    for (path, status, body) in [
        ("/attribute", 200, "attribute"),
        ("/protected/open", 200, "open"),
        ("/plain/maybe-user", 200, "anybody"),
        ("/plain/own-error", 418, Teapot::MESSAGE),
        ("/own-error-below-attribute", 418, Teapot::MESSAGE),
        ("/plain/own-response", 401, "my own 401"),
    ] {
        let reply = browser.get(path).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (status, body),
            "{path}"
        );
    }
    let nowhere = browser.get("/nowhere").await;
    assert_eq!((nowhere.status, nowhere.body.as_str()), (404, ""));
    assert_eq!(called.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_script_gets_json() {
    let look = |denial: &Denial<'_>| {
        if denial.wants_html() {
            let method = denial.method();
            DenialBody::html(format!(
                "<p>{method} {}: {}",
                denial.path(),
                denial.message()
            ))
        } else {
            DenialBody::json(&json!({ "error": denial.code() }))
        }
    };
    let (site, _) = site_with(&Stage::sqlite().await, look).await;
    let navigates = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for path in REFUSING {
        let target = format!("{path}?page=2");
        let page = ask(
            &site.browser(),
            Method::GET,
            &target,
            &[("accept", navigates)],
        )
        .await;
        assert_eq!(page.body, format!("<p>GET {path}: Not signed in."));
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        for accept in [
            "*/*",
            "application/json",
            "application/json, text/html;q=0.1",
        ] {
            let reply = ask(&site.browser(), Method::GET, path, &[("accept", accept)]).await;
            assert_eq!(
                reply.body, r#"{"error":"unauthenticated"}"#,
                "{path} {accept}"
            );
            assert_eq!(reply.header("content-type"), Some("application/json"));
        }
        // In two headers.
        let two = [
            ("accept", "application/json;q=0.1"),
            ("accept", "text/html"),
        ];
        let page = ask(&site.browser(), Method::GET, path, &two).await;
        assert!(page.body.starts_with("<p>"), "{path}: {page:?}");
    }
}

/// A site that turns errors of the framework into problems, outside of what lucia does.
async fn serve_with_problems(auth: Auth, routes: Routes) -> Site {
    let routes = routes.give(auth.clone()).of(&auth).with_problems();
    serve_without_auth(auth, routes).await
}

async fn long() -> Response {
    let text = "x".repeat(64 * 1024 + 1);
    answer(500, &[("content-type", "text/plain")], &text)
}

async fn own_page() -> Response {
    answer(404, &[("content-type", "text/html")], "<p>Not here.")
}

async fn compressed() -> Response {
    let headers = [("content-type", "text/plain"), ("content-encoding", "br")];
    answer(500, &headers, "not text")
}

async fn bare() -> Response {
    answer(418, &[("x-mine", "1")], "")
}

async fn bare_success() -> Response {
    answer(200, &[("content-type", "text/plain")], "fine")
}

async fn in_capitals() -> Response {
    let headers = [("content-type", "Text/Plain ;charset=utf-8")];
    answer(503, &headers, "Back at \"noon\".\n")
}

#[tokio::test]
async fn errors_of_the_framework_become_problems_as_well() {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = routes(&auth)
        .any("/long", long)
        .any("/own-page", own_page)
        .any("/compressed", compressed)
        .any("/bare", bare)
        .any("/bare-success", bare_success)
        .any("/in-capitals", in_capitals)
        .any("/user", user);
    let site = serve_with_problems(auth, routes).await;
    let browser = site.browser_of(&session);

    let problem = async |browser: &Browser, method: Method, path: &str| {
        let reply = ask(browser, method, path, &[]).await;
        let media_type = reply.header("content-type");
        assert_eq!(media_type, Some("application/problem+json"), "{reply:?}");
        let length = reply.body.len().to_string();
        assert_eq!(reply.header("content-length"), Some(&*length), "{path}");
        let problem: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(problem["status"], json!(reply.status), "{path}");
        (reply, problem)
    };

    let (_, nowhere) = problem(&browser, Method::GET, "/nowhere").await;
    let expected = json!({
        "type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found",
    });
    assert_eq!(nowhere, expected);
    let (reply, bare) = problem(&browser, Method::GET, "/bare").await;
    assert_eq!(reply.header("x-mine"), Some("1"));
    assert_eq!(
        (&bare["code"], &bare["detail"]),
        (&json!("im_a_teapot"), &Value::Null)
    );
    let (_, own) = problem(&browser, Method::GET, "/plain/own-response").await;
    assert_eq!(
        (&own["code"], &own["detail"]),
        (&json!("unauthorized"), &json!("my own 401"))
    );
    let (_, own) = problem(&browser, Method::GET, "/in-capitals").await;
    assert_eq!(own["code"], json!("service_unavailable"));
    assert_eq!(own["detail"], json!("Back at \"noon\".\n"));

    let malformed = browser.bare(Method::POST, "/json");
    let malformed = malformed
        .header("origin", site.origin())
        .header("content-type", "application/json")
        .body("{");
    let reply = browser.send(malformed).await;
    let refused: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &refused["code"]),
        (400, &json!("bad_request"))
    );
    assert!(
        refused["detail"].as_str().unwrap().contains("EOF"),
        "{refused}"
    );

    // An error of lucia has its code, whichever way it came.
    for path in REFUSING.into_iter().chain(["/plain/attribute", "/user"]) {
        let (reply, _) = problem(&site.browser(), Method::GET, path).await;
        assert_problem(&reply, path, 401, "unauthenticated");
    }
    let (reply, _) = problem(&site.browser(), Method::GET, "/bearer").await;
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));

    for (path, status, body) in [
        ("/bare-success", 200, "fine"),
        ("/own-page", 404, "<p>Not here."),
        ("/compressed", 500, "not text"),
        ("/long", 500, &*"x".repeat(64 * 1024 + 1)),
        ("/redirecting-attribute", 303, ""),
    ] {
        let browser = if status == 303 {
            &site.browser()
        } else {
            &browser
        };
        let reply = ask(browser, Method::GET, path, &[]).await;
        assert_eq!((reply.status, &*reply.body), (status, body), "{path}");
    }

    // A response to `HEAD` has no body.
    for path in ["/nowhere", "/plain/own-response"] {
        let head = ask(&browser, Method::HEAD, path, &[]).await;
        assert_eq!((head.status / 100, &*head.body), (4, ""), "{path}");
    }
}

#[tokio::test]
async fn the_look_of_the_application_comes_before_problems() {
    let stage = Stage::sqlite().await;
    let look = |_: &Denial<'_>| DenialBody::html("<p>No.");
    let auth = stage.builder().await.denials(look).build().unwrap();
    let routes = routes(&auth);
    let site = serve_with_problems(auth, routes).await;
    let reply = site.browser().get("/attribute").await;
    assert_eq!((reply.status, &*reply.body), (401, "<p>No."));
}

/// One test for all, since the log is that of the whole process.
#[tokio::test]
async fn a_look_that_fails_leaves_the_default_one_and_is_logged() {
    let look = |denial: &Denial<'_>| match denial.path() {
        "/attribute" => panic!("the template is broken"),
        "/plain/user" => DenialBody::new("text/html\r\nset-cookie: a=b", ""),
        _ => DenialBody::new("", ""),
    };
    let (site, _) = site_with(&Stage::sqlite().await, look).await;
    for (path, complaint) in [
        ("/attribute", "the function for `denials` panicked"),
        ("/plain/user", "the body that `denials` gave cannot be sent"),
        (
            "/protected/open",
            "the body that `denials` gave cannot be sent",
        ),
    ] {
        let log = watch([complaint]);
        // A connection that was closed by a panic could not be asked again.
        for _ in 0..2 {
            let reply = site.browser().get(path).await;
            assert_eq!((reply.status, reply.body.as_str()), (401, "Not signed in."));
            let media_type = reply.header("content-type");
            assert_eq!(media_type, Some("text/plain; charset=utf-8"), "{path}");
            assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
        }
        assert!(log.lines()[0].starts_with("ERROR lucia::"), "{path}");
    }
}

#[tokio::test]
async fn a_look_that_fails_is_asked_once() {
    let called = Arc::new(AtomicUsize::new(0));
    let counter = called.clone();
    let look = move |denial: &Denial<'_>| {
        counter.fetch_add(1, Ordering::Relaxed);
        match denial.method() {
            "GET" => panic!("the template is broken"),
            _ => DenialBody::new("", ""),
        }
    };
    let (site, _) = site_with(&Stage::sqlite().await, look).await;
    let below_middleware = ["/plain/attribute", "/wrapped-twice/protected/open"];
    for path in REFUSING.into_iter().chain(below_middleware) {
        for method in [Method::GET, Method::POST] {
            called.store(0, Ordering::Relaxed);
            let reply = ask(&site.browser(), method.clone(), path, &[]).await;
            assert_eq!((reply.status, reply.body.as_str()), (401, "Not signed in."));
            let media_type = reply.header("content-type");
            assert_eq!(media_type, Some("text/plain; charset=utf-8"), "{path}");
            assert_eq!(called.load(Ordering::Relaxed), 1, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_large_page_is_sent_whole_and_no_body_answers_head() {
    const SIZE: usize = 4 << 20;
    let look = |_: &Denial<'_>| DenialBody::html("x".repeat(SIZE));
    let (site, _) = site_with(&Stage::sqlite().await, look).await;
    for path in REFUSING {
        let reply = site.browser().get(path).await;
        assert_eq!((reply.status, reply.body.len()), (401, SIZE), "{path}");
        let head = ask(&site.browser(), Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.body.as_str()), (401, ""), "{path}");
        assert_eq!(
            head.header("content-type"),
            Some("text/html; charset=utf-8")
        );
    }
}

#[tokio::test]
async fn a_body_that_is_refused_is_not_read_for_the_look() {
    let (site, _) = site_with(&Stage::sqlite().await, DenialBody::problem).await;
    let headers = [&b"content-type: application/json"[..]];
    let reply = site.exchange_part("POST /json", &headers, 4096, b"{").await;
    assert_problem(&reply, "/json", 401, "unauthenticated");
}

#[tokio::test]
async fn of_two_auths_the_one_that_refuses_gives_the_look() {
    let stage = Stage::sqlite().await;
    let look = |name: &'static str| move |_: &Denial<'_>| DenialBody::text(name);
    let outer = stage
        .builder()
        .await
        .denials(look("outer"))
        .build()
        .unwrap();
    let inner = stage
        .builder()
        .await
        .denials(look("inner"))
        .build()
        .unwrap();
    let plain = || {
        Routes::default()
            .any("/user", user)
            .any("/attribute", attribute)
    };
    let routes = Routes::default()
        .below("/inner", plain().wrapped(&inner).of(&inner))
        .any("/user", user)
        .any("/attribute", attribute)
        .wrapped(&outer);
    let site = serve(outer, routes).await;
    for (path, name) in [
        ("/inner/user", "inner"),
        ("/inner/attribute", "inner"),
        ("/user", "outer"),
        ("/attribute", "outer"),
    ] {
        let reply = site.browser().get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (401, name), "{path}");
    }
}
