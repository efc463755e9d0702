//! The adapter before a database in memory, and before one that is away.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use adapter::{Lucia, SignedIn, refuse};
use lucia::deadpool_postgres::{Manager, Pool, tokio_postgres};
use lucia::testing::{self, login_as};
use lucia::{Auth, AuthRequest, DenialBody, Error, Guard, NewUser, NoAttributes, PgStore};
use poem::http::{Method, StatusCode};
use poem::web::Data;
use poem::{Body, Endpoint, EndpointExt, Request, Response, Route, get, handler};
use tokio::io::{AsyncRead, ReadBuf};

#[handler]
async fn forget(Data(auth_request): Data<&AuthRequest>) -> poem::Result<String> {
    auth_request.set_session(None);
    Err(StatusCode::IM_A_TEAPOT.into())
}

#[handler]
async fn forget_inside(Data(auth_request): Data<&AuthRequest>) {
    auth_request.set_session(None);
}

/// Between two middlewares: whether the outer one knows of what is done behind the inner one.
async fn tells_outside(inner: impl Endpoint, request: Request) -> poem::Result<String> {
    let outer = request.data::<AuthRequest>().unwrap().clone();
    inner.get_response(request).await;
    let cookie = lucia::adapter::response_headers(&outer).await.set_cookie;
    Ok(cookie.is_some().to_string())
}

#[handler]
async fn who(SignedIn(user): SignedIn<NoAttributes>) -> String {
    user.id.to_string()
}

#[handler]
async fn echo(body: String) -> String {
    body
}

#[handler]
async fn taken() -> poem::Result<String> {
    Err(refuse(Error::DuplicateKey))
}

/// Of a database that is away.
fn away() -> Auth {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("nobody");
    let pool = Pool::builder(Manager::new(config, tokio_postgres::NoTls));
    let store = PgStore::new(pool.build().unwrap());
    let builder = Auth::builder(store).denials(DenialBody::problem);
    builder.build().unwrap()
}

fn app(auth: &Auth) -> impl Endpoint {
    let lucia = |guard| Lucia(auth.clone(), guard);
    let private = lucia(Guard::authenticated().redirect("/login"));
    let pages = Route::new().at("/page", get(echo).post(echo));
    let inner = get(forget_inside).with(lucia(Guard::anyone()));
    let told = inner.around(tells_outside);
    Route::new()
        .at("/forget", get(forget))
        .at("/user", get(who))
        .at("/taken", get(taken))
        .at("/guarded", get(who).with(lucia(Guard::authenticated())))
        .at("/told", told)
        .nest("/private", pages.with(private))
        .with(lucia(Guard::anyone()))
}

async fn ask(path: &str, cookie: Option<String>) -> Response {
    let mut request = Request::builder().uri(path.parse().unwrap());
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    app(&away()).get_response(request.finish()).await
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_the_login_or_refused() {
    let page = ask("/private/page", None).await;
    assert_eq!(page.status(), StatusCode::SEE_OTHER);
    // A request that is built here, and not received, has no original URI.
    assert_eq!(page.header("location"), Some("/login?next=%2F"));
    assert_eq!(ask("/user", None).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_is_signed_in_is_let_in_and_a_renewed_session_has_its_cookie_sent_again() {
    let clock = testing::Clock::new();
    let store = testing::memory_store(&[]).await;
    let auth = Auth::builder(store).clock(clock.clone()).build().unwrap();
    let user = auth.create_user(NewUser::without_key()).await.unwrap();
    let login = login_as(&auth, &user.id).await;
    let app = app(&auth);
    let ask = |path: &str| {
        let request = Request::builder().uri(path.parse().unwrap());
        app.get_response(request.header("cookie", login.cookie_header()).finish())
    };

    let response = ask("/user").await;
    assert!(response.header("set-cookie").is_none());
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let body = response.into_body().into_string().await.unwrap();
    assert_eq!(body, user.id.as_str());

    clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    let response = ask("/private/page").await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = response.header("set-cookie").unwrap();
    assert!(cookie.starts_with(&login.cookie_header()));
}

#[tokio::test]
async fn a_cookie_reaches_an_error() {
    let response = ask("/forget", None).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.header("set-cookie").is_some());
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn all_who_ask_share_one_auth_request() {
    let response = ask("/told", None).await;
    assert_eq!(response.into_body().into_string().await.unwrap(), "true");
}

#[tokio::test]
async fn every_error_of_lucia_has_the_look_of_the_application() {
    for (path, status) in [("/user", 401), ("/guarded", 401), ("/taken", 409)] {
        let response = ask(path, None).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let media_type = response.header("content-type");
        assert_eq!(media_type, Some("application/problem+json"), "{path}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        let body = response.into_body().into_string().await.unwrap();
        assert!(body.contains(r#""code":"#), "{path}: {body}");
    }
    // The errors of the application are its own.
    assert!(ask("/forget", None).await.header("content-type") != Some("application/problem+json"));
}

/// A body that must not be read.
struct Unread;

impl AsyncRead for Unread {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        panic!("the body was read");
    }
}

#[tokio::test]
async fn who_is_refused_has_the_body_unread() {
    let request = || {
        Request::builder()
            .uri("/private/page".parse().unwrap())
            .method(Method::POST)
            .header("host", "a.example")
    };
    let body = || Body::from_async_read(Unread);
    let anonymous = app(&away()).get_response(request().body(body())).await;
    assert_eq!(anonymous.status(), StatusCode::SEE_OTHER);
    assert_eq!(anonymous.header("location"), Some("/login"));

    let cookie = format!("__Host-auth_session={}", "a".repeat(40));
    let request = request().header("cookie", cookie);
    let request = request.header("origin", "https://b.example");
    let cross_origin = app(&away()).get_response(request.body(body())).await;
    assert_eq!(cross_origin.status(), StatusCode::FORBIDDEN);
    assert_eq!(cross_origin.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn an_outage_is_no_log_out() {
    let cookie = format!("__Host-auth_session={}", "a".repeat(40));
    for path in ["/user", "/private/page"] {
        let response = ask(path, Some(cookie.clone())).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.header("set-cookie").is_none());
    }
}
