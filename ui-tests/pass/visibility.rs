use actix_web::web;

mod handlers {
    use lucia::{auth_request, authenticated};

    #[authenticated]
    pub async fn public() -> &'static str {
        helper()
    }

    #[auth_request]
    pub(crate) async fn to_the_crate() -> &'static str {
        helper()
    }

    #[actix_web::get("/")]
    #[authenticated]
    pub(super) async fn to_the_parent() -> &'static str {
        super::outside()
    }

    fn helper() -> &'static str {
        "private to the module"
    }
}

fn outside() -> &'static str {
    "outside"
}

pub use handlers::public as renamed;

struct Handlers;

impl Handlers {
    #[lucia::authenticated]
    async fn associated() -> &'static str {
        "associated"
    }
}

fn main() {
    let _ = web::get().to(renamed);
    let _ = web::get().to(handlers::to_the_crate);
    let _ = web::get().to(Handlers::associated);
    let _ = |config: &mut web::ServiceConfig| {
        config.service(handlers::to_the_parent);
    };
}
