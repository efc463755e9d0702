//! The adapter for axum, before real stores. What it shares with that for actix-web is tested
//! there; here is what it does itself: find the `Auth`, decide first, put cookies on responses.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRef, Json, Path, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE, VARY,
};
use axum::http::request::Builder;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use lucia::axum::{auth_request, authenticated};
use lucia::{Auth, Guard, MaybeUser, NewUser, Session, User};
use serde::Deserialize;
use tower::ServiceExt;

use crate::support::{PASSWORD, Profile, Stage, on_each_store, sign_up};

on_each_store![
    people_sign_up_log_in_and_log_out,
    attribute_and_extractors_take_one_query,
    a_renewed_cookie_is_on_every_way_out,
    a_dead_cookie_is_removed_with_the_denial,
    an_outage_is_503_and_touches_no_cookie,
    a_permit_decides_before_the_parameters,
    a_bearer_gets_no_cookie,
    a_protected_router_lets_in_who_is_signed_in,
    of_two_layers_the_inner_one_is_that_of_the_handler,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone)]
struct AppState {
    auth: Auth,
}

impl FromRef<AppState> for Auth {
    fn from_ref(state: &AppState) -> Self {
        state.auth.clone()
    }
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[auth_request]
async fn signup(
    State(auth): State<Auth>,
    Json(form): Json<Credentials>,
) -> lucia::Result<impl IntoResponse> {
    let profile = Profile {
        username: form.username.clone(),
    };
    let new_user = NewUser::with_password("username", &form.username, &form.password);
    let user = auth.create_user(new_user.attributes(&profile)).await?;
    let session = auth.create_session(&user.id).await?;
    auth_request.set_session(Some(&session));
    Ok(StatusCode::CREATED)
}

#[auth_request]
async fn login(
    State(auth): State<Auth>,
    Json(form): Json<Credentials>,
) -> lucia::Result<impl IntoResponse> {
    let key = auth
        .use_key("username", &form.username, Some(&form.password))
        .await?;
    let session = auth.create_session(&key.user_id).await?;
    auth_request.set_session(Some(&session));
    Ok(StatusCode::NO_CONTENT)
}

#[authenticated]
async fn me(user: User<Profile>) -> impl IntoResponse {
    format!("Hello, {}!", user.username)
}

#[authenticated]
async fn logout(State(auth): State<Auth>, session: Session) -> lucia::Result<StatusCode> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok(StatusCode::NO_CONTENT)
}

/// Asks in every way that there is.
#[authenticated]
async fn all(
    user: User<Profile>,
    session: Session,
    maybe: MaybeUser<Profile>,
) -> lucia::Result<String> {
    let again = auth_request.validate_user::<Profile>().await?;
    let same = again.is_some_and(|(_, again)| again.id == session.id);
    Ok(format!("{} {} {same}", user.username, maybe.0.is_some()))
}

#[authenticated]
async fn failing() -> Result<&'static str, StatusCode> {
    Err(StatusCode::IM_A_TEAPOT)
}

#[authenticated]
async fn elsewhere() -> Redirect {
    Redirect::to("/")
}

#[authenticated]
async fn rejecting(Path(number): Path<u32>) -> String {
    number.to_string()
}

#[authenticated(permit = is_ada, redirect = "/login")]
async fn of_ada(Path(number): Path<u32>) -> String {
    number.to_string()
}

async fn is_ada(user: User<Profile>, _session: Session) -> Result<bool, std::io::Error> {
    Ok(user.username == "ada")
}

#[authenticated(bearer)]
async fn api(session: Session) -> String {
    session.id.to_string()
}

fn app(auth: &Auth) -> Router {
    Router::new()
        .route("/signup", post(signup))
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .route("/all", get(all))
        .route("/failing", get(failing))
        .route("/elsewhere", get(elsewhere))
        .route("/rejecting/{number}", get(rejecting))
        .route("/ada/{number}", get(of_ada))
        .route("/api", get(api))
        .route("/plain", get(async |_: User<Profile>| "plain"))
        .layer(auth.layer())
        .with_state(AppState { auth: auth.clone() })
}

async fn ask(app: &Router, request: Builder, body: &str) -> Response {
    let request = request
        .header(HOST, "app.example")
        .header(ORIGIN, "https://app.example")
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn get_as(app: &Router, auth: &Auth, session: &Session, path: &str) -> Response {
    let request = Request::get(path).header(COOKIE, cookie_of(auth, session));
    ask(app, request, "").await
}

fn cookie_of(auth: &Auth, session: &Session) -> String {
    let cookie = auth.session_cookie(Some(session));
    format!("{}={}", cookie.name(), cookie.value())
}

/// The session cookies of a response, up to their attributes.
fn cookies(response: &Response) -> Vec<String> {
    let cookies = response.headers().get_all(SET_COOKIE).iter();
    let pair = |value: &str| value.split(';').next().unwrap_or_default().to_owned();
    cookies
        .map(|cookie| pair(cookie.to_str().unwrap()))
        .collect()
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.into()).unwrap()
}

