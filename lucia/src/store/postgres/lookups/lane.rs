//! A lane: a queue, and a baton.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Object;
use tokio::sync::oneshot;

use super::super::Parts;
use super::super::connections::is_near;
use super::super::sessions::Found;
use crate::token::SessionId;
use crate::{Error, Result};

/// How many wait in a lane at the most. A longer queue could not be served within the time-out.
const WAITING: usize = 16 * 1024;

/// For how long a lane keeps a connection. Then the pool looks at it again, in its own way.
const KEPT: Duration = Duration::from_millis(100);

/// Those who wait, and whether somebody holds the baton.
#[derive(Default)]
pub(super) struct Lane(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    baton_is_out: bool,
}

/// A lookup in the queue.
pub(super) struct Waiter {
    pub(super) id: SessionId,
    tell: oneshot::Sender<Message>,
}

impl Waiter {
    /// Who has gone away needs no answer.
    pub(super) fn tell(self, answer: Result<Option<Found>>) {
        let _ = self.tell.send(Message::Answer(answer));
    }
}

/// What ends a wait.
#[expect(clippy::large_enum_variant, reason = "nearly all are answers")]
pub(super) enum Message {
    Answer(Result<Option<Found>>),
    Baton(Baton),
}

/// How a lookup goes on.
pub(super) enum Entered {
    Baton(Baton),
    Waits(oneshot::Receiver<Message>),
}

impl Lane {
    /// Takes the baton of this lane, or a place in its queue.
    pub(super) fn enter(parts: &Arc<Parts>, number: usize, id: &SessionId) -> Result<Entered> {
        let mut queue = parts.lookups.0[number].lock();
        if !queue.baton_is_out {
            queue.baton_is_out = true;
            return Ok(Entered::Baton(Baton::new(parts.clone(), number, None)));
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
    pub(super) fn take(&self, limit: usize) -> Vec<Waiter> {
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

    /// Lets them wait before all others, in their order.
    pub(super) fn put_back(&self, waiters: &mut Vec<Waiter>) {
        let mut queue = self.lock();
        for waiter in waiters.drain(..).rev() {
            queue.waiting.push_front(waiter);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to send a statement, with the connection that the last one went over: a busy lane does
/// not go back to the pool each time.
pub(super) struct Baton {
    /// Nothing in a baton that has been replaced by another one.
    parts: Option<Arc<Parts>>,
    number: usize,
    /// Boxed, so that those who wait for a baton are small.
    connection: Option<Box<Object>>,
}

impl Baton {
    fn new(parts: Arc<Parts>, number: usize, connection: Option<Box<Object>>) -> Self {
        Self {
            parts: Some(parts),
            number,
            connection,
        }
    }

    /// The number of its lane.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.parts().lookups.0[self.number]
    }

    pub(super) fn parts(&self) -> &Arc<Parts> {
        self.parts
            .as_ref()
            .expect("nobody holds a baton that has been replaced")
    }

    /// The connection that was kept for the next statement, which is this one.
    pub(super) fn take_connection(&mut self) -> Option<Object> {
        self.connection.take().map(|connection| *connection)
    }

    /// Keeps the connection for the next statement, if it is near, it answered, and the pool has
    /// others. Whoever then gets the baton has it until they go on.
    pub(super) fn keep<T>(&mut self, connection: Option<Object>, answer: &Result<T>) {
        let pool = self.parts().pool.status();
        let taken = pool.size + pool.waiting - pool.available;
        let kept = connection.filter(|connection| {
            answer.is_ok()
                && taken < pool.max_size
                && Object::metrics(connection).last_used() < KEPT
                && is_near(connection)
        });
        self.connection = kept.map(Box::new);
    }
}

/// Passes the baton to the first in the queue who takes it.
impl Drop for Baton {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        let mut connection = self.connection.take();
        let mut queue = parts.lookups.0[self.number].lock();
        while let Some(waiter) = queue.waiting.pop_front() {
            let baton = Self::new(parts.clone(), self.number, connection.take());
            match waiter.tell.send(Message::Baton(baton)) {
                Ok(()) => return,
                // Nobody is there. This baton is the one that is passed on.
                Err(Message::Baton(mut unsent)) => {
                    unsent.parts = None;
                    connection = unsent.connection.take();
                }
                Err(Message::Answer(_)) => {}
            }
        }
        queue.baton_is_out = false;
    }
}
