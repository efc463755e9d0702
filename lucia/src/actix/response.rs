//! What goes back to the client: errors as responses, and the headers that an `AuthRequest` asks
//! for.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE, VARY,
    WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};

use crate::error::chain;
use crate::guard::Guard;
use crate::{AuthRequest, Error};

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// One sentence of plain text. What an operator has to know of a 500 goes to the log.
    fn error_response(&self) -> HttpResponse {
        if self.status() == 500 {
            tracing::error!("{}", chain(self));
        }
        let mut response = HttpResponseBuilder::new(self.status_code());
        response
            .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
            .insert_header((CACHE_CONTROL, "no-store"));
        if let Some(wait) = self.retry_after() {
            response.insert_header((RETRY_AFTER, wait.as_secs().max(1)));
        }
        response.body(self.public_message())
    }
}

/// The response to a request that `guard` refused. It carries the error, for the application's
/// own error pages: `response.error()`.
pub(super) fn deny(
    guard: &Guard,
    request: &HttpRequest,
    auth_request: &AuthRequest,
    denial: Error,
) -> HttpResponse {
    let target = request.uri().path_and_query().map(|target| target.as_str());
    let target = target.filter(|_| request.method().is_safe());
    let mut response = match guard.redirection(&denial, target) {
        Some(location) => HttpResponse::SeeOther()
            .insert_header((LOCATION, location))
            .insert_header((CACHE_CONTROL, "no-store"))
            .finish(),
        None => {
            let challenge = guard.challenge(&denial, auth_request);
            let mut response = HttpResponse::from_error(denial);
            if let Some(challenge) = challenge {
                let challenge = HeaderValue::from_static(challenge);
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            response
        }
    };
    put_headers(response.headers_mut(), auth_request);
    response
}

/// Puts on a response what the request's `AuthRequest` asks for. Doing it again changes nothing.
pub(super) fn put_headers(headers: &mut HeaderMap, auth_request: &AuthRequest) {
    let asked = auth_request.response_headers();
    if let Some(cookie) = asked.set_cookie
        && let Ok(mut value) = HeaderValue::try_from(cookie.to_string())
    {
        value.set_sensitive(true);
        remove_cookie(headers, cookie.name());
        headers.append(SET_COOKIE, value);
    }
    if asked.private && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Some(vary) = asked.vary
        && !varies_by(headers, vary)
    {
        headers.append(VARY, HeaderValue::from_static(vary));
    }
}

/// Takes away the `Set-Cookie` headers of one cookie.
fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let sets_it = |value: &HeaderValue| {
        let rest = value.as_bytes().strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"="))
    };
    if headers.get_all(SET_COOKIE).any(sets_it) {
        let others: Vec<_> = headers
            .remove(SET_COOKIE)
            .filter(|value| !sets_it(value))
            .collect();
        for other in others {
            headers.append(SET_COOKIE, other);
        }
    }
}

fn varies_by(headers: &HeaderMap, wanted: &str) -> bool {
    let names = |list: &str| -> Vec<String> {
        list.split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .collect()
    };
    let present: Vec<_> = headers
        .get_all(VARY)
        .filter_map(|value| value.to_str().ok())
        .flat_map(names)
        .collect();
    present.iter().any(|name| name == "*")
        || names(wanted).iter().all(|name| present.contains(name))
}
