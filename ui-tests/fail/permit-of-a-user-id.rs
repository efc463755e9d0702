use lucia::{UserId, authenticated};

fn is_admin(id: UserId) -> bool {
    id.as_str() == "admin"
}

#[authenticated(permit = is_admin)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