async fn people_sign_up_log_in_and_log_out(stage: Stage) {
    let auth = stage.auth().await;
    let app = app(&auth);
    let form = format!(r#"{{"username": "ada", "password": "{PASSWORD}"}}"#);
    let signed_up = ask(&app, Request::post("/signup"), &form).await;
    assert_eq!(signed_up.status(), StatusCode::CREATED);
    assert_eq!(cookies(&signed_up).len(), 1);

    let logged_in = ask(&app, Request::post("/login"), &form).await;
    assert_eq!(logged_in.status(), StatusCode::NO_CONTENT);
    let cookie = cookies(&logged_in).remove(0);

    let me = ask(&app, Request::get("/me").header(COOKIE, &cookie), "").await;
    assert_eq!(me.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(me.headers()[VARY], "Cookie");
    assert_eq!(text(me).await, "Hello, ada!");

    let logout = Request::post("/logout").header(COOKIE, &cookie);
    let logged_out = ask(&app, logout, "").await;
    assert_eq!(logged_out.status(), StatusCode::NO_CONTENT);
    assert_eq!(cookies(&logged_out), ["__Host-auth_session="]);
    let nobody = ask(&app, Request::get("/me").header(COOKIE, &cookie), "").await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}

async fn attribute_and_extractors_take_one_query(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    stage.probe.calls();
    let response = get_as(&app(&auth), &auth, &session, "/all").await;
    assert_eq!(text(response).await, "ada true true");
    assert_eq!(stage.probe.calls().len(), 1);
}

async fn a_renewed_cookie_is_on_every_way_out(stage: Stage) {
    let auth = stage.auth().await;
    let app = app(&auth);
    let session = sign_up(&auth, "ada").await;
    for (path, status) in [
        ("/me", StatusCode::OK),
        ("/plain", StatusCode::OK),
        ("/failing", StatusCode::IM_A_TEAPOT),
        ("/elsewhere", StatusCode::SEE_OTHER),
        ("/rejecting/x", StatusCode::BAD_REQUEST),
    ] {
        stage.clock.advance(2 * DAY);
        let response = get_as(&app, &auth, &session, path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(cookies(&response), [cookie_of(&auth, &session)], "{path}");
    }
}

async fn a_dead_cookie_is_removed_with_the_denial(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    auth.invalidate_session(&session.id).await.unwrap();
    for path in ["/me", "/plain"] {
        let response = get_as(&app(&auth), &auth, &session, path).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(cookies(&response), ["__Host-auth_session="]);
    }
}

async fn an_outage_is_503_and_touches_no_cookie(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    stage.probe.set_down(true);
    for path in ["/me", "/plain", "/all"] {
        let response = get_as(&app(&auth), &auth, &session, path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(cookies(&response).is_empty());
    }
}

async fn a_permit_decides_before_the_parameters(stage: Stage) {
    let auth = stage.auth().await;
    let app = app(&auth);
    let ada = sign_up(&auth, "ada").await;
    let eve = sign_up(&auth, "eve").await;
    let permitted = get_as(&app, &auth, &ada, "/ada/1").await;
    assert_eq!(permitted.status(), StatusCode::OK);
    let forbidden = get_as(&app, &auth, &eve, "/ada/no-number").await;
    assert_eq!(forbidden.status(), StatusCode::FORBIDDEN);
    let anonymous = ask(&app, Request::get("/ada/no-number"), "").await;
    assert_eq!(anonymous.status(), StatusCode::SEE_OTHER);
    let login = &anonymous.headers()[LOCATION];
    assert_eq!(login, "/login?next=%2Fada%2Fno-number");
}

async fn a_bearer_gets_no_cookie(stage: Stage) {
    let auth = stage.auth().await;
    let app = app(&auth);
    let session = sign_up(&auth, "ada").await;
    stage.clock.advance(2 * DAY);
    let token = format!("Bearer {}", session.token().expose());
    let response = ask(&app, Request::get("/api").header(AUTHORIZATION, token), "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(cookies(&response).is_empty());
    assert_eq!(response.headers()[VARY], "Authorization");

    let by_cookie = get_as(&app, &auth, &session, "/api").await;
    assert_eq!(by_cookie.status(), StatusCode::UNAUTHORIZED);
}

async fn a_protected_router_lets_in_who_is_signed_in(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let protected = |guard| {
        Router::new()
            .route("/", get(async || "private"))
            .layer(auth.layer().guard(guard))
    };
    let app = protected(Guard::authenticated());
    let signed_in = get_as(&app, &auth, &session, "/").await;
    assert_eq!(signed_in.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(text(signed_in).await, "private");
    let anonymous = ask(&app, Request::get("/"), "").await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);

    let app =
        protected(Guard::authenticated().permit(|user: User<Profile>| user.username == "eve"));
    let forbidden = get_as(&app, &auth, &session, "/").await;
    assert_eq!(forbidden.status(), StatusCode::FORBIDDEN);
}

async fn of_two_layers_the_inner_one_is_that_of_the_handler(stage: Stage) {
    let inner = stage.auth().await;
    let cookie = lucia::CookieOptions::new().name("__Host-staff");
    let outer = stage.builder().await.cookie(cookie).build().unwrap();
    let session = sign_up(&inner, "ada").await;
    let app = Router::new()
        .nest("/inner", app(&inner))
        .layer(outer.layer());

    let of_inner = get_as(&app, &inner, &session, "/inner/me").await;
    assert_eq!(of_inner.status(), StatusCode::OK);
    let of_outer = get_as(&app, &outer, &session, "/inner/me").await;
    assert_eq!(of_outer.status(), StatusCode::UNAUTHORIZED);
}
