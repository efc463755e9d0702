//! Parameters that a handler can ask for.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::auth_request;
use crate::request::of_sender::OfSender;
use crate::session::{MaybeSession, Session};
use crate::user::{MaybeUser, User};
use crate::{Auth, AuthRequest, Error, Result};

impl<S: Sync> FromRequestParts<S> for Auth {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(auth_request(parts)?.auth().clone())
    }
}

impl<S: Sync> FromRequestParts<S> for AuthRequest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        auth_request(parts)
    }
}

/// Takes what the `AuthRequest` of a request knows already, and asks it for what it does not.
async fn extract<T: OfSender>(parts: &Parts) -> Result<T> {
    let auth_request = auth_request(parts)?;
    if let Some(answer) = auth_request.known() {
        return answer;
    }
    auth_request.ask().await
}

macro_rules! extractors {
    ($($(#[$doc:meta])* $trait:ident for $parameter:ident => $extracted:ty;)*) => {$(
        $(#[$doc])*
        impl<S: Sync, A: DeserializeOwned> $trait<S> for $parameter<A> {
            type Rejection = Error;

            fn from_request_parts(
                parts: &mut Parts,
                _: &S,
            ) -> impl Future<Output = Result<$extracted>> + Send {
                extract(parts)
            }
        }
    )*};
}

extractors! {
    FromRequestParts for Session => Self;
    FromRequestParts for User => Self;
    FromRequestParts for MaybeSession => Self;
    FromRequestParts for MaybeUser => Self;
    /// `None` is an anonymous request, and never an outage.
    OptionalFromRequestParts for Session => Option<Self>;
    /// `None` is an anonymous request, and never an outage.
    OptionalFromRequestParts for User => Option<Self>;
}
