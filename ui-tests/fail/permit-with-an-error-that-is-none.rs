use lucia::{User, authenticated};

struct Unreachable;

fn is_admin(user: User) -> Result<bool, Unreachable> {
    drop(user);
    Err(Unreachable)
}

#[authenticated(permit = is_admin)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
