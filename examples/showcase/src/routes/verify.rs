//! A mailed link confirms that an address belongs to its user.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use lucia::mail::MailContent;
use lucia::{Auth, AuthRequest, Error, KeyId, LocalPath, User, auth_request, authenticated};
use serde::Deserialize;

use crate::carry::{self, Arrival, Carried};
use crate::device::Device;
use crate::email;
use crate::mails::Mails;
use crate::pages::{Failure, Link, as_html, dead_link, html, link_page, see_other, with_next};
use crate::place::Place;

const PAGE: &str = "/verify";
const OTHER: (&str, &str) = ("/verify/sent", "Ask for another link");

/// "We sent you a link", for a user who is signed in.
#[derive(Template)]
#[template(path = "verify_sent.html")]
struct SentPage<'a> {
    address: &'a str,
    next: Option<&'a LocalPath>,
    is_sent_again: bool,
    is_mailbox_here: bool,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct Page<'a> {
    address: String,
    token: &'a str,
    /// Whether this browser is signed in as the user of the address. In another one, the account goes to
    /// the owner of the mailbox, without the password that was chosen before.
    is_theirs: bool,
}

#[derive(Deserialize)]
pub struct Form {
    #[serde(default)]
    token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SentLink {
    #[serde(deserialize_with = "crate::pages::next")]
    next: Option<LocalPath>,
    again: bool,
}

/// Sends a link to an address of the user who is signed in.
pub async fn send(
    auth_request: &AuthRequest,
    mails: &Mails,
    key: impl Into<KeyId>,
) -> lucia::Result<()> {
    if let Some(link) = auth_request.create_email_verification(key).await? {
        let url = mails.url(PAGE, &link);
        mails.send_link(&link, MailContent::VerifyAddress { link: &url });
    }
    Ok(())
}

#[get("/verify/sent")]
#[authenticated(redirect = "/login")]
pub async fn sent(
    auth: web::Data<Auth>,
    user: User,
    place: web::Data<Place>,
    link: web::Query<SentLink>,
) -> lucia::Result<HttpResponse> {
    let key = email::key_of(&auth, &user.id).await?;
    match key.filter(|key| key.verified_at.is_none()) {
        Some(key) => html(&SentPage {
            address: key.id.provider_user_id(),
            next: link.next.as_ref(),
            is_sent_again: link.again,
            is_mailbox_here: place.has_mailbox,
        }),
        None => Ok(see_other("/home?notice=address-confirmed")),
    }
}

#[post("/verify/again")]
#[authenticated(redirect = "/login")]
pub async fn send_again(
    auth: web::Data<Auth>,
    user: User,
    mails: web::Data<Mails>,
    form: web::Form<Link>,
) -> lucia::Result<HttpResponse> {
    if let Some(key) = email::key_of(&auth, &user.id).await? {
        send(&auth_request, &mails, &key.id).await?;
    }
    let next = with_next("/verify/sent", form.next.as_ref());
    let separator = if form.next.is_some() { '&' } else { '?' };
    Ok(see_other(&format!("{next}{separator}again=true")))
}

#[get("/verify")]
#[auth_request]
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
    let session = auth_request.validate().await?;
    let key = auth.check_email_verification(token).await;
    let page = |key: lucia::UserKey| Page {
        is_theirs: session.is_some_and(|session| session.user_id == key.user_id),
        address: key.id.provider_user_id().to_owned(),
        token,
    };
    link_page(key, page, OTHER)
}

#[post("/verify")]
#[auth_request]
pub async fn verify(device: Device, form: web::Form<Form>) -> lucia::Result<HttpResponse> {
    let verifying = auth_request.verify_email(&form.token);
    let next = match verifying.device(&device.0).store_address().await {
        Ok(verified) if verified.new_session.is_some() => "/security/password",
        Ok(_) => "/home?notice=address-confirmed",
        Err(error @ Error::Unauthenticated) => return sign_in_first(error),
        Err(error) => return dead_link(error, OTHER),
    };
    Ok(carry::done(see_other(next), PAGE))
}

/// For a user who has another way to sign in: the address alone is not enough.
pub fn sign_in_first(error: Error) -> lucia::Result<HttpResponse> {
    let text = "This account has another way to sign in. Sign in that way, and open the link from the mail \
                again in the same browser.";
    let page = Failure::new("Sign in first", text).way_out("/login", "Sign in");
    as_html(actix_web::ResponseError::error_response(&error), &page)
}
