//! The stylesheet and the icon, which are part of the program.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{Responder, get};

#[get("/style.css")]
pub async fn stylesheet() -> impl Responder {
    include_str!("../../static/style.css")
        .customize()
        .insert_header((CONTENT_TYPE, "text/css; charset=utf-8"))
}

#[get("/icon.svg")]
pub async fn icon() -> impl Responder {
    include_str!("../../static/icon.svg")
        .customize()
        .insert_header((CONTENT_TYPE, "image/svg+xml"))
}
