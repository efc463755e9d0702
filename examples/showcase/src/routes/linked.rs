//! Accounts at providers, linked to the user and unlinked.

use actix_web::{HttpResponse, ResponseError, post, web};
use lucia::{Error, authenticated};
use serde::Deserialize;

use crate::pages::{Failure, as_html, see_other};
use crate::providers::Providers;
use crate::routes::provider_sign_in::unknown_provider;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Form {
    provider: String,
    subject: String,
}

#[post("/security/link")]
#[authenticated(redirect = "/confirm", recent = "10m")]
pub async fn link(
    providers: web::Data<Providers>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let Some(provider) = providers.get(&form.provider) else {
        return unknown_provider();
    };
    let url = auth_request.link_oauth(provider).await?;
    Ok(see_other(&url))
}

#[post("/security/unlink")]
#[authenticated(redirect = "/confirm", recent = "10m")]
pub async fn unlink(
    providers: web::Data<Providers>,
    form: web::Form<Form>,
) -> lucia::Result<HttpResponse> {
    let Some(provider) = providers.get(&form.provider) else {
        return unknown_provider();
    };
    match auth_request.unlink_oauth(provider, &form.subject).await {
        Ok(()) | Err(Error::UnknownKey) => Ok(see_other("/security?notice=unlinked")),
        Err(error @ Error::LastKey) => {
            let text = "Link another account first, and unlink this one then.";
            let page = Failure::new("This is your only way to sign in", text);
            as_html(
                error.error_response(),
                &page.way_out("/security", "Back to security"),
            )
        }
        Err(error) => Err(error),
    }
}
