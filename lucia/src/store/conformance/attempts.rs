//! Counting sign-in attempts.

use super::values::{NOW, all};
use crate::store::{AttemptStore, CountedPlace, NewAttempt, Store, UnixMillis};

/// How many attempts are admitted.
pub(super) const LIMIT: u32 = 3;

/// How long after an attempt its count ends, in milliseconds.
pub(super) const PERIOD: i64 = 1000;

/// How far ahead a clock can be that is not wrong.
const MOST_AHEAD: i64 = NewAttempt::MOST_AHEAD;

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
        assert_eq!(counted, lasting(admitted, end, end + PERIOD));
    }
}

pub(super) async fn a_count_of_a_clock_that_was_wrong_has_ended(store: &dyn Store) {
    count_full(store, 1, NOW + MOST_AHEAD + 1).await;
    for admitted in [true, true, true, false] {
        let counted = count(store, 1, NOW).await;
        assert_eq!(counted, lasting(admitted, NOW, NOW + PERIOD));
    }
}

pub(super) async fn a_count_of_a_clock_that_is_ahead_goes_on(store: &dyn Store) {
    for (number, ahead) in [(1, PERIOD), (2, 2 * PERIOD), (3, MOST_AHEAD)] {
        count_full(store, number, NOW + ahead).await;
        let counted = count(store, number, NOW).await;
        let expires = UnixMillis(NOW + ahead + PERIOD);
        assert_eq!((counted.admitted, counted.expires), (false, expires));
    }
}

pub(super) async fn the_count_says_whether_its_clock_was_wrong(store: &dyn Store) {
    // One that starts as far ahead as it lasts, and one that starts further ahead; whatever the
    // period of the attempt that finds it.
    let length = 10 * MOST_AHEAD;
    for (number, ahead, goes_on) in [
        (1, length, true),
        (2, length, true),
        (3, length + 1, false),
        (4, length + 1, false),
    ] {
        let start = NOW + ahead;
        for _ in 0..LIMIT {
            count_for(store, number, start, length, LIMIT).await;
        }
        let period = if number % 2 == 0 { PERIOD } else { 2 * length };
        let counted = count_for(store, number, NOW, period, LIMIT).await;
        assert_eq!(counted.admitted, !goes_on, "{number}");
        let (start, end) = match goes_on {
            true => (start, start + length),
            false => (NOW, NOW + period),
        };
        assert_eq!(counted, lasting(!goes_on, start, end), "{number}");
    }
}

pub(super) async fn attempts_of_different_limits_are_counted_together(store: &dyn Store) {
    for (limit, admitted) in [
        (3, true),
        (5, true),
        (3, true),
        (3, false),
        (5, true),
        (5, true),
        (5, false),
        (3, false),
    ] {
        let counted = count_for(store, 1, NOW, PERIOD, limit).await;
        assert_eq!(counted.admitted, admitted);
    }
}

pub(super) async fn an_attempt_of_a_longer_period_extends_the_count(store: &dyn Store) {
    count(store, 1, NOW).await;
    let counted = count_for(store, 1, NOW + 10, 5 * PERIOD, LIMIT).await;
    // From its start on.
    let end = NOW + 5 * PERIOD;
    assert_eq!(counted, lasting(true, NOW, end));
    assert!(count(store, 1, end - 1).await.admitted);
    assert!(!count(store, 1, end - 1).await.admitted);
    assert!(count(store, 1, end).await.admitted);
}

pub(super) async fn an_attempt_of_a_shorter_period_does_not_cut_the_count_short(store: &dyn Store) {
    let end = NOW + 5 * PERIOD;
    count_for(store, 1, NOW, 5 * PERIOD, LIMIT).await;
    for (now, admitted) in [
        (NOW, true),
        (NOW + PERIOD, true),
        (NOW + 2 * PERIOD, false),
        (end - 1, false),
    ] {
        assert_eq!(count(store, 1, now).await, lasting(admitted, NOW, end));
    }
}

pub(super) async fn an_attempt_that_is_refused_extends_no_count(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    let refused = count_for(store, 1, NOW + 1, 5 * PERIOD, LIMIT).await;
    assert_eq!(refused, lasting(false, NOW, NOW + PERIOD));
    assert!(count(store, 1, NOW + PERIOD).await.admitted);
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
    uncount(store, 1, NOW).await;
    assert!(count(store, 1, NOW + 1).await.admitted);
    assert!(!count(store, 1, NOW + 1).await.admitted);
}

pub(super) async fn no_more_attempts_are_taken_back_than_were_counted(store: &dyn Store) {
    uncount(store, 1, NOW).await;
    count(store, 1, NOW).await;
    for _ in 0..5 {
        uncount(store, 1, NOW).await;
    }
    count_full(store, 1, NOW).await;
    assert!(!count(store, 1, NOW).await.admitted);
}

pub(super) async fn an_attempt_is_taken_back_out_of_its_own_count(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    count_full(store, 1, NOW + PERIOD).await;
    count_full(store, 2, NOW).await;
    uncount(store, 1, NOW).await;
    assert!(!count(store, 1, NOW + PERIOD).await.admitted);
    assert!(!count(store, 2, NOW).await.admitted);
}

pub(super) async fn attempts_that_are_all_taken_back_leave_no_count(store: &dyn Store) {
    // One after the other, and at once.
    count_full(store, 1, NOW).await;
    for _ in 0..LIMIT {
        uncount(store, 1, NOW).await;
    }
    count_full(store, 2, NOW).await;
    all((0..LIMIT).map(async |_| uncount(store, 2, NOW).await)).await;
    assert_eq!(delete_old(store, NOW + PERIOD, 100).await, 0);
}

