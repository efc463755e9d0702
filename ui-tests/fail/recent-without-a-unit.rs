use lucia::authenticated;

#[authenticated(recent = "10")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
