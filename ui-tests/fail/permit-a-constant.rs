use lucia::authenticated;

const IS_ADMIN: bool = true;

#[authenticated(permit = IS_ADMIN)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
