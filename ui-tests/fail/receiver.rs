use actix_web::Responder;
use lucia::authenticated;

struct Handlers;

impl Handlers {
    #[authenticated]
    async fn handler(&self) -> impl Responder {
        "self"
    }
}

fn main() {}
