use lucia::authenticated;

fn is_open() -> bool {
    true
}

#[authenticated(permit = is_open)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
