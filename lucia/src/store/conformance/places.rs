//! The places that an attempt is counted in.

use super::attempts::{LIMIT, PERIOD, attempt, attempts_of, delete_old};
use super::values::{HOSTILE, NOW, all, insert_key, insert_user, key};
use crate::store::{CountedAttempt, CountedPlace, NewAttempt, Store, UnixMillis};

const ADA: &str = "test:ada";
const BOB: &str = "test:bob";

pub(super) async fn an_attempt_finds_its_key(store: &dyn Store) {
    insert_user(store, "ada").await;
    let mut keys: Vec<_> = HOSTILE.map(|name| format!("test:{name}")).to_vec();
    keys.push(ADA.to_owned());
    for (number, id) in (1..).zip(&keys) {
        let mut row = key(id, "ada");
        if id == ADA {
            row.hashed_password = None;
        }
        insert_key(store, &row).await;
        let made = at(number, id);
        let counted = count(store, &made).await;
        assert_eq!(counted.key.as_ref(), Some(&row));
        let stored = made.stored_place(Some(id));
        assert_eq!(places(&counted), [made.place, stored], "{id}");
    }
    for key_id in [Some(BOB.to_owned()), None] {
        let made = NewAttempt {
            key_id,
            ..attempt(100, NOW)
        };
        let counted = count(store, &made).await;
        assert_eq!(counted.key, None);
        assert_eq!(places(&counted), [made.place, made.unknown_place]);
    }
}

pub(super) async fn attempts_at_one_key_are_counted_together_in_the_second_place(
    store: &dyn Store,
) {
    insert_keys(store).await;
    // By many first places each, at two keys and an unknown one.
    for (number, admitted) in [(1, 2), (2, 2), (3, 2), (4, 1), (5, 1)] {
        for (offset, key_id) in [(0, ADA), (10, BOB)] {
            let counted = count(store, &at(number + offset, key_id)).await;
            assert_eq!(counted.places.len(), admitted, "{key_id} {number}");
            assert_eq!(counted.expires, UnixMillis(NOW + PERIOD));
        }
        let made = NewAttempt {
            unknown_place: attempt(100, NOW).unknown_place,
            ..attempt(20 + number, NOW)
        };
        assert_eq!(count(store, &made).await.places.len(), admitted, "{number}");
    }
}

pub(super) async fn each_place_has_a_limit_of_its_own(store: &dyn Store) {
    insert_keys(store).await;
    for (number, key_id, limits) in [(1, ADA, (5, 2)), (2, BOB, (2, 5))] {
        let made = NewAttempt {
            limit: limits.0,
            stored_limit: limits.1,
            ..at(number, key_id)
        };
        let mut admitted = Vec::new();
        for _ in 0..6 {
            admitted.push(count(store, &made).await.places.len());
        }
        let expected = if limits.0 > limits.1 {
            [2, 2, 1, 1, 1, 0]
        } else {
            [2, 2, 0, 0, 0, 0]
        };
        assert_eq!(admitted, expected, "{limits:?}");
    }
}

pub(super) async fn attempts_at_a_key_of_another_salt_are_counted_apart(store: &dyn Store) {
    insert_keys(store).await;
    for (number, salt) in [(0, "a"), (10, "b")] {
        for (number, admitted) in [(1, 2), (2, 2), (3, 2), (4, 1)].map(|(n, a)| (number + n, a)) {
            let made = NewAttempt {
                salt: salt.repeat(64),
                ..at(number, ADA)
            };
            let counted = count(store, &made).await;
            assert_eq!(counted.places.len(), admitted, "{salt} {number}");
        }
    }
}

pub(super) async fn where_the_first_place_is_full_nothing_else_happens(store: &dyn Store) {
    insert_keys(store).await;
    for _ in 0..LIMIT {
        count(store, &at(1, BOB)).await;
    }
    for key_id in [ADA, "test:nobody"] {
        let by = |number| NewAttempt {
            unknown_place: attempt(100, NOW).unknown_place,
            ..at(number, key_id)
        };
        for _ in 0..5 {
            let refused = count(store, &by(1)).await;
            assert_eq!(refused.places, []);
            assert_eq!(refused.key, None);
            assert_eq!(refused.expires, UnixMillis(NOW + PERIOD));
        }
        // Nothing was counted in the second place.
        for (number, admitted) in [(2, 2), (3, 2), (4, 2), (5, 1)] {
            let number = number + u64::from(key_id == ADA) * 10;
            let counted = count(store, &by(number)).await;
            assert_eq!(counted.places.len(), admitted, "{key_id}");
        }
    }
}

