//! lucia's answers as responses of axum.

use std::sync::Arc;

use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};

use super::permit::Asks;
use crate::http::{put_headers, target};
use crate::request::guard::{self, Guard, settle};
use crate::request::response::Answer;
use crate::{AuthRequest, Error};

/// See [`Error::answer`]. The response has the error in its extensions, as an `Arc<Error>`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        response(self.answer(), self)
    }
}

fn response(answer: Answer, error: Error) -> Response {
    let mut response = crate::http::response(answer).map(Into::into);
    response.extensions_mut().insert(Arc::new(error));
    response
}

/// What a client asked for, kept for its denial while the request goes its way.
pub(super) struct Asked {
    method: Method,
    uri: Uri,
}

impl Asked {
    fn of(parts: &Parts) -> Self {
        // A nested router sees only its part of the path.
        let original = parts.extensions.get::<OriginalUri>();
        Self {
            method: parts.method.clone(),
            uri: original.map_or(&parts.uri, |original| &original.0).clone(),
        }
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
                guard::Asked::Rejected(mut response) => {
                    put_headers(response.headers_mut(), auth_request).await;
                    return Err(response);
                }
            },
            Err(denial) => Err(denial),
        };
        match decision {
            Ok(()) => Ok(()),
            Err(denial) => Err(Self::of(parts).deny(guard, auth_request, denial).await),
        }
    }

    /// The response to this request, which `guard` refused.
    async fn deny<P>(
        &self,
        guard: &Guard<P>,
        auth_request: &AuthRequest,
        denial: Error,
    ) -> Response {
        let target = target(&self.method, &self.uri);
        let answer = guard.answer(&denial, auth_request, target);
        let mut response = response(answer, denial);
        put_headers(response.headers_mut(), auth_request).await;
        response
    }
}
