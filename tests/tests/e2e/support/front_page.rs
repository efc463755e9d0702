//! The handlers of the front page, and `/who` and `/forget`.

use lucia::{Auth, AuthRequest, NewUser, Password, Session, User};
use serde::Deserialize;

use super::{Data, Form, Response, Routes, answer, auth_request, authenticated};
use crate::support::Profile;

pub(crate) fn front_page() -> Routes {
    Routes::default()
        .post("/signup", signup)
        .post("/login", login)
        .get("/me", me)
        .post("/logout", logout)
        .get("/who", who)
        .post("/who", who)
        .get("/forget", forget)
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[auth_request]
async fn signup(Form(form): Form<Credentials>) -> lucia::Result<Response> {
    auth_request
        .sign_up(
            NewUser::with_password(("username", &form.username), &form.password).attributes(
                &Profile {
                    username: form.username.clone(),
                },
            ),
        )
        .await?;
    Ok(answer(201, &[], ""))
}

#[auth_request]
async fn login(Form(form): Form<Credentials>) -> lucia::Result<Response> {
    auth_request
        .sign_in(Password::new(("username", &form.username), &form.password))
        .await?;
    Ok(answer(204, &[], ""))
}

#[authenticated]
async fn me(user: User<Profile>) -> String {
    format!("Hello, {}!", user.username)
}

#[authenticated]
async fn logout(auth: Data<Auth>, session: Session) -> lucia::Result<Response> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok(answer(204, &[], ""))
}

/// Who is asking, for everybody.
#[auth_request]
async fn who() -> lucia::Result<String> {
    name(&auth_request).await
}

async fn name(auth_request: &AuthRequest) -> lucia::Result<String> {
    let found = auth_request.validate_user::<Profile>().await?;
    Ok(found.map_or("nobody".to_owned(), |(user, _)| user.attributes.username))
}

/// Takes the cookie away, and leaves the session.
#[auth_request]
async fn forget() -> &'static str {
    auth_request.set_session(None);
    ""
}
