//! A queue of lookups, and its leader.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Source;
use crate::store::{Result, StoreError};

/// The most lookups that wait in a queue. A longer queue could not be served within the time-out.
const MAX_WAITING: usize = 16 * 1024;

/// The lookups that wait, and the leader, if there is one.
pub(super) struct Queue<S: Source>(Mutex<State<S>>);

struct State<S: Source> {
    waiting: BTreeMap<Position, Waiter<S>>,
    /// The outermost positions that were given so far. None is given twice.
    front: Position,
    back: Position,
    /// The number of the latest term, which is that of a leader and its successors. A leader of an
    /// earlier term may still send, but appoints no successor.
    term: u64,
    /// When the present leader was appointed, if there is one.
    led_since: Option<Instant>,
}

/// Where a lookup stands in the queue. The first one has the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), derive(PartialOrd, Ord))]
struct Position(i64);

impl<S: Source> Default for Queue<S> {
    fn default() -> Self {
        Self(Mutex::new(State::default()))
    }
}

impl<S: Source> Default for State<S> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            front: Position(0),
            back: Position(0),
            term: 0,
            led_since: None,
        }
    }
}

impl<S: Source> State<S> {
    /// Begins a new term, in place of the present one. Returns its number.
    fn begin_term(&mut self) -> u64 {
        self.term += 1;
        self.led_since = Some(Instant::now());
        self.term
    }

    /// A lookup leads if there is no leader, and waits otherwise.
    fn enter(&mut self, key: &S::Key) -> Result<Turn<S>> {
        if self.led_since.is_none() {
            return Ok(Turn::Leads(self.begin_term()));
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(StoreError::unavailable("too many lookups are waiting"));
        }
        self.back.0 += 1;
        Ok(self.wait(key, self.back))
    }

    /// As [`enter`](Self::enter), for a lookup that has waited for `patience` at `position` and leaves it.
    fn enter_again(
        &mut self,
        key: &S::Key,
        position: Option<Position>,
        patience: Duration,
    ) -> Turn<S> {
        if let Some(position) = position {
            self.waiting.remove(&position);
        }
        let makes_progress = |since: Instant| since.elapsed() < patience;
        if !self.led_since.is_some_and(makes_progress) {
            return Turn::Leads(self.begin_term());
        }
        self.front.0 -= 1;
        self.wait(key, self.front)
    }

    fn wait(&mut self, key: &S::Key, position: Position) -> Turn<S> {
        let (sender, message) = oneshot::channel();
        let waiter = Waiter {
            position,
            key: key.clone(),
            sender,
        };
        self.waiting.insert(position, waiter);
        Turn::Waits(position, message)
    }

    fn pop_front(&mut self) -> Option<Waiter<S>> {
        self.waiting.pop_first().map(|(_, waiter)| waiter)
    }
}

/// What a lookup is to do: lead in a term, or wait at a position.
enum Turn<S: Source> {
    Leads(u64),
    Waits(Position, oneshot::Receiver<Message<S>>),
}

/// A lookup that waits.
pub(super) struct Waiter<S: Source> {
    position: Position,
    pub(super) key: S::Key,
    sender: oneshot::Sender<Message<S>>,
}

impl<S: Source> Waiter<S> {
    /// A lookup that was dropped needs no answer.
    pub(super) fn answer(self, answer: Result<Option<S::Row>>) {
        let _ = self.sender.send(Message::Answer(answer));
    }

    /// Has the lookup ask alone.
    pub(super) fn leave_alone(self) {
        let _ = self.sender.send(Message::Alone);
    }
}

/// What ends a wait.
pub(super) enum Message<S: Source> {
    Answer(Result<Option<S::Row>>),
    /// The lookup is the next leader.
    Lead(Leader<S>),
    /// No batch includes the lookup any more.
    Alone,
}

/// How a lookup goes on.
pub(super) enum Entered<'a, S: Source> {
    Leads(Leader<S>),
    Waits(Waiting<'a, S>),
}

/// A position in the queue, and the message that comes to it. Dropping it leaves the queue.
pub(super) struct Waiting<'a, S: Source> {
    queue: &'a Arc<Queue<S>>,
    position: Option<Position>,
    message: oneshot::Receiver<Message<S>>,
}

impl<'a, S: Source> Waiting<'a, S> {
    /// As [`Queue::enter`], for a lookup that has waited for `patience`: it waits in front of others,
    /// or leads if the leader has made no progress for as long.
    pub(super) fn enter_again(mut self, key: &S::Key, patience: Duration) -> Entered<'a, S> {
        let (queue, position) = (self.queue, self.position.take());
        let turn = queue.lock().enter_again(key, position, patience);
        // If it was appointed in this very moment, this drop appoints a successor.
        drop(self);
        queue.entered(turn)
    }
}

