//! A lane: a queue, and a baton.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use deadpool_postgres::Object;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::Parts;
use super::super::connections::is_near;
use super::super::sessions::Found;
use super::places::{Place, Places};
use crate::session::token::SessionId;
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
    waiting: Places<Waiter>,
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

    /// The baton of this number for who comes first, or else a place in the queue.
    fn enter(&mut self, id: &SessionId) -> Result<Turn> {
        if self.held.is_none() {
            return Ok(Turn::Baton(self.replace_baton()));
        }
        if self.waiting.len() >= WAITING {
            return Err(Error::unavailable("too many lookups are waiting"));
        }
        let (waiter, told) = Waiter::new(id);
        Ok(Turn::Waits(self.waiting.push_back(waiter), told))
    }

    /// As [`enter`](Self::enter), for who has had `place` for `patience`, and leaves it.
    fn enter_again(&mut self, id: &SessionId, place: Option<Place>, patience: Duration) -> Turn {
        if let Some(place) = place {
            self.waiting.remove(place);
        }
        let goes_on = |held: &Held| held.since.elapsed() < patience;
        if !self.held.as_ref().is_some_and(goes_on) {
            return Turn::Baton(self.replace_baton());
        }
        let (waiter, told) = Waiter::new(id);
        Turn::Waits(self.waiting.push_front(waiter), told)
    }
}

/// Whose turn it is: the number of a baton, or a place to wait at.
enum Turn {
    Baton(u64),
    Waits(Place, oneshot::Receiver<Message>),
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
pub(super) enum Entered<'a> {
    Baton(Baton),
    Waits(Told<'a>),
}

/// A place in the queue, which is left when this is dropped, and what is told there.
pub(super) struct Told<'a> {
    parts: &'a Arc<Parts>,
    lane: usize,
    place: Option<Place>,
    message: oneshot::Receiver<Message>,
}

impl Future for Told<'_> {
    type Output = Result<Message, oneshot::error::RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let told = Pin::new(&mut self.message).poll(context);
        if told.is_ready() {
            // Only who has been taken out of the queue is told anything.
            self.place = None;
        }
        told
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let left = self.parts.lookups.0[self.lane].lock().waiting.remove(place);
            drop(left);
        }
    }
}

impl Turn {
    fn at(self, parts: &Arc<Parts>, lane: usize) -> Entered<'_> {
        match self {
            Self::Baton(number) => Entered::Baton(Baton::new(parts.clone(), lane, number)),
            Self::Waits(place, message) => Entered::Waits(Told {
                parts,
                lane,
                place: Some(place),
                message,
            }),
        }
    }
}

impl Lane {
    /// Takes the baton of this lane, or a place in its queue.
    pub(super) fn enter<'a>(
        parts: &'a Arc<Parts>,
        lane: usize,
        id: &SessionId,
    ) -> Result<Entered<'a>> {
        let turn = parts.lookups.0[lane].lock().enter(id)?;
        Ok(turn.at(parts, lane))
    }

    /// As [`enter`](Self::enter), for somebody who has waited for `patience`: in front of others, or
    /// with a baton in the place of one that has been held for as long.
    pub(super) fn enter_again<'a>(
        mut told: Told<'a>,
        id: &SessionId,
        patience: Duration,
    ) -> Entered<'a> {
        let (parts, lane) = (told.parts, told.lane);
        let place = told.place.take();
        let turn = parts.lookups.0[lane]
            .lock()
            .enter_again(id, place, patience);
        // A baton that came in this moment is passed on by whoever drops this.
        drop(told);
        turn.at(parts, lane)
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
            if !waiter.tell.is_closed() {
                queue.waiting.push_front(waiter);
            }
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

#[cfg(test)]
mod tests;
