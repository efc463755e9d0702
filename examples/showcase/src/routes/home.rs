//! The front page, and the one that is only for signed-in users.

use actix_web::{HttpResponse, get, web};
use askama::Template;
use lucia::{Auth, MaybeUser, User, auth_request, authenticated};

use crate::email;
use crate::pages::{Link, Notice, html};
use crate::place::Place;
use crate::user::Profile;

#[derive(Template)]
#[template(path = "landing.html")]
struct Landing<'a> {
    /// The name of the signed-in user.
    name: Option<&'a str>,
    notice: Option<Notice>,
    is_mailbox_here: bool,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    name: &'a str,
    notice: Option<Notice>,
    /// The address that is still to be confirmed.
    unconfirmed: Option<&'a str>,
    is_mailbox_here: bool,
}

#[get("/")]
#[auth_request]
pub async fn landing(
    MaybeUser(user): MaybeUser<Profile>,
    place: web::Data<Place>,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    html(&Landing {
        name: user.as_ref().map(|user| &*user.name),
        notice: link.notice,
        is_mailbox_here: place.has_mailbox,
    })
}

#[get("/home")]
#[authenticated(redirect = "/login")]
pub async fn home(
    auth: web::Data<Auth>,
    user: User<Profile>,
    place: web::Data<Place>,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let key = email::key_of(&auth, &user.id).await?;
    let unconfirmed = key.filter(|key| key.verified_at.is_none());
    html(&Home {
        name: &user.name,
        notice: link.notice,
        unconfirmed: unconfirmed.as_ref().map(|key| key.id.provider_user_id()),
        is_mailbox_here: place.has_mailbox,
    })
}
