//! Errors of an application, as each framework has them.

use std::fmt;

use crate::support::{actix, axum};

/// A 418.
#[derive(Debug)]
pub(crate) struct Teapot;

impl Teapot {
    pub(crate) const MESSAGE: &str = "the kettle is empty";
}

impl fmt::Display for Teapot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MESSAGE)
    }
}

impl actix_web::ResponseError for Teapot {
    fn status_code(&self) -> actix_web::http::StatusCode {
        actix_web::http::StatusCode::IM_A_TEAPOT
    }
}

impl ::axum::response::IntoResponse for Teapot {
    fn into_response(self) -> axum::Response {
        axum::answer(418, &[], Self::MESSAGE)
    }
}

/// A 409 with headers and a cookie of its own.
#[derive(Debug)]
pub(crate) struct Taken;

impl Taken {
    const HEADERS: &[(&str, &str)] = &[("x-reason", "taken"), ("set-cookie", "flash=taken")];
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("taken")
    }
}

impl actix_web::ResponseError for Taken {
    fn error_response(&self) -> actix::Response {
        actix::answer(409, Self::HEADERS, "")
    }
}

impl ::axum::response::IntoResponse for Taken {
    fn into_response(self) -> axum::Response {
        axum::answer(409, Self::HEADERS, "")
    }
}
