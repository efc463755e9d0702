//! Cookie changes reach the client on every way out of a handler, and what the handler chose
//! stays.

use std::time::Duration;

use lucia::Session;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::framework::{
    self, BAD_PATH, Json, Path, Query, Redirect, Response, Routes, answer, auth_request,
    authenticated, front_page, see_other, serve,
};
use crate::support::{Browser, Site, Stage, Taken, Teapot, on_each_store, sign_up};

on_each_store![
    a_renewal_reaches_the_client_on_ok,
    a_renewal_reaches_the_client_on_an_error_of_the_handler,
    a_renewal_reaches_the_client_when_a_later_parameter_cannot_be_had,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn routes() -> Routes {
    front_page()
        .get("/text", text)
        .get("/result", result)
        .get("/own-error", own_error)
        .get("/lucia-error", lucia_error)
        .get("/error-with-headers", error_with_headers)
        .post("/signed-out-with-an-error", signed_out_with_an_error)
        .get("/redirect", redirect)
        .get("/redirect-of-the-framework", redirect_of_the_framework)
        .get("/streamed", streamed)
        .post("/json", json)
        .get("/number/{number}", typed_path)
        .get("/own-cookies", own_cookies)
        .get("/own-headers", own_headers)
        .get("/own-headers-of-everybody", own_headers_of_everybody)
}

/// A site, and a browser whose session is renewed by its next request.
async fn idle(stage: &Stage) -> (Site, Session, Browser) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = serve(auth, routes()).await;
    stage.clock.advance(2 * DAY);
    let browser = site.browser_of(&session);
    (site, session, browser)
}

/// Asks for `path` with a session that is renewed by it.
async fn assert_renews(stage: Stage, path: &str, status: u16, body: &str) {
    let (_site, session, browser) = idle(&stage).await;
    let reply = browser.get(path).await;
    assert_eq!((reply.status, reply.body.as_str()), (status, body));
    reply.assert_renews(&session);
}

#[authenticated]
async fn text() -> &'static str {
    "text"
}

#[authenticated]
async fn result() -> Result<Json<u8>, Teapot> {
    Ok(Json(7))
}

