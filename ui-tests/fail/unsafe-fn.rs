use lucia::auth_request;

#[auth_request]
async unsafe fn handler() -> &'static str {
    "unsafe"
}

fn main() {}
