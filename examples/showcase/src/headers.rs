//! What every response says to browsers, and the one address that the site has.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, HttpResponse, web};

use crate::place::Place;

/// The headers that tell browsers to be strict. Only this site's stylesheet and icon are loaded, nothing is
/// scripted, and forms go to this site, or by a redirect to these providers, to which users link their account.
pub fn security(providers: &[String]) -> DefaultHeaders {
    let forms = ["'self'".to_owned()];
    let forms: Vec<&str> = forms.iter().chain(providers).map(|form| &**form).collect();
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action {}; base-uri 'none'; \
         frame-ancestors 'none'",
        forms.join(" ")
    );
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, policy))
        // Pages differ by who looks at them, and a changed stylesheet shall show at once. Where a
        // response is for one person alone, lucia says the stricter `no-store`.
        .add((header::CACHE_CONTROL, "no-cache"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // No page has a token in its address: `carry` takes it out, by a response without a referrer. So
        // forms can say where they come from, as browsers of any age do with this policy.
        .add((header::REFERRER_POLICY, "same-origin"))
}

/// Sends browsers that came by another name of this machine, such as `localhost`, to the one that links in
/// mails and providers lead to: each name has other cookies. A name that an attacker has pointed here leads
/// there as well, so no other site reads the mailbox.
pub async fn one_host<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let elsewhere = request.app_data::<web::Data<Place>>().and_then(|place| {
        let host = request.headers().get(header::HOST)?;
        let is_here = host.as_bytes() == place.host().as_bytes();
        let target = request.uri().path_and_query()?.as_str();
        (place.is_development && !is_here).then(|| place.url(target))
    });
    match elsewhere {
        Some(elsewhere) if request.method().is_safe() => {
            let mut response = HttpResponse::TemporaryRedirect();
            let response = response.insert_header((header::LOCATION, elsewhere));
            Ok(request
                .into_response(response.finish())
                .map_into_right_body())
        }
        _ => {
            let response = next.call(request).await?;
            Ok(response.map_into_left_body())
        }
    }
}
