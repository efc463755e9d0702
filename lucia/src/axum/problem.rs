//! [`problem_details`]: axum's own errors in the form of lucia's.

use axum::body::{Body, HttpBody, to_bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;

use crate::adapter::{self, LONGEST_DETAIL, is_bare_error, problem_of_response};

/// Gives error responses in plain text, or without a body, a body of problem details (RFC 9457): JSON that cannot be
/// read, a path that does not exist. It is a function for
/// [`map_response`](axum::middleware::map_response).
///
/// The text becomes the `detail`, and the name of the status the `code`, such as `not_found`. Status and other
/// headers stay, and so do bodies of any other type, such as your own pages, and bodies of more than 64 KiB. An error
/// of lucia that still has its default look gets the body of
/// [`DenialBody::problem`](crate::DenialBody::problem).
///
/// ```
/// use axum::Router;
/// use axum::middleware::map_response;
/// use lucia::Auth;
/// use lucia::axum::problem_details;
///
/// fn app(auth: &Auth, routes: Router) -> Router {
///     routes
///         .layer(auth.layer())
///         .layer(map_response(problem_details)) // the last one: also for what the others answer
/// }
/// ```
pub async fn problem_details(mut response: Response) -> Response {
    let length = response.body().size_hint().exact();
    // The response to `HEAD` has the length of a body that it lacks.
    let is_for_head = length == Some(0)
        && (response.headers().get(CONTENT_LENGTH)).is_some_and(|length| length != "0");
    let is_short = length.is_some_and(|length| length <= LONGEST_DETAIL as u64);
    if is_for_head || !is_short || !is_bare_error(&mut response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // A body of a known length that fails has lost what it said.
    let text = to_bytes(body, LONGEST_DETAIL).await.unwrap_or_default();
    let status = parts.status;
    let response = Response::from_parts(parts, Body::empty());
    let content = problem_of_response(
        adapter::Response::error(&response),
        (status.as_u16(), status.canonical_reason()),
        &String::from_utf8_lossy(&text),
    );
    match content {
        Some(content) => adapter::put_content(response, content),
        None => response,
    }
}
