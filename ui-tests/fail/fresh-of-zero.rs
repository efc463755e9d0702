use lucia::authenticated;

#[authenticated(fresh = "0m")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
