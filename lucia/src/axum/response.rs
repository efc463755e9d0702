//! lucia's responses in the types of axum.

use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::permit::Asks;
use crate::adapter;
use crate::http::Asked;
use crate::request::guard::{self, Guard, settle};
use crate::{AuthRequest, Error};

/// See [`Answer::of`](crate::adapter::Answer::of). The response has the error in its extensions, as an
/// `Arc<Error>`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        crate::http::response(self)
    }
}

/// What a client asked for. A nested router sees only its part of the path.
pub(super) fn asked(parts: &Parts) -> Asked {
    let original = parts.extensions.get::<OriginalUri>();
    let uri = original.map_or(&parts.uri, |original| &original.0);
    Asked::new(&parts.method, uri, &parts.headers)
}

/// Decides by `guard` and `permit` whether a request may go on. `Err` is the response to one that
/// may not.
pub(super) async fn admit<P: Sync>(
    guard: &Guard<P>,
    permit: &impl Asks,
    parts: &mut Parts,
    auth_request: &AuthRequest,
) -> Result<(), Response> {
    let decision = match guard.admit(auth_request).await {
        Ok(()) => match permit.ask(parts).await {
            guard::Asked::Answered(answer) => settle(auth_request, answer),
            guard::Asked::Rejected(rejection) => {
                return Err(adapter::deny(rejection, guard, auth_request, &asked(parts)).await);
            }
        },
        Err(denial) => Err(denial),
    };
    match decision {
        Ok(()) => Ok(()),
        Err(denial) => {
            let response = crate::http::response(denial);
            Err(adapter::deny(response, guard, auth_request, &asked(parts)).await)
        }
    }
}
