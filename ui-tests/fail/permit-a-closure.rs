use lucia::authenticated;

#[authenticated(permit = |user: lucia::User| user.id.as_str() == "ada")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
