use actix_web::get;
use lucia::authenticated;

#[authenticated]
#[get("/")]
#[authenticated(redirect = "/login")]
async fn handler() -> &'static str {
    "handler"
}

fn main() {}
