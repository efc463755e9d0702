use lucia::authenticated;

#[authenticated(bearer, redirect = "/login")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
