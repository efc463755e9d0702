use lucia::authenticated;

#[authenticated(permit)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
