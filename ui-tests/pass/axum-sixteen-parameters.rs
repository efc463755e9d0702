use axum::http::{HeaderMap, Method};
use axum::{Router, body::Bytes, routing::post};
use lucia::axum::authenticated;

#[authenticated]
async fn handler(
    _1: HeaderMap,
    _2: HeaderMap,
    _3: HeaderMap,
    _4: HeaderMap,
    _5: HeaderMap,
    _6: HeaderMap,
    _7: HeaderMap,
    _8: HeaderMap,
    _9: Method,
    _10: Method,
    _11: Method,
    _12: Method,
    _13: Method,
    _14: Method,
    _15: Method,
    body: Bytes,
) -> Bytes {
    auth_request.set_session(None);
    body
}

fn main() {
    let _: Router = Router::new().route("/", post(handler));
}
