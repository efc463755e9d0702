//! What stands in for the cache where the feature `cache` is off.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Parts;
use super::migrate::Migrating;
use crate::session::token::SessionId;
use crate::store::{NewSessionRow, Result, SessionRow, UserRow};
use crate::user::UserId;

pub(super) struct Cache;

#[derive(Clone, Copy)]
pub(super) struct Begun;

pub(super) struct PendingChange<'a>(PhantomData<&'a ()>);

#[expect(clippy::unused_self, reason = "as the cache has them")]
impl PendingChange<'_> {
    pub(super) fn session_ended(&self, _: &str) {}

    pub(super) fn user_changed(&self, _: &UserId) {}
}

#[expect(
    clippy::unused_self,
    clippy::unused_async,
    reason = "as the cache has them"
)]
impl Cache {
    pub(super) fn is_on(&self) -> bool {
        false
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self) {}

    pub(super) fn is_answering(&self) -> bool {
        false
    }

    pub(super) fn start(&self, _: &Arc<Parts>) {}

    pub(super) fn find(&self, _: &SessionId) -> Option<(SessionRow, UserRow)> {
        None
    }

    pub(super) fn find_user(&self, _: &UserId) -> Option<UserRow> {
        None
    }

    pub(super) fn begin(&self, _: &Arc<Parts>) -> Option<Begun> {
        None
    }

    pub(super) fn put(&self, _: Option<Begun>, _: &(SessionRow, UserRow)) {}

    pub(super) fn put_user(&self, _: Option<Begun>, _: &UserRow) {}

    pub(super) fn session_changes(&self, _: &SessionId) -> PendingChange<'_> {
        PendingChange(PhantomData)
    }

    pub(super) fn user_changes(&self, _: &UserId) -> PendingChange<'_> {
        PendingChange(PhantomData)
    }

    pub(super) fn insertion_changes(&self, _: &NewSessionRow) -> PendingChange<'_> {
        PendingChange(PhantomData)
    }

    pub(super) fn all_changes(&self) -> PendingChange<'_> {
        PendingChange(PhantomData)
    }

    pub(super) async fn migrate(&self, _: &Migrating<'_>) -> Result<()> {
        Ok(())
    }

    pub(super) fn migrated(&self) {}

    pub(super) async fn check(&self, _: &Parts) -> Result<()> {
        Ok(())
    }
}
