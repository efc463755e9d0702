//! Events of an [`Auth`]: each told once, however the call ends that it happens in.

use std::sync::Arc;

use super::Auth;
use crate::event::{Event, EventClient, EventKind, SignInFailure};
use crate::user::UserId;
use crate::user::key::VerifiedKey;
use crate::{Error, Result, store};

impl Auth {
    /// This `Auth`, with a client in what it tells.
    pub(crate) fn of_client(&self, client: EventClient) -> Self {
        Self(self.0.clone(), Some(Arc::new(client)))
    }

    /// Whether the application is told of events.
    pub(crate) fn has_hooks(&self) -> bool {
        self.0.listeners.has_hooks()
    }

    /// Tells that something has happened.
    pub(crate) fn tell(&self, kind: EventKind) {
        let client = self.1.as_deref();
        self.0.listeners.tell(&Event {
            time: self.0.clock.now(),
            address: client.and_then(|client| client.address),
            user_agent: client.and_then(|client| client.user_agent.clone()),
            kind,
        });
    }

    /// Asks the store for a change, and tells of it if it has happened.
    pub(crate) async fn change<T>(
        &self,
        change: EventKind,
        answer: impl Future<Output = store::Result<T>>,
        has_happened: impl FnOnce(&T) -> bool,
    ) -> Result<T> {
        let pending = self.pending(change);
        pending.settle(self.ask(answer).await, has_happened)
    }

    /// A change that the store is about to be asked for.
    pub(crate) fn pending(&self, change: EventKind) -> Pending<'_> {
        let change = Box::new(change);
        self.telling_if_dropped(EventKind::Interrupted { change })
    }

    /// Tells this where the call is dropped before it is settled.
    pub(crate) fn telling_if_dropped(&self, kind: EventKind) -> Pending<'_> {
        Pending {
            auth: self,
            if_dropped: Some(kind),
        }
    }

    /// Refuses a key, as a wrong password is refused, unless it is this user's.
    pub(crate) fn check_owner(&self, key: &VerifiedKey, owner: &UserId) -> Result<()> {
        if key.user_id == *owner {
            return Ok(());
        }
        self.tell_refusal(key, SignInFailure::OtherUser);
        Err(Error::InvalidCredentials)
    }

    /// Tells that a key that has been verified opens nothing.
    pub(super) fn tell_refusal(&self, key: &VerifiedKey, reason: SignInFailure) {
        self.tell(EventKind::SignInFailed {
            reason,
            method: key.method,
            provider_id: Some(key.id.provider_id().to_owned()),
            user_id: Some(key.user_id.clone()),
        });
    }
}

/// A change that the store is asked for. Where this is dropped, because the future of the call is, the
/// change may have been committed, and is told as interrupted.
#[must_use = "it tells of an interruption where it is dropped"]
pub(crate) struct Pending<'a> {
    auth: &'a Auth,
    if_dropped: Option<EventKind>,
}

impl Pending<'_> {
    /// Tells of the change if the store says that it has happened, and that it may have where the store
    /// has failed. Another error says that nothing has happened.
    pub(crate) fn settle<T>(
        mut self,
        answer: Result<T>,
        has_happened: impl FnOnce(&T) -> bool,
    ) -> Result<T> {
        match &answer {
            Ok(done) if has_happened(done) => {
                if let Some(EventKind::Interrupted { change }) = self.if_dropped.take() {
                    self.auth.tell(*change);
                }
            }
            Err(Error::Unavailable(_) | Error::Internal(_)) => drop(self),
            Ok(_) | Err(_) => self.if_dropped = None,
        }
        answer
    }

    /// Tells this in its place.
    pub(crate) fn tell(mut self, kind: EventKind) {
        self.if_dropped = None;
        self.auth.tell(kind);
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(kind) = self.if_dropped.take() {
            self.auth.tell(kind);
        }
    }
}