pub(super) async fn where_the_second_place_is_full_the_first_one_is_filled(store: &dyn Store) {
    insert_keys(store).await;
    for _ in 0..LIMIT {
        count(store, &at(1, ADA)).await;
    }
    for admitted in [1, 1, 1, 0, 0] {
        let made = at(2, ADA);
        let counted = count(store, &made).await;
        assert_eq!(counted.places.len(), admitted);
        assert_eq!(counted.key.is_some(), admitted > 0);
        if let [place] = &counted.places[..] {
            assert_eq!(*place, CountedPlace::new(made.place, UnixMillis(NOW)));
        }
    }
}

pub(super) async fn each_place_has_a_count_of_its_own(store: &dyn Store) {
    insert_keys(store).await;
    let later = |number| NewAttempt {
        now: UnixMillis(NOW + PERIOD - 1),
        expires: UnixMillis(NOW + 2 * PERIOD - 1),
        ..at(number, ADA)
    };
    count(store, &at(1, ADA)).await;
    let counted = count(store, &later(2)).await;
    let starts: Vec<_> = counted.places.iter().map(|one| one.started_at.0).collect();
    assert_eq!(starts, [NOW + PERIOD - 1, NOW]);
    // Taken back out of each by its own start.
    uncount(store, &counted.places).await;
    uncount(store, &count(store, &later(2)).await.places).await;
    assert_eq!(delete_old(store, NOW + 2 * PERIOD, 100).await, 2);
}

pub(super) async fn an_attempt_is_taken_back_out_of_all_its_places(store: &dyn Store) {
    insert_keys(store).await;
    let mut all_of_them = Vec::new();
    for number in 1..=5 {
        all_of_them.push(count(store, &at(number, ADA)).await);
    }
    // Two of them are in their first places alone.
    for (counted, places) in all_of_them.iter().zip([2, 2, 2, 1, 1]) {
        assert_eq!(counted.places.len(), places);
    }
    uncount(store, &all_of_them[4].places).await;
    assert_eq!(count(store, &at(6, ADA)).await.places.len(), 1, "no room");
    uncount(store, &all_of_them[0].places).await;
    assert_eq!(count(store, &at(7, ADA)).await.places.len(), 2, "room");
    // What has nothing to take back is silent, and nothing is taken back for it.
    uncount(store, &[]).await;
    uncount(store, &all_of_them[0].places[..1]).await;
    assert_eq!(count(store, &at(8, ADA)).await.places.len(), 1, "no room");
}

pub(super) async fn of_fifty_attempts_by_many_first_places_as_many_are_admitted_as_the_limit_says(
    store: &dyn Store,
) {
    insert_keys(store).await;
    let counted = all((0..50).map(async |number| count(store, &at(number, ADA)).await)).await;
    let admitted = counted.iter().filter(|counted| counted.places.len() == 2);
    assert_eq!(admitted.count(), 3);
    assert!(counted.iter().all(|counted| !counted.places.is_empty()));
}

pub(super) async fn attempts_that_share_places_crosswise_neither_block_nor_leave_anything(
    store: &dyn Store,
) {
    insert_keys(store).await;
    // Each first place with each second one, counted and taken back at once.
    let attempts = (0..60).map(async |number: u64| {
        let key_id = [ADA, BOB, "test:nobody"][usize::try_from(number % 3).expect("small")];
        let made = NewAttempt {
            unknown_place: attempt(100, NOW).unknown_place,
            limit: 100,
            stored_limit: 100,
            ..at(number / 3 % 4, key_id)
        };
        for _ in 0..3 {
            let counted = count(store, &made).await;
            assert_eq!(counted.places.len(), 2);
            uncount(store, &counted.places).await;
        }
    });
    all(attempts).await;
    assert_eq!(delete_old(store, NOW + PERIOD, 100).await, 0);
}

/// The name of a place of a client.
const CLIENT: &str = "c1";

/// An attempt of a client, who may make as many.
fn by_client(limit: u32, made: NewAttempt) -> NewAttempt {
    NewAttempt {
        client: Some((CLIENT.repeat(32), limit)),
        ..made
    }
}

