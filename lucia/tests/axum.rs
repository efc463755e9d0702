//! The adapter for axum, as far as it can be seen without a database: there is one, and it is away.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRef, FromRequestParts, Json, Path, State};
use axum::http::header::{
    CACHE_CONTROL, COOKIE, HOST, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE,
};
use axum::http::request::{Builder, Parts};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use lucia::axum::{auth_request, authenticated};
use lucia::deadpool_postgres::{Manager, Pool, tokio_postgres};
use lucia::{Auth, AuthRequest, Error, Guard, MaybeUser, PgStore, Session, User};
use tower::ServiceExt;

/// An `Auth` over a database that nobody answers for.
fn auth() -> Auth {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("nobody");
    config.connect_timeout(Duration::from_secs(1));
    let manager = Manager::new(config, tokio_postgres::NoTls);
    let pool = Pool::builder(manager).build().unwrap();
    Auth::builder(PgStore::new(pool)).build().unwrap()
}

/// A request with a cookie that only the database knows the worth of.
fn with_cookie(request: Builder) -> Builder {
    request.header(COOKIE, format!("__Host-auth_session={}", "a".repeat(40)))
}

fn from_here(request: Builder) -> Builder {
    request
        .header(HOST, "app.example")
        .header(ORIGIN, "https://app.example")
}

fn from_elsewhere(request: Builder) -> Builder {
    request
        .header(HOST, "app.example")
        .header(ORIGIN, "https://evil.example")
}

/// A body whose reader would fail the test.
fn unreadable() -> Body {
    Body::from_stream(futures_util::stream::poll_fn(
        |_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
            panic!("the body was read")
        },
    ))
}

async fn answer(app: &Router, request: Builder) -> Response {
    answer_with(app, request, Body::empty()).await
}

async fn answer_with(app: &Router, request: Builder, body: Body) -> Response {
    let request = request.body(body).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.into()).unwrap()
}

#[authenticated]
async fn private(_user: User, body: Bytes) -> String {
    format!("{} bytes", body.len())
}

#[authenticated(redirect = "/login")]
async fn page(Path(_never_parsed): Path<u32>) -> &'static str {
    "page"
}

#[authenticated(bearer)]
async fn api() -> &'static str {
    "api"
}

#[auth_request]
async fn login(Json(name): Json<String>) -> String {
    auth_request.set_session(None);
    name
}

#[auth_request]
async fn failing() -> Result<&'static str, StatusCode> {
    auth_request.set_session(None);
    Err(StatusCode::IM_A_TEAPOT)
}

