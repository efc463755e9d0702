//! Signing up, logging in, logging out.

use actix_web::dev::PeerAddr;
use actix_web::{HttpResponse, get, post, web};
use lucia::{Auth, LocalPath, NewUser, auth_request, authenticated};

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
pub async fn sign_up(device: Device, form: web::Form<Credentials>) -> lucia::Result<HttpResponse> {
    let signed_up = async {
        let username = username::one_form(&form.username);
        username::check(&username)?;
        let user = NewUser::with_password((username::PROVIDER, &username), &form.password)
            .attributes(&Profile {
                username: username.clone(),
            });
        auth_request.sign_up(user).device(&device.0).await
    };
    let next = form.next.path();
    match signed_up.await {
        Ok(_) => Ok(welcome(next)),
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
    // Another site must not use up a visitor's attempts either.
    auth_request.check_origin()?;

    let logged_in = async {
        let username = username::one_form(&form.username);
        let key = auth
            .verify_password((username::PROVIDER, &username), &form.password)
            .address(peer.ip())
            .await?;
        auth_request.sign_in(key).device(&device.0).await
    };
    let next = form.next.path();
    match logged_in.await {
        Ok(_) => Ok(welcome(next)),
        Err(error) => again(error, |problem| LogIn {
            username: &form.username,
            next,
            problem: Some(problem),
        }),
    }
}

#[post("/logout")]
#[authenticated(redirect = "/login")]
pub async fn log_out() -> lucia::Result<HttpResponse> {
    auth_request.sign_out().await?;
    Ok(see_other("/"))
}

fn welcome(next: Option<&LocalPath>) -> HttpResponse {
    see_other(next.map_or(HOME, LocalPath::as_str))
}
