use std::rc::Rc;

use axum::{Router, routing::get};
use lucia::axum::auth_request;

#[auth_request]
async fn handler() -> String {
    let shared = Rc::new(1);
    let session = auth_request.validate().await;
    format!("{shared} {session:?}")
}

fn main() {
    let _: Router = Router::new().route("/", get(handler));
}
