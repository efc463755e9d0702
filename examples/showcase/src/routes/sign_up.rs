//! Sign-up by e-mail address and password.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use lucia::{KeyId, LocalPath, NewUser, auth_request};
use serde::Deserialize;

use crate::device::Device;
use crate::forms::{Field, PASSWORD_HINT, Problem, name};
use crate::mails::Mails;
use crate::pages::{Link, again, as_html, html, see_other, with_next};
use crate::providers::Providers;
use crate::routes::{password_sign_in::welcome, verify};
use crate::user::Profile;

/// `/signup`, with what was typed before. A password is never shown again.
#[derive(Template)]
#[template(path = "sign_up.html")]
struct Page<'a> {
    form: &'a Form,
    next: Option<&'a LocalPath>,
    problem: Option<Problem>,
    providers: &'a Providers,
}

/// There is no `Debug`, so that no password is printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    name: String,
    email: String,
    password: String,
    /// Whether the box is checked.
    remember: bool,
    #[serde(deserialize_with = "crate::pages::next")]
    next: Option<LocalPath>,
}

#[get("/signup")]
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
        form: &Form::default(),
        next,
        problem: None,
        providers: &providers,
    })
}

#[post("/signup")]
#[auth_request]
pub async fn sign_up(
    device: Device,
    mails: web::Data<Mails>,
    providers: web::Data<Providers>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let page = |problem| Page {
        form: &form,
        next: form.next.as_ref(),
        problem: Some(problem),
        providers: &providers,
    };
    let name = match name(&form.name) {
        Ok(name) => name,
        Err(problem) => return as_html(HttpResponse::BadRequest().finish(), &page(problem)),
    };
    let key = KeyId::email(&form.email);
    let user = NewUser::with_password(&key, &form.password);
    let signed_up = auth_request
        .sign_up(user.attributes(&Profile { name }))
        .device(&device.0)
        .store_address()
        .remember(form.remember);
    match signed_up.await {
        Ok(_) => {
            // The user is there. If the link is not, its page offers another one.
            if let Err(error) = verify::send(&auth_request, &mails, key).await {
                tracing::warn!(%error, "no link to confirm an address");
            }
            Ok(see_other(&with_next("/verify/sent", form.next.as_ref())))
        }
        Err(error) => again(error, page),
    }
}
