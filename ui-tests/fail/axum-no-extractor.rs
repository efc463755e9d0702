use axum::{Router, routing::get};
use lucia::Session;
use lucia::axum::authenticated;

struct Profile;

#[authenticated]
async fn handler(_session: Session, profile: std::sync::Arc<Profile>, _body: String) -> String {
    let Profile = *profile;
    String::new()
}

fn main() {
    let _: Router = Router::new().route("/", get(handler));
}
