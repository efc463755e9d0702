//! Another password, or a first one for a user who has none.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use lucia::{Auth, Error, Password, Session, UserKey, authenticated};
use serde::Deserialize;

use crate::email;
use crate::forms::{Field, PASSWORD_HINT, Problem};
use crate::pages::{Failure, Link, Notice, again, as_html, html, see_other};
use crate::routes::confirm::RECENT;

const CONFIRM: &str = "/confirm?next=/security/password";
const DONE: &str = "/security?notice=password-changed";

#[derive(Template)]
#[template(path = "password.html")]
struct Page<'a> {
    address: &'a str,
    /// Whether the password that exists is asked for.
    has_password: bool,
    notice: Option<Notice>,
    problem: Option<Problem>,
}

/// There is no `Debug`, so that no password is printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    current: String,
    new: String,
}

#[get("/security/password")]
#[authenticated(redirect = "/login")]
pub async fn show(
    auth: web::Data<Auth>,
    session: Session,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let Some(key) = email::key_of(&auth, &session.user_id).await? else {
        return no_address();
    };
    if !key.has_password && !auth.is_recently_authenticated(&session, RECENT) {
        return Ok(see_other(CONFIRM));
    }
    html(&Page::new(&key, link.notice, None))
}

#[post("/security/password")]
#[authenticated(redirect = "/login")]
pub async fn change(
    auth: web::Data<Auth>,
    session: Session,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let Some(key) = email::key_of(&auth, &session.user_id).await? else {
        return no_address();
    };
    let changed = if key.has_password {
        let current = Password::new(&key.id, &form.current);
        auth_request
            .change_password(current, &form.new)
            .await
            .map(drop)
    } else if auth.is_recently_authenticated(&session, RECENT) {
        let set = auth_request.set_password(&key.id, &form.new);
        set.await.map(drop)
    } else {
        return Ok(see_other(CONFIRM));
    };
    match changed {
        Ok(()) => Ok(see_other(DONE)),
        Err(error @ Error::InvalidCredentials) => {
            let wrong = Problem::new(Field::Password, "This is not your password.");
            again(error, |_| Page::new(&key, None, Some(wrong)))
        }
        Err(error) => again(error, |problem| Page::new(&key, None, Some(problem))),
    }
}

impl<'a> Page<'a> {
    fn new(key: &'a UserKey, notice: Option<Notice>, problem: Option<Problem>) -> Self {
        Self {
            address: key.id.provider_user_id(),
            has_password: key.has_password,
            notice,
            problem,
        }
    }
}

fn no_address() -> lucia::Result<HttpResponse> {
    let text = "You sign in with another site, which has your password. There is none here.";
    let page = Failure::new("No password here", text).way_out("/security", "Back to security");
    as_html(HttpResponse::NotFound().finish(), &page)
}
