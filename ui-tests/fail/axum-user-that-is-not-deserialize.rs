use lucia::User;
use lucia::axum::authenticated;

struct Profile {
    username: String,
}

#[authenticated]
async fn handler(user: User<Profile>) -> String {
    user.username.clone()
}

fn main() {}
