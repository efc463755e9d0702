//! Sign-in by a mailed link or code.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use lucia::mail::MailContent;
use lucia::{Auth, Error, KeyId, LocalPath, SignInCode, SignInLink, UserKey, auth_request};
use serde::Deserialize;

use crate::carry::{self, Arrival, Carried};
use crate::device::Device;
use crate::email;
use crate::forms::{Field, Problem};
use crate::mails::Mails;
use crate::pages::{Link, Sent, again, dead_link, html, link_page, see_other, with_next};
use crate::place::Place;
use crate::routes::password_sign_in::welcome;
use crate::routes::verify::sign_in_first;

const LINK_PAGE: &str = "/login/link";
const CODE_PAGE: &str = "/login/code";
const SENT_PAGE: &str = "/login/link/sent";
const OTHER: (&str, &str) = ("/login/email", "Ask for another link");

/// "Which address?"
#[derive(Template)]
#[template(path = "login_email.html")]
struct AddressPage<'a> {
    email: &'a str,
    next: Option<&'a LocalPath>,
    problem: Option<Problem>,
}

#[derive(Template)]
#[template(path = "login_link.html")]
struct LinkPage<'a> {
    address: String,
    token: &'a str,
    next: Option<&'a LocalPath>,
}

#[derive(Template)]
#[template(path = "login_code.html")]
struct CodePage<'a> {
    address: &'a str,
    remember: bool,
    next: Option<&'a LocalPath>,
    problem: Option<Problem>,
    is_mailbox_here: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    email: String,
    /// The button that was pressed.
    by: By,
    token: String,
    code: String,
    remember: bool,
    #[serde(deserialize_with = "crate::pages::next")]
    next: Option<LocalPath>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    #[default]
    Link,
    Code,
}

#[get("/login/email")]
#[auth_request]
pub async fn show(link: web::Query<Link>) -> lucia::Result<HttpResponse> {
    let next = link.next.as_ref();
    if auth_request.validate().await?.is_some() {
        return Ok(welcome(next));
    }
    html(&AddressPage {
        email: "",
        next,
        problem: None,
    })
}

/// The answer is the same whether or not there is an account of this address.
#[post("/login/email")]
#[auth_request]
pub async fn send(
    place: web::Data<Place>,
    mails: web::Data<Mails>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let key = KeyId::email(&form.email);
    let address = key.provider_user_id();
    let asked = async {
        email::check(&key)?;

        match form.by {
            By::Link => {
                if let Some(link) = auth_request.create_sign_in_link(&key).await? {
                    let url = mails.url(&with_next(LINK_PAGE, form.next.as_ref()), &link);
                    mails.send_link(&link, MailContent::SignInLink { link: &url });
                }
                Ok(carry::to(&place, SENT_PAGE, address))
            }
            By::Code => {
                if let Some(code) = auth_request.create_sign_in_code(&key).await? {
                    mails.send_code(&code);
                }
                let page = with_next(CODE_PAGE, form.next.as_ref());
                Ok(carry::to(&place, &page, address))
            }
        }
    };
    match asked.await {
        Ok(response) => Ok(response),
        Err(error) => again(error, |problem| AddressPage {
            email: &form.email,
            next: form.next.as_ref(),
            problem: Some(problem),
        }),
    }
}

#[get("/login/link/sent")]
pub async fn link_sent(place: web::Data<Place>, carried: Carried) -> lucia::Result<HttpResponse> {
    html(&Sent {
        address: carried.value(),
        text: "If there is an account with this address, a link to sign in is on its way. It works once, \
               for 10 minutes.",
        is_mailbox_here: place.has_mailbox,
        again: "/login/email",
    })
}

#[get("/login/link")]
pub async fn arrive(
    auth: web::Data<Auth>,
    place: web::Data<Place>,
    arrival: web::Query<Arrival>,
    carried: Carried,
) -> lucia::Result<HttpResponse> {
    let next = arrival.next.as_ref();
    if let Some(token) = &arrival.token {
        return Ok(carry::to(&place, &with_next(LINK_PAGE, next), token));
    }
    let token = carried.value();
    let page = |key: UserKey| LinkPage {
        address: key.id.provider_user_id().to_owned(),
        token,
        next,
    };
    link_page(auth.check_sign_in_link(token).await, page, OTHER)
}

#[post("/login/link")]
#[auth_request]
pub async fn by_link(device: Device, form: web::Form<Form>) -> lucia::Result<HttpResponse> {
    let signed_in = auth_request
        .sign_in(SignInLink::new(&form.token))
        .device(&device.0)
        .store_address()
        .remember(form.remember);
    match signed_in.await {
        Ok(_) => Ok(carry::done(welcome(form.next.as_ref()), LINK_PAGE)),
        Err(error @ Error::Unauthenticated) => sign_in_first(error),
        Err(error) => dead_link(error, OTHER),
    }
}

#[get("/login/code")]
pub async fn code_page(
    place: web::Data<Place>,
    carried: Carried,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let Some(address) = &carried.0 else {
        return Ok(see_other(&with_next("/login/email", link.next.as_ref())));
    };
    html(&CodePage {
        address,
        remember: false,
        next: link.next.as_ref(),
        problem: None,
        is_mailbox_here: place.has_mailbox,
    })
}

#[post("/login/code")]
#[auth_request]
pub async fn by_code(
    device: Device,
    place: web::Data<Place>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let next = form.next.as_ref();
    let signed_in = auth_request
        .sign_in(SignInCode::new(KeyId::email(&form.email), &form.code))
        .device(&device.0)
        .store_address()
        .remember(form.remember);
    match signed_in.await {
        Ok(_) => Ok(carry::done(welcome(next), CODE_PAGE)),
        Err(error @ Error::Unauthenticated) => sign_in_first(error),
        Err(error) => again(error, |problem| CodePage {
            address: &form.email,
            remember: form.remember,
            next,
            problem: Some(problem),
            is_mailbox_here: place.has_mailbox,
        }),
    }
}
