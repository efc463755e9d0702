use lucia::{Session, User, authenticated};

fn is_admin(user: User, session: Session, again: User) -> bool {
    user.id == session.user_id && user.id == again.id
}

#[authenticated(permit = is_admin)]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
