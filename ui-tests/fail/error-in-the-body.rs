// The body is the user's own: a mistake in it is one message, about the body.

use actix_web::get;
use lucia::{Session, authenticated};

#[get("/")]
#[authenticated]
async fn handler(session: Session) -> String {
    session.identity()
}

fn main() {}
