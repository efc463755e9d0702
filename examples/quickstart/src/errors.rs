//! Errors as pages.

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::ErrorHandlerResponse;

use crate::pages::{Failure, as_html};

/// Puts a page in the place of a plain error, and keeps its status and headers. A response that
/// is a page already, such as a form with a message, stays as it is.
pub fn page<B>(response: ServiceResponse<B>) -> actix_web::Result<ErrorHandlerResponse<B>> {
    if is_page(&response) {
        let response = response.map_into_left_body();
        return Ok(ErrorHandlerResponse::Response(response));
    }
    let (request, response) = response.into_parts();
    let (title, text) = explain(response.status());
    let response = as_html(response, &Failure { title, text })?;
    let response = ServiceResponse::new(request, response).map_into_right_body();
    Ok(ErrorHandlerResponse::Response(response))
}

fn is_page<B>(response: &ServiceResponse<B>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

fn explain(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => ("Please log in", "This page is only for who is signed in."),
        StatusCode::FORBIDDEN => (
            "Refused",
            "This request seems to come from another site, so nothing was done.",
        ),
        StatusCode::NOT_FOUND => ("Not found", "There is no such page here."),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Try again in a moment",
            "We cannot answer just now. You are still signed in if you were before.",
        ),
        status if status.is_server_error() => (
            "Something went wrong",
            "It is our mistake, and it was written down for us.",
        ),
        _ => ("That was not understood", "Go back and try once more."),
    }
}
