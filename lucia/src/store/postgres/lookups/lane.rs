//! A lane: a queue, and a baton.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Object;
use tokio::sync::oneshot;
use tokio::time::Instant;

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
    /// The baton that somebody holds.
    held: Option<Held>,
    /// How many batons there have been.
    batons: u64,
}

/// The baton that counts. Whoever holds an earlier one may send as well, and passes nothing on.
struct Held {
    number: u64,
    since: Instant,
}

impl Queue {
    /// Another baton, in the place of one that may be held. Gives its number.
    fn replace_baton(&mut self) -> u64 {
        self.batons += 1;
        self.hold(self.batons);
        self.batons
    }

    /// From now on, somebody else holds the baton of this number.
    fn hold(&mut self, number: u64) {
        let since = Instant::now();
        self.held = Some(Held { number, since });
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// Those who have gone away wait no more, once that matters.
    fn make_room(&mut self) {
        if self.is_full() {
            self.waiting.retain(|waiter| !waiter.tell.is_closed());
        }
    }
}

/// A lookup in the queue.
pub(super) struct Waiter {
    pub(super) id: SessionId,
    tell: oneshot::Sender<Message>,
}

impl Waiter {
    fn new(id: &SessionId) -> (Self, oneshot::Receiver<Message>) {
        let (tell, told) = oneshot::channel();
        let id = id.clone();
        (Self { id, tell }, told)
    }

    /// Who has gone away needs no answer.
    pub(super) fn tell(self, answer: Result<Option<Found>>) {
        let _ = self.tell.send(Message::Answer(answer));
    }

    /// Lets them ask for themselves.
    pub(super) fn leave_alone(self) {
        let _ = self.tell.send(Message::Alone);
    }
}

/// What ends a wait.
#[expect(clippy::large_enum_variant, reason = "nearly all are answers")]
pub(super) enum Message {
    Answer(Result<Option<Found>>),
    Baton(Baton),
    /// Nobody asks for this one any more.
    Alone,
}

/// How a lookup goes on.
pub(super) enum Entered {
    Baton(Baton),
    Waits(oneshot::Receiver<Message>),
}

impl Lane {
    /// Takes the baton of this lane, or a place in its queue.
    pub(super) fn enter(parts: &Arc<Parts>, lane: usize, id: &SessionId) -> Result<Entered> {
        let mut queue = parts.lookups.0[lane].lock();
        if queue.held.is_none() {
            let number = queue.replace_baton();
            return Ok(Entered::Baton(Baton::new(parts.clone(), lane, number)));
        }
        queue.make_room();
        if queue.is_full() {
            return Err(Error::unavailable("too many lookups are waiting"));
        }
        let (waiter, told) = Waiter::new(id);
        queue.waiting.push_back(waiter);
        Ok(Entered::Waits(told))
    }

    /// As [`enter`](Self::enter), for somebody who has waited for `patience`: in front of others, or
    /// with a baton in the place of one that has been held for as long.
    pub(super) fn enter_again(
        parts: &Arc<Parts>,
        lane: usize,
        id: &SessionId,
        patience: Duration,
    ) -> Entered {
        let mut queue = parts.lookups.0[lane].lock();
        let goes_on = |held: &Held| held.since.elapsed() < patience;
        if !queue.held.as_ref().is_some_and(goes_on) {
            let number = queue.replace_baton();
            return Entered::Baton(Baton::new(parts.clone(), lane, number));
        }
        // They were let in before, and their old place counts no more.
        queue.make_room();
        let (waiter, told) = Waiter::new(id);
        queue.waiting.push_front(waiter);
        Entered::Waits(told)
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
    /// Nothing in a baton that could not be passed on.
    parts: Option<Arc<Parts>>,
    lane: usize,
    number: u64,
    /// Boxed, so that those who wait for a baton are small.
    connection: Option<Box<Object>>,
}

impl Baton {
    fn new(parts: Arc<Parts>, lane: usize, number: u64) -> Self {
        Self {
            parts: Some(parts),
            lane,
            number,
            connection: None,
        }
    }

    /// Where its lane is among all.
    pub(super) fn lane_number(&self) -> usize {
        self.lane
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.parts().lookups.0[self.lane]
    }

    pub(super) fn parts(&self) -> &Arc<Parts> {
        self.parts
            .as_ref()
            .expect("nobody holds a baton that could not be passed on")
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

/// Passes the baton to the first in the queue who takes it, unless another one is held by now.
impl Drop for Baton {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        let mut connection = self.connection.take();
        let mut queue = parts.lookups.0[self.lane].lock();
        let is_other = |held: &Held| held.number != self.number;
        if queue.held.as_ref().is_some_and(is_other) {
            return;
        }
        while let Some(waiter) = queue.waiting.pop_front() {
            let mut baton = Self::new(parts.clone(), self.lane, self.number);
            baton.connection = connection.take();
            match waiter.tell.send(Message::Baton(baton)) {
                Ok(()) => return queue.hold(self.number),
                // Nobody is there.
                Err(Message::Baton(mut unsent)) => {
                    unsent.parts = None;
                    connection = unsent.connection.take();
                }
                Err(Message::Answer(_) | Message::Alone) => {}
            }
        }
        queue.held = None;
    }
}
