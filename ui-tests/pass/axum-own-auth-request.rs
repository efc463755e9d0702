// An `AuthRequest` in the signature is used instead of the injected binding.

use axum::{Router, routing::post};
use lucia::AuthRequest;
use lucia::axum::{auth_request, authenticated};

#[auth_request]
async fn another_name(request: AuthRequest) -> &'static str {
    request.set_session(None);
    "another name"
}

#[authenticated]
async fn the_same_name(auth_request: AuthRequest) -> &'static str {
    auth_request.set_session(None);
    "the same name"
}

#[authenticated]
async fn before_the_body(request: lucia::AuthRequest, body: String) -> String {
    request.set_session(None);
    body
}

type Alias = AuthRequest;

#[auth_request]
async fn inside_a_pattern((mut auth_request, _body): (Alias, String)) -> &'static str {
    auth_request = auth_request.clone();
    auth_request.set_session(None);
    "inside a pattern"
}

fn main() {
    let _: Router = Router::new()
        .route("/a", post(another_name))
        .route("/b", post(the_same_name))
        .route("/c", post(before_the_body))
        .route("/d", post(inside_a_pattern));
}
