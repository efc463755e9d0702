//! Keys that are written at the request of their user.

use super::tokens::{found, insert, link};
use super::values::{
    NOW, all, forty_users, insert_key, insert_session, insert_user, key, key_ids, session,
    session_id, stored_key, unverified,
};
use crate::store::{
    KeyRow, KeyWrite, LastKey, NewSessionRow, Owner, Result, Store, StoreError, TokenRow,
    UnixMillis, WrittenBy,
};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";
const HASH: &str = "another hash";

/// Every kind of write, of keys of a user that are there, without a password, to what is not taken.
fn writes(user: &str) -> [KeyWrite; 5] {
    [
        KeyWrite::Insert(unverified(key("a:new", user))),
        set_password("a:1", user),
        verify("a:2", user),
        rename("a:3", user, "a:renamed"),
        delete("a:4", user),
    ]
}

/// The keys of Ada.
const KEYS: [&str; 4] = ["a:1", "a:2", "a:3", "a:4"];

/// Ada with keys that can be written, and a session; Bob with a key and a session.
async fn two_users(store: &dyn Store) {
    for user in [ADA, BOB] {
        insert_user(store, user).await;
    }
    for id in KEYS {
        insert_key(store, &bare(id, ADA)).await;
    }
    insert_key(store, &key("b:1", BOB)).await;
    for (number, user) in [(1, ADA), (2, BOB)] {
        insert_session(store, &session(number, user)).await;
    }
}

async fn unchanged(store: &dyn Store) {
    for id in KEYS {
        assert_eq!(stored_key(store, id).await, Some(bare(id, ADA)));
    }
    assert_eq!(key_ids(store, ADA).await, KEYS);
    assert_eq!(key_ids(store, BOB).await, ["b:1"]);
}

/// A key without a password that nothing has proved.
fn bare(id: &str, user: &str) -> KeyRow {
    KeyRow {
        hashed_password: None,
        ..unverified(key(id, user))
    }
}

fn set_password(id: &str, user: &str) -> KeyWrite {
    KeyWrite::SetPassword {
        id: id.to_owned(),
        user_id: UserId::from_stored(user),
        hashed_password: HASH.to_owned(),
    }
}

fn verify(id: &str, user: &str) -> KeyWrite {
    KeyWrite::Verify {
        id: id.to_owned(),
        user_id: UserId::from_stored(user),
    }
}

fn rename(id: &str, user: &str, new_id: &str) -> KeyWrite {
    KeyWrite::Rename {
        id: id.to_owned(),
        user_id: UserId::from_stored(user),
        new_id: new_id.to_owned(),
        note: None,
    }
}

fn delete(id: &str, user: &str) -> KeyWrite {
    KeyWrite::Delete {
        id: id.to_owned(),
        user_id: UserId::from_stored(user),
    }
}

async fn write(store: &dyn Store, write: KeyWrite, by: WrittenBy<'_>) -> Result<bool> {
    store.write_key(write, by, UnixMillis(NOW)).await
}

/// Writes in this session.
async fn write_in(store: &dyn Store, session: u64, written: KeyWrite) -> bool {
    let id = session_id(session);
    let written = write(store, written, WrittenBy::Session(&id)).await;
    written.expect("a key is written or not")
}

async fn all_are_written(store: &dyn Store, by: WrittenBy<'_>) {
    for written in writes(ADA) {
        let what = format!("{written:?}");
        let written = write(store, written, by).await;
        assert!(written.expect("a key is written"), "{what}");
    }
    let after = [
        KeyRow {
            hashed_password: Some(HASH.to_owned()),
            ..bare("a:1", ADA)
        },
        KeyRow {
            verified_at: Some(UnixMillis(NOW)),
            ..bare("a:2", ADA)
        },
        unverified(key("a:new", ADA)),
        KeyRow {
            verified_at: Some(UnixMillis(NOW)),
            ..bare("a:renamed", ADA)
        },
    ];
    assert_eq!(
        key_ids(store, ADA).await,
        after.each_ref().map(|key| key.id.clone())
    );
    for key in after {
        assert_eq!(stored_key(store, &key.id).await.as_ref(), Some(&key));
    }
    assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
}

pub(super) async fn a_key_is_written_in_a_session_of_its_user(store: &dyn Store) {
    two_users(store).await;
    all_are_written(store, WrittenBy::Session(&session_id(1))).await;
}

