use axum::Json;
use lucia::User;
use lucia::axum::authenticated;

fn may_write(user: User, draft: Json<String>) -> bool {
    draft.0.contains(user.id.as_str())
}

#[authenticated(permit = may_write)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
