use lucia::authenticated;

#[authenticated(fresh = "10")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
