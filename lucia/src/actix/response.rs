//! lucia's answers and headers in the types of actix-web.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE,
    UPGRADE, VARY, WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};

use super::permit::Asks;
use crate::request::guard::{Asked, Guard, settle};
use crate::request::response::{Answer, HeadersMut};
use crate::{AuthRequest, Error};

/// See [`Error::answer`].
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        response(self.answer())
    }
}

fn response(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status);
    let mut response =
        HttpResponseBuilder::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for header in answer.headers {
        response.append_header(header);
    }
    response.body(answer.body)
}

/// The response to a request that `guard` refused. It carries the error, for the application's
/// own error pages: `response.error()`.
async fn deny<P>(
    guard: &Guard<P>,
    request: &HttpRequest,
    auth_request: &AuthRequest,
    denial: Error,
) -> HttpResponse {
    let target = request.uri().path_and_query().map(|target| target.as_str());
    let target = target.filter(|_| request.method().is_safe());
    let mut response = match guard.redirection(&denial, auth_request, target) {
        Some(location) => response(Answer::see_other(location)),
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
    put_headers(response.headers_mut(), auth_request).await;
    response
}

/// Decides by `guard` and `permit` whether a request may go on. `Err` is the response to one that may
/// not.
pub(super) async fn admit<P>(
    guard: &Guard<P>,
    permit: &impl Asks,
    request: &mut HttpRequest,
    auth_request: &AuthRequest,
) -> Result<(), HttpResponse> {
    let decision = match guard.admit(auth_request).await {
        Ok(()) => match permit.ask(request).await {
            Asked::Answered(answer) => settle(auth_request, answer),
            Asked::Rejected(rejection) => {
                let mut response = HttpResponse::from_error(rejection);
                put_headers(response.headers_mut(), auth_request).await;
                return Err(response);
            }
        },
        Err(denial) => Err(denial),
    };
    match decision {
        Ok(()) => Ok(()),
        Err(denial) => Err(deny(guard, request, auth_request, denial).await),
    }
}

/// Puts on a response what the request's `AuthRequest` asks for. Doing it again changes nothing.
pub(super) async fn put_headers(headers: &mut HeaderMap, auth_request: &AuthRequest) {
    auth_request.response_headers().await.put_on(headers);
}

impl HeadersMut for HeaderMap {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(header_name(name)).map(HeaderValue::as_bytes)
    }

    fn append(&mut self, name: &'static str, value: &str) {
        let name = header_name(name);
        // What cannot stand in a header was refused when `Auth` was built.
        if let Some(mut value) = header_value(value) {
            value.set_sensitive(name == SET_COOKIE);
            Self::append(self, name, value);
        }
    }

    fn remove(&mut self, name: &'static str, is_meant: impl Fn(&[u8]) -> bool) {
        if !HeadersMut::values(self, name).any(&is_meant) {
            return;
        }
        let name = header_name(name);
        let all: Vec<_> = Self::remove(self, &name).collect();
        for other in all.into_iter().filter(|value| !is_meant(value.as_bytes())) {
            Self::append(self, name.clone(), other);
        }
    }
}

fn header_name(name: &'static str) -> HeaderName {
    known_name(name).unwrap_or_else(|| HeaderName::from_static(name))
}

/// The names that most requests and responses are asked for, which need not be read.
pub(super) fn known_name(name: &str) -> Option<HeaderName> {
    Some(match name {
        "authorization" => AUTHORIZATION,
        "cache-control" => CACHE_CONTROL,
        "cookie" => COOKIE,
        "origin" => ORIGIN,
        "set-cookie" => SET_COOKIE,
        "upgrade" => UPGRADE,
        "vary" => VARY,
        _ => return None,
    })
}

/// The value of a header. Those that are on most responses are not copied.
fn header_value(value: &str) -> Option<HeaderValue> {
    static BY_COOKIE: HeaderValue = HeaderValue::from_static("Cookie");
    static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

    match value {
        "Cookie" => Some(BY_COOKIE.clone()),
        "no-store" => Some(NO_STORE.clone()),
        other => HeaderValue::try_from(other).ok(),
    }
}
