//! lucia's responses in the types of actix-web.

use std::borrow::Cow;

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};

use super::{Target, accept};
use crate::Error;
use crate::adapter::{Answer, DefaultLook, RequestTarget, Response};

/// See [`Answer::of`]. The response has the error in its `error()`.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        status_code(self.status())
    }

    fn error_response(&self) -> HttpResponse {
        let answer = Answer::of(self);
        let mut response = HttpResponseBuilder::new(status_code(answer.status));
        for header in answer.headers {
            response.append_header(header);
        }
        let mut response = response.body(answer.body);
        response.extensions_mut().insert(DefaultLook);
        response
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The default response to an error. It carries the error, for the application's own error pages:
/// `response.error()`.
pub(super) fn respond(error: Error) -> HttpResponse {
    HttpResponse::from_error(error)
}

/// What the client requested.
pub(super) fn target_of(request: &HttpRequest) -> Target {
    Target::new(request.method(), request.uri(), request.headers())
}

impl RequestTarget for HttpRequest {
    fn method(&self) -> &str {
        self.head().method.as_str()
    }

    fn path_and_query(&self) -> Option<&str> {
        self.uri().path_and_query().map(|path| path.as_str())
    }

    fn accept(&self) -> Cow<'_, str> {
        accept(self.headers().get_all(actix_web::http::header::ACCEPT))
    }
}

impl Response for HttpResponse {
    type Headers = HeaderMap;

    fn error(&self) -> Option<&Error> {
        error(self)
    }

    fn status(&self) -> u16 {
        HttpResponse::status(self).as_u16()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        HttpResponse::headers_mut(self)
    }

    fn set_status(&mut self, status: u16) {
        *self.status_mut() = status_code(status);
    }

    fn with_body(mut self, body: String) -> Self {
        self.extensions_mut().remove::<DefaultLook>();
        self.set_body(BoxBody::new(body))
    }
}

impl<B> Response for ServiceResponse<EitherBody<B>> {
    type Headers = HeaderMap;

    fn error(&self) -> Option<&Error> {
        error(self.response())
    }

    fn status(&self) -> u16 {
        ServiceResponse::status(self).as_u16()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        ServiceResponse::headers_mut(self)
    }

    fn set_status(&mut self, status: u16) {
        *self.response_mut().status_mut() = status_code(status);
    }

    fn with_body(mut self, body: String) -> Self {
        self.response_mut().extensions_mut().remove::<DefaultLook>();
        self.map_body(|_, _| EitherBody::right(BoxBody::new(body)))
    }
}

fn error<B>(response: &HttpResponse<B>) -> Option<&Error> {
    response.extensions().get::<DefaultLook>()?;
    response.error()?.as_error()
}