pub(super) async fn attempts_of_a_client_at_all_keys_are_counted_together(store: &dyn Store) {
    insert_keys(store).await;
    for (number, key_id) in (1..).zip([ADA, BOB, "test:nobody", ADA]) {
        let made = by_client(4, at(number, key_id));
        let counted = count(store, &made).await;
        let stored = made.stored_place(counted.key.as_ref().map(|key| &*key.id));
        assert_eq!(
            places(&counted),
            [CLIENT.repeat(32), made.place, stored],
            "{key_id}"
        );
        assert_eq!(counted.key.is_some(), number != 3);
    }
    for key_id in [ADA, BOB, "test:nobody"] {
        let later = NewAttempt {
            now: UnixMillis(NOW + 10),
            expires: UnixMillis(NOW + 10 + PERIOD),
            ..by_client(4, at(10, key_id))
        };
        let refused = count(store, &later).await;
        assert_eq!((refused.places, refused.key), (vec![], None), "{key_id}");
        assert_eq!(refused.expires, UnixMillis(NOW + PERIOD));
        // Those of other clients are not.
        assert!(!count(store, &at(11, key_id)).await.places.is_empty());
    }
    // Those that were refused are counted in none of the other places.
    for _ in 0..LIMIT {
        assert_eq!(count(store, &at(10, "test:other")).await.places.len(), 2);
    }
    assert_eq!(count(store, &at(12, BOB)).await.places.len(), 2);
    assert_eq!(count(store, &at(13, BOB)).await.places.len(), 1);
}

pub(super) async fn an_attempt_of_a_client_that_is_refused_at_a_key_stays_counted_for_the_client(
    store: &dyn Store,
) {
    insert_keys(store).await;
    for admitted in [3, 3, 3, 0, 0] {
        let made = NewAttempt {
            stored_limit: 100,
            ..by_client(5, at(1, ADA))
        };
        let counted = count(store, &made).await;
        assert_eq!(counted.places.len(), admitted);
        assert_eq!(counted.expires, UnixMillis(NOW + PERIOD));
    }
    let counted = count(store, &by_client(5, at(2, BOB))).await;
    assert_eq!(counted.places, []);
    // Where the second place is full, it is counted in those before.
    for admitted in [3, 3, 2] {
        let made = NewAttempt {
            stored_limit: 2,
            ..by_client(100, at(3, BOB))
        };
        let counted = count(store, &made).await;
        assert_eq!(counted.places.len(), admitted);
        assert!(counted.key.is_some());
    }
}

pub(super) async fn of_fifty_attempts_of_a_client_at_once_as_many_are_admitted_as_the_limit_says(
    store: &dyn Store,
) {
    insert_keys(store).await;
    let made = |number| NewAttempt {
        stored_limit: 100,
        ..by_client(7, at(number, if number % 2 == 0 { ADA } else { BOB }))
    };
    let counted = all((0..50).map(async |number| count(store, &made(number)).await)).await;
    let admitted = counted.iter().filter(|counted| counted.places.len() == 3);
    assert_eq!(admitted.count(), 7);
    // All places are taken back.
    all(counted
        .iter()
        .map(async |one| uncount(store, &one.places).await))
    .await;
    assert_eq!(delete_old(store, NOW + PERIOD, 100).await, 0);
}

/// Stores the keys of Ada and Bob.
async fn insert_keys(store: &dyn Store) {
    for (user, id) in [("ada", ADA), ("bob", BOB)] {
        insert_user(store, user).await;
        insert_key(store, &key(id, user)).await;
    }
}

/// An attempt at a key, by the first place of this number.
fn at(number: u64, key_id: &str) -> NewAttempt {
    NewAttempt {
        key_id: Some(key_id.to_owned()),
        ..attempt(number, NOW)
    }
}

fn places(counted: &CountedAttempt) -> Vec<String> {
    counted.places.iter().map(|one| one.place.clone()).collect()
}

async fn count(store: &dyn Store, attempt: &NewAttempt) -> CountedAttempt {
    let counted = attempts_of(store).count_attempt(attempt.clone()).await;
    counted.expect("an attempt is counted")
}

async fn uncount(store: &dyn Store, places: &[CountedPlace]) {
    let uncounted = attempts_of(store).uncount_attempt(places).await;
    uncounted.expect("an attempt is taken back");
}
