use actix_web::web;
use lucia::{Session, authenticated};

#[authenticated]
async fn handler(_session: Session) {}

fn main() {
    let _ = web::get().to(handler);
}
