use lucia::authenticated;

#[authenticated(redirect = 404)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
