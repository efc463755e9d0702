use lucia::authenticated;

#[authenticated(redirect = "/login#form")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
