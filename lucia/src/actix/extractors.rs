//! Parameters that a handler can ask for.

use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::auth_request;
use crate::session::Session;
use crate::user::{MaybeUser, User};
use crate::{AuthRequest, Error, Result};

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// Runs `ask` with the `AuthRequest` of `request`.
fn extract<T: 'static>(
    request: &HttpRequest,
    ask: impl AsyncFnOnce(AuthRequest) -> Result<T> + 'static,
) -> Extraction<T> {
    let found = auth_request(request);
    Box::pin(async move { ask(found?).await })
}

impl FromRequest for AuthRequest {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(auth_request(request))
    }
}

impl<A: DeserializeOwned + 'static> FromRequest for Session<A> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, async |auth_request| {
            auth_request.authenticate().await?.typed()
        })
    }
}

impl<A: DeserializeOwned + 'static> FromRequest for User<A> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, async |auth_request| {
            auth_request.authenticate_user().await.map(|(user, _)| user)
        })
    }
}

impl<A: DeserializeOwned + 'static> FromRequest for MaybeUser<A> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, async |auth_request| {
            Ok(Self(
                auth_request.identify_user().await?.map(|(user, _)| user),
            ))
        })
    }
}
