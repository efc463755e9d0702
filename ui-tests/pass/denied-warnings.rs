//! No lint fires for what the expansion does and the user did not.

#![deny(warnings)]
#![deny(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications
)]
#![deny(
    unused_results,
    unused_lifetimes,
    elided_lifetimes_in_paths,
    single_use_lifetimes
)]
#![deny(
    let_underscore_drop,
    non_ascii_idents,
    trivial_casts,
    redundant_lifetimes
)]
#![deny(
    future_incompatible,
    nonstandard_style,
    rust_2018_idioms,
    rust_2024_compatibility,
    unused
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::unwrap_used)]
// Of a handler itself, with or without the attribute.
#![allow(clippy::future_not_send)]
#![forbid(unsafe_code)]

use actix_web::{FromRequest, HttpResponse, Responder, get, post, web};
use lucia::{AuthRequest, Session, User, auth_request, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

/// Uses all that it is given.
#[get("/me")]
#[authenticated]
async fn me(
    user: User<Profile>,
    session: Session,
    web::Json(id): web::Json<u32>,
) -> impl Responder {
    auth_request.set_session(Some(&session));
    format!("Hello, {} {}!", user.username, id)
}

/// Leaves `auth_request` unused, and waits for nothing.
#[authenticated(redirect = "/login")]
#[post("/")]
async fn ignores_it() -> impl Responder {
    HttpResponse::NoContent()
}

/// Is plain.
#[auth_request]
async fn plain(_request: AuthRequest, mut body: String) -> lucia::Result<HttpResponse> {
    body.push('.');
    Ok(HttpResponse::Ok().body(body))
}

/// Is generic.
#[authenticated]
async fn generic<const N: usize, T>(resource: T) -> String
where
    T: FromRequest + ToString + 'static,
{
    resource.to_string().repeat(N)
}

/// Is generic in what no parameter mentions.
#[authenticated]
async fn unmentioned<F>(body: String) -> String
where
    F: Fn(String) -> String + Default,
{
    F::default()(body)
}

/// Takes what is named later.
#[auth_request]
async fn named_later(
    resource: web::Json<impl for<'de> Deserialize<'de> + ToString + 'static>,
) -> String {
    resource.to_string()
}

/// Has seven parameters, the most that clippy likes.
#[authenticated]
async fn seven(
    aa: web::Data<u8>,
    bb: web::Data<u8>,
    cc: web::Data<u8>,
    dd: web::Data<u8>,
    ee: web::Data<u8>,
    ff: web::Data<u8>,
    gg: web::Data<u8>,
) -> String {
    format!("{aa:?}{bb:?}{cc:?}{dd:?}{ee:?}{ff:?}{gg:?}")
}

/// Begins with an item.
#[authenticated]
async fn begins_with_an_item() -> &'static str {
    const GREETING: &str = "hello";
    GREETING
}

fn mount(config: &mut web::ServiceConfig) {
    let _ = config
        .service(me)
        .service(ignores_it)
        .route("/plain", web::get().to(plain))
        .route("/generic", web::get().to(generic::<1, String>))
        .route("/later", web::get().to(named_later::<String>))
        .route("/seven", web::get().to(seven))
        .route("/item", web::get().to(begins_with_an_item));
}

fn main() {
    let _ = mount;
}
