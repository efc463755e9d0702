use lucia::authenticated;

#[authenticated(redirect)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
