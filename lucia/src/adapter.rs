//! The interface between lucia and a web framework. Applications do not need this module.
//!
//! An adapter describes the requests of its framework ([`RequestInfo`], [`RequestContext`]) and its
//! responses ([`Response`], [`HeadersMut`]). Then each request takes four steps:
//!
//! 1. [`Auth::handle_request`](crate::Auth::handle_request) returns its [`AuthRequest`], and [`adopt`]
//!    declares that the adapter takes care of its headers.
//! 2. [`Guard::check`] decides.
//! 3. [`deny`] creates the response to a denied request.
//! 4. [`finish`] completes every other response.
//!
//! For the requests and responses of the crate `http`, everything exists: `lucia::http` has an adapter in
//! 20 lines. `docs/adapters.md` and `examples/adapter` in the repository explain another adapter.
//!
//! These traits grow with lucia. While its version begins with `0.`, a release that changes them has a new
//! minor version.

#[cfg(any(feature = "actix", feature = "axum"))]
pub mod permit;

#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) use crate::headers::denial::problem_of_response;
use crate::headers::denial::{Content, Denial};
use crate::headers::origin::is_safe;
use crate::{Auth, AuthRequest, Error, Guard};

pub use crate::headers::denial::RequestTarget;
pub use crate::headers::{HeadersMut, RequestInfo};
pub use crate::request::ResponseHeaders;
pub use crate::request::context::{RequestContext, RequestSlot};
pub use crate::request::response::Answer;

/// A response of a framework, as far as lucia reads and changes it. lucia implements it for those of
/// actix-web and of the crate `http`.
pub trait Response: Sized {
    /// Its headers.
    type Headers: HeadersMut;

    /// The error from which [`Answer::of`] created the response, as long as it has that body: `None` after
    /// [`with_body`](Self::with_body).
    fn error(&self) -> Option<&Error>;

    /// The HTTP status.
    fn status(&self) -> u16;

    /// The headers.
    fn headers_mut(&mut self) -> &mut Self::Headers;

    /// Replaces the status.
    fn set_status(&mut self, status: u16);

    /// Replaces the body. The headers stay.
    #[must_use]
    fn with_body(self, body: String) -> Self;
}

/// Declares that the caller will put [`response_headers`] on the response in every case; [`deny`] and
/// [`finish`] do so. If no adapter takes care of a change of the cookie, lucia logs this as a mistake.
pub fn adopt(auth_request: &AuthRequest) {
    auth_request.adopt();
}

/// Returns the headers that the response to a request needs now. Call [`adopt`] first, call this when the
/// handler has finished, and put the headers on the response.
///
/// If another request has ended or rotated the session in the meantime, its cookie would replace a newer
/// one. So if a cookie is to be set, and at least a millisecond has passed since the store last answered
/// for its session, this queries the store once more. No cookie is set for a session that is gone, nor for
/// a renewal while the store is unavailable. A second call returns the same headers without a query.
pub async fn response_headers(auth_request: &AuthRequest) -> ResponseHeaders {
    auth_request.response_headers().await
}

/// Turns the default response to an error of [`Guard::check`] into the response for the client: a redirect
/// to the login page if the guard has one, and otherwise the [look](crate::AuthBuilder::denials) of the
/// application, with the `WWW-Authenticate` of a guard that accepts bearer tokens. Adds cookie and cache
/// headers.
pub async fn deny<R: Response>(
    response: R,
    guard: &Guard,
    auth_request: &AuthRequest,
    target: &impl RequestTarget,
) -> R {
    let response = decide(response, guard, auth_request, target);
    finish(response, auth_request, target).await
}

