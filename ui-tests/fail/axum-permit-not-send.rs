use lucia::User;
use lucia::axum::authenticated;
use std::future::ready;
use std::rc::Rc;

async fn is_admin(user: User) -> bool {
    let name = Rc::new(user);
    ready(()).await;
    name.id.as_str() == "admin"
}

#[authenticated(permit = is_admin)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
