//! Signing up, logging in, logging out.

use actix_web::dev::PeerAddr;
use actix_web::{HttpResponse, get, post, web};
use lucia::{Auth, AuthRequest, LocalPath, NewUser, Session, SignsIn, auth_request, authenticated};

use crate::device::Device;
use crate::forms::{Credentials, Link};
use crate::pages::{LogIn, SignUp, again, html, see_other};
use crate::user::Profile;
use crate::username;

/// Where people go who were not on their way to another page.
const HOME: &str = "/home";

#[get("/signup")]
#[auth_request]
pub async fn sign_up_page(link: web::Query<Link>) -> lucia::Result<HttpResponse> {
    let next = link.next.path();
    if auth_request.validate().await?.is_some() {
        return Ok(welcome(next));
    }
    html(&SignUp {
        username: "",
        next,
        problem: None,
    })
}

#[post("/signup")]
#[auth_request]
pub async fn sign_up(
    auth: web::Data<Auth>,
    device: Device,
    form: web::Form<Credentials>,
) -> lucia::Result<HttpResponse> {
    // Nobody has to be signed in here, so nothing else keeps another site from posting this form.
    auth_request.check_origin()?;

    let signed_up = async {
        let username = username::one_form(&form.username);
        username::check(&username)?;
        let user = NewUser::with_password((username::PROVIDER, &username), &form.password)
            .attributes(&Profile {
                username: username.clone(),
            });
        let user = auth.create_user(user).await?;
        begin_session(&auth, &auth_request, &user.id, &device).await
    };
    let next = form.next.path();
    match signed_up.await {
        Ok(()) => Ok(welcome(next)),
        Err(error) => again(error, |problem| SignUp {
            username: &form.username,
            next,
            problem: Some(problem),
        }),
    }
}

#[get("/login")]
#[auth_request]
pub async fn log_in_page(link: web::Query<Link>) -> lucia::Result<HttpResponse> {
    let next = link.next.path();
    if auth_request.validate().await?.is_some() {
        return Ok(welcome(next));
    }
    html(&LogIn {
        username: "",
        next,
        problem: None,
    })
}

#[post("/login")]
#[auth_request]
pub async fn log_in(
    auth: web::Data<Auth>,
    // Behind a proxy this is the proxy's: read what it says of the client instead.
    PeerAddr(peer): PeerAddr,
    device: Device,
    form: web::Form<Credentials>,
) -> lucia::Result<HttpResponse> {
    auth_request.check_origin()?;

    let logged_in = async {
        let username = username::one_form(&form.username);
        let key = auth
            .verify_password((username::PROVIDER, &username), &form.password)
            .address(peer.ip())
            .await?;
        begin_session(&auth, &auth_request, &key, &device).await
    };
    let next = form.next.path();
    match logged_in.await {
        Ok(()) => Ok(welcome(next)),
        Err(error) => again(error, |problem| LogIn {
            username: &form.username,
            next,
            problem: Some(problem),
        }),
    }
}

#[post("/logout")]
#[authenticated(redirect = "/login")]
pub async fn log_out(auth: web::Data<Auth>, session: Session) -> lucia::Result<HttpResponse> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok(see_other("/"))
}

/// Signs the browser in. The session that it had before is ended: nobody could use it any more,
/// except who has stolen it.
async fn begin_session(
    auth: &Auth,
    auth_request: &AuthRequest,
    who: &impl SignsIn,
    device: &Device,
) -> lucia::Result<()> {
    let before = auth_request.validate().await?;
    let session = auth
        .create_session(who)
        .device(&device.0)
        .replace(before.as_deref())
        .await?;
    auth_request.set_session(Some(&session));
    Ok(())
}

fn welcome(next: Option<&LocalPath>) -> HttpResponse {
    see_other(next.map_or(HOME, LocalPath::as_str))
}