#[tokio::test]
async fn who_is_not_signed_in_is_answered_with_the_body_unread() {
    let app = Router::new()
        .route("/", post(private))
        .layer(auth().layer());
    let response = answer_with(&app, from_here(Request::post("/")), unreadable()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(text(response).await, "Not signed in.");
}

#[tokio::test]
async fn another_origin_is_refused_and_an_outage_is_no_log_out() {
    let app = Router::new()
        .route("/", post(private))
        .layer(auth().layer());
    let request = from_elsewhere(with_cookie(Request::post("/")));
    let response = answer_with(&app, request, unreadable()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);

    let request = from_here(with_cookie(Request::post("/")));
    let response = answer_with(&app, request, unreadable()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    assert!(!response.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn pages_send_to_the_login_before_a_parameter_is_extracted() {
    let app = Router::new()
        .route("/page/{id}", get(page))
        .layer(auth().layer());
    let response = answer(&app, Request::get("/page/no-number?a=b")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let location = &response.headers()[LOCATION];
    assert_eq!(location, "/login?next=%2Fpage%2Fno-number%3Fa%3Db");
}

#[tokio::test]
async fn a_nested_router_sends_back_to_the_whole_path() {
    let protected = Router::new()
        .route("/list", get(async || "list"))
        .layer(auth().layer().protect_or_redirect("/login"));
    let handled = Router::new()
        .route("/page/{id}", get(page))
        .layer(auth().layer());
    let app = Router::new()
        .nest("/admin", protected)
        .nest("/site", handled);
    for (asked, location) in [
        ("/admin/list?a=b", "/login?next=%2Fadmin%2Flist%3Fa%3Db"),
        ("/site/page/1", "/login?next=%2Fsite%2Fpage%2F1"),
    ] {
        let response = answer(&app, Request::get(asked)).await;
        assert_eq!(response.headers()[LOCATION], location);
    }
}

#[tokio::test]
async fn a_protected_router_is_private_before_a_body_is_read() {
    let layer = auth().layer().guard(Guard::authenticated());
    let app = Router::new()
        .route("/", post(async |body: String| body))
        .layer(layer);
    let response = answer_with(&app, from_here(Request::post("/")), unreadable()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_does_not_exist_is_private_as_well_unless_only_routes_are_protected() {
    let routes = || Router::new().route("/", get(async || "private"));
    let all = routes().layer(auth().layer().protect());
    let only_routes = routes().route_layer(auth().layer().protect());
    for (app, status) in [
        (all, StatusCode::UNAUTHORIZED),
        (only_routes, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(
            answer(&app, Request::get("/nothing")).await.status(),
            status
        );
        let denied = answer(&app, Request::get("/")).await;
        assert_eq!(denied.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_cookie_changed_in_a_fallback_is_on_its_response() {
    let app = Router::new().fallback(failing).layer(auth().layer());
    let response = answer(&app, Request::get("/nothing")).await;
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
}

#[tokio::test]
async fn a_bearer_is_told_how_to_authenticate() {
    let app = Router::new().route("/", get(api)).layer(auth().layer());
    let response = answer(&app, Request::get("/")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn a_changed_cookie_is_on_every_way_out() {
    let app = Router::new()
        .route("/login", post(login))
        .route("/failing", get(failing))
        .layer(auth().layer());

    let request = from_here(Request::post("/login")).header("content-type", "application/json");
    let response = answer_with(&app, request, Body::from("\"ada\"")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[VARY], "Cookie");

    let response = answer(&app, Request::get("/failing")).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
}

#[tokio::test]
async fn a_cookie_changed_before_a_rejection_is_on_the_rejection() {
    async fn handler(request: SignedOut, Json(_): Json<u8>) -> String {
        format!("{request:?}")
    }
    let app = Router::new()
        .route("/", post(handler))
        .layer(auth().layer());
    let response = answer(&app, from_here(Request::post("/"))).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
}

/// Takes the cookie away as soon as it is extracted.
#[derive(Debug)]
struct SignedOut;

impl<S: Sync> FromRequestParts<S> for SignedOut {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> lucia::Result<Self> {
        AuthRequest::from_request_parts(parts, state)
            .await?
            .set_session(None);
        Ok(Self)
    }
}

#[tokio::test]
async fn extractors_and_attributes_share_one_request() {
    #[auth_request]
    async fn handler(request: AuthRequest, State(auth): State<Auth>) -> String {
        request.set_session(None);
        format!("{}", auth.session_cookie(None).is_removal())
    }
    #[derive(Clone)]
    struct AppState(Auth);
    impl FromRef<AppState> for Auth {
        fn from_ref(state: &AppState) -> Self {
            state.0.clone()
        }
    }
    let auth = auth();
    let app = Router::new()
        .route("/", get(handler))
        .layer(auth.layer())
        .layer(auth.layer())
        .with_state(AppState(auth));
    let response = answer(&app, Request::get("/")).await;
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
    assert_eq!(text(response).await, "true");
}

#[tokio::test]
async fn extractors_alone_answer_as_the_attributes_do() {
    let app = Router::new()
        .route("/user", get(async |_: User| "user"))
        .route("/session", get(async |_: Session| "session"))
        .route(
            "/maybe",
            get(async |user: MaybeUser| {
                if user.0.is_some() {
                    "somebody"
                } else {
                    "nobody"
                }
            }),
        )
        .layer(auth().layer());
    for path in ["/user", "/session"] {
        let anonymous = answer(&app, Request::get(path)).await;
        assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let anonymous = answer(&app, Request::get("/maybe")).await;
    assert_eq!(text(anonymous).await, "nobody");
    for path in ["/user", "/session", "/maybe"] {
        let unknown = answer(&app, with_cookie(Request::get(path))).await;
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!unknown.headers().contains_key(SET_COOKIE));
    }
}

#[tokio::test]
async fn a_refusal_has_its_error_for_the_pages_of_the_application() {
    let app = Router::new()
        .route("/page/{id}", get(page))
        .route("/user", get(async |_: User| "user"))
        .layer(auth().layer());
    for path in ["/page/1", "/user"] {
        let response = answer(&app, Request::get(path)).await;
        let error = response.extensions().get::<Arc<Error>>().unwrap();
        assert!(matches!(**error, Error::Unauthenticated), "{path}");
    }
}

#[tokio::test]
async fn without_the_layer_it_is_the_programmers_mistake() {
    let app = Router::new()
        .route("/attribute", get(failing))
        .route("/extractor", get(async |_: MaybeUser| "anybody"));
    for path in ["/attribute", "/extractor"] {
        let response = answer(&app, Request::get(path)).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let error = response.extensions().get::<Arc<Error>>().unwrap().clone();
        let message = error.to_string();
        assert!(message.contains(path), "{message}");
        assert!(message.contains("`.layer(auth.layer())`"), "{message}");
        assert_eq!(text(response).await, "Internal error.");
    }
}

#[tokio::test]
async fn what_the_server_knows_of_tls_counts() {
    #[auth_request]
    async fn handler() -> lucia::Result<&'static str> {
        auth_request.check_origin().map(|()| "welcome")
    }
    let plain = Router::new()
        .route("/", post(handler))
        .layer(auth().layer());
    let over_tls = plain.clone().layer(Extension(lucia::http::OverTls));
    let request = || {
        with_cookie(Request::post("/"))
            .header(HOST, "localhost:8443")
            .header(ORIGIN, "https://localhost:8443")
    };
    let refused = answer(&plain, request()).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer(&over_tls, request()).await.status(), StatusCode::OK);
}
