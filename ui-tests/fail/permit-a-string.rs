use lucia::{User, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    is_admin: bool,
}

fn is_admin(user: User<Profile>) -> bool {
    user.is_admin
}

#[authenticated(permit = "is_admin")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
