//! Signing up, logging in, logging out.
//!
//! A browser sends no bearer token by itself, so another site cannot make it send a request in
//! somebody's name: nothing here has to look at where a request comes from.

use actix_web::http::header::{CACHE_CONTROL, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder, post, web};
use lucia::{Auth, NewUser, Password, Session, SignsIn, User, auth_request, authenticated};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::PROVIDER;
use crate::user::Profile;

/// There is no `Debug`, so that no password is printed.
#[derive(Deserialize)]
pub struct Credentials {
    username: String,
    password: String,
}

#[derive(Deserialize)]
pub struct Confirmation {
    password: String,
}

/// What a client keeps, and sends as `Authorization: Bearer <token>`.
#[derive(Serialize)]
struct Token {
    token: String,
}

#[post("/signup")]
pub async fn sign_up(
    request: HttpRequest,
    auth: web::Data<Auth>,
    body: web::Json<Credentials>,
) -> lucia::Result<impl Responder> {
    let username = one_form(&body.username);
    let user: User<Profile> = auth
        .create_user(
            NewUser::with_password((PROVIDER, &username), &body.password)
                .attributes(&json!({ "username": username }))
                .returning(),
        )
        .await?;
    let session = begin_session(&auth, &user.id, &request).await?;
    Ok(with_token(HttpResponse::Created(), &session))
}

#[post("/login")]
#[auth_request]
pub async fn log_in(
    request: HttpRequest,
    auth: web::Data<Auth>,
    body: web::Json<Credentials>,
) -> lucia::Result<impl Responder> {
    let username = one_form(&body.username);
    let key = auth
        .verify_password((PROVIDER, &username), &body.password)
        .limit_by(auth_request.client_address())
        .await?;
    let session = begin_session(&auth, &key, &request).await?;
    Ok(with_token(HttpResponse::Ok(), &session))
}

/// Proves once more who somebody is. The session goes on under another token.
#[post("/reauthenticate")]
#[authenticated(bearer)]
pub async fn reauthenticate(
    user: User<Profile>,
    body: web::Json<Confirmation>,
) -> lucia::Result<impl Responder> {
    let password = Password::new((PROVIDER, &user.username), &body.password);
    let session = auth_request.reauthenticate(password).await?;
    Ok(with_token(HttpResponse::Ok(), &session))
}

#[post("/logout")]
#[authenticated(bearer)]
pub async fn log_out() -> lucia::Result<impl Responder> {
    auth_request.sign_out().await?;
    Ok(HttpResponse::NoContent())
}

async fn begin_session(
    auth: &Auth,
    who: &impl SignsIn,
    request: &HttpRequest,
) -> lucia::Result<Session> {
    let user_agent = request.headers().get(USER_AGENT);
    let device = user_agent.and_then(|value| value.to_str().ok());
    auth.create_session(who)
        .device(device.unwrap_or_default())
        .await
}

/// Tells a client its token, and nobody in between.
fn with_token(mut response: HttpResponseBuilder, session: &Session) -> HttpResponse {
    let token = session.token().expose().to_owned();
    response
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Token { token })
}

/// A username as it is stored and looked up. lucia compares keys as they are, so `Ada ` and `ada`
/// have to become one before.
fn one_form(typed: &str) -> String {
    typed.trim().to_lowercase()
}
