use lucia::auth_request;

#[auth_request]
async fn handler(body: String, ...) -> String {
    body
}

fn main() {}
