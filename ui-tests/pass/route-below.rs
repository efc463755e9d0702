use actix_web::{HttpResponse, Responder, web};
use lucia::{User, auth_request, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

#[authenticated]
#[actix_web::get("/me")]
async fn me(user: User<Profile>) -> impl Responder {
    format!("Hello, {}!", user.username)
}

#[auth_request]
#[actix_web::post("/logout", name = "logout")]
/// Docs may stand anywhere.
async fn logout() -> HttpResponse {
    auth_request.set_session(None);
    HttpResponse::NoContent().finish()
}

fn _mount(config: &mut web::ServiceConfig) {
    config.service(me).service(logout);
}

fn main() {}
