//! Parameters that a handler can ask for.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::auth_request;
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

impl<S: Sync, A: DeserializeOwned> FromRequestParts<S> for Session<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        auth_request(parts)?.require().await?.typed()
    }
}

/// `None` is an anonymous request, and never an outage.
impl<S: Sync, A: DeserializeOwned> OptionalFromRequestParts<S> for Session<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        let session = auth_request(parts)?.validate().await?;
        session.map(|session| session.typed()).transpose()
    }
}

impl<S: Sync, A: DeserializeOwned> FromRequestParts<S> for User<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let (user, _) = auth_request(parts)?.require_user().await?;
        Ok(user)
    }
}

/// `None` is an anonymous request, and never an outage.
impl<S: Sync, A: DeserializeOwned> OptionalFromRequestParts<S> for User<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        let found = auth_request(parts)?.validate_user().await?;
        Ok(found.map(|(user, _)| user))
    }
}

impl<S: Sync, A: DeserializeOwned> FromRequestParts<S> for MaybeUser<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let user =
            <User<A> as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self(user))
    }
}

impl<S: Sync, A: DeserializeOwned> FromRequestParts<S> for MaybeSession<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let session =
            <Session<A> as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self(session))
    }
}