pub(super) async fn a_key_is_written_in_no_session_that_is_gone_or_somebody_elses(
    store: &dyn Store,
) {
    two_users(store).await;
    insert_session(store, &session(3, ADA)).await;
    let gone = store.delete_session(&session_id(3), Owner::Anyone).await;
    assert!(gone.expect("a session is deleted"));
    for number in [2, 3] {
        for written in writes(ADA) {
            let what = format!("{written:?}");
            assert!(!write_in(store, number, written).await, "{number} {what}");
            unchanged(store).await;
        }
    }
}

pub(super) async fn a_key_that_is_unknown_or_somebody_elses_is_not_written(store: &dyn Store) {
    two_users(store).await;
    for id in ["b:1", "a:9", "A:1", ""] {
        for written in [
            set_password(id, ADA),
            verify(id, ADA),
            rename(id, ADA, "a:new"),
            delete(id, ADA),
        ] {
            let what = format!("{written:?}");
            assert!(!write_in(store, 1, written).await, "{what}");
            unchanged(store).await;
            assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
        }
    }
}

pub(super) async fn a_key_is_verified_and_no_other(store: &dyn Store) {
    two_users(store).await;
    insert_key(store, &unverified(key("a:5", ADA))).await;
    for (at, is_first) in [(NOW, true), (NOW + 1, false)] {
        let id = session_id(1);
        let by = WrittenBy::Session(&id);
        let verified = store.write_key(verify("a:5", ADA), by, UnixMillis(at));
        assert_eq!(verified.await.expect("a key is verified or not"), is_first);
        let after = KeyRow {
            verified_at: Some(UnixMillis(NOW)),
            ..key("a:5", ADA)
        };
        assert_eq!(stored_key(store, "a:5").await.as_ref(), Some(&after));
        let listed = store.user_keys(&UserId::from_stored(ADA)).await;
        let listed = listed.expect("keys are listed");
        assert!(listed.contains(&after) && listed.contains(&bare("a:2", ADA)));
    }
}

pub(super) async fn a_password_is_set_for_a_key_that_has_none(store: &dyn Store) {
    two_users(store).await;
    insert_key(store, &key("a:5", ADA)).await;
    assert!(!write_in(store, 1, set_password("a:5", ADA)).await);
    assert_eq!(stored_key(store, "a:5").await, Some(key("a:5", ADA)));
    // Of those that set one at once, one does.
    let outcomes = all((0..10).map(async |_| write_in(store, 1, set_password("a:1", ADA)).await));
    let outcomes = outcomes.await;
    assert_eq!(outcomes.iter().filter(|set| **set).count(), 1);
}

pub(super) async fn a_renamed_key_keeps_its_password_and_is_verified(store: &dyn Store) {
    two_users(store).await;
    for before in [key("a:5", ADA), unverified(key("a:6", ADA))] {
        insert_key(store, &before).await;
        assert!(write_in(store, 1, rename(&before.id, ADA, "a:new")).await);
        let after = KeyRow {
            id: "a:new".to_owned(),
            verified_at: Some(UnixMillis(NOW)),
            ..before
        };
        assert_eq!(stored_key(store, "a:new").await, Some(after));
        assert_eq!(key_ids(store, ADA).await[..4], KEYS);
        assert_eq!(key_ids(store, ADA).await[4..], ["a:new"]);
        let deleted = store.delete_key("a:new", LastKey::Delete).await;
        deleted.expect("a key is deleted");
    }
}

pub(super) async fn a_key_is_not_written_over_a_taken_one(store: &dyn Store) {
    two_users(store).await;
    for taken in ["b:1", "a:2"] {
        for written in [KeyWrite::Insert(key(taken, ADA)), rename("a:1", ADA, taken)] {
            let by = session_id(1);
            let refused = write(store, written, WrittenBy::Session(&by)).await;
            assert!(
                matches!(refused, Err(StoreError::DuplicateKey)),
                "{refused:?}"
            );
            unchanged(store).await;
            assert_eq!(stored_key(store, "b:1").await, Some(key("b:1", BOB)));
        }
    }
}

