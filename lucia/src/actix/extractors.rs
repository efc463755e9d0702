//! Parameters that a handler can ask for.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::auth_request;
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
fn extract<T: 'static>(
    request: &HttpRequest,
    known: impl FnOnce(&AuthRequest) -> Option<Result<T>>,
    ask: impl AsyncFnOnce(AuthRequest) -> Result<T> + 'static,
) -> Extraction<T> {
    let auth_request = match auth_request(request) {
        Ok(auth_request) => auth_request,
        Err(error) => return Extraction::Known(ready(Err(error))),
    };
    match known(&auth_request) {
        Some(answer) => Extraction::Known(ready(answer)),
        None => Extraction::Pending(Box::pin(ask(auth_request))),
    }
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
        let known = |auth_request: &AuthRequest| Some(auth_request.known_session()?.typed());
        extract(request, known, async |auth_request| {
            auth_request.require().await?.typed()
        })
    }
}

impl<A: DeserializeOwned + 'static> FromRequest for User<A> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, AuthRequest::known_user, async |auth_request| {
            auth_request.require_user().await.map(|(user, _)| user)
        })
    }
}

impl<A: DeserializeOwned + 'static> FromRequest for MaybeUser<A> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = |auth_request: &AuthRequest| {
            let user = auth_request.known_user()?;
            Some(user.map(|user| Self(Some(user))))
        };
        extract(request, known, async |auth_request| {
            Ok(Self(
                auth_request.validate_user().await?.map(|(user, _)| user),
            ))
        })
    }
}

impl<A: DeserializeOwned + 'static> FromRequest for MaybeSession<A> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = |auth_request: &AuthRequest| {
            let session = auth_request.known_session()?.typed();
            Some(session.map(|session| Self(Some(session))))
        };
        extract(request, known, async |auth_request| {
            let session = auth_request.validate().await?;
            let session = session.map(|session| session.typed()).transpose()?;
            Ok(Self(session))
        })
    }
}
