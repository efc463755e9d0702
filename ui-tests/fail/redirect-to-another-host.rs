use lucia::authenticated;

#[authenticated(redirect = "//example.com")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
