use actix_web::web;
use lucia::{User, authenticated};
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct Profile {
    username: String,
}

#[authenticated]
async fn handler(user: User<Profile>) -> Profile {
    let _ = &user.username;
    Profile::clone(&user)
}

fn main() {
    let _ = web::get().to(handler);
}
