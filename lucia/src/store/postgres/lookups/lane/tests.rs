//! How many steps it takes to enter a lane, to be refused, and to leave it.

use std::time::Duration;

use super::{Message, Place, Queue, Turn, WAITING};
use crate::session::token::SessionId;

/// The most nodes of the queue that one call may touch.
const STEPS: usize = 8;

/// Longer than any test takes: the baton counts as one that goes on.
const PATIENCE: Duration = Duration::from_secs(3600);

type Waits = (Place, tokio::sync::oneshot::Receiver<Message>);

fn id() -> SessionId {
    "0f".repeat(32).parse().unwrap()
}

/// A queue behind a baton that does not move, with as many who wait as there may be.
fn full() -> (Queue, Vec<Waits>) {
    let mut queue = Queue::default();
    assert!(matches!(queue.enter(&id()), Ok(Turn::Baton(1))));
    let waits = (0..WAITING).map(|_| enter(&mut queue)).collect();
    queue.waiting.steps();
    (queue, waits)
}

fn enter(queue: &mut Queue) -> Waits {
    let turn = queue.enter(&id()).unwrap();
    let Turn::Waits(place, told) = turn else {
        panic!("the baton is held");
    };
    (place, told)
}

#[track_caller]
fn assert_few(queue: &mut Queue) {
    let steps = queue.waiting.steps();
    assert!(steps <= STEPS, "{steps} steps");
}

#[test]
fn r48_a_refusal_looks_at_nobody_in_the_queue() {
    let (mut queue, _waits) = full();
    for _ in 0..60_000 {
        assert!(queue.enter(&id()).is_err());
    }
    assert_eq!(queue.waiting.steps(), 0);
}

#[test]
fn r48_whoever_waits_again_does_so_in_few_steps() {
    let (mut queue, waits) = full();
    for (place, told) in waits {
        let turn = queue.enter_again(&id(), Some(place), PATIENCE);
        assert!(matches!(turn, Turn::Waits(..)));
        drop(told);
        assert_few(&mut queue);
        assert_eq!(queue.waiting.len(), WAITING, "the old place is left");
    }
    assert!(queue.enter(&id()).is_err());
}

#[test]
fn r48_whoever_goes_away_makes_room_in_few_steps() {
    let (mut queue, mut waits) = full();
    // From the middle outwards, and in again at the end.
    for at in (0..WAITING).map(|step| (step * 7919) % WAITING) {
        queue.waiting.remove(waits[at].0);
        assert_few(&mut queue);
        waits[at] = enter(&mut queue);
        assert_few(&mut queue);
        assert!(queue.enter(&id()).is_err());
    }
}
