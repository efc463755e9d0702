//! Cookie changes reach the client on every way out of a handler, and what the handler chose
//! stays.

use std::time::Duration;

use actix_web::error::JsonPayloadError;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Redirect, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError, get, post, routes};
use futures_util::stream;
use lucia::{Session, auth_request, authenticated};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Browser, Site, Stage, Teapot, front_page, on_each_store, sign_up};

on_each_store![
    a_renewal_reaches_the_client_on_ok,
    a_renewal_reaches_the_client_on_an_error_of_the_handler,
    a_renewal_reaches_the_client_when_a_later_parameter_cannot_be_had,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn site_routes(config: &mut ServiceConfig) {
    front_page(config);
    config
        .service(text)
        .service(result)
        .service(own_error)
        .service(lucia_error)
        .service(error_with_headers)
        .service(signed_out_with_an_error)
        .service(redirect)
        .service(redirect_of_actix)
        .service(streamed)
        .service(json)
        .service(json_with_a_handler)
        .service(typed_path)
        .service(route_above)
        .service(route_below)
        .service(several_routes)
        .route("/to", web::get().to(plain_function))
        .service(own_cookies)
        .service(own_headers)
        .service(own_headers_of_everybody);
}

/// A site, and a browser whose session is renewed by its next request.
async fn idle(stage: &Stage) -> (Site, Session, Browser) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = Site::serve(auth, site_routes).await;
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

#[get("/text")]
#[authenticated]
async fn text() -> &'static str {
    "text"
}

#[get("/result")]
#[authenticated]
async fn result() -> Result<(web::Json<u8>, StatusCode), Teapot> {
    Ok((web::Json(7), StatusCode::ACCEPTED))
}

async fn a_renewal_reaches_the_client_on_ok(stage: Stage) {
    assert_renews(stage, "/text", 200, "text").await;
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_a_responder_within_a_result() {
    assert_renews(Stage::sqlite().await, "/result", 202, "7").await;
}

fn fails() -> Result<(), Teapot> {
    Err(Teapot)
}

#[get("/own-error")]
#[authenticated]
async fn own_error() -> Result<String, Teapot> {
    fails()?;
    Ok("not reached".to_owned())
}

async fn a_renewal_reaches_the_client_on_an_error_of_the_handler(stage: Stage) {
    assert_renews(stage, "/own-error", 418, Teapot::MESSAGE).await;
}

#[get("/lucia-error")]
#[authenticated]
async fn lucia_error(session: Session) -> lucia::Result<String> {
    let auth = auth_request.auth();
    auth.use_key("username", session.user_id.as_str(), Some("wrong horse"))
        .await?;
    Ok("not reached".to_owned())
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_an_error_of_lucia() {
    let body = "Wrong credentials.";
    assert_renews(Stage::sqlite().await, "/lucia-error", 401, body).await;
}

#[derive(Debug)]
struct WithHeaders;

impl std::fmt::Display for WithHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("with headers")
    }
}

impl ResponseError for WithHeaders {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::Conflict()
            .insert_header(("x-reason", "taken"))
            .append_header(("set-cookie", "flash=taken"))
            .finish()
    }
}

#[get("/error-with-headers")]
#[authenticated]
async fn error_with_headers() -> Result<String, WithHeaders> {
    Err(WithHeaders)
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

#[post("/signed-out-with-an-error")]
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

#[get("/redirect")]
#[authenticated]
async fn redirect() -> impl Responder {
    HttpResponse::Found()
        .insert_header(("location", "/elsewhere"))
        .finish()
}

#[get("/redirect-of-actix")]
#[authenticated]
async fn redirect_of_actix() -> impl Responder {
    Redirect::to("/elsewhere").see_other()
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_a_redirect() {
    for (path, status) in [("/redirect", 302), ("/redirect-of-actix", 303)] {
        let (_site, session, browser) = idle(&Stage::sqlite().await).await;
        let reply = browser.get(path).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("location"), Some("/elsewhere"));
        reply.assert_renews(&session);
    }
}

#[get("/streamed")]
#[authenticated]
async fn streamed() -> impl Responder {
    let pieces =
        ["one ", "two ", "three"].map(|piece| Ok::<_, actix_web::Error>(Bytes::from(piece)));
    HttpResponse::Ok().streaming(stream::iter(pieces))
}

#[tokio::test]
async fn a_renewal_reaches_the_client_on_a_streamed_body() {
    assert_renews(Stage::sqlite().await, "/streamed", 200, "one two three").await;
}

#[post("/json")]
#[authenticated]
async fn json(_session: Session, body: web::Json<Value>) -> String {
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
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = Site::serve(auth, |config: &mut ServiceConfig| {
        config.app_data(web::JsonConfig::default().error_handler(teapot));
        site_routes(config);
    })
    .await;
    stage.clock.advance(2 * DAY);
    let reply = site
        .browser_of(&session)
        .post("/json-with-a-handler", &[])
        .await;
    assert_eq!((reply.status, reply.body.as_str()), (418, Teapot::MESSAGE));
    reply.assert_renews(&session);
}

#[get("/number/{number}")]
#[authenticated]
async fn typed_path(number: web::Path<u8>) -> String {
    number.to_string()
}

#[tokio::test]
async fn a_renewal_reaches_the_client_when_the_path_does_not_fit() {
    let (_site, session, browser) = idle(&Stage::sqlite().await).await;
    let reply = browser.get("/number/many").await;
    assert_eq!(reply.status, 404);
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
        let (site, session, browser) = idle(&Stage::sqlite().await).await;
        assert_eq!(site.browser().get(path).await.status, 401, "{path}");
        let reply = browser.get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, body), "{path}");
        reply.assert_renews(&session);
    }
}

#[get("/own-cookies")]
#[authenticated]
async fn own_cookies() -> impl Responder {
    HttpResponse::Ok()
        .append_header(("set-cookie", "theme=dark; Path=/"))
        .append_header(("set-cookie", "__Host-auth_session2=theirs"))
        .append_header(("set-cookie", "auth_session=theirs"))
        .finish()
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

#[get("/own-headers")]
#[authenticated]
async fn own_headers(request: HttpRequest) -> impl Responder {
    let (name, value) = request.query_string().split_once('=').unwrap_or_default();
    HttpResponse::Ok()
        .append_header((name, value.replace('+', " ")))
        .finish()
}

#[tokio::test]
async fn a_handler_that_chooses_cache_control_and_vary_keeps_them() {
    let (_site, _, browser) = idle(&Stage::sqlite().await).await;
    for (query, cache_control, vary) in [
        ("x=y", "no-store", &["Cookie"][..]),
        (
            "cache-control=private,+max-age=60",
            "private, max-age=60",
            &["Cookie"],
        ),
        (
            "vary=Accept-Encoding",
            "no-store",
            &["Accept-Encoding", "Cookie"],
        ),
        ("vary=Accept,+cookie", "no-store", &["Accept, cookie"]),
        ("vary=*", "no-store", &["*"]),
    ] {
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

#[get("/own-headers-of-everybody")]
#[auth_request]
async fn own_headers_of_everybody() -> impl Responder {
    HttpResponse::Ok()
        .insert_header(("cache-control", "public, max-age=60"))
        .insert_header(("vary", "Accept"))
        .finish()
}

#[tokio::test]
async fn a_response_that_is_the_same_for_everybody_is_left_as_it_is() {
    let (_site, _, browser) = idle(&Stage::sqlite().await).await;
    let reply = browser.get("/own-headers-of-everybody").await;
    assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(reply.header("vary"), Some("Accept"));
    assert!(reply.set_cookies().is_empty());
}
