use lucia::authenticated;

#[authenticated(bearer, bearer)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
