//! What this process changes, told to whatever could give an answer from before.

use super::{Parts, cache, replicas};
use crate::session::token::SessionId;
use crate::store::NewSessionRow;
use crate::user::UserId;

/// A change by this process that is in flight. When it is dropped, for whatever reason, the change may
/// have happened: what the cache has of it is removed, and no replica is believed that may not have it.
#[must_use = "the change ends when this is dropped: bind it to a name, and not to `_`"]
pub(super) struct PendingChange<'a> {
    cached: cache::PendingChange<'a>,
    replicated: replicas::PendingChange<'a>,
}

impl Parts {
    pub(super) fn session_changes(&self, id: &SessionId) -> PendingChange<'_> {
        PendingChange {
            cached: self.cache.session_changes(id),
            replicated: self.replicas.session_changes(id),
        }
    }

    /// A change of a user or of any of their sessions.
    pub(super) fn user_changes(&self, id: &UserId) -> PendingChange<'_> {
        PendingChange {
            cached: self.cache.user_changes(id),
            replicated: self.replicas.user_changes(id),
        }
    }

    /// What the insertion of a session may end: sessions of its user under a limit, and the one that
    /// it replaces, which may be another user's.
    pub(super) fn insertion_changes(&self, new: &NewSessionRow) -> PendingChange<'_> {
        PendingChange {
            cached: self.cache.insertion_changes(new),
            replicated: self.replicas.insertion_changes(new),
        }
    }

    /// A change of anything.
    pub(super) fn all_changes(&self) -> PendingChange<'_> {
        PendingChange {
            cached: self.cache.all_changes(),
            replicated: self.replicas.all_changes(),
        }
    }
}

impl PendingChange<'_> {
    /// The session of this public id has ended by it.
    pub(super) fn session_ended(&self, id: &str) {
        self.cached.session_ended(id);
        self.replicated.session_ended(id);
    }

    /// The user whom the database knows by this id has changed by it.
    pub(super) fn user_changed(&self, id: &UserId) {
        self.cached.user_changed(id);
        self.replicated.user_changed(id);
    }
}
