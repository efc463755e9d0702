//! The options of `#[authenticated]`, each alone and with the others.

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
// Of a rule itself, which is given what it takes.
#![allow(clippy::needless_pass_by_value)]
#![forbid(unsafe_code)]

use actix_web::{HttpResponse, Responder, delete, get, post, web};
use lucia::{AuthRequest, Session, User, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    is_admin: bool,
}

#[derive(Deserialize)]
struct Device {
    is_trusted: bool,
}

fn is_admin(user: User<Profile>) -> bool {
    user.attributes.is_admin
}

/// Is for programs.
#[get("/api")]
#[authenticated(bearer)]
async fn bearer(user: User) -> impl Responder {
    user.id.to_string()
}

/// Is what it is without.
#[authenticated(cookie)]
#[get("/cookie")]
async fn cookie(session: Session<Device>) -> String {
    format!("{}", session.attributes.is_trusted)
}

/// Is for both.
#[get("/both")]
#[authenticated(cookie, bearer)]
async fn both(request: AuthRequest) -> impl Responder {
    drop(request);
    HttpResponse::NoContent()
}

/// Has a login page for those who come with a browser.
#[authenticated(bearer, cookie, redirect = "/login")]
async fn both_with_a_login_page() -> &'static str {
    "both"
}

/// Wants a recent sign-in.
#[post("/email")]
#[authenticated(recent = "10m")]
async fn fresh(web::Json(email): web::Json<String>) -> String {
    email
}

/// Wants one that a program has.
#[delete("/account")]
#[authenticated(recent = "1d", bearer)]
async fn fresh_bearer() -> impl Responder {
    HttpResponse::NoContent()
}

/// Sends those to the login page whose sign-in is too long ago.
#[authenticated(redirect = "/login", recent = "30s")]
async fn fresh_page() -> &'static str {
    "fresh"
}

/// Is for admins with a browser.
#[authenticated(permit = is_admin, redirect = "/login")]
async fn admin_page(user: User<Profile>) -> String {
    format!("{}", user.attributes.is_admin)
}

/// Is for admins with a program.
#[authenticated(bearer, permit = is_admin)]
async fn admin_api(user: User<Profile>, session: Session<Device>) -> String {
    format!(
        "{}{}",
        user.attributes.is_admin, session.attributes.is_trusted
    )
}

/// Is for admins who have just signed in.
#[authenticated(permit = is_admin, recent = "2h",)]
async fn fresh_admin() -> lucia::Result<&'static str> {
    Ok("admin")
}

/// Wants all there is.
#[authenticated(cookie, bearer, redirect = "/login", recent = "15m", permit = is_admin)]
async fn all() -> &'static str {
    "all"
}

fn mount(config: &mut web::ServiceConfig) {
    let _ = config
        .service(bearer)
        .service(cookie)
        .service(both)
        .service(fresh)
        .service(fresh_bearer)
        .route("/login-page", web::get().to(both_with_a_login_page))
        .route("/fresh-page", web::get().to(fresh_page))
        .route("/admin-page", web::get().to(admin_page))
        .route("/admin-api", web::get().to(admin_api))
        .route("/fresh-admin", web::get().to(fresh_admin))
        .route("/all", web::get().to(all));
}

fn main() {
    let _ = mount;
}
