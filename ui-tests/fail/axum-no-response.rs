use lucia::User;
use lucia::axum::authenticated;
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct Profile {
    username: String,
}

#[authenticated]
async fn handler(user: User<Profile>) -> lucia::Result<Profile> {
    let _ = &user.username;
    Ok(Profile::clone(&user))
}

fn main() {}
