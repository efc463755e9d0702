//! The [`lucia::Error`] that a response was made of, for what stands around handlers: an
//! application's error pages, metrics and logs.

use lucia::{Auth, AuthRequest, Error, Guard, Session, User};
use reqwest::Method;

use super::framework::{Routes, auth_request, authenticated, serve};
use crate::support::{Browser, Reply, Site, Stage, sign_up};

/// Every way to an error: what stands in front of the handler, or in its parameters, or in its body.
const REFUSING: [&str; 9] = [
    "/attribute",
    "/redirecting-attribute",
    "/protected/open",
    "/redirecting/open",
    "/guarded/open",
    "/user",
    "/session",
    "/user-below-attribute",
    "/question-mark",
];

fn routes(auth: &Auth) -> Routes {
    let open = || Routes::default().any("/open", open);
    Routes::default()
        .any("/attribute", attribute)
        .any("/redirecting-attribute", redirecting_attribute)
        .below("/protected", open().protected(auth))
        .below("/redirecting", open().protected_or_redirect(auth, "/login"))
        .below("/guarded", open().guarded(auth, Guard::authenticated()))
        .any("/user", user)
        .any("/session", session)
        .any("/user-below-attribute", user_below_attribute)
        .any("/question-mark", question_mark)
        .any(
            "/question-mark-below-attribute",
            question_mark_below_attribute,
        )
        .any("/own-error", own_error)
        .any("/open", self::open)
        .telling_errors()
}

async fn open() -> &'static str {
    "open"
}

#[authenticated]
async fn attribute() -> &'static str {
    ""
}

#[authenticated(redirect = "/login")]
async fn redirecting_attribute() -> &'static str {
    ""
}

async fn user(_: User) -> &'static str {
    ""
}

async fn session(_: Session) -> &'static str {
    ""
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
    Err(Error::DuplicateKey)
}

async fn own_error() -> Result<&'static str, crate::support::Teapot> {
    Err(crate::support::Teapot)
}

async fn site(stage: &Stage) -> (Site, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = routes(&auth);
    (serve(auth, routes).await, session)
}

async fn ask(browser: &Browser, method: Method, path: &str, origin: &str) -> Reply {
    let request = browser.bare(method, path).header("origin", origin);
    browser.send(request).await
}

fn told(reply: &Reply) -> Option<&str> {
    reply.header("x-lucia-error")
}

#[tokio::test]
async fn every_response_that_refuses_a_request_carries_its_error() {
    let stage = Stage::sqlite().await;
    let (site, session) = site(&stage).await;
    let own = site.origin();
    for path in REFUSING {
        let reply = ask(&site.browser(), Method::GET, path, &own).await;
        assert_eq!(told(&reply), Some("unauthenticated"), "{path}: {reply:?}");

        let browser = site.browser_of(&session);
        let reply = ask(&browser, Method::POST, path, "https://evil.example").await;
        assert_eq!(told(&reply), Some("cross_origin"), "{path}: {reply:?}");

        stage.probe.set_down(true);
        let reply = ask(&browser, Method::GET, path, &own).await;
        stage.probe.set_down(false);
        assert_eq!(told(&reply), Some("unavailable"), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn an_error_of_lucia_that_a_handler_returns_is_carried_as_well() {
    let (site, _) = site(&Stage::sqlite().await).await;
    let reply = site.browser().get("/question-mark-below-attribute").await;
    assert_eq!((reply.status, told(&reply)), (409, Some("duplicate_key")));
}

#[tokio::test]
async fn a_response_that_was_made_of_no_error_of_lucia_carries_none() {
    let (site, _) = site(&Stage::sqlite().await).await;
    for path in ["/open", "/own-error", "/nowhere"] {
        let reply = site.browser().get(path).await;
        assert_eq!(told(&reply), None, "{path}: {reply:?}");
    }
}
