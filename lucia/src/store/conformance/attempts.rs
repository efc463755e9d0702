//! Counting attempts to sign in.

use super::values::{NOW, all};
use crate::store::{CountedAttempt, NewAttempt, Store, UnixMillis};

/// How many attempts are admitted.
const LIMIT: u32 = 3;

/// How long after an attempt its count ends, in milliseconds.
const PERIOD: i64 = 1000;

pub(super) async fn as_many_attempts_are_admitted_as_the_limit_says(store: &dyn Store) {
    for admitted in [true, true, true, false, false] {
        assert_eq!(count(store, 1, NOW).await.admitted, admitted);
    }
}

pub(super) async fn a_count_ends_when_its_first_attempt_said(store: &dyn Store) {
    for now in [NOW, NOW + 1, NOW + 2, NOW + 3, NOW + PERIOD - 1] {
        let counted = count(store, 1, now).await;
        assert_eq!(counted.expires, UnixMillis(NOW + PERIOD), "{now}");
        assert_eq!(counted.admitted, now <= NOW + 2, "{now}");
    }
}

pub(super) async fn when_a_count_has_ended_another_one_begins(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    let end = NOW + PERIOD;
    assert!(!count(store, 1, end - 1).await.admitted);
    for admitted in [true, true, true, false] {
        let counted = count(store, 1, end).await;
        let expires = UnixMillis(end + PERIOD);
        assert_eq!(counted, CountedAttempt { admitted, expires });
    }
}

pub(super) async fn a_count_of_a_clock_that_was_wrong_has_ended(store: &dyn Store) {
    count_full(store, 1, NOW + PERIOD + 1).await;
    for admitted in [true, true, true, false] {
        let counted = count(store, 1, NOW).await;
        let expires = UnixMillis(NOW + PERIOD);
        assert_eq!(counted, CountedAttempt { admitted, expires });
    }
}

pub(super) async fn a_count_of_a_clock_that_is_ahead_goes_on(store: &dyn Store) {
    count_full(store, 1, NOW + PERIOD).await;
    let counted = count(store, 1, NOW).await;
    let expires = UnixMillis(NOW + 2 * PERIOD);
    assert_eq!((counted.admitted, counted.expires), (false, expires));
}

pub(super) async fn attempts_of_different_ids_are_counted_apart(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    count_full(store, 2, NOW).await;
    for number in [1, 2] {
        assert!(!count(store, number, NOW).await.admitted);
    }
}

pub(super) async fn of_fifty_attempts_at_once_as_many_are_admitted_as_the_limit_says(
    store: &dyn Store,
) {
    // Where there is no count, one that goes on, and one that has ended.
    for now in [NOW, NOW + 1, NOW + PERIOD] {
        let counted = all((0..50).map(async |_| count(store, 1, now).await)).await;
        let admitted = counted.iter().filter(|counted| counted.admitted).count();
        let expected = if now == NOW + 1 { 0 } else { 3 };
        assert_eq!(admitted, expected, "{now}");
        let expires = UnixMillis(if now == NOW + 1 { NOW } else { now } + PERIOD);
        assert!(counted.iter().all(|counted| counted.expires == expires));
    }
}

pub(super) async fn an_attempt_that_is_taken_back_makes_room_for_one(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    for _ in 0..2 {
        assert!(!count(store, 1, NOW).await.admitted);
    }
    uncount(store, 1, NOW + PERIOD).await;
    assert!(count(store, 1, NOW + 1).await.admitted);
    assert!(!count(store, 1, NOW + 1).await.admitted);
}

pub(super) async fn no_more_attempts_are_taken_back_than_were_counted(store: &dyn Store) {
    uncount(store, 1, NOW + PERIOD).await;
    count(store, 1, NOW).await;
    for _ in 0..5 {
        uncount(store, 1, NOW + PERIOD).await;
    }
    count_full(store, 1, NOW).await;
    assert!(!count(store, 1, NOW).await.admitted);
}

