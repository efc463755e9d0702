use lucia::authenticated;

#[authenticated(recent)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
