//! Errors as pages.

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::ErrorHandlerResponse;
use lucia::Error;
use lucia::oauth::OAuthErrorKind;

use crate::pages::{Failure, as_html};

/// Puts a page in the place of a plain error, and keeps its status and headers. A response that is a page
/// already, such as a form with a message, stays as it is, and so does the JSON of the demo provider.
pub fn page<B>(response: ServiceResponse<B>) -> actix_web::Result<ErrorHandlerResponse<B>> {
    if is_of(&response, &["text/html", "application/json"]) {
        let response = response.map_into_left_body();
        return Ok(ErrorHandlerResponse::Response(response));
    }
    let (request, response) = response.into_parts();
    let error = response
        .error()
        .and_then(actix_web::Error::as_error::<Error>);
    let page = match error {
        Some(Error::OAuth(error)) => of_provider(error.kind()),
        _ => of_status(response.status()),
    };
    let response = as_html(response, &page)?;
    let response = ServiceResponse::new(request, response).map_into_right_body();
    Ok(ErrorHandlerResponse::Response(response))
}

fn is_of<B>(response: &ServiceResponse<B>, types: &[&str]) -> bool {
    let given = response.headers().get(CONTENT_TYPE);
    given.is_some_and(|given| {
        types
            .iter()
            .any(|kind| given.as_bytes().starts_with(kind.as_bytes()))
    })
}

fn of_provider(kind: OAuthErrorKind) -> Failure<'static> {
    let (title, text) = match kind {
        OAuthErrorKind::Denied => (
            "You cancelled",
            "The provider told us nothing about you. Sign in another way, or try again.",
        ),
        OAuthErrorKind::InvalidState => (
            "This sign-in cannot be finished",
            "It was begun in another browser or more than 15 minutes ago, or it is finished already. Begin again.",
        ),
        OAuthErrorKind::Unreachable => (
            "The provider does not answer",
            "This is not about your account. Try again in a moment, or sign in another way.",
        ),
        _ => (
            "We cannot accept the provider's answer",
            "You are not signed in. This is between us and the provider, and we have a note of it.",
        ),
    };
    Failure::new(title, text).way_out("/login", "Back to sign in")
}

fn of_status(status: StatusCode) -> Failure<'static> {
    let (title, text) = match status {
        StatusCode::UNAUTHORIZED => {
            let text = "This page is for people who are signed in.";
            return Failure::new("Please sign in", text).way_out("/login", "Sign in");
        }
        StatusCode::FORBIDDEN => (
            "Refused",
            "This request seems to come from another site, so nothing was done.",
        ),
        StatusCode::NOT_FOUND => ("Not found", "There is no such page here."),
        StatusCode::TOO_MANY_REQUESTS => (
            "Too many requests",
            "You asked for too much in a short time. Nothing was done. Try again later.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Try again in a moment",
            "We cannot answer just now. If you were signed in, you still are.",
        ),
        status if status.is_server_error() => (
            "Something went wrong",
            "It is our mistake, and we have a note of it.",
        ),
        _ => ("We did not understand that", "Go back and try once more."),
    };
    Failure::new(title, text)
}