pub(super) async fn an_attempt_is_taken_back_out_of_a_count_that_was_extended(store: &dyn Store) {
    count_full(store, 1, NOW).await;
    assert!(
        count_for(store, 1, NOW, 5 * PERIOD, LIMIT + 1)
            .await
            .admitted
    );
    for _ in 0..2 {
        uncount(store, 1, NOW).await;
    }
    assert!(count(store, 1, NOW + PERIOD).await.admitted);
    assert!(!count(store, 1, NOW + PERIOD).await.admitted);
}

pub(super) async fn counts_that_have_ended_are_deleted_and_no_others(store: &dyn Store) {
    let end = NOW + PERIOD;
    for (number, begun) in [(1, NOW - 1), (2, NOW), (3, NOW + 1)] {
        count_full(store, number, begun).await;
    }
    // Each is counted in two places.
    assert_eq!(delete_old(store, end, 100).await, 4);
    assert_eq!(delete_old(store, end, 100).await, 0);
    // A clock that goes back shows that they are gone.
    for (number, is_gone) in [(1, true), (2, true), (3, false)] {
        let counted = count(store, number, NOW).await;
        assert_eq!(counted.admitted, is_gone, "{number}");
    }
}

pub(super) async fn counts_of_a_clock_that_was_wrong_are_deleted(store: &dyn Store) {
    count_full(store, 1, NOW + MOST_AHEAD + 1).await;
    count_full(store, 2, NOW + MOST_AHEAD).await;
    assert_eq!(delete_old(store, NOW, 100).await, 2);
    assert!(!count(store, 2, NOW).await.admitted);
}

pub(super) async fn a_count_that_was_extended_is_deleted_after_its_new_end(store: &dyn Store) {
    count(store, 1, NOW).await;
    let end = count_for(store, 1, NOW, 5 * PERIOD, LIMIT).await.expires.0;
    for (now, deleted) in [(NOW + PERIOD, 0), (end - 1, 0), (end, 2)] {
        assert_eq!(delete_old(store, now, 100).await, deleted, "{now}");
    }
}

pub(super) async fn no_more_counts_are_deleted_than_asked(store: &dyn Store) {
    for number in 0..7 {
        count(store, number, NOW).await;
    }
    for (limit, deleted) in [(0, 0), (5, 5), (5, 5), (5, 4), (5, 0)] {
        assert_eq!(delete_old(store, NOW + PERIOD, limit).await, deleted);
    }
}

pub(super) fn attempts_of(store: &dyn Store) -> &dyn AttemptStore {
    store.attempts().expect("a store that counts attempts")
}

fn id(number: u64) -> String {
    format!("{number:064x}")
}

/// The second place of an attempt that finds no key.
fn unknown(number: u64) -> String {
    format!("f{number:063x}")
}

/// An attempt at a key that is not there.
pub(super) fn attempt(number: u64, now: i64) -> NewAttempt {
    NewAttempt {
        client: None,
        place: id(number),
        key_id: Some(format!("test:nobody {number}")),
        salt: "salt".repeat(16),
        unknown_place: unknown(number),
        now: UnixMillis(now),
        expires: UnixMillis(now + PERIOD),
        limit: LIMIT,
        stored_limit: LIMIT,
    }
}

/// The result of an attempt.
#[derive(Debug, PartialEq)]
struct Count {
    admitted: bool,
    /// When the count started that it is in.
    started_at: Option<UnixMillis>,
    expires: UnixMillis,
}

async fn count(store: &dyn Store, number: u64, now: i64) -> Count {
    count_for(store, number, now, PERIOD, LIMIT).await
}

async fn count_for(store: &dyn Store, number: u64, now: i64, period: i64, limit: u32) -> Count {
    let attempt = NewAttempt {
        expires: UnixMillis(now + period),
        limit,
        stored_limit: limit,
        ..attempt(number, now)
    };
    let counted = attempts_of(store).count_attempt(attempt).await;
    let counted = counted.expect("an attempt is counted");
    // Its two places are full together.
    assert!([0, 2].contains(&counted.places.len()), "{counted:?}");
    let starts: Vec<_> = counted.places.iter().map(|one| one.started_at).collect();
    assert!(starts.windows(2).all(|two| two[0] == two[1]), "{counted:?}");
    Count {
        admitted: !starts.is_empty(),
        started_at: starts.first().copied(),
        expires: counted.expires,
    }
}

fn lasting(admitted: bool, start: i64, end: i64) -> Count {
    Count {
        admitted,
        started_at: admitted.then_some(UnixMillis(start)),
        expires: UnixMillis(end),
    }
}

/// Makes as many attempts as are admitted.
async fn count_full(store: &dyn Store, number: u64, now: i64) {
    for _ in 0..LIMIT {
        assert!(count(store, number, now).await.admitted, "{number}");
    }
}

async fn uncount(store: &dyn Store, number: u64, started_at: i64) {
    let started_at = UnixMillis(started_at);
    let places = [id(number), unknown(number)].map(|place| CountedPlace { place, started_at });
    let uncounted = attempts_of(store).uncount_attempt(&places).await;
    uncounted.expect("an attempt is taken back");
}

pub(super) async fn delete_old(store: &dyn Store, now: i64, limit: u32) -> u64 {
    let deleted = attempts_of(store).delete_old_attempts(UnixMillis(now), limit);
    deleted.await.expect("counts are deleted")
}
