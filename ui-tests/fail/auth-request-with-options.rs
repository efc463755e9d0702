use lucia::auth_request;

#[auth_request(redirect = "/login")]
async fn handler() -> &'static str {
    auth_request.set_session(None);
    "handler"
}

fn main() {}
