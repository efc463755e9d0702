use lucia::authenticated;

#[authenticated(recent = "0m")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