pub(super) async fn an_attempt_is_taken_back_out_of_its_own_count(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    count_full(store, 1, NOW + PERIOD).await;
    count_full(store, 2, NOW).await;
    uncount(store, 1, NOW + PERIOD).await;
    assert!(!count(store, 1, NOW + PERIOD).await.admitted);
    assert!(!count(store, 2, NOW).await.admitted);
}

pub(super) async fn attempts_that_are_all_taken_back_leave_no_count(store: &dyn Store) {
    // One after the other, and at once.
    count_full(store, 1, NOW).await;
    for _ in 0..LIMIT {
        uncount(store, 1, NOW + PERIOD).await;
    }
    count_full(store, 2, NOW).await;
    all((0..LIMIT).map(async |_| uncount(store, 2, NOW + PERIOD).await)).await;
    assert_eq!(delete_old(store, NOW + PERIOD, 100).await, 0);
}

pub(super) async fn forgotten_attempts_are_counted_no_more(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    count_full(store, 2, NOW).await;
    forget(store, 1).await;
    count_full(store, 1, NOW).await;
    assert!(!count(store, 2, NOW).await.admitted);
}

pub(super) async fn forgetting_attempts_that_nobody_made_is_silent(store: &dyn Store) {
    forget(store, 1).await;
    count_full(store, 1, NOW).await;
}

pub(super) async fn counts_that_have_ended_are_deleted_and_no_others(store: &dyn Store) {
    let end = NOW + PERIOD;
    for (number, begun) in [(1, NOW - 1), (2, NOW), (3, NOW + 1)] {
        count_full(store, number, begun).await;
    }
    assert_eq!(delete_old(store, end, 100).await, 2);
    assert_eq!(delete_old(store, end, 100).await, 0);
    // A clock that goes back shows that they are gone.
    for (number, is_gone) in [(1, true), (2, true), (3, false)] {
        let counted = count(store, number, NOW).await;
        assert_eq!(counted.admitted, is_gone, "{number}");
    }
}

pub(super) async fn counts_of_a_clock_that_was_wrong_are_deleted(store: &dyn Store) {
    count_full(store, 1, NOW + PERIOD + 1).await;
    count_full(store, 2, NOW + PERIOD).await;
    assert_eq!(delete_old(store, NOW, 100).await, 1);
    assert!(!count(store, 2, NOW).await.admitted);
}

pub(super) async fn no_more_counts_are_deleted_than_asked(store: &dyn Store) {
    for number in 0..7 {
        count(store, number, NOW).await;
    }
    for (limit, deleted) in [(0, 0), (3, 3), (3, 3), (3, 1), (3, 0)] {
        assert_eq!(delete_old(store, NOW + PERIOD, limit).await, deleted);
    }
}

fn id(number: u64) -> String {
    format!("{number:064x}")
}

async fn count(store: &dyn Store, number: u64, now: i64) -> CountedAttempt {
    let attempt = NewAttempt {
        id: id(number),
        now: UnixMillis(now),
        expires: UnixMillis(now + PERIOD),
        limit: LIMIT,
    };
    let counted = store.count_attempt(attempt).await;
    counted.expect("an attempt is counted")
}

/// Makes as many attempts as are admitted.
async fn count_full(store: &dyn Store, number: u64, now: i64) {
    for _ in 0..LIMIT {
        assert!(count(store, number, now).await.admitted, "{number}");
    }
}

async fn uncount(store: &dyn Store, number: u64, expires: i64) {
    let expires = UnixMillis(expires);
    let uncounted = store.uncount_attempt(&id(number), expires).await;
    uncounted.expect("an attempt is taken back");
}

async fn forget(store: &dyn Store, number: u64) {
    let forgotten = store.forget_attempts(&id(number)).await;
    forgotten.expect("attempts are forgotten");
}

async fn delete_old(store: &dyn Store, now: i64, limit: u32) -> u64 {
    let latest = UnixMillis(now + 2 * PERIOD);
    let deleted = store.delete_old_attempts(UnixMillis(now), latest, limit);
    deleted.await.expect("counts are deleted")
}
