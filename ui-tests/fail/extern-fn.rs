use lucia::auth_request;

#[auth_request]
async extern "C" fn handler() -> &'static str {
    "extern"
}

fn main() {}
