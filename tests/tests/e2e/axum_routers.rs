//! What axum alone has: routers with a state, routers in routers, and layers around single routes.

use axum::extract::{FromRef, Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, debug_handler};
use lucia::axum::{auth_request, authenticated};
use lucia::{Auth, Session, User};
use reqwest::Method;

use crate::support::{Profile, Site, Stage, axum::serve_router, sign_up};

#[derive(Clone)]
struct AppState {
    auth: Auth,
    greeting: &'static str,
}

impl FromRef<AppState> for Auth {
    fn from_ref(state: &AppState) -> Self {
        state.auth.clone()
    }
}

#[authenticated]
#[debug_handler(state = AppState)]
async fn greet(
    State(state): State<AppState>,
    user: User<Profile>,
    Path(times): Path<usize>,
    Json(suffix): Json<String>,
) -> String {
    let greeting = format!("{} {}{suffix}", state.greeting, user.username);
    vec![greeting; times].join(" ")
}

#[auth_request]
async fn leave(State(auth): State<Auth>, session: Session) -> lucia::Result<StatusCode> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok(StatusCode::NO_CONTENT)
}

/// A site, and somebody who is signed in there.
async fn site(routes: impl FnOnce(&Auth) -> Router) -> (Site, Session) {
    let auth = Stage::sqlite().await.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = routes(&auth);
    (serve_router(auth, routes).await, session)
}

#[tokio::test]
async fn handlers_have_the_state_of_their_router_and_a_part_of_it() {
    let (site, session) = site(|auth| {
        Router::new()
            .route("/greet/{times}", post(greet))
            .route("/leave", post(leave))
            .layer(auth.layer())
            .with_state(AppState {
                auth: auth.clone(),
                greeting: "Hello,",
            })
    })
    .await;
    let browser = site.browser_of(&session);
    let request = browser.request(Method::POST, "/greet/2").json("!");
    let reply = browser.send(request).await;
    assert_eq!(reply.body, "Hello, ada! Hello, ada!");
    let left = browser.post("/leave", &[]).await;
    assert_eq!(left.status, 204);
    assert!(left.removes_cookie());
    let session = site.auth.session(&session.id).await.unwrap();
    assert!(session.is_none());
}

async fn page() -> &'static str {
    "page"
}

#[tokio::test]
async fn a_nested_router_without_a_fallback_leaves_to_the_outer_one_what_does_not_exist() {
    let (site, _) = site(|auth| {
        let pages = || Router::new().route("/page", get(page));
        let own = pages().fallback(page).layer(auth.layer().protect());
        Router::new()
            .nest("/without", pages().layer(auth.layer().protect()))
            .nest("/with", own)
            .layer(auth.layer())
    })
    .await;
    let anonymous = site.browser();
    for (path, status) in [
        ("/without/page", 401),
        ("/without/nowhere", 404),
        ("/with/page", 401),
        ("/with/nowhere", 401),
    ] {
        assert_eq!(anonymous.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_layer_around_one_route_protects_that_one() {
    let (site, session) = site(|auth| {
        Router::new()
            .route("/private", get(page).layer(auth.layer().protect()))
            .route("/open", get(page))
    })
    .await;
    let anonymous = site.browser();
    assert_eq!(anonymous.get("/private").await.status, 401);
    assert_eq!(anonymous.get("/open").await.body, "page");
    let private = site.browser_of(&session).get("/private").await;
    assert_eq!(private.body, "page");
    assert_eq!(private.header("cache-control"), Some("no-store"));
}