/// What [`deny`] does before [`finish`]: redirects to the login page, or adds the `WWW-Authenticate`.
pub(crate) fn decide<R: Response>(
    mut response: R,
    guard: &Guard,
    auth_request: &AuthRequest,
    target: &impl RequestTarget,
) -> R {
    let Some(denial) = response.error() else {
        return response;
    };
    // Only a request with a safe method can be repeated by a redirect (RFC 9110, 9.2.1).
    let path = target.path_and_query().filter(|_| is_safe(target.method()));
    let location = guard.redirection(denial, auth_request, path);
    let challenge = guard.challenge(denial, auth_request);
    if let Some(location) = location {
        response.set_status(303);
        response.headers_mut().remove("content-type", |_| true);
        response.headers_mut().append("location", &location);
        response = response.with_body(String::new());
    } else if let Some(challenge) = challenge {
        response.headers_mut().append("www-authenticate", challenge);
    }
    response
}

/// Completes a response when the handler has finished: gives an error of lucia the
/// [look](crate::AuthBuilder::denials) of the application, and adds cookie and cache headers. A second call
/// changes nothing.
pub async fn finish<R: Response>(
    response: R,
    auth_request: &AuthRequest,
    target: &impl RequestTarget,
) -> R {
    let mut response = dress(response, auth_request.base_auth(), target);
    let headers = auth_request.response_headers().await;
    headers.put_on(response.headers_mut());
    response
}

/// Gives the response to an error of lucia the application's look. If the function for `denials` fails, this sets
/// the default body and marks it as the application's, so that an outer middleware does not call the function again.
fn dress<R: Response>(mut response: R, auth: &Auth, target: &impl RequestTarget) -> R {
    if auth.denials().is_none() || !is_default(&mut response) {
        return response;
    }
    let Some(error) = response.error() else {
        return response;
    };
    match look(error, auth, target) {
        Some(content) => put_content(response, content),
        None => {
            let body = error.public_message().to_owned();
            response.with_body(body)
        }
    }
}

/// The application's response body for an error, if it has one.
pub(crate) fn look(error: &Error, auth: &Auth, target: &impl RequestTarget) -> Option<Content> {
    auth.denials()?.content(&Denial::new(error, target))
}

/// Whether this is the response that lucia made of an error. An application that has changed its status or
/// type since has chosen its look already.
fn is_default(response: &mut impl Response) -> bool {
    let status = response.status();
    let is_of_error = response
        .error()
        .is_some_and(|error| error.status() == status);
    let is_text = |value: &[u8]| value == Answer::CONTENT_TYPE.as_bytes();
    is_of_error && response.headers_mut().values("content-type").all(is_text)
}

/// The longest text that becomes the `detail` of a problem, in bytes.
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) const LONGEST_DETAIL: usize = 64 * 1024;

/// Whether this is an error response in plain text or without a body, so without a look that an application gave it.
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) fn is_bare_error(response: &mut impl Response) -> bool {
    let is_text = |value: &[u8]| {
        let end = value.iter().position(|byte| *byte == b';');
        let media_type = value[..end.unwrap_or(value.len())].trim_ascii();
        media_type.eq_ignore_ascii_case(b"text/plain")
    };
    let is_error = response.status() >= 400;
    let headers = response.headers_mut();
    is_error
        && headers.values("content-type").all(is_text)
        && headers.values("content-encoding").next().is_none()
}

pub(crate) fn put_content<R: Response>(mut response: R, content: Content) -> R {
    let headers = response.headers_mut();
    // Those that describe the body.
    for name in ["content-type", "content-length", "content-encoding", "etag"] {
        headers.remove(name, |_| true);
    }
    headers.append("content-type", &content.media_type);
    response.with_body(content.text.into_owned())
}

/// In the extensions of a response that lucia made of an error, as long as it has that body.
#[cfg(any(feature = "actix", feature = "http"))]
#[derive(Clone, Copy)]
pub(crate) struct DefaultLook;

/// Taken by the function that the user wrote, which only the handler around it may call. It is
/// deliberately not an extractor.
#[cfg(feature = "macros")]
#[doc(hidden)]
#[derive(Debug)]
pub struct Admission(#[allow(dead_code)] pub(crate) ());
