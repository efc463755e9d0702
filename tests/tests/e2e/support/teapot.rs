//! An error of an application.

use std::fmt;

use actix_web::ResponseError;
use actix_web::http::StatusCode;

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

impl ResponseError for Teapot {
    fn status_code(&self) -> StatusCode {
        StatusCode::IM_A_TEAPOT
    }
}