pub(super) async fn of_parallel_renames_to_one_key_one_succeeds(store: &dyn Store) {
    let users: Vec<_> = (0..10).map(|number| format!("user {number}")).collect();
    for (number, user) in (0..).zip(&users) {
        insert_user(store, user).await;
        insert_key(store, &key(&format!("a:{user}"), user)).await;
        insert_session(store, &session(number, user)).await;
    }
    let renames = (0..).zip(&users).map(async |(number, user)| {
        let written = rename(&format!("a:{user}"), user, "a:new");
        match write(store, written, WrittenBy::Session(&session_id(number))).await {
            Ok(renamed) => renamed,
            Err(StoreError::DuplicateKey) => false,
            Err(error) => panic!("{error:?}"),
        }
    });
    let renamed = all(renames).await;
    let winners = renamed.iter().filter(|won| **won);
    assert_eq!(winners.count(), 1, "renames that succeeded");
    for (user, won) in users.iter().zip(renamed) {
        let id = if won {
            "a:new".to_owned()
        } else {
            format!("a:{user}")
        };
        assert_eq!(key_ids(store, user).await, [id]);
    }
}

pub(super) async fn of_keys_that_their_user_deletes_at_once_the_last_one_stays(store: &dyn Store) {
    let users: Vec<_> = (0..10).map(|number| format!("user {number}")).collect();
    for (number, user) in (0..).zip(&users) {
        insert_user(store, user).await;
        insert_session(store, &session(number, user)).await;
        for part in 0..3 {
            insert_key(store, &key(&format!("{part}:{user}"), user)).await;
        }
    }
    let deletions = (0..).zip(&users).map(async |(number, user)| {
        let id = session_id(number);
        let outcomes = all((0..3).map(async |part| {
            let deletion = delete(&format!("{part}:{user}"), user);
            match write(store, deletion, WrittenBy::Session(&id)).await {
                Ok(deleted) => deleted,
                Err(StoreError::LastKey) => false,
                Err(error) => panic!("{error:?}"),
            }
        }));
        let kept: Vec<_> = (0..3).zip(outcomes.await).filter(|one| !one.1).collect();
        let [(part, _)] = kept[..] else {
            panic!("{user}: {kept:?}");
        };
        let last = format!("{part}:{user}");
        assert_eq!(key_ids(store, user).await, [&*last]);
        assert_eq!(stored_key(store, &last).await, Some(key(&last, user)));
        // Also where it is the only one from the beginning.
        let again = write(store, delete(&last, user), WrittenBy::Session(&id)).await;
        assert!(matches!(again, Err(StoreError::LastKey)), "{again:?}");
        assert_eq!(key_ids(store, user).await, [last]);
    });
    all(deletions).await;
}

/// What has not been written when the sessions of a user have ended is not written afterwards.
pub(super) async fn no_key_is_written_in_a_session_that_has_ended(store: &dyn Store) {
    let users = forty_users(store).await;
    let meetings = (0..).zip(&users).map(async |(number, user)| {
        let user_id = UserId::from_stored(user.as_str());
        let left = all((0..5).map(async |part| {
            if part == number % 5 {
                let ended = store.delete_user_sessions(&user_id, None).await;
                ended.expect("sessions are deleted");
                return Some(key_ids(store, user).await);
            }
            let written = KeyWrite::Insert(key(&format!("b:{number}:{part}"), user));
            write_in(store, number, written).await;
            None
        }));
        let left = left.await.into_iter().flatten().next();
        let left = left.expect("the keys that there were");
        assert_eq!(key_ids(store, user).await, left, "{user}");
    });
    all(meetings).await;
}

pub(super) async fn writes_beside_all_that_ends_sessions_do_not_get_stuck(store: &dyn Store) {
    two_users(store).await;
    let ada = UserId::from_stored(ADA);
    for round in 1..=3 {
        let first = round * 100;
        for number in first..first + 20 {
            insert_session(store, &session(number, ADA)).await;
        }
        all((first..first + 60).map(async |number| match number % 6 {
            0 => {
                let except = session_id(number);
                let deleted = store.delete_user_sessions(&ada, Some(&except)).await;
                deleted.expect("sessions are deleted");
            }
            1 => {
                let new = NewSessionRow {
                    limit: Some(3),
                    ..session(1000 + number, ADA)
                };
                let by_key = store.insert_session_by_key(new, bare("a:1", ADA)).await;
                by_key.map(drop).expect("stored or refused");
            }
            2 => {
                let new = key(&format!("a:{number}"), ADA);
                write_in(store, first + number % 20, KeyWrite::Insert(new)).await;
            }
            3 => {
                write_in(store, first + number % 20, verify("a:2", ADA)).await;
            }
            4 => {
                let id = session_id(first + number % 20);
                let deletion = delete(&format!("a:{}", number - 8), ADA);
                let deletion = write(store, deletion, WrittenBy::Session(&id)).await;
                deletion.map(drop).expect("a key is deleted or not");
            }
            _ => {
                let id = format!("a:{}", number - 3);
                let deletion = store.delete_key(&id, LastKey::Keep).await;
                deletion.map(drop).expect("a key is deleted or not");
            }
        }))
        .await;
    }
}

