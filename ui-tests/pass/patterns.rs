use actix_web::{Responder, post, web};
use lucia::{Session, User, auth_request, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

#[post("/")]
#[authenticated]
async fn tuple(web::Json((id, name)): web::Json<(u32, String)>) -> impl Responder {
    format!("{id} {name}")
}

#[auth_request]
async fn structure(web::Json(Profile { username }): web::Json<Profile>) -> String {
    username
}

#[authenticated]
async fn mutable(mut user: User<Profile>, web::Json(mut numbers): web::Json<Vec<u32>>) -> String {
    user.id = lucia::UserId::new("ada").unwrap();
    numbers.push(1);
    format!("{} {numbers:?}", user.username)
}

#[authenticated]
async fn ignored(_: Session, _body: web::Bytes) -> &'static str {
    "ignored"
}

#[auth_request]
async fn at(all @ web::Query(_): web::Query<Vec<(String, String)>>) -> String {
    format!("{}", all.len())
}

fn main() {
    let _ = web::post().to(structure);
    let _ = web::post().to(mutable);
    let _ = web::post().to(ignored);
    let _ = web::post().to(at);
    let _ = |config: &mut web::ServiceConfig| {
        config.service(tuple);
    };
}
