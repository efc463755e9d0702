//! No lint fires for what the expansion does and the user did not.

#![deny(warnings)]
#![deny(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications
)]
#![deny(
    unused_results,
    unused_lifetimes,
    elided_lifetimes_in_paths,
    single_use_lifetimes
)]
#![deny(
    let_underscore_drop,
    non_ascii_idents,
    trivial_casts,
    redundant_lifetimes
)]
#![deny(
    future_incompatible,
    nonstandard_style,
    rust_2018_idioms,
    rust_2024_compatibility,
    unused
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::unwrap_used)]
#![forbid(unsafe_code)]

use axum::extract::{FromRequest, Json};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, response::Response};
use lucia::axum::{auth_request, authenticated};
use lucia::{AuthRequest, Session, User};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

/// Uses all that it is given.
#[authenticated]
async fn me(user: User<Profile>, session: Session, Json(id): Json<u32>) -> impl IntoResponse {
    auth_request.set_session(Some(&session));
    format!("Hello, {} {}!", user.username, id)
}

/// Leaves `auth_request` unused, and waits for nothing.
#[authenticated(redirect = "/login")]
async fn ignores_it() -> impl IntoResponse {
    StatusCode::NO_CONTENT
}

/// Is plain.
#[auth_request]
async fn plain(_request: AuthRequest, mut body: String) -> lucia::Result<Response> {
    body.push('.');
    Ok(body.into_response())
}

/// Is generic.
#[authenticated]
async fn generic<const N: usize, T>(resource: T) -> String
where
    T: FromRequest<()> + ToString + 'static,
{
    resource.to_string().repeat(N)
}

/// Is generic in what no parameter mentions.
#[authenticated]
async fn unmentioned<F>(body: String) -> String
where
    F: Fn(String) -> String + Default,
{
    F::default()(body)
}

/// Takes what is named later.
#[auth_request]
async fn named_later(
    resource: Json<impl for<'de> Deserialize<'de> + ToString + 'static>,
) -> String {
    resource.to_string()
}

/// Is looked at by axum as well.
#[auth_request]
#[axum::debug_handler]
async fn debugged(_headers: HeaderMap, body: String) -> String {
    body
}

/// Has seven parameters, the most that clippy likes.
#[authenticated]
async fn seven(
    aa: HeaderMap,
    bb: HeaderMap,
    cc: HeaderMap,
    dd: HeaderMap,
    ee: HeaderMap,
    ff: HeaderMap,
    gg: String,
) -> String {
    format!("{aa:?}{bb:?}{cc:?}{dd:?}{ee:?}{ff:?}{gg:?}")
}

/// Begins with an item.
#[authenticated]
async fn begins_with_an_item() -> &'static str {
    const GREETING: &str = "hello";
    GREETING
}

fn main() {
    let _router: Router = Router::new()
        .route("/", get(me).post(ignores_it))
        .route("/plain", get(plain))
        .route("/generic", get(generic::<1, String>))
        .route("/later", get(named_later::<String>))
        .route("/debugged", get(debugged))
        .route("/seven", get(seven))
        .route("/item", get(begins_with_an_item));
}
