//! What stands in for the cache where the feature `cache` is off.

#![cfg_attr(
    not(feature = "postgres"),
    expect(dead_code, reason = "Redis keeps no users")
)]

use std::marker::PhantomData;
use std::sync::Arc;

use super::{NewSessionRow, SessionRow};
use crate::session::token::SessionId;
use crate::user::UserId;

pub(super) struct Cache<U>(PhantomData<U>);

#[derive(Clone, Copy)]
pub(super) struct Begun;

pub(super) struct PendingChange<'a, U>(PhantomData<(&'a (), U)>);

#[expect(clippy::unused_self, reason = "as the cache has them")]
impl<U> PendingChange<'_, U> {
    pub(super) fn session_ended(&self, _: &str) {}

    pub(super) fn user_changed(&self, _: &UserId) {}
}

#[expect(clippy::unused_self, reason = "as the cache has them")]
impl<U> Cache<U> {
    pub(super) fn none() -> Self {
        Self(PhantomData)
    }

    pub(super) fn is_on(&self) -> bool {
        false
    }

    pub(super) fn complaint(&self) -> Option<&'static str> {
        None
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self) {}

    pub(super) fn start<P>(&self, _: &Arc<P>) {}

    pub(super) fn find(&self, _: &SessionId) -> Option<(SessionRow, U)> {
        None
    }

    pub(super) fn find_user(&self, _: &UserId) -> Option<U> {
        None
    }

    pub(super) fn begin<P>(&self, _: &Arc<P>, _: usize) -> Option<Begun> {
        None
    }

    pub(super) fn put(&self, _: Option<Begun>, _: &SessionRow, _: &UserId, _: &U) {}

    pub(super) fn put_user(&self, _: Option<Begun>, _: &UserId, _: &U) {}

    pub(super) fn session_changes(&self, _: &SessionId) -> PendingChange<'_, U> {
        PendingChange(PhantomData)
    }

    pub(super) fn user_changes(&self, _: &UserId) -> PendingChange<'_, U> {
        PendingChange(PhantomData)
    }

    pub(super) fn insertion_changes(&self, _: &NewSessionRow) -> PendingChange<'_, U> {
        PendingChange(PhantomData)
    }

    pub(super) fn all_changes(&self) -> PendingChange<'_, U> {
        PendingChange(PhantomData)
    }
}
