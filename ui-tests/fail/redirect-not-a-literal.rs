use lucia::authenticated;

const LOGIN: &str = "/login";

#[authenticated(redirect = LOGIN)]
async fn handler() -> &'static str {
    LOGIN
}

fn main() {}
