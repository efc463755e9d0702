//! The front page, and the one that is only for who is signed in.

use actix_web::{HttpResponse, get};
use lucia::{MaybeUser, Session, User, auth_request, authenticated};

use crate::pages::{Home, Landing, SessionView, html};
use crate::user::Profile;

#[get("/")]
#[auth_request]
pub async fn landing(MaybeUser(user): MaybeUser<Profile>) -> lucia::Result<HttpResponse> {
    let username = user.as_ref().map(|user| user.username.as_str());
    html(&Landing { username })
}

#[get("/home")]
#[authenticated(redirect = "/login")]
pub async fn home(user: User<Profile>, session: Session) -> lucia::Result<HttpResponse> {
    html(&Home {
        username: &user.username,
        user_id: user.id.as_str(),
        session: SessionView::new(&session, &session),
    })
}
