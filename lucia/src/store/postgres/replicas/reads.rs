//! Lookups at replicas, and which of their answers count.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::lookups::Found;
use super::replica::Replica;
use super::{Moment, Shared};
use crate::session::token::SessionId;
use crate::store::batch;

/// Why a lookup is made at the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// This process has changed the session or its user, and the replica may not have that yet. Or a lookup is
    /// to change it: its token is stored, and not yet hashed.
    Changed,
    /// The replica has no such session.
    Unknown,
    /// The replica is too far behind, or nothing tells how far it is.
    Stale,
    /// No replica answers.
    Unavailable,
}

/// What an answer of a replica was read with.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) found: Found,
    /// The heartbeat of this process in the same snapshot.
    pub(super) seen: Option<Moment>,
}

impl Shared {
    pub(super) async fn find(&self, id: &SessionId, batched: bool) -> Result<Found, Fallback> {
        let replica = self.choose(id)?;
        let read = if batched {
            batch::find(&**replica, id).await
        } else {
            replica.find_alone(id).await
        };
        let read = read.map_err(|_| Fallback::Unavailable)?;
        let read = read.ok_or(Fallback::Unknown)?;
        self.admit(read, replica, self.now())
    }

    /// A replica that is worth asking for this session. It decides about no answer.
    pub(super) fn choose(&self, id: &SessionId) -> Result<&Arc<Replica>, Fallback> {
        let changed = self.changes().of_session(id);
        let oldest = self.oldest(self.now());
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let mut fallback = Fallback::Unavailable;
        for place in 0..self.replicas.len() {
            let replica = &self.replicas[(turn.wrapping_add(place)) % self.replicas.len()];
            match replica.seen() {
                None => {}
                Some(seen) if seen < oldest => fallback = Fallback::Stale,
                Some(seen) if seen < changed => fallback = Fallback::Changed,
                Some(_) => return Ok(replica),
            }
        }
        Err(fallback)
    }

    /// What a replica has found, if its data is new enough `now`, and has all that this process had changed of
    /// it when the lookup was called.
    pub(super) fn admit(
        &self,
        read: Read,
        replica: &Replica,
        now: Moment,
    ) -> Result<Found, Fallback> {
        let seen = self.believed(read.seen).ok_or(Fallback::Stale)?;
        replica.saw(seen);
        let (session, user) = (&read.found.session, &read.found.user);
        let changed = {
            let changes = self.changes();
            // Where the database takes two spellings of an id for one, either may be noted.
            changes
                .of_session(&session.id)
                .max(changes.of_user(&user.id))
                .max(changes.of_user(&session.user_id))
        };
        if seen < self.oldest(now) {
            return Err(Fallback::Stale);
        }
        if seen < changed || read.found.is_to_be_hashed {
            return Err(Fallback::Changed);
        }
        Ok(read.found)
    }

    /// A heartbeat that was seen, if it can have been.
    pub(super) fn believed(&self, seen: Option<Moment>) -> Option<Moment> {
        seen.filter(|seen| seen.0 > 0 && seen.0 <= self.last_sent.load(Ordering::Acquire))
    }
}
