use lucia::authenticated;

#[authenticated(fresh)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
