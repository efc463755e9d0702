//! Many handlers.

use actix_web::get;
use actix_web::web::ServiceConfig;
use lucia::{User, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

/// `GET /h0`.
#[get("/h0")]
#[authenticated]
async fn h0(user: User<Profile>) -> String {
    format!("Hello 0, {}", user.username)
}

/// `GET /h1`.
#[get("/h1")]
#[authenticated]
async fn h1(user: User<Profile>) -> String {
    format!("Hello 1, {}", user.username)
}

/// Registers them.
pub fn configure(config: &mut ServiceConfig) {
    config.service(h0);
    config.service(h1);
}
