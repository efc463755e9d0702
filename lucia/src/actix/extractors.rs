//! Parameters that a handler can ask for.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::auth_request;
use crate::request::of_sender::OfSender;
use crate::session::{MaybeSession, Session};
use crate::user::{MaybeUser, User};
use crate::{AuthRequest, Error, Result};

/// A parameter on its way.
#[allow(missing_debug_implementations)] // A future has none.
pub enum Extraction<T> {
    /// It is there, since the sender was looked up before.
    Known(Ready<Result<T>>),
    /// It is not known yet.
    Pending(Pin<Box<dyn Future<Output = Result<T>>>>),
}

impl<T> Future for Extraction<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match self.get_mut() {
            Self::Known(answer) => Pin::new(answer).poll(context),
            Self::Pending(answer) => answer.as_mut().poll(context),
        }
    }
}

/// Takes what the `AuthRequest` of `request` knows already, and asks it for what it does not.
fn extract<T: OfSender + 'static>(request: &HttpRequest) -> Extraction<T> {
    let auth_request = match auth_request(request) {
        Ok(auth_request) => auth_request,
        Err(error) => return Extraction::Known(ready(Err(error))),
    };
    match auth_request.known() {
        Some(answer) => Extraction::Known(ready(answer)),
        None => Extraction::Pending(Box::pin(async move { auth_request.ask().await })),
    }
}

impl FromRequest for AuthRequest {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(auth_request(request))
    }
}

macro_rules! extractors {
    ($($parameter:ident)*) => {$(
        impl<A: DeserializeOwned + 'static> FromRequest for $parameter<A> {
            type Error = Error;
            type Future = Extraction<Self>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                extract(request)
            }
        }
    )*};
}

extractors!(Session User MaybeSession MaybeUser);
