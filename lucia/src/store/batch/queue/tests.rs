//! How many steps it takes to enter a queue, to be refused, and to leave it.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use super::{Entered, MAX_WAITING, Message, Position, Queue, State, Turn};
use crate::store::batch::tests::Numbers;

/// The most positions that one call may look at: one way down the tree to leave it, one to enter it.
const STEPS: usize = 128;

thread_local! {
    static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        LOOKED_AT.set(LOOKED_AT.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How many positions were looked at since the last call.
fn steps() -> usize {
    LOOKED_AT.take()
}

/// Longer than any test takes: the leader counts as one that makes progress.
const PATIENCE: Duration = Duration::from_secs(3600);

type Wait = (Position, tokio::sync::oneshot::Receiver<Message<Numbers>>);

/// A queue whose leader makes no progress, with as many waiting lookups as there may be.
fn full() -> (State<Numbers>, Vec<Wait>) {
    let mut state = State::default();
    assert!(matches!(state.enter(&7), Ok(Turn::Leads(1))));
    let waits = (0..MAX_WAITING).map(|_| enter(&mut state)).collect();
    steps();
    (state, waits)
}

fn enter(state: &mut State<Numbers>) -> Wait {
    let turn = state.enter(&7).unwrap();
    let Turn::Waits(position, message) = turn else {
        panic!("there is a leader");
    };
    (position, message)
}

#[track_caller]
fn assert_few() {
    let steps = steps();
    assert!(steps <= STEPS, "{steps} steps");
}

#[test]
fn r48_a_refusal_looks_at_no_waiting_lookup() {
    let (mut state, _waits) = full();
    for _ in 0..60_000 {
        assert!(state.enter(&7).is_err());
    }
    assert_eq!(steps(), 0);
}

#[test]
fn r48_a_lookup_waits_again_in_few_steps() {
    let (mut state, waits) = full();
    for (position, message) in waits {
        let turn = state.enter_again(&7, Some(position), PATIENCE);
        assert!(matches!(turn, Turn::Waits(..)));
        drop(message);
        assert_few();
        assert_eq!(state.waiting.len(), MAX_WAITING, "the old position is left");
    }
    assert!(state.enter(&7).is_err());
}

#[test]
fn r48_a_lookup_that_is_dropped_makes_room_in_few_steps() {
    let (mut state, mut waits) = full();
    // From the middle outwards, and in again at the end.
    for at in (0..MAX_WAITING).map(|step| (step * 7919) % MAX_WAITING) {
        assert!(state.waiting.remove(&waits[at].0).is_some());
        assert_few();
        waits[at] = enter(&mut state);
        assert_few();
        assert!(state.enter(&7).is_err());
    }
}

#[test]
fn a_lookup_that_is_dropped_leaves_the_queue() {
    let queue = Arc::<Queue<Numbers>>::default();
    let leads = queue.enter(&1).unwrap();
    let waits = queue.enter(&2).unwrap();
    assert!(matches!(leads, Entered::Leads(_)));
    assert!(matches!(waits, Entered::Waits(_)));
    assert_eq!(queue.lock().waiting.len(), 1);
    drop(waits);
    assert_eq!(queue.lock().waiting.len(), 0);
}

#[test]
fn a_lookup_leads_in_place_of_a_leader_that_makes_no_progress() {
    let (mut state, mut waits) = full();
    let (position, _message) = waits.pop().unwrap();
    let turn = state.enter_again(&7, Some(position), Duration::ZERO);
    assert!(matches!(turn, Turn::Leads(2)));
    assert_eq!(state.waiting.len(), MAX_WAITING - 1);
}
