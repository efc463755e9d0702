use lucia::authenticated;

#[authenticated("/login")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
