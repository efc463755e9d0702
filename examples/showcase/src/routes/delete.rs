//! Deletes an account.

use actix_web::{HttpResponse, get, post};
use askama::Template;
use lucia::{User, authenticated};

use crate::pages::{html, see_other};
use crate::user::Profile;

#[derive(Template)]
#[template(path = "delete.html")]
struct Page<'a> {
    name: &'a str,
}

#[get("/security/delete")]
#[authenticated(redirect = "/confirm", recent = "10m")]
pub async fn show(user: User<Profile>) -> lucia::Result<HttpResponse> {
    html(&Page { name: &user.name })
}

/// The user's keys, sessions, links and codes go with them, and their recent activity.
#[post("/security/delete")]
#[authenticated(redirect = "/confirm", recent = "10m")]
pub async fn delete(user: User) -> lucia::Result<HttpResponse> {
    auth_request.auth().delete_user(&user.id).await?;
    auth_request.set_session(None);
    Ok(see_other("/?notice=account-deleted"))
}