async fn a_renewal_reaches_the_client_on_ok(stage: Stage) {
    assert_renews(stage, "/text", 200, "text").await;
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_a_responder_within_a_result() {
    assert_renews(Stage::sqlite().await, "/result", 200, "7").await;
}

fn fails() -> Result<(), Teapot> {
    Err(Teapot)
}

#[authenticated]
async fn own_error() -> Result<String, Teapot> {
    fails()?;
    Ok("not reached".to_owned())
}

async fn a_renewal_reaches_the_client_on_an_error_of_the_handler(stage: Stage) {
    assert_renews(stage, "/own-error", 418, Teapot::MESSAGE).await;
}

#[authenticated]
async fn lucia_error(session: Session) -> lucia::Result<String> {
    let auth = auth_request.auth();
    auth.verify_password(("username", session.user_id.as_str()), "wrong horse")
        .await?;
    Ok("not reached".to_owned())
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_an_error_of_lucia() {
    let body = "Wrong credentials.";
    assert_renews(Stage::sqlite().await, "/lucia-error", 401, body).await;
}

#[authenticated]
async fn error_with_headers() -> Result<String, Taken> {
    Err(Taken)
}

#[tokio::test]
async fn an_error_keeps_its_own_headers_and_cookies_beside_ours() {
    let (_site, session, browser) = idle(&Stage::sqlite().await).await;
    let reply = browser.get("/error-with-headers").await;
    assert_eq!(reply.status, 409);
    assert_eq!(reply.header("x-reason"), Some("taken"));
    let cookies = reply.set_cookies();
    assert_eq!(cookies.len(), 2, "{reply:?}");
    assert!(cookies.contains(&"flash=taken"), "{reply:?}");
    let ours = cookies.iter().find(|one| one.starts_with("__Host-"));
    assert!(ours.unwrap().contains(session.token().expose()));
}

#[auth_request]
async fn signed_out_with_an_error() -> Result<String, Teapot> {
    auth_request.set_session(None);
    fails()?;
    Ok("not reached".to_owned())
}

#[tokio::test]
async fn a_session_that_the_handler_unset_before_its_error_is_removed() {
    let (_site, _, browser) = idle(&Stage::sqlite().await).await;
    let reply = browser.post("/signed-out-with-an-error", &[]).await;
    assert_eq!(reply.status, 418);
    assert!(reply.removes_cookie());
}

#[authenticated]
async fn redirect() -> Response {
    answer(302, &[("location", "/elsewhere")], "")
}

#[authenticated]
async fn redirect_of_the_framework() -> Redirect {
    see_other("/elsewhere")
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_a_redirect() {
    for (path, status) in [("/redirect", 302), ("/redirect-of-the-framework", 303)] {
        let (_site, session, browser) = idle(&Stage::sqlite().await).await;
        let reply = browser.get(path).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("location"), Some("/elsewhere"));
        reply.assert_renews(&session);
    }
}

#[authenticated]
async fn streamed() -> Response {
    framework::streamed(["one ", "two ", "three"])
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_a_streamed_body() {
    assert_renews(Stage::sqlite().await, "/streamed", 200, "one two three").await;
}

#[authenticated]
async fn json(_session: Session, Json(body): Json<Value>) -> String {
    body.to_string()
}

async fn a_renewal_reaches_the_client_when_a_later_parameter_cannot_be_had(stage: Stage) {
    let (_site, session, browser) = idle(&stage).await;
    let request = browser.request(Method::POST, "/json");
    let request = request.header("content-type", "application/json");
    let reply = browser.send(request.body("no JSON")).await;
    assert_eq!(reply.status, 400);
    reply.assert_renews(&session);
}

#[authenticated]
async fn typed_path(number: Path<u8>) -> String {
    number.to_string()
}

#[tokio::test]
async fn a_renewal_reaches_the_client_when_the_path_does_not_fit() {
    let (_site, session, browser) = idle(&Stage::sqlite().await).await;
    let reply = browser.get("/number/many").await;
    assert_eq!(reply.status, BAD_PATH);
    reply.assert_renews(&session);
}

#[authenticated]
async fn own_cookies() -> Response {
    let cookies = [
        ("set-cookie", "theme=dark; Path=/"),
        ("set-cookie", "__Host-auth_session2=theirs"),
        ("set-cookie", "auth_session=theirs"),
    ];
    answer(200, &cookies, "")
}

#[tokio::test]
async fn a_handler_that_sets_cookies_of_its_own_keeps_them_beside_ours() {
    let (_site, session, browser) = idle(&Stage::sqlite().await).await;
    let own = [
        "theme=dark; Path=/",
        "__Host-auth_session2=theirs",
        "auth_session=theirs",
    ];
    let reply = browser.get("/own-cookies").await;
    let (ours, others): (Vec<&str>, Vec<&str>) = reply
        .set_cookies()
        .into_iter()
        .partition(|cookie| cookie.starts_with("__Host-auth_session="));
    assert_eq!(others, own);
    assert_eq!(ours.len(), 1);
    assert!(ours[0].contains(session.token().expose()));
    // Also where there is nothing of ours to say.
    assert_eq!(browser.get("/own-cookies").await.set_cookies(), own);
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[authenticated]
async fn own_headers(header: Query<Header>) -> Response {
    answer(200, &[(&header.name, &header.value)], "")
}

#[tokio::test]
async fn a_handler_that_chooses_cache_control_and_vary_keeps_them() {
    let (_site, _, browser) = idle(&Stage::sqlite().await).await;
    let (private, public) = ("private,+max-age=60", "public,+max-age=60");
    for (name, value, cache_control, vary) in [
        // The first response sets the cookie, since the session is renewed.
        ("cache-control", public, "no-store", &["Cookie"][..]),
        ("cache-control", public, "public, max-age=60", &["Cookie"]),
        ("x", "y", "no-store", &["Cookie"]),
        ("cache-control", private, "private, max-age=60", &["Cookie"]),
        ("vary", "Accept", "no-store", &["Accept", "Cookie"]),
        ("vary", "Accept,+cookie", "no-store", &["Accept, cookie"]),
        ("vary", "*", "no-store", &["*"]),
    ] {
        let query = format!("name={name}&value={value}");
        let reply = browser.get(&format!("/own-headers?{query}")).await;
        let all = |name: &str| -> Vec<String> {
            let values = reply.headers.get_all(name).iter();
            values
                .map(|value| value.to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(all("cache-control"), [cache_control], "{query}");
        assert_eq!(all("vary"), vary, "{query}");
    }
}

#[auth_request]
async fn own_headers_of_everybody() -> Response {
    let headers = [("cache-control", "public, max-age=60"), ("vary", "Accept")];
    answer(200, &headers, "")
}

#[tokio::test]
async fn a_response_that_is_the_same_for_everybody_is_left_as_it_is() {
    let (_site, _, browser) = idle(&Stage::sqlite().await).await;
    let reply = browser.get("/own-headers-of-everybody").await;
    assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(reply.header("vary"), Some("Accept"));
    assert!(reply.set_cookies().is_empty());
}
