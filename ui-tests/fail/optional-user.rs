use lucia::{User, auth_request};

#[auth_request]
async fn handler(user: Option<User>) -> String {
    format!("{user:?}")
}

fn main() {}
