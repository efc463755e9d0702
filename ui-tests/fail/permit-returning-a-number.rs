use lucia::{User, authenticated};

fn level(user: User) -> u8 {
    user.id.as_str().len() as u8
}

#[authenticated(permit = level)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
