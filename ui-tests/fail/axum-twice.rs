use lucia::axum::{auth_request, authenticated};

#[auth_request]
#[authenticated(redirect = "/login")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
