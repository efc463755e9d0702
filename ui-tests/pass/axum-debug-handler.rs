// `debug_handler` below looks at the parameters that the user wrote.

use axum::extract::{Json, State};
use axum::{Router, routing::post};
use lucia::User;
use lucia::axum::{auth_request, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

#[authenticated]
#[axum::debug_handler]
async fn inferred(
    State(state): State<u8>,
    user: User<Profile>,
    Json(mut body): Json<Vec<String>>,
) -> lucia::Result<Json<Vec<String>>> {
    body.push(format!("{state} {}", user.username));
    Ok(Json(body))
}

#[auth_request]
#[axum::debug_handler(state = u8)]
async fn given() -> &'static str {
    "given"
}

#[auth_request]
#[cfg_attr(debug_assertions, axum::debug_handler(state = u8))]
async fn while_developing(body: String) -> String {
    body
}

#[auth_request]
#[cfg_attr(not(debug_assertions), axum::debug_handler(state = u8))]
async fn otherwise(body: String) -> String {
    body
}

fn main() {
    let _: Router<u8> = Router::new()
        .route("/", post(inferred).get(given))
        .route("/developing", post(while_developing).put(otherwise));
}
