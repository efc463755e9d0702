//! What the site answers.

use std::cmp::Reverse;

use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::response::{IntoResponse, Redirect, Response};
use lucia::axum::{auth_request, authenticated};
use lucia::{Auth, Error, LocalPath, MaybeUser, NewUser, Password, Session, SessionId, User};
use serde::Deserialize;

use crate::Profile;
use crate::pages::{Account, Home, SessionView, Sessions, again, html};

/// What the forms to sign up and to log in send. What is missing is empty. There is no `Debug`, so
/// that no password is printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Credentials {
    username: String,
    password: String,
    /// Whether the box is checked: "remember me".
    remember: bool,
    next: String,
}

/// The query of a link to such a form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Link {
    next: String,
}

impl Credentials {
    /// lucia compares keys as they are, so `Ada ` and `ada` have to become one before.
    fn username(&self) -> String {
        self.username.trim().to_lowercase()
    }
}

/// The page that sent people here. Anybody can make a link with any `next=`, so only a path of this
/// site counts.
fn path(next: &str) -> LocalPath {
    LocalPath::parse(next).unwrap_or_default()
}

/// For everybody; who is signed in is greeted.
#[auth_request]
pub async fn home(MaybeUser(user): MaybeUser<Profile>) -> lucia::Result<Response> {
    let username = user.as_ref().map(|user| user.username.as_str());
    html(&Home { username })
}

#[auth_request]
pub async fn sign_up_page(Query(link): Query<Link>) -> lucia::Result<Response> {
    html(&Account::sign_up("", &path(&link.next)))
}

#[auth_request]
pub async fn sign_up(headers: HeaderMap, Form(form): Form<Credentials>) -> lucia::Result<Response> {
    let signed_up = async {
        let username = form.username();
        check(&username)?;
        let user = NewUser::with_password(("username", &username), &form.password);
        let profile = Profile {
            username: username.clone(),
        };
        let user = user.attributes(&profile);
        auth_request
            .sign_up(user)
            .device(device(&headers))
            .remember(form.remember)
            .await
    };
    let next = path(&form.next);
    match signed_up.await {
        Ok(_) => Ok(Redirect::to(next.as_str()).into_response()),
        Err(error) => again(
            error,
            Account::sign_up(&form.username, &next).remember(form.remember),
        ),
    }
}

#[auth_request]
pub async fn log_in_page(Query(link): Query<Link>) -> lucia::Result<Response> {
    html(&Account::log_in("", &path(&link.next)))
}

#[auth_request]
pub async fn log_in(headers: HeaderMap, Form(form): Form<Credentials>) -> lucia::Result<Response> {
    let logged_in = async {
        let password = Password::new(("username", form.username()), &form.password);
        auth_request
            .sign_in(password)
            .device(device(&headers))
            .remember(form.remember)
            .await
    };
    let next = path(&form.next);
    match logged_in.await {
        Ok(_) => Ok(Redirect::to(next.as_str()).into_response()),
        Err(error) => again(
            error,
            Account::log_in(&form.username, &next).remember(form.remember),
        ),
    }
}

#[authenticated(redirect = "/login")]
pub async fn log_out() -> lucia::Result<Redirect> {
    auth_request.sign_out().await?;
    Ok(Redirect::to("/"))
}

/// Where somebody is signed in.
#[authenticated(redirect = "/login")]
pub async fn sessions(
    State(auth): State<Auth>,
    user: User<Profile>,
    present: Session,
) -> lucia::Result<Response> {
    let mut sessions = auth.user_sessions(&user.id).await?;
    sessions.sort_by_key(|session| (session.id != present.id, Reverse(session.created_at)));
    html(&Sessions {
        username: &user.username,
        sessions: sessions
            .iter()
            .map(|session| SessionView::new(session, &present))
            .collect(),
    })
}

#[authenticated(redirect = "/login")]
pub async fn revoke(
    State(auth): State<Auth>,
    present: Session,
    Path(id): Path<SessionId>,
) -> lucia::Result<Redirect> {
    // The id came with the request: `invalidate_session` would end anybody's session. One that is
    // gone already is as good as revoked.
    auth.invalidate_user_session(&present.user_id, &id).await?;
    Ok(Redirect::to("/sessions"))
}

#[authenticated(redirect = "/login")]
pub async fn revoke_others(State(auth): State<Auth>, present: Session) -> lucia::Result<Redirect> {
    auth.invalidate_other_sessions(&present).await?;
    Ok(Redirect::to("/sessions"))
}

pub async fn stylesheet() -> impl IntoResponse {
    let style = include_str!("../static/style.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], style)
}

/// Refuses what nobody may call themselves. Letters other than a to z are left out because many
/// look like others.
fn check(username: &str) -> lucia::Result<()> {
    let allowed = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '_');
    if username.chars().all(allowed) && (1..=32).contains(&username.len()) {
        return Ok(());
    }
    Err(Error::InvalidKey {
        reason: "A username has 1 to 32 letters a to z, digits, - and _.",
    })
}

/// What a user may recognise the device by.
fn device(headers: &HeaderMap) -> &str {
    let device = headers.get(USER_AGENT);
    let device = device.and_then(|value| value.to_str().ok());
    device.unwrap_or("unknown")
}
