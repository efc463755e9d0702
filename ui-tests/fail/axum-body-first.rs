use axum::{Json, Router, routing::post};
use lucia::User;
use lucia::axum::authenticated;

#[authenticated]
async fn handler(Json(edit): Json<String>, user: User) -> String {
    format!("{edit} {}", user.id)
}

fn main() {
    let _: Router = Router::new().route("/", post(handler));
}
