use lucia::auth_request;

#[auth_request]
const fn handler() -> &'static str {
    "const"
}

fn main() {}
