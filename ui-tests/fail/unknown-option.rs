use lucia::{Session, authenticated};

#[authenticated(redirekt = "/login")]
async fn handler(session: Session) -> String {
    format!("{:?}", session.id)
}

fn main() {}
