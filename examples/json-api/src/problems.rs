//! Errors as JSON: problem details (RFC 9457).

use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::middleware::ErrorHandlerResponse;
use serde::Serialize;

#[derive(Serialize)]
struct Problem {
    status: u16,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Puts a problem in the place of the body of every error. Status and headers stay, such as
/// `WWW-Authenticate` and `Retry-After`.
pub fn as_json<B: 'static>(
    response: ServiceResponse<B>,
) -> actix_web::Result<ErrorHandlerResponse<B>> {
    let status = response.status();
    let problem = Problem {
        status: status.as_u16(),
        title: status.canonical_reason().unwrap_or("Error"),
        detail: response.response().error().and_then(detail),
    };
    let body = serde_json::to_string(&problem)?;
    let (request, response) = response.into_parts();
    let mut response = response.set_body(body);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    let response = response.map_body(|_, body| EitherBody::right(BoxBody::new(body)));
    Ok(ErrorHandlerResponse::Response(ServiceResponse::new(
        request, response,
    )))
}

/// What a client may know of an error.
fn detail(error: &Error) -> Option<String> {
    use lucia::Error::{InvalidKey, InvalidPassword};

    match error.as_error::<lucia::Error>() {
        // These say what to do better, and nothing else.
        Some(error @ (InvalidPassword(_) | InvalidKey { .. })) => Some(error.to_string()),
        Some(error) => Some(error.public_message().to_owned()),
        // actix-web says what is wrong with a body or a path.
        None if error.as_response_error().status_code().is_client_error() => {
            Some(error.to_string())
        }
        None => None,
    }
}
