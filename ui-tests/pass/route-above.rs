use actix_web::{HttpResponse, Responder, get, post, web};
use lucia::{Session, User, auth_request, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

#[post("/login")]
#[auth_request]
async fn login(form: web::Form<Profile>) -> lucia::Result<impl Responder> {
    auth_request.set_session(None);
    Ok(form.into_inner().username)
}

#[get("/me")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    format!("Hello, {}!", user.username)
}

#[post("/logout")]
#[authenticated]
async fn logout(_session: Session) -> lucia::Result<impl Responder> {
    auth_request.set_session(None);
    Ok(HttpResponse::NoContent())
}

fn _mount(config: &mut web::ServiceConfig) {
    config.service(login).service(me).service(logout);
}

fn main() {}
