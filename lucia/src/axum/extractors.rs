//! Parameters that a handler can ask for.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::auth_request;
use crate::session::Session;
use crate::user::{MaybeUser, User};
use crate::{AuthRequest, Error, Result};

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

impl<S: Sync, A: DeserializeOwned> FromRequestParts<S> for User<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let (user, _) = auth_request(parts)?.require_user().await?;
        Ok(user)
    }
}

impl<S: Sync, A: DeserializeOwned> FromRequestParts<S> for MaybeUser<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let found = auth_request(parts)?.validate_user().await?;
        Ok(Self(found.map(|(user, _)| user)))
    }
}
