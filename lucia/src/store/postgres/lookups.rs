//! Lookups that meet go out as one statement.
//!
//! While one lookup is on its way, those that arrive wait, and go out together when its answer is
//! there. Nobody waits for company: a lookup that finds none on its way goes out at once and
//! alone. The busier the server, the more lookups share a statement, and the less each costs.
//!
//! **A revocation that has returned is always seen.** A lookup joins the queue when it is called.
//! Its statement is sent after it was taken out of the queue, so after it was called; Postgres
//! takes the snapshot of a statement when it arrives (`READ COMMITTED`, outside of a transaction),
//! so every change is in it that was committed before the lookup was called. No answer is kept for
//! lookups that come later.
//!
//! There is one *baton*. Who holds it may send; nobody else does. It passes from lookup to lookup
//! in the order in which they came, and never gets lost: a holder that is dropped, with the request
//! that it belongs to, passes it on, and those who were to share its statement stand in the queue
//! again, in front. A holder that is neither dropped nor goes on holds up nobody for long: whoever
//! has waited for [`PATIENCE`] leaves the queue and asks alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Parts;
use super::sessions::Found;
use crate::token::SessionId;
use crate::{Error, Result};

/// How many lookups share a statement at the most. Their rows are in memory at once.
const BATCH: usize = 64;

/// How long a lookup waits for others before it goes on alone. Whoever holds the baton may be kept
/// from going on: by a handler that keeps its thread busy, or because nobody polls it.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many wait at the most. A longer queue could not be served within the time-out.
const WAITING: usize = 16 * 1024;

/// Those who wait, and whether somebody holds the baton.
#[derive(Default)]
pub(super) struct Lookups(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    baton_is_out: bool,
}

/// A lookup in the queue.
struct Waiter {
    id: SessionId,
    tell: oneshot::Sender<Message>,
}

/// What ends a wait.
#[expect(clippy::large_enum_variant, reason = "nearly all messages are answers")]
enum Message {
    Answer(Result<Option<Found>>),
    Baton(Baton),
}

/// The right to send a statement.
struct Baton(Option<Arc<Parts>>);

/// Lookups that share a statement which is on its way.
struct Batch {
    parts: Arc<Parts>,
    waiters: Vec<Waiter>,
}

/// Finds a session with its user.
pub(super) async fn find(parts: &Arc<Parts>, id: &SessionId) -> Result<Option<Found>> {
    match parts.lookups.enter(parts, id)? {
        Entered::Baton(baton) => lead(parts, baton, id).await,
        Entered::Waits(told) => {
            match tokio::time::timeout(PATIENCE.min(parts.timeout), told).await {
                Ok(Ok(Message::Answer(answer))) => answer,
                Ok(Ok(Message::Baton(baton))) => lead(parts, baton, id).await,
                // Every waiter is told or put back into the queue.
                Ok(Err(closed)) => Err(Error::internal(closed)),
                // Its place in the queue is skipped.
                Err(_) => parts.find_one(id).await,
            }
        }
    }
}

enum Entered {
    Baton(Baton),
    Waits(oneshot::Receiver<Message>),
}

impl Lookups {
    /// Takes the baton, or a place in the queue.
    fn enter(&self, parts: &Arc<Parts>, id: &SessionId) -> Result<Entered> {
        let mut queue = self.lock();
        if !queue.baton_is_out {
            queue.baton_is_out = true;
            return Ok(Entered::Baton(Baton(Some(parts.clone()))));
        }
        if queue.waiting.len() >= WAITING {
            // Those who have gone away wait no more.
            queue.waiting.retain(|waiter| !waiter.tell.is_closed());
        }
        if queue.waiting.len() >= WAITING {
            return Err(Error::unavailable("too many lookups are waiting"));
        }
        let (tell, told) = oneshot::channel();
        queue.waiting.push_back(Waiter {
            id: id.clone(),
            tell,
        });
        Ok(Entered::Waits(told))
    }

    /// The first in the queue who still wait, `limit` at the most.
    fn take(&self, limit: usize) -> Vec<Waiter> {
        let mut queue = self.lock();
        let mut taken = Vec::with_capacity(limit.min(queue.waiting.len()));
        while taken.len() < limit
            && let Some(waiter) = queue.waiting.pop_front()
        {
            if !waiter.tell.is_closed() {
                taken.push(waiter);
            }
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for `id` and for all who wait, by one statement.
async fn lead(parts: &Arc<Parts>, baton: Baton, id: &SessionId) -> Result<Option<Found>> {
    let waiters = parts.lookups.take(BATCH - 1);
    if waiters.is_empty() {
        let found = parts.find_one(id).await;
        drop(baton);
        return found;
    }
    let batch = Batch {
        parts: parts.clone(),
        waiters,
    };
    let mut ids: Vec<&str> = batch
        .waiters
        .iter()
        .map(|waiter| waiter.id.as_str())
        .collect();
    ids.push(id.as_str());
    let found = parts.find_many(&ids).await;
    // The next ones need not wait until these have been told.
    drop(baton);
    batch.tell(found, id)
}

impl Batch {
    /// Tells everybody, and returns what is said of `own`.
    fn tell(mut self, found: Result<Vec<Found>>, own: &SessionId) -> Result<Option<Found>> {
        let waiters = std::mem::take(&mut self.waiters);
        match found {
            Ok(found) => {
                let of =
                    |id: &SessionId| found.iter().find(|found| found.session.id == *id).cloned();
                for Waiter { id, tell } in waiters {
                    // Who has gone away needs no answer.
                    let _ = tell.send(Message::Answer(Ok(of(&id))));
                }
                Ok(of(own))
            }
            Err(error) => {
                let error = Arc::new(error);
                for Waiter { tell, .. } in waiters {
                    let _ = tell.send(Message::Answer(Err(Error::shared(&error))));
                }
                Err(Error::shared(&error))
            }
        }
    }
}

/// A statement whose leader went away: those who shared it ask once more, before all others.
impl Drop for Batch {
    fn drop(&mut self) {
        let mut queue = self.parts.lookups.lock();
        for waiter in self.waiters.drain(..).rev() {
            queue.waiting.push_front(waiter);
        }
    }
}

/// Passes the baton to the first in the queue who takes it.
impl Drop for Baton {
    fn drop(&mut self) {
        let Some(parts) = self.0.take() else { return };
        let mut queue = parts.lookups.lock();
        while let Some(waiter) = queue.waiting.pop_front() {
            let baton = Message::Baton(Self(Some(parts.clone())));
            match waiter.tell.send(baton) {
                Ok(()) => return,
                // Nobody is there. This baton is the one that is passed on.
                Err(Message::Baton(mut unsent)) => unsent.0 = None,
                Err(Message::Answer(_)) => {}
            }
        }
        queue.baton_is_out = false;
    }
}
