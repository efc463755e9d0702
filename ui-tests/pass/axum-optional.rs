//! In axum an `Option` of lucia's extractors is `None` for an anonymous request only.

use axum::Router;
use axum::routing::get;
use lucia::axum::auth_request;
use lucia::{Auth, MaybeSession, Session, User};

#[auth_request]
async fn handler(
    _auth: Auth,
    user: Option<User>,
    session: Option<Session>,
    MaybeSession(same): MaybeSession,
) -> String {
    format!("{} {}", user.is_some(), session.is_some() == same.is_some())
}

fn main() {
    let _: Router = Router::new().route("/", get(handler));
}
