use lucia::authenticated;

#[authenticated(redirect = "/login\r\nSet-Cookie: a=b")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