pub(super) async fn a_key_is_written_by_a_token_of_its_user(store: &dyn Store) {
    two_users(store).await;
    let by = link(1, Some(ADA));
    insert(store, &by).await;
    all_are_written(store, WrittenBy::Token(&by.id)).await;
    assert_eq!(found(store, 1).await, Some(by));
}

pub(super) async fn a_key_is_written_by_no_token_that_is_gone_or_somebody_elses(store: &dyn Store) {
    two_users(store).await;
    for by in [link(1, Some(BOB)), link(2, None)] {
        insert(store, &by).await;
    }
    for number in 1..=3 {
        for written in writes(ADA) {
            let what = format!("{written:?}");
            let by = link(number, None).id;
            let written = write(store, written, WrittenBy::Token(&by)).await;
            assert!(!written.expect("nothing is written"), "{number} {what}");
            unchanged(store).await;
        }
    }
}

/// The note of an earlier change to the same id, which can be undone until then.
fn former_note(number: u64, expires: i64) -> TokenRow {
    TokenRow {
        user_id: Some(UserId::from_stored(BOB)),
        hashed_code: Some("hash".to_owned()),
        tries_left: Some(3),
        expires: UnixMillis(expires),
        ..link(number, None)
    }
}

fn noted(id: &str, new_id: &str, note: &TokenRow) -> KeyWrite {
    KeyWrite::Rename {
        id: id.to_owned(),
        user_id: UserId::from_stored(ADA),
        new_id: new_id.to_owned(),
        note: Some(note.clone()),
    }
}

pub(super) async fn a_note_is_stored_with_a_key_that_is_renamed_and_with_no_other(
    store: &dyn Store,
) {
    two_users(store).await;
    let former = former_note(2, NOW);
    insert(store, &former).await;
    let (first, second) = (link(1, None), link(2, None));
    for (session, id, note) in [(2, "a:1", &first), (1, "a:9", &first), (3, "a:1", &second)] {
        assert!(!write_in(store, session, noted(id, "a:new", note)).await);
    }
    let by = session_id(1);
    let taken = write(store, noted("a:1", "b:1", &second), WrittenBy::Session(&by)).await;
    assert!(matches!(taken, Err(StoreError::DuplicateKey)), "{taken:?}");
    assert_eq!(found(store, 1).await, None);
    assert_eq!(found(store, 2).await, Some(former));
    for (id, new_id, number) in [("a:1", "a:5", 1), ("a:2", "a:6", 2)] {
        let note = link(number, None);
        assert!(write_in(store, 1, noted(id, new_id, &note)).await);
        assert_eq!(found(store, number).await, Some(note));
    }
}

pub(super) async fn a_note_that_has_not_expired_keeps_its_key_from_a_renamed_one(
    store: &dyn Store,
) {
    two_users(store).await;
    let former = former_note(1, NOW + 1);
    insert(store, &former).await;
    let note = link(1, None);
    assert!(!write_in(store, 1, noted("a:1", "a:new", &note)).await);
    unchanged(store).await;
    assert_eq!(found(store, 1).await, Some(former));
    // Without a note, a key leaves it.
    assert!(write_in(store, 1, rename("a:1", ADA, "a:new")).await);

    // Of several changes at once that have one note, one happens.
    let changes = all((0..10).map(async |number| {
        let id = ["a:2", "a:3"][number % 2];
        let note = TokenRow {
            data: format!("{{\"change\":{number}}}"),
            ..link(2, None)
        };
        let new_id = format!("a:new {number}");
        let is_renamed = write_in(store, 1, noted(id, &new_id, &note)).await;
        is_renamed.then_some((new_id, note))
    }));
    let changes: Vec<_> = changes.await.into_iter().flatten().collect();
    let [(new_id, note)] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!(found(store, 2).await.as_ref(), Some(note));
    let ids = key_ids(store, ADA).await;
    assert!(ids.len() == KEYS.len() && ids.contains(new_id), "{ids:?}");
}
