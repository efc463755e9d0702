use lucia::axum::authenticated;

fn is_admin(name: &str) -> bool {
    name == "admin"
}

#[authenticated(permit = is_admin)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
