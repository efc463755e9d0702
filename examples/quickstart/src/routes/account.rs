//! Signing up, logging in, logging out.

use actix_web::{HttpResponse, get, post, web};
use lucia::{LocalPath, NewUser, Password, auth_request, authenticated};

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
        remember: false,
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
        auth_request
            .sign_up(user)
            .device(&device.0)
            .remember(form.remember)
            .await
    };
    let next = form.next.path();
    match signed_up.await {
        Ok(_) => Ok(welcome(next)),
        Err(error) => again(error, |problem| SignUp {
            username: &form.username,
            remember: form.remember,
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
        remember: false,
        next,
        problem: None,
    })
}

#[post("/login")]
#[auth_request]
pub async fn log_in(device: Device, form: web::Form<Credentials>) -> lucia::Result<HttpResponse> {
    let logged_in = async {
        let username = username::one_form(&form.username);
        let password = Password::new((username::PROVIDER, &username), &form.password);
        auth_request
            .sign_in(password)
            .device(&device.0)
            .remember(form.remember)
            .await
    };
    let next = form.next.path();
    match logged_in.await {
        Ok(_) => Ok(welcome(next)),
        Err(error) => again(error, |problem| LogIn {
            username: &form.username,
            remember: form.remember,
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
