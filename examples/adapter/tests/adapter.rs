//! The adapter before a database that is away.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

use adapter::{Lucia, Sender, SignedIn};
use lucia::deadpool_postgres::{Manager, Pool, tokio_postgres};
use lucia::{Auth, Guard, NoAttributes, PgStore};
use poem::endpoint::make_sync;
use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt, Request, Response, Route, get, handler};

#[handler]
async fn forget(Sender(sender): Sender) -> poem::Result<String> {
    sender.set_session(None);
    Err(StatusCode::IM_A_TEAPOT.into())
}

#[handler]
async fn user(SignedIn(user): SignedIn<NoAttributes>) -> String {
    user.id.to_string()
}

fn app() -> impl Endpoint {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("nobody");
    let pool = Pool::builder(Manager::new(config, tokio_postgres::NoTls));
    let store = PgStore::new(pool.build().unwrap());
    let auth = Auth::builder(store).build().unwrap();
    let lucia = |guard| Lucia {
        auth: auth.clone(),
        guard,
    };
    let private = lucia(Guard::authenticated().redirect("/login"));
    let pages = Route::new().at("/page", make_sync(|_| "page"));
    Route::new()
        .at("/forget", get(forget))
        .at("/user", get(user))
        .nest("/private", pages.with(private))
        .with(lucia(Guard::anyone()))
}

async fn ask(path: &str, cookie: Option<String>) -> Response {
    let mut request = Request::builder().uri(path.parse().unwrap());
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    app().get_response(request.finish()).await
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
async fn a_cookie_reaches_an_error() {
    let response = ask("/forget", None).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.header("set-cookie").is_some());
    assert_eq!(response.header("cache-control"), Some("no-store"));
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
