use actix_web::web;
use lucia::{auth_request, authenticated};

#[authenticated]
async fn authenticated_page() -> &'static str {
    "signed in"
}

#[auth_request]
async fn page() -> &'static str {
    auth_request.set_session(None);
    "anyone"
}

fn main() {
    let _ = web::get().to(authenticated_page);
    let _ = web::get().to(page);
}