impl<S: Source> Future for Waiting<'_, S> {
    type Output = Result<Message<S>, oneshot::error::RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let message = Pin::new(&mut self.message).poll(context);
        if message.is_ready() {
            // A message comes only to a waiter that was taken out of the queue.
            self.position = None;
        }
        message
    }
}

impl<S: Source> Drop for Waiting<'_, S> {
    fn drop(&mut self) {
        if let Some(position) = self.position.take() {
            let left = self.queue.lock().waiting.remove(&position);
            // Not under the lock.
            drop(left);
        }
    }
}

impl<S: Source> Queue<S> {
    /// Enters the queue.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the queue is full.
    pub(super) fn enter(self: &Arc<Self>, key: &S::Key) -> Result<Entered<'_, S>> {
        let turn = self.lock().enter(key)?;
        Ok(self.entered(turn))
    }

    fn entered(self: &Arc<Self>, turn: Turn<S>) -> Entered<'_, S> {
        match turn {
            Turn::Leads(term) => Entered::Leads(Leader::new(self.clone(), term)),
            Turn::Waits(position, message) => Entered::Waits(Waiting {
                queue: self,
                position: Some(position),
                message,
            }),
        }
    }

    /// Takes the first lookups out of the queue, at most `limit`.
    pub(super) fn take(&self, limit: usize) -> Vec<Waiter<S>> {
        let mut state = self.lock();
        let mut taken = Vec::with_capacity(limit.min(state.waiting.len()));
        while taken.len() < limit
            && let Some(waiter) = state.pop_front()
        {
            if !waiter.sender.is_closed() {
                taken.push(waiter);
            }
        }
        taken
    }

    /// Puts lookups back to where they were.
    pub(super) fn put_back(&self, waiters: &mut Vec<Waiter<S>>) {
        let waiters = waiters.drain(..);
        let waiters = waiters.filter(|waiter| !waiter.sender.is_closed());
        let mut state = self.lock();
        let waiting = waiters.map(|waiter| (waiter.position, waiter));
        state.waiting.extend(waiting);
    }

    /// How many lookups wait.
    #[cfg(feature = "metrics")]
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to send a statement, with the connection of the last one: a busy queue does not return it to
/// the pool after each batch.
pub(super) struct Leader<S: Source> {
    /// `None` in a leader that could not be appointed.
    queue: Option<Arc<Queue<S>>>,
    term: u64,
    /// Boxed, so that waiting lookups are small.
    connection: Option<Box<S::Connection>>,
}

impl<S: Source> Leader<S> {
    fn new(queue: Arc<Queue<S>>, term: u64) -> Self {
        Self {
            queue: Some(queue),
            term,
            connection: None,
        }
    }

    pub(super) fn queue(&self) -> &Arc<Queue<S>> {
        let queue = self.queue.as_ref();
        queue.expect("a leader that was not appointed is dropped at once")
    }

    /// The connection that was kept for this batch.
    pub(super) fn take_connection(&mut self) -> Option<S::Connection> {
        self.connection.take().map(|connection| *connection)
    }

    /// Keeps the connection for the next batch, if it has answered and the source allows it.
    pub(super) fn keep<T>(
        &mut self,
        source: &S,
        connection: Option<S::Connection>,
        answer: &Result<T>,
    ) {
        let may_keep = |connection: &S::Connection| answer.is_ok() && source.may_keep(connection);
        self.connection = connection.filter(may_keep).map(Box::new);
    }
}

/// Appoints the first waiting lookup as the successor, unless there is another leader by now.
impl<S: Source> Drop for Leader<S> {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else {
            return;
        };
        let mut connection = self.connection.take();
        let mut state = queue.lock();
        if state.led_since.is_some() && state.term != self.term {
            return;
        }
        while let Some(waiter) = state.pop_front() {
            let mut successor = Self::new(queue.clone(), state.term);
            successor.connection = connection.take();
            match waiter.sender.send(Message::Lead(successor)) {
                Ok(()) => {
                    state.led_since = Some(Instant::now());
                    return;
                }
                // The lookup was dropped.
                Err(Message::Lead(mut unsent)) => {
                    unsent.queue = None;
                    connection = unsent.connection.take();
                }
                Err(Message::Answer(_) | Message::Alone) => {}
            }
        }
        state.led_since = None;
    }
}

#[cfg(test)]
mod tests;
