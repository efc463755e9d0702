use lucia::auth_request;

#[auth_request]
async fn handler(body: String, _: ...) -> String {
    body
}

fn main() {}
