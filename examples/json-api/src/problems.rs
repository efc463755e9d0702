//! Errors as problem details (RFC 9457): those of actix-web, and those of lucia from handlers without an
//! attribute. `AuthBuilder::denials` makes the others.

use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::middleware::ErrorHandlerResponse;
use serde::Serialize;

const PROBLEM: &str = "application/problem+json";

#[derive(Serialize)]
struct Problem {
    status: u16,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    code: String,
}

/// Puts a problem in the place of the body of every error. Status and headers stay, such as
/// `WWW-Authenticate` and `Retry-After`.
pub fn as_json<B: 'static>(
    response: ServiceResponse<B>,
) -> actix_web::Result<ErrorHandlerResponse<B>> {
    let is_problem = |value: &HeaderValue| value == PROBLEM;
    if response.headers().get(CONTENT_TYPE).is_some_and(is_problem) {
        return Ok(ErrorHandlerResponse::Response(
            response.map_into_left_body(),
        ));
    }
    let status = response.status();
    let problem = Problem {
        status: status.as_u16(),
        title: status.canonical_reason().unwrap_or("Error"),
        detail: response.response().error().and_then(detail),
        code: code(status, response.response().error()),
    };
    let body = serde_json::to_string(&problem)?;
    let (request, response) = response.into_parts();
    let mut response = response.set_body(body);
    let problem = HeaderValue::from_static(PROBLEM);
    response.headers_mut().insert(CONTENT_TYPE, problem);
    let response = response.map_body(|_, body| EitherBody::right(BoxBody::new(body)));
    Ok(ErrorHandlerResponse::Response(ServiceResponse::new(
        request, response,
    )))
}

/// What clients match on: the code of lucia's errors, and the name of the status for others, such as
/// `bad_request`.
fn code(status: StatusCode, error: Option<&Error>) -> String {
    match error.and_then(Error::as_error::<lucia::Error>) {
        Some(error) => error.code().to_owned(),
        None => {
            let name = status.canonical_reason().unwrap_or("error");
            name.to_lowercase().replace(' ', "_")
        }
    }
}

/// What a client may know of an error.
fn detail(error: &Error) -> Option<String> {
    match error.as_error::<lucia::Error>() {
        Some(error) => Some(lucia_detail(error)),
        // actix-web says what is wrong with a body or a path.
        None if error.as_response_error().status_code().is_client_error() => {
            Some(error.to_string())
        }
        None => None,
    }
}

fn lucia_detail(error: &lucia::Error) -> String {
    use lucia::Error::{InvalidKey, InvalidPassword};

    match error {
        // These say what to do better, and nothing else.
        InvalidPassword(_) | InvalidKey { .. } => error.to_string(),
        error => error.public_message().to_owned(),
    }
}
