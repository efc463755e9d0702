use actix_web::{Responder, get, web};
use lucia::{Session, authenticated};

#[get("/settings")]
#[authenticated(redirect = "/login")]
async fn settings(session: Session) -> impl Responder {
    format!("{:?}", session.id)
}

#[authenticated(redirect = "/sign-in/caf%C3%A9?why=private",)]
#[get("/account")]
async fn account() -> impl Responder {
    "account"
}

#[authenticated(redirect = r"/")]
async fn home() -> &'static str {
    "home"
}

macro_rules! page {
    ($name:ident, $login:literal) => {
        #[authenticated(redirect = $login)]
        async fn $name() -> &'static str {
            stringify!($name)
        }
    };
}

page!(orders, "/login");

#[authenticated()]
async fn no_options() -> &'static str {
    "none"
}

fn main() {
    let _ = web::get().to(home);
    let _ = web::get().to(orders);
    let _ = web::get().to(no_options);
    let _ = |config: &mut web::ServiceConfig| {
        config.service(settings).service(account);
    };
}
