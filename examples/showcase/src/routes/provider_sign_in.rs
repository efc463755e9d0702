//! Sign-in by an account at a provider.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, ResponseError, get, web};
use lucia::oauth::{OAuthIdentity, OAuthOutcome, OAuthProvider};
use lucia::{Error, NewUser, auth_request};

use crate::device::Device;
use crate::pages::{Failure, Link, as_html, see_other};
use crate::providers::Providers;
use crate::routes::confirm::RECENT;
use crate::user::Profile;

#[get("/login/with/{provider}")]
#[auth_request]
pub async fn begin(
    providers: web::Data<Providers>,
    id: web::Path<String>,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let Some(provider) = providers.get(&id) else {
        return unknown_provider();
    };
    let next = link.into_inner().next;
    let next = next.or_else(|| lucia::LocalPath::parse("/home"));
    let begun = auth_request.begin_oauth(provider);
    let url = begun.next(next.unwrap_or_default()).await?;
    Ok(see_other(&url))
}

/// Where providers send people back to: to sign in, to link an account, or to confirm who they are.
#[get("/login/with/{provider}/callback")]
#[auth_request]
pub async fn callback(
    providers: web::Data<Providers>,
    id: web::Path<String>,
    device: Device,
    request: HttpRequest,
) -> lucia::Result<HttpResponse> {
    let Some(provider) = providers.get(&id) else {
        return unknown_provider();
    };
    let done = match auth_request
        .finish_oauth(provider, request.query_string())
        .await
    {
        Ok(done) => done,
        Err(error @ Error::DuplicateKey) => return linked_to_another(error, provider),
        Err(error) => return Err(error),
    };
    let next = done.next.as_str();
    match done.outcome {
        OAuthOutcome::Known(key) => match auth_request.validate().await? {
            Some(session) if session.user_id == key.user_id => {
                if has_just_signed_in(&done.identity) {
                    auth_request.reauthenticate(key).await?;
                }
            }
            // To take another account here would do to it what was meant for the one that is signed in.
            Some(_) if is_confirmation(next) => return another_account(provider),
            _ => {
                auth_request
                    .sign_in(key)
                    .device(&device.0)
                    .store_address()
                    .await?;
            }
        },
        OAuthOutcome::New if is_confirmation(next) => return another_account(provider),
        OAuthOutcome::New => {
            let name = done.identity.name.as_deref().map(crate::forms::name);
            let name = name
                .and_then(Result::ok)
                .unwrap_or_else(|| "friend".to_owned());
            let user = NewUser::with_key(done.identity.new_key()).attributes(&Profile { name });
            auth_request
                .sign_up(user)
                .device(&device.0)
                .store_address()
                .await?;
        }
        _ => return Ok(see_other("/security?notice=linked")),
    }
    Ok(see_other(next))
}

/// Whether the person has just signed in at the provider, if it says when they did. A provider that they were still
/// signed in at sends the browser back without asking who is using it.
fn has_just_signed_in(identity: &OAuthIdentity) -> bool {
    let age = |at: SystemTime| at.elapsed().unwrap_or_default();
    identity.authenticated_at.is_none_or(|at| age(at) < RECENT)
}

/// Whether the person was sent to the provider by the page [`confirm`](super::confirm).
fn is_confirmation(next: &str) -> bool {
    next == "/confirm" || next.starts_with("/confirm?")
}

pub fn unknown_provider() -> lucia::Result<HttpResponse> {
    let page = Failure::new("Not found", "This site does not know this provider.");
    as_html(
        HttpResponse::NotFound().finish(),
        &page.way_out("/login", "Back to sign in"),
    )
}

fn another_account(provider: &OAuthProvider) -> lucia::Result<HttpResponse> {
    let text = format!(
        "You chose an account at {} that is not linked to the one that you are signed in with here. Nothing \
         was done.",
        provider.name()
    );
    let page = Failure::new("That is another account", &text).way_out("/confirm", "Try again");
    as_html(HttpResponse::Forbidden().finish(), &page)
}

fn linked_to_another(error: Error, provider: &OAuthProvider) -> lucia::Result<HttpResponse> {
    let text = format!(
        "The account at {} belongs to another user of this site. Sign in with it and unlink it there, or delete \
         that user.",
        provider.name()
    );
    let page =
        Failure::new("Linked to another user", &text).way_out("/security", "Back to security");
    as_html(error.error_response(), &page)
}
