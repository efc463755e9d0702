use std::future::ready;
use std::sync::Arc;

use axum::extract::{FromRef, Form, Json, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Router, body::Bytes};
use lucia::axum::{auth_request, authenticated};
use lucia::{Auth, MaybeUser, Session, User};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Profile {
    username: String,
}

#[derive(Clone)]
struct AppState {
    auth: Auth,
    greeting: Arc<str>,
}

impl FromRef<AppState> for Auth {
    fn from_ref(state: &AppState) -> Self {
        state.auth.clone()
    }
}

#[authenticated]
async fn nothing() -> &'static str {
    "nothing"
}

#[authenticated]
async fn user(user: User<Profile>) -> impl IntoResponse {
    format!("Hello, {}!", user.username)
}

#[auth_request]
async fn state(State(state): State<AppState>, user: MaybeUser<Profile>) -> Html<String> {
    let name = user.0.map(|user| user.attributes.username);
    Html(format!("{} {name:?}", state.greeting))
}

#[authenticated]
async fn part_of_the_state(State(auth): State<Auth>, session: Session) -> lucia::Result<Redirect> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok(Redirect::to("/"))
}

#[auth_request]
async fn own_errors(body: Bytes) -> Result<impl IntoResponse, (StatusCode, String)> {
    let text = std::str::from_utf8(&body)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let parsed: i32 = text.parse().map_err(own)?;
    Ok(Json(parsed))
}

fn own(error: std::num::ParseIntError) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, error.to_string())
}

#[authenticated(redirect = "/login", recent = "10m", permit = is_ada)]
async fn patterns(
    mut user: User<Profile>,
    Path((id, _)): Path<(u32, String)>,
    Query(mut pairs): Query<Vec<(String, String)>>,
    _: HeaderMap,
    all @ Form(_): Form<Vec<(String, String)>>,
) -> Response {
    user.id = lucia::UserId::new("ada").unwrap();
    pairs.push((id.to_string(), user.id.to_string()));
    Json((pairs, all.0)).into_response()
}

async fn is_ada(user: User<Profile>, _session: Session) -> Result<bool, std::io::Error> {
    Ok(ready(user.username == "ada").await)
}

#[authenticated(cookie, bearer)]
async fn whole_request(session: Session, request: Request) -> String {
    format!("{} {}", session.id, request.uri())
}

struct Handlers;

impl Handlers {
    #[lucia::axum::authenticated(bearer)]
    async fn associated() -> StatusCode {
        StatusCode::NO_CONTENT
    }
}

mod inner {
    #[lucia::axum::auth_request]
    pub(super) async fn outside() -> &'static str {
        super::helper()
    }
}

fn helper() -> &'static str {
    "private to the module"
}

// Of a state that is a parameter, too.
fn routes<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(user).post(own_errors)
}

fn main() {
    let _: Router<AppState> = Router::new()
        .route("/", get(nothing).post(part_of_the_state))
        .route("/state", get(state))
        .route("/patterns", post(patterns))
        .route("/request", post(whole_request))
        .route("/associated", get(Handlers::associated))
        .route("/inner", get(inner::outside))
        .route("/routes", routes());
}
