//! Many handlers.

use axum::Router;
use axum::routing::get;
use lucia::User;
use lucia::axum::authenticated;
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

#[authenticated]
async fn h0(user: User<Profile>) -> String {
    format!("Hello 0, {}", user.username)
}

#[authenticated]
async fn h1(user: User<Profile>) -> String {
    format!("Hello 1, {}", user.username)
}

/// Registers them.
pub fn router() -> Router {
    let mut router = Router::new();
    router = router.route("/h0", get(h0));
    router = router.route("/h1", get(h1));
    router
}
