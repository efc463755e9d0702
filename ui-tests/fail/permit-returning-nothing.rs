use lucia::{User, authenticated};

fn require_admin(user: User) -> lucia::Result<()> {
    drop(user);
    Ok(())
}

#[authenticated(permit = require_admin)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
