use lucia::authenticated;

#[authenticated(redirect = "/login", redirect = "/sign-in")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
