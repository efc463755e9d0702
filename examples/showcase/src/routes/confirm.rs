//! Who you are once more, before what matters: by password, by a mailed code, or by a linked provider.

use std::time::Duration;

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use lucia::oauth::OAuthProvider;
use lucia::{
    Auth, Error, LocalPath, Password, Session, SignInCode, UserId, UserKey, auth_request,
    authenticated,
};
use serde::Deserialize;

use crate::email;
use crate::forms::{Field, Problem};
use crate::mails::Mails;
use crate::pages::{Link, again, html, see_other, with_next};
use crate::place::Place;
use crate::providers::Providers;
use crate::routes::provider_sign_in::unknown_provider;

/// How long a confirmation counts. The attributes of the handlers that ask for one say the same.
pub const RECENT: Duration = Duration::from_secs(10 * 60);

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page<'a> {
    /// The address, where there is one.
    address: Option<&'a str>,
    has_password: bool,
    linked: Vec<&'a OAuthProvider>,
    next: Option<&'a LocalPath>,
    problem: Option<Problem>,
}

#[derive(Template)]
#[template(path = "confirm_code.html")]
struct CodePage<'a> {
    address: &'a str,
    next: Option<&'a LocalPath>,
    problem: Option<Problem>,
    is_mailbox_here: bool,
}

/// There is no `Debug`, so that no password is printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    password: String,
    code: String,
    #[serde(deserialize_with = "crate::pages::next")]
    next: Option<LocalPath>,
}

#[get("/confirm")]
#[authenticated(redirect = "/login")]
pub async fn show(
    auth: web::Data<Auth>,
    session: Session,
    providers: web::Data<Providers>,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let next = link.next.as_ref();
    if auth.is_recently_authenticated(&session, RECENT) {
        return Ok(go_on(next));
    }
    let keys = auth.user_keys(&session.user_id).await?;
    html(&Page::new(&keys, &providers, next, None))
}

#[post("/confirm")]
#[authenticated(redirect = "/login")]
pub async fn by_password(
    auth: web::Data<Auth>,
    session: Session,
    providers: web::Data<Providers>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let keys = auth.user_keys(&session.user_id).await?;
    let next = form.next.as_ref();
    let Some(key) = keys.iter().find(|key| email::is_address(key)) else {
        return Ok(see_other(&with_next("/confirm", next)));
    };
    let password = Password::new(&key.id, &form.password);
    match auth_request.reauthenticate(password).await {
        Ok(_) => Ok(go_on(next)),
        Err(error @ Error::InvalidCredentials) => {
            let wrong = Problem::new(Field::Password, "This is not your password.");
            again(error, |_| Page::new(&keys, &providers, next, Some(wrong)))
        }
        Err(error) => again(error, |problem| {
            Page::new(&keys, &providers, next, Some(problem))
        }),
    }
}

#[post("/confirm/code/send")]
#[authenticated(redirect = "/login")]
pub async fn send_code(
    auth: web::Data<Auth>,
    session: Session,
    mails: web::Data<Mails>,
    form: web::Form<Link>,
) -> lucia::Result<HttpResponse> {
    let next = form.next.as_ref();
    let Some(key) = email::key_of(&auth, &session.user_id).await? else {
        return Ok(see_other(&with_next("/confirm", next)));
    };
    if let Some(code) = auth_request.create_sign_in_code(&key.id).await? {
        mails.send_code(&code);
    }
    Ok(see_other(&with_next("/confirm/code", next)))
}

#[get("/confirm/code")]
#[authenticated(redirect = "/login")]
pub async fn code_page(
    auth: web::Data<Auth>,
    session: Session,
    place: web::Data<Place>,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let key = address_key(&auth, &session.user_id).await?;
    html(&CodePage {
        address: key.id.provider_user_id(),
        next: link.next.as_ref(),
        problem: None,
        is_mailbox_here: place.has_mailbox,
    })
}

#[post("/confirm/code")]
#[authenticated(redirect = "/login")]
pub async fn by_code(
    auth: web::Data<Auth>,
    session: Session,
    place: web::Data<Place>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let key = address_key(&auth, &session.user_id).await?;
    let next = form.next.as_ref();
    match auth_request
        .reauthenticate(SignInCode::new(&key.id, &form.code))
        .await
    {
        Ok(_) => Ok(go_on(next)),
        Err(error) => again(error, |problem| CodePage {
            address: key.id.provider_user_id(),
            next,
            problem: Some(problem),
            is_mailbox_here: place.has_mailbox,
        }),
    }
}

/// The provider asks for its own password, if it does what `prompt=login` says.
#[get("/confirm/with/{provider}")]
#[auth_request]
pub async fn by_provider(
    providers: web::Data<Providers>,
    id: web::Path<String>,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let Some(provider) = providers.get(&id) else {
        return unknown_provider();
    };
    let back = LocalPath::parse(&with_next("/confirm", link.next.as_ref()));
    let begun = auth_request
        .begin_oauth(provider)
        .next(back.unwrap_or_default());
    let url = begun.parameter("prompt", "login").await?;
    Ok(see_other(&url))
}

impl<'a> Page<'a> {
    fn new(
        keys: &'a [UserKey],
        providers: &'a Providers,
        next: Option<&'a LocalPath>,
        problem: Option<Problem>,
    ) -> Self {
        let address = keys.iter().find(|key| email::is_address(key));
        let linked = keys
            .iter()
            .filter_map(|key| providers.get(key.id.provider_id()));
        Self {
            address: address.map(|key| key.id.provider_user_id()),
            has_password: address.is_some_and(|key| key.has_password),
            linked: linked.collect(),
            next,
            problem,
        }
    }
}

async fn address_key(auth: &Auth, user_id: &UserId) -> lucia::Result<UserKey> {
    let key = email::key_of(auth, user_id).await?;
    key.ok_or(Error::UnknownKey)
}

fn go_on(next: Option<&LocalPath>) -> HttpResponse {
    see_other(next.map_or("/security", LocalPath::as_str))
}
