use lucia::{auth_request, authenticated};

#[auth_request]
#[authenticated]
async fn handler() -> &'static str {
    auth_request.set_session(None);
    "handler"
}

fn main() {}
