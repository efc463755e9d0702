//! A mailed link lets a user choose another password.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use lucia::mail::MailContent;
use lucia::{Auth, Error, KeyId, auth_request};
use serde::Deserialize;

use crate::carry::{self, Arrival, Carried};
use crate::device::Device;
use crate::email;
use crate::forms::{Field, PASSWORD_HINT, Problem};
use crate::mails::Mails;
use crate::pages::{Sent, again, dead_link, html, see_other};
use crate::place::Place;
use crate::routes::verify::sign_in_first;

const PAGE: &str = "/reset";
const SENT_PAGE: &str = "/forgot/sent";
const OTHER: (&str, &str) = ("/forgot", "Ask for another link");

/// "Which address?"
#[derive(Template)]
#[template(path = "forgot.html")]
struct AskPage<'a> {
    email: &'a str,
    problem: Option<Problem>,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct Page<'a> {
    address: &'a str,
    token: &'a str,
    problem: Option<Problem>,
}

/// There is no `Debug`, so that no password is printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    email: String,
    token: String,
    password: String,
}

#[get("/forgot")]
pub async fn ask_page() -> lucia::Result<HttpResponse> {
    html(&AskPage {
        email: "",
        problem: None,
    })
}

/// The answer is the same whether or not there is an account of this address.
#[post("/forgot")]
#[auth_request]
pub async fn ask(
    place: web::Data<Place>,
    mails: web::Data<Mails>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let key = KeyId::email(&form.email);
    let asked = async {
        email::check(&key)?;
        if let Some(link) = auth_request.create_password_reset(&key).await? {
            let url = mails.url(PAGE, &link);
            mails.send_link(&link, MailContent::ResetPassword { link: &url });
        }
        Ok(())
    };
    match asked.await {
        Ok(()) => Ok(carry::to(&place, SENT_PAGE, key.provider_user_id())),
        Err(error) => again(error, |problem| AskPage {
            email: &form.email,
            problem: Some(problem),
        }),
    }
}

#[get("/forgot/sent")]
pub async fn sent(place: web::Data<Place>, carried: Carried) -> lucia::Result<HttpResponse> {
    html(&Sent {
        address: carried.value(),
        text: "If there is an account with this address, a link to choose another password is on its way. It \
               works once, for an hour.",
        is_mailbox_here: place.has_mailbox,
        again: "/forgot",
    })
}

#[get("/reset")]
pub async fn show(
    auth: web::Data<Auth>,
    place: web::Data<Place>,
    arrival: web::Query<Arrival>,
    carried: Carried,
) -> lucia::Result<HttpResponse> {
    if let Some(token) = &arrival.token {
        return Ok(carry::to(&place, PAGE, token));
    }
    let token = carried.value();
    match auth.check_password_reset(token).await {
        Ok(key) => html(&Page {
            address: key.id.provider_user_id(),
            token,
            problem: None,
        }),
        Err(error) => dead_link(error, OTHER),
    }
}

#[post("/reset")]
#[auth_request]
pub async fn reset(
    device: Device,
    auth: web::Data<Auth>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    match auth_request
        .reset_password(&form.token, &form.password)
        .device(&device.0)
        .store_address()
        .await
    {
        Ok(_) => Ok(carry::done(see_other("/home?notice=password-reset"), PAGE)),
        Err(error @ Error::Unauthenticated) => sign_in_first(error),
        Err(error @ Error::InvalidOneTimeToken) => dead_link(error, OTHER),
        // The link still works, and the page says whose password it is.
        Err(error) => match auth.check_password_reset(&form.token).await {
            Ok(key) => again(error, |problem| Page {
                address: key.id.provider_user_id(),
                token: &form.token,
                problem: Some(problem),
            }),
            Err(_) => Err(error),
        },
    }
}
