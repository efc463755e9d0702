//! `auth.middleware()` and `auth.layer()`: cookie changes of plain handlers, and whole scopes kept
//! private.

mod protection;

use std::time::Duration;

use lucia::{Auth, AuthRequest, MaybeUser, Session, User};
use serde_json::Value;

use super::framework::{Json, Response, Routes, answer, auth_request, authenticated, serve};
use crate::support::{Browser, Profile, Site, Stage, Teapot, on_each_store, sign_up};

on_each_store![
    a_renewal_by_a_plain_handler_reaches_the_client,
    a_removal_by_a_plain_handler_reaches_the_client,
    together_with_attributes_there_is_one_cookie_and_one_query,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn user(user: User<Profile>) -> String {
    user.attributes.username
}

async fn maybe(MaybeUser(user): MaybeUser) -> &'static str {
    user.map_or("nobody", |_| "somebody")
}

async fn failing(_user: User<Profile>) -> Result<String, Teapot> {
    Err(Teapot)
}

async fn bad_json(_session: Session, Json(json): Json<Value>) -> String {
    json.to_string()
}

async fn missing(_user: User<Profile>) -> Response {
    answer(404, &[], "no such page")
}

async fn sign_out(auth_request: AuthRequest) -> &'static str {
    auth_request.set_session(None);
    "bye"
}

async fn own_cookies(_user: User<Profile>) -> Response {
    let headers = [
        ("set-cookie", "theme=dark"),
        ("cache-control", "max-age=60"),
    ];
    answer(200, &headers, "")
}

#[authenticated]
async fn with_attribute(user: User<Profile>) -> String {
    user.attributes.username
}

#[authenticated]
async fn failing_with_attribute() -> Result<String, Teapot> {
    Err(Teapot)
}

#[auth_request]
async fn open_with_attribute() -> lucia::Result<String> {
    Ok(auth_request.validate().await?.is_some().to_string())
}

fn handlers() -> Routes {
    Routes::default()
        .any("/user", user)
        .any("/maybe", maybe)
        .any("/failing", failing)
        .any("/bad-json", bad_json)
        .any("/sign-out", sign_out)
        .any("/own-cookies", own_cookies)
        .any("/failing-attribute", failing_with_attribute)
        .any("/attribute", with_attribute)
        .any("/open-attribute", open_with_attribute)
        .elsewhere(missing)
}

/// A site, and a browser whose session is renewed by its next request.
async fn idle(stage: &Stage, routes: impl FnOnce(&Auth) -> Routes) -> (Site, Session, Browser) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = routes(&auth);
    let site = serve(auth, routes).await;
    stage.clock.advance(2 * DAY);
    stage.probe.calls();
    let browser = site.browser_of(&session);
    (site, session, browser)
}

/// Wraps everything into the middleware.
fn wrapped(auth: &Auth) -> Routes {
    handlers().wrapped(auth)
}

async fn a_renewal_by_a_plain_handler_reaches_the_client(stage: Stage) {
    let (_site, session, browser) = idle(&stage, wrapped).await;
    let reply = browser.get("/user").await;
    assert_eq!(reply.body, "ada");
    reply.assert_renews(&session);
}

#[tokio::test]
async fn a_renewal_by_a_plain_handler_reaches_the_client_on_its_error_and_its_404() {
    for (path, status) in [("/failing", 418), ("/nowhere", 404)] {
        let (_site, session, browser) = idle(&Stage::sqlite().await, wrapped).await;
        let reply = browser.get(path).await;
        assert_eq!(reply.status, status, "{path}");
        reply.assert_renews(&session);
    }
}

async fn a_removal_by_a_plain_handler_reaches_the_client(stage: Stage) {
    let (site, session, browser) = idle(&stage, wrapped).await;
    assert!(browser.post("/sign-out", &[]).await.removes_cookie());
    // The cookie of a session that has ended stays, since no handler asks for its removal.
    site.auth.invalidate_session(&session.id).await.unwrap();
    let reply = site.browser_of(&session).get("/maybe").await;
    assert_eq!(reply.body, "nobody");
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn where_nobody_asked_the_response_is_left_as_it_is() {
    let (_site, _, browser) = idle(&Stage::sqlite().await, |auth| {
        let routes = Routes::default().get("/ok", async || "ok");
        Routes::default().below("/empty", routes.wrapped(auth))
    })
    .await;
    for (path, status) in [("/empty/nowhere", 404), ("/empty/ok", 200)] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, status);
        assert!(reply.set_cookies().is_empty());
        assert_eq!(reply.header("cache-control"), None);
        assert_eq!(reply.header("vary"), None);
    }
}

#[tokio::test]
async fn a_handler_keeps_its_own_cookies_and_cache_control() {
    let (_site, session, browser) = idle(&Stage::sqlite().await, wrapped).await;
    let reply = browser.get("/own-cookies").await;
    let cookies = reply.set_cookies();
    assert_eq!(cookies.len(), 2, "{reply:?}");
    assert!(cookies.contains(&"theme=dark"));
    assert!(
        cookies
            .iter()
            .any(|one| one.contains(session.token().expose()))
    );
    // With the cookie of a session it is for no shared cache, and may otherwise be kept as the handler says.
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let reply = browser.get("/own-cookies").await;
    assert_eq!(reply.set_cookies(), ["theme=dark"]);
    assert_eq!(reply.header("cache-control"), Some("max-age=60"));
}

async fn together_with_attributes_there_is_one_cookie_and_one_query(stage: Stage) {
    let (_site, session, browser) =
        idle(&stage, |auth| handlers().protected(auth).wrapped(auth)).await;
    let reply = browser.get("/attribute").await;
    assert_eq!(reply.body, "ada");
    reply.assert_renews(&session);
    assert_eq!(stage.probe.calls(), ["session_and_user", "renew_session"]);
    for path in ["/attribute", "/open-attribute", "/user"] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.set_cookies().is_empty(), "{path}");
        assert_eq!(stage.probe.calls(), ["session_and_user"], "{path}");
    }
    assert!(browser.get("/sign-out").await.removes_cookie());
    assert_eq!(stage.probe.calls(), ["session_and_user"]);
}
