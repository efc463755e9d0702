// Any `Responder`, and `?` on any error that the handler's own return type takes.

use actix_web::http::StatusCode;
use actix_web::{Either, HttpResponse, ResponseError, error, web};
use lucia::{auth_request, authenticated};
use std::fmt;

#[derive(Debug)]
enum Failure {
    Lucia,
    Number,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("failure")
    }
}

impl ResponseError for Failure {}

impl From<lucia::Error> for Failure {
    fn from(_: lucia::Error) -> Self {
        Failure::Lucia
    }
}

impl From<std::num::ParseIntError> for Failure {
    fn from(_: std::num::ParseIntError) -> Self {
        Failure::Number
    }
}

#[auth_request]
async fn own_error(body: String) -> Result<HttpResponse, Failure> {
    auth_request.validate().await?;
    let length = body.parse()?;
    Ok(HttpResponse::Ok().body(vec![0; length]))
}

#[authenticated]
async fn actix_error(body: String) -> actix_web::Result<String> {
    let number: u32 = body.parse().map_err(error::ErrorBadRequest)?;
    Ok(number.to_string())
}

#[authenticated]
async fn nothing_or_an_error() -> Result<(), actix_web::Error> {
    Ok(())
}

#[authenticated]
async fn status() -> (&'static str, StatusCode) {
    ("teapot", StatusCode::IM_A_TEAPOT)
}

#[authenticated]
async fn maybe() -> Option<String> {
    None
}

#[authenticated]
async fn either() -> Either<&'static str, Result<web::Json<u8>, actix_web::Error>> {
    Either::Left("left")
}

fn main() {
    let _ = web::get().to(own_error);
    let _ = web::get().to(actix_error);
    let _ = web::get().to(nothing_or_an_error);
    let _ = web::get().to(status);
    let _ = web::get().to(maybe);
    let _ = web::get().to(either);
}
