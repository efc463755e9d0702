use lucia::authenticated;

#[authenticated(bearer = true)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
