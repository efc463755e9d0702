use actix_web::{Responder, get, web};
use lucia::{Session, authenticated};

#[get("/")]
#[authenticated]
fn handler(session: Session) -> impl Responder {
    format!("{:?}", session.id)
}

fn _mount(config: &mut web::ServiceConfig) {
    config.service(handler);
}

fn main() {}
