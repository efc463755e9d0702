//! Another e-mail address: confirmed by a link to the new one, undone by a link to the old one.

use std::sync::Arc;

use actix_web::{HttpResponse, get, post, rt, web};
use askama::Template;
use lucia::mail::MailContent;
use lucia::{Auth, AuthRequest, KeyId, LocalPath, Session, auth_request, authenticated};
use serde::Deserialize;

use crate::carry::{self, Arrival, Carried};
use crate::device::Device;
use crate::email;
use crate::forms::{Field, Problem};
use crate::mails::Mails;
use crate::pages::{Sent, again, dead_link, html, link_page, see_other, with_next};
use crate::place::Place;

const CONFIRM_PAGE: &str = "/email/confirm";
const UNDO_PAGE: &str = "/email/undo";
const SENT_PAGE: &str = "/security/email/sent";
const OTHER: (&str, &str) = ("/security/email", "Ask for another link");
const UNDO_OTHER: (&str, &str) = ("/forgot", "Reset your password");

#[derive(Template)]
#[template(path = "email.html")]
struct AskPage<'a> {
    /// The address now; nothing for people who came by a provider.
    current: Option<&'a str>,
    new: &'a str,
    problem: Option<Problem>,
}

#[derive(Template)]
#[template(path = "email_confirm.html")]
struct ConfirmPage<'a> {
    new: String,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "email_undo.html")]
struct UndoPage<'a> {
    former: String,
    token: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    email: String,
    token: String,
}

#[get("/security/email")]
#[authenticated(redirect = "/confirm", recent = "10m")]
pub async fn show(auth: web::Data<Auth>, session: Session) -> lucia::Result<HttpResponse> {
    let key = email::key_of(&auth, &session.user_id).await?;
    html(&AskPage {
        current: key.as_ref().map(|key| key.id.provider_user_id()),
        new: "",
        problem: None,
    })
}

/// The answer is the same whether or not another user has the address.
#[post("/security/email")]
#[authenticated(redirect = "/confirm", recent = "10m")]
pub async fn ask(
    auth: web::Data<Auth>,
    session: Session,
    place: web::Data<Place>,
    mails: web::Data<Mails>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let Some(key) = email::key_of(&auth, &session.user_id).await? else {
        return Ok(see_other("/security/email"));
    };
    let new = KeyId::email(&form.email);
    let asked = async {
        let created = auth_request.create_email_change(&key.id, &new);
        if let Some(link) = created.await? {
            let url = mails.url(CONFIRM_PAGE, &link);
            mails.send_link(&link, MailContent::ConfirmNewAddress { link: &url });
        }
        Ok(())
    };
    match asked.await {
        Ok(()) => Ok(carry::to(&place, SENT_PAGE, new.provider_user_id())),
        Err(error) => again(error, |problem| AskPage {
            current: Some(key.id.provider_user_id()),
            new: &form.email,
            problem: Some(problem),
        }),
    }
}

#[get("/security/email/sent")]
#[authenticated(redirect = "/login")]
pub async fn sent(place: web::Data<Place>, carried: Carried) -> lucia::Result<HttpResponse> {
    html(&Sent {
        address: carried.value(),
        text: "If the address is free, a link to confirm it is on its way there. Until you open it in this \
               browser, everything stays as it is.",
        is_mailbox_here: place.has_mailbox,
        again: "/security/email",
    })
}

#[get("/email/confirm")]
#[auth_request]
pub async fn confirm_page(
    auth: web::Data<Auth>,
    place: web::Data<Place>,
    arrival: web::Query<Arrival>,
    carried: Carried,
) -> lucia::Result<HttpResponse> {
    if let Some(token) = &arrival.token {
        return Ok(carry::to(&place, CONFIRM_PAGE, token));
    }
    // The new address may be mistyped, and its owner another person.
    if auth_request.validate().await?.is_none() {
        let next = LocalPath::parse(CONFIRM_PAGE);
        return Ok(see_other(&with_next("/login", next.as_ref())));
    }
    let token = carried.value();
    let page = |key: KeyId| ConfirmPage {
        new: key.provider_user_id().to_owned(),
        token,
    };
    link_page(auth.check_email_change(token).await, page, OTHER)
}

#[post("/email/confirm")]
#[authenticated(redirect = "/login")]
pub async fn confirm(
    mails: web::Data<Mails>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    // In a task, so that the former address is told even if the browser goes away.
    let changing = change_and_tell(
        auth_request.clone(),
        mails.into_inner(),
        form.into_inner().token,
    );
    if let Err(error) = rt::spawn(changing).await.map_err(lucia::Error::internal)? {
        return dead_link(error, OTHER);
    }
    let response = see_other("/security?notice=address-changed");
    Ok(carry::done(response, CONFIRM_PAGE))
}

async fn change_and_tell(
    auth_request: AuthRequest,
    mails: Arc<Mails>,
    token: String,
) -> lucia::Result<()> {
    let change = auth_request.change_email(&token).await?;
    if let Some(link) = &change.undo {
        let content = MailContent::AddressChanged {
            new_address: change.key.id.provider_user_id(),
            undo_link: &mails.url(UNDO_PAGE, link),
        };
        mails.send_link(link, content);
    }
    Ok(())
}

#[get("/email/undo")]
pub async fn undo_page(
    auth: web::Data<Auth>,
    place: web::Data<Place>,
    arrival: web::Query<Arrival>,
    carried: Carried,
) -> lucia::Result<HttpResponse> {
    if let Some(token) = &arrival.token {
        return Ok(carry::to(&place, UNDO_PAGE, token));
    }
    let token = carried.value();
    let page = |key: KeyId| UndoPage {
        former: key.provider_user_id().to_owned(),
        token,
    };
    link_page(auth.check_email_change_undo(token).await, page, UNDO_OTHER)
}

#[post("/email/undo")]
#[auth_request]
pub async fn undo(device: Device, form: web::Form<Form>) -> lucia::Result<HttpResponse> {
    let undoing = auth_request.undo_email_change(&form.token);
    match undoing.device(&device.0).store_address().await {
        Ok(_) => {
            let response = see_other("/security/password?notice=change-undone");
            Ok(carry::done(response, UNDO_PAGE))
        }
        Err(error) => dead_link(error, UNDO_OTHER),
    }
}
