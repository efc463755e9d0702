use lucia::authenticated;

#[authenticated(redirect = "https://example.com/login")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
