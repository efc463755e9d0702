//! What actix-web alone has: attributes for routes, an application's answers to bad JSON, data, and
//! extractors that may read the body.

use std::time::Duration;

use actix_web::error::JsonPayloadError;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, get, post, routes};
use lucia::{Session, User, authenticated};
use lucia_tests::watch;
use reqwest::Method;
use serde_json::Value;

use crate::support::{Browser, Profile, Site, Stage, Teapot, actix, sign_up};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn site_routes(config: &mut ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().error_handler(teapot))
        .service(json_with_a_handler)
        .service(route_above)
        .service(route_below)
        .service(several_routes)
        .route("/to", web::get().to(plain_function));
}

/// A site, and a browser whose session is renewed by its next request.
async fn idle() -> (Site, Session, Browser) {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = actix::serve(auth, actix::Routes::of_config(site_routes)).await;
    stage.clock.advance(2 * DAY);
    let browser = site.browser_of(&session);
    (site, session, browser)
}

/// As an application's `JsonConfig` would have it.
fn teapot(_: JsonPayloadError, _: &HttpRequest) -> actix_web::Error {
    Teapot.into()
}

#[post("/json-with-a-handler")]
#[authenticated]
async fn json_with_a_handler(body: web::Json<Value>) -> String {
    body.to_string()
}

#[tokio::test]
async fn the_applications_own_answer_to_bad_json_stays() {
    let (_site, session, browser) = idle().await;
    let reply = browser.post("/json-with-a-handler", &[]).await;
    assert_eq!((reply.status, reply.body.as_str()), (418, Teapot::MESSAGE));
    reply.assert_renews(&session);
}

#[get("/route-above")]
#[authenticated]
async fn route_above() -> &'static str {
    "above"
}

#[authenticated]
#[get("/route-below")]
async fn route_below() -> &'static str {
    "below"
}

#[routes]
#[get("/several")]
#[post("/several")]
#[authenticated]
async fn several_routes() -> &'static str {
    "several"
}

#[authenticated]
async fn plain_function() -> &'static str {
    "plain"
}

#[tokio::test]
async fn attributes_work_in_both_orders_and_on_functions_without_a_route() {
    for (path, body) in [
        ("/route-above", "above"),
        ("/route-below", "below"),
        ("/several", "several"),
        ("/to", "plain"),
    ] {
        let (site, session, browser) = idle().await;
        // Its body never comes.
        let start = format!("GET {path}");
        let anonymous = site.exchange_part(&start, &[], 4096, b"{").await;
        assert_eq!(anonymous.status, 401, "{path}");
        let reply = browser.get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, body), "{path}");
        reply.assert_renews(&session);
    }
}

#[tokio::test]
async fn an_auth_that_is_given_without_data_around_it_is_found_too() {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let given = auth.clone();
    let site = actix::serve_without_auth(
        auth,
        actix::Routes::of_config(move |config: &mut ServiceConfig| {
            config
                .app_data(given.clone())
                .route("/user", web::get().to(user))
                .route("/to", web::get().to(plain_function));
        }),
    )
    .await;
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/user").await.body, "ada");
    assert_eq!(browser.get("/to").await.body, "plain");
    stage.probe.set_down(true);
    assert_eq!(browser.get("/to").await.status, 503);
}

async fn user(user: User<Profile>) -> String {
    user.attributes.username
}

fn reads_json(_: User, body: web::Json<Value>) -> bool {
    body.is_null()
}

fn reads_bytes(body: web::Bytes) -> bool {
    body.is_empty()
}

fn reads_a_stream(_: web::Payload) -> bool {
    true
}

fn reads_perhaps(body: Option<String>) -> bool {
    body.is_none()
}

#[authenticated(permit = reads_json)]
async fn json() -> &'static str {
    "in"
}

#[authenticated(permit = reads_bytes)]
async fn bytes() -> &'static str {
    "in"
}

#[authenticated(permit = reads_a_stream)]
async fn stream() -> &'static str {
    "in"
}

#[authenticated(permit = reads_perhaps)]
async fn perhaps() -> &'static str {
    "in"
}

/// axum refuses them when they are compiled.
#[tokio::test]
async fn a_function_that_takes_the_body_is_500_and_the_log_says_so() {
    let auth = Stage::sqlite().await.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let routes = actix::Routes::default()
        .post("/json", json)
        .post("/bytes", bytes)
        .post("/stream", stream)
        .post("/perhaps", perhaps);
    let site = actix::serve(auth, routes).await;
    for path in ["/json", "/bytes", "/stream", "/perhaps"] {
        let found = watch(["a function for `permit` takes"]);
        let browser = site.browser_of(&ada);
        let request = browser.request(Method::POST, path);
        let request = request
            .header("content-type", "application/json")
            .body("null");
        let reply = browser.send(request).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (500, "Internal error."),
            "{path}"
        );
        assert!(!found.lines().is_empty(), "{path}");
    }
}
