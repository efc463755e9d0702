//! Sign-in by password, and sign-out.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use lucia::{KeyId, LocalPath, Password, auth_request, authenticated};
use serde::Deserialize;

use crate::device::Device;
use crate::forms::{Field, Problem};
use crate::pages::{Link, Notice, again, html, see_other};
use crate::providers::Providers;

/// `/login`, with what was typed before. A password is never shown again.
#[derive(Template)]
#[template(path = "login.html")]
struct Page<'a> {
    email: &'a str,
    remember: bool,
    next: Option<&'a LocalPath>,
    notice: Option<Notice>,
    problem: Option<Problem>,
    providers: &'a Providers,
}

/// There is no `Debug`, so that no password is printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    email: String,
    password: String,
    /// Whether the box is checked.
    remember: bool,
    #[serde(deserialize_with = "crate::pages::next")]
    next: Option<LocalPath>,
}

#[get("/login")]
#[auth_request]
pub async fn show(
    link: web::Query<Link>,
    providers: web::Data<Providers>,
) -> lucia::Result<HttpResponse> {
    let next = link.next.as_ref();
    if auth_request.validate().await?.is_some() {
        return Ok(welcome(next));
    }
    html(&Page {
        email: "",
        remember: false,
        next,
        notice: link.notice,
        problem: None,
        providers: &providers,
    })
}

#[post("/login")]
#[auth_request]
pub async fn sign_in(
    device: Device,
    providers: web::Data<Providers>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let signed_in = auth_request
        .sign_in(Password::new(KeyId::email(&form.email), &form.password))
        .device(&device.0)
        .store_address()
        .remember(form.remember);
    let next = form.next.as_ref();
    match signed_in.await {
        Ok(_) => Ok(welcome(next)),
        Err(error) => again(error, |problem| Page {
            email: &form.email,
            remember: form.remember,
            next,
            notice: None,
            problem: Some(problem),
            providers: &providers,
        }),
    }
}

#[post("/logout")]
#[authenticated(redirect = "/login")]
pub async fn sign_out() -> lucia::Result<HttpResponse> {
    auth_request.sign_out().await?;
    Ok(see_other("/?notice=signed-out"))
}

/// Where people go who are signed in now.
pub fn welcome(next: Option<&LocalPath>) -> HttpResponse {
    see_other(next.map_or("/home", LocalPath::as_str))
}
