//! What the application does with lucia: log in, see oneself and one's sessions, log out.

use actix_web::{HttpResponse, Responder, get, post, web};
use lucia::{Auth, Password, Session, User, auth_request, authenticated};
use serde::{Deserialize, Serialize};

/// The columns of a user that the Node application made.
#[derive(Debug, Serialize, Deserialize)]
pub struct Profile {
    /// Its column `username`.
    pub username: String,
}

/// The provider of the keys that the Node application made: `providerId` there.
const PROVIDER: &str = "username";

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[post("/login")]
#[auth_request]
async fn login(form: web::Form<Credentials>) -> lucia::Result<impl Responder> {
    let proof = Password::new((PROVIDER, &form.username), &form.password);
    auth_request.sign_in(proof).await?;
    Ok(HttpResponse::NoContent())
}

#[get("/me")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    format!("Hello, {}!", user.username)
}

/// Those that the Node application made are among them. None shows its token.
#[get("/sessions")]
#[authenticated]
async fn sessions(auth: web::Data<Auth>, session: Session) -> lucia::Result<impl Responder> {
    Ok(web::Json(auth.user_sessions(&session.user_id).await?))
}

#[post("/logout")]
#[authenticated]
async fn logout(auth: web::Data<Auth>, session: Session) -> lucia::Result<impl Responder> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok(HttpResponse::NoContent())
}

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(login)
        .service(me)
        .service(sessions)
        .service(logout);
}
