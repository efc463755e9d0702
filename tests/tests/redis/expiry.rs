//! What Redis deletes by itself, and that nothing is left.

use lucia::store::{Expiries, Owner, SessionStore, UnixMillis};

use crate::support::{ADA, BOB, LIFE, Place, expiries, id, now, rotation, session, token, user};

const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The clock of the application decides about expiry, so a session is there at its last moment, and for ten
/// minutes after it. Its entry in the index stays for a day more, since it may be on another server.
#[tokio::test]
async fn a_session_outlives_its_expiry_by_ten_minutes_and_its_entry_by_a_day() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.store().await;
    let stays = async |number: u64, life: i64| {
        let (hash, index) = (place.hash_key(number), place.index_key(ADA));
        for (key, life) in [
            (hash, life + 10 * MINUTE),
            (index, life + 10 * MINUTE + DAY),
        ] {
            let left = place.left(&key).await;
            assert!(
                (life - 5 * MINUTE..=life).contains(&left),
                "{key}: {left} of {life}"
            );
        }
    };
    // The clock of the application, which a test may have set, has no part in it.
    for (number, now) in [(1, now()), (2, 1_000), (3, now() * 10), (4, -5_000)] {
        let mut new = session(number, ADA);
        (new.created_at, new.expiries) = (UnixMillis(now), expiries(now));
        store.insert_session(new).await.unwrap();
        stays(number, LIFE).await;
    }
    // A renewal and a rotation move both.
    let later = |life: i64| {
        let at = |offset| UnixMillis(now() + offset);
        Expiries::new(at(0), at(1), at(life))
    };
    assert!(store.renew_session(&id(1), later(2 * LIFE)).await.unwrap());
    stays(1, 2 * LIFE).await;
    let mut rotation = rotation(5);
    rotation.expiries = later(3 * LIFE);
    assert!(store.rotate_session(&id(1), rotation).await.unwrap());
    stays(5, 3 * LIFE).await;
    // The index stays for the session that lives longest.
    store.insert_session(session(6, ADA)).await.unwrap();
    stays(5, 3 * LIFE).await;
}

#[tokio::test]
async fn a_session_that_never_expires_is_kept() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.store().await;
    let mut new = session(1, ADA);
    let forever = UnixMillis(i64::MAX);
    new.expiries = Expiries::new(new.created_at, forever, forever);
    store.insert_session(new.clone()).await.unwrap();
    assert!(store.renew_session(&id(1), new.expiries).await.unwrap());
    assert!(place.left(&place.hash_key(1)).await > 1000 * 365 * DAY);
    assert!(place.left(&place.index_key(ADA)).await > 1000 * 365 * DAY);
    let found = store.session(&id(1)).await.unwrap().unwrap();
    assert_eq!(found.expiries, new.expiries);
}

#[tokio::test]
async fn sessions_that_have_ended_leave_nothing() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.store().await;
    for (number, of) in [(1, ADA), (2, ADA), (3, ADA), (4, BOB), (5, BOB)] {
        store.insert_session(session(number, of)).await.unwrap();
    }
    let mut replacing = session(6, ADA);
    (replacing.replaces, replacing.limit) = (Some(id(4)), Some(2));
    store.insert_session(replacing).await.unwrap();
    assert!(store.rotate_session(&id(5), rotation(7)).await.unwrap());
    assert!(!store.rotate_session(&id(5), rotation(8)).await.unwrap());
    let mut keys = place.keys().await;
    let mut expected = vec![place.index_key(ADA), place.index_key(BOB)];
    expected.extend([3, 6, 7].map(|number| place.hash_key(number)));
    keys.sort();
    expected.sort();
    assert_eq!(keys, expected);
    store.delete_user_sessions(&user(ADA), None).await.unwrap();
    let deleted = store.delete_session(&id(7), Owner::Anyone).await;
    assert!(deleted.unwrap());
    assert_eq!(place.keys().await, [""; 0]);
}

#[tokio::test]
async fn entries_of_sessions_that_expired_leave_the_index() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.store().await;
    let expire = async |number: u64| {
        // As Redis does, a day after the hash.
        place
            .server
            .ask::<i64>(&["DEL", &place.hash_key(number)])
            .await;
        let value = place.index(ADA).await[id(number).as_str()].clone();
        let (value, _) = value.split_at(value.len() - 16);
        let value = format!("{value}{:016}", now() - 1);
        let index = place.index_key(ADA);
        place
            .server
            .ask::<i64>(&["HSET", &index, id(number).as_str(), &value])
            .await;
    };
    for number in 0..200 {
        store.insert_session(session(number, ADA)).await.unwrap();
        if number > 0 {
            expire(number).await;
        }
        // Those of a long index are looked for now and then.
        assert!(place.index(ADA).await.len() <= 66);
    }
    let mut limited = session(200, ADA);
    limited.limit = Some(100);
    store.insert_session(limited).await.unwrap();
    assert_eq!(place.index(ADA).await.len(), 2);
    let listed = store.user_sessions(&user(ADA)).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|session| session.id).collect();
    assert_eq!(
        listed,
        [token(0), token(200)].map(|token| token.session_id())
    );
}

#[tokio::test]
async fn a_session_whose_hash_is_gone_is_not_listed() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.store().await;
    for number in 1..=3 {
        store.insert_session(session(number, ADA)).await.unwrap();
    }
    place.server.ask::<i64>(&["DEL", &place.hash_key(2)]).await;
    let listed = store.user_sessions(&user(ADA)).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|session| session.id).collect();
    assert_eq!(listed, [id(1), id(3)]);
    let renewed = store.renew_session(&id(2), expiries(now())).await;
    assert!(!renewed.unwrap());
    assert_eq!(store.session(&id(2)).await.unwrap(), None);
}

/// As after a failover that has lost the entry.
#[tokio::test]
async fn a_session_without_an_entry_ends_by_its_id_or_at_its_next_renewal() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.store().await;
    for number in 1..=2 {
        store.insert_session(session(number, ADA)).await.unwrap();
    }
    place
        .server
        .ask::<i64>(&["DEL", &place.index_key(ADA)])
        .await;
    let renewed = store.renew_session(&id(1), expiries(now())).await;
    assert!(!renewed.unwrap());
    assert!(!store.rotate_session(&id(1), rotation(3)).await.unwrap());
    let ada = user(ADA);
    let deleted = store.delete_session(&id(2), Owner::Is(&ada)).await;
    assert!(deleted.unwrap());
    assert_eq!(store.session(&id(2)).await.unwrap(), None);
}
