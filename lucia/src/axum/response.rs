//! lucia's responses in the types of axum.

use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::Error;
use crate::http::Target;

/// See [`Answer::of`](crate::adapter::Answer::of). The response has the error in its extensions, as an
/// `Arc<Error>`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        crate::http::response(self)
    }
}

/// What the client requested. A nested router sees only its part of the path.
pub(super) fn target_of(parts: &Parts) -> Target {
    let original = parts.extensions.get::<OriginalUri>();
    let uri = original.map_or(&parts.uri, |original| &original.0);
    Target::new(&parts.method, uri, &parts.headers)
}

/// The default response to an error.
pub(super) fn respond(error: Error) -> Response {
    crate::http::response(error)
}
