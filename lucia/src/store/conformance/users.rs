//! Users, alone and with a key.

use serde_json::{Value, json};

use super::values::{
    HOSTILE, all, attributes, columns, everything_of, insert_key, insert_session, insert_user, key,
    key_ids, long, new_user, session, session_ids, stored_key, stored_user,
};
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::{NewUserRow, Result, Store, StoreError, UserRow};
use crate::user::UserId;

const ADA: &str = "ada";
const BOB: &str = "bob";

pub(super) async fn a_user_comes_back_as_they_were_stored(store: &dyn Store) {
    let given = json!({ "username": "Ada", "nickname": "The Countess", "credits": 7 });
    let returned = insert(store, ADA, given.clone()).await;
    let returned = returned.expect("a user is stored");
    let found = stored_user(store, ADA).await.expect("the user is there");
    for user in [returned, found] {
        assert_eq!(user.id, UserId::from_stored(ADA));
        let mut expected = given.clone();
        expected["id"] = json!(ADA);
        assert_eq!(columns(&user), expected);
    }
}

pub(super) async fn a_user_gets_the_defaults_of_the_database(store: &dyn Store) {
    let user = insert_user(store, ADA).await;
    let expected = json!({ "id": ADA, "username": ADA, "nickname": null, "credits": 10 });
    assert_eq!(columns(&user), expected);
}

pub(super) async fn an_unknown_user_is_none(store: &dyn Store) {
    insert_user(store, ADA).await;
    for id in [BOB, "ADA", "", "ada "] {
        assert!(stored_user(store, id).await.is_none(), "{id:?}");
    }
}

pub(super) async fn several_users_are_found_at_once(store: &dyn Store) {
    let mut stored = Vec::new();
    for id in HOSTILE.into_iter().chain([ADA, BOB]) {
        stored.push(insert_user(store, id).await);
    }
    let asked =
        |ids: &[&str]| -> Vec<UserId> { ids.iter().map(|id| UserId::from_stored(*id)).collect() };
    let hostile = [&HOSTILE[..], &[BOB, "nobody"]].concat();
    for ids in [&hostile[..], &[BOB, ADA], &["nobody", "ADA"], &[ADA], &[]] {
        let found = store.users(&asked(ids)).await;
        let mut found = found.expect("users are found");
        found.sort_by(|one, other| one.id.cmp(&other.id));
        let is_asked = |user: &&UserRow| ids.contains(&user.id.as_str());
        let mut expected: Vec<_> = stored.iter().filter(is_asked).cloned().collect();
        expected.sort_by(|one, other| one.id.cmp(&other.id));
        let ids = |users: &[UserRow]| users.iter().map(|user| user.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&expected));
        let all_columns = |users: &[UserRow]| users.iter().map(columns).collect::<Vec<_>>();
        assert_eq!(all_columns(&found), all_columns(&expected));
    }
}

pub(super) async fn a_user_and_their_key_are_stored_together(store: &dyn Store) {
    let stored = key("username:ada", ADA);
    let inserted = store.insert_user(new_user(ADA), Some(stored.clone())).await;
    inserted.expect("a user is stored with a key");
    assert!(stored_user(store, ADA).await.is_some());
    assert_eq!(stored_key(store, &stored.id).await, Some(stored));
}

pub(super) async fn a_taken_key_leaves_no_user_behind(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_key(store, &key("username:ada", ADA)).await;
    let key = key("username:ada", BOB);
    let refused = store.insert_user(new_user(BOB), Some(key)).await;
    assert!(
        matches!(refused, Err(StoreError::DuplicateKey)),
        "{refused:?}"
    );
    assert!(stored_user(store, BOB).await.is_none());
    assert!(key_ids(store, BOB).await.is_empty());
    assert_eq!(key_ids(store, ADA).await, ["username:ada"]);
}

pub(super) async fn a_taken_key_goes_before_a_taken_value(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_key(store, &key("username:ada", ADA)).await;
    let second = NewUserRow {
        id: UserId::from_stored(BOB),
        ..new_user(ADA)
    };
    let key = Some(key("username:ada", BOB));
    let refused = store.insert_user(second, key).await;
    assert!(
        matches!(refused, Err(StoreError::DuplicateKey)),
        "{refused:?}"
    );
    assert!(stored_user(store, BOB).await.is_none());
}

pub(super) async fn a_taken_user_id_is_an_error_of_its_own(store: &dyn Store) {
    insert_user(store, ADA).await;
    let second = NewUserRow {
        attributes: attributes(json!({ "username": "another" })),
        ..new_user(ADA)
    };
    let refused = store.insert_user(second, Some(key("a:1", ADA))).await;
    assert!(
        matches!(refused, Err(StoreError::DuplicateUser)),
        "{refused:?}"
    );
    assert_eq!(column(store, ADA, "username").await, ADA);
    assert_eq!(stored_key(store, "a:1").await, None);
}

pub(super) async fn a_taken_value_is_a_unique_violation_that_names_the_column(store: &dyn Store) {
    insert_user(store, ADA).await;
    let second = NewUserRow {
        attributes: attributes(json!({ "username": ADA })),
        ..new_user(BOB)
    };
    let refused = store.insert_user(second, Some(key("a:1", BOB))).await;
    let violation = violation(refused);
    assert_eq!(violation.kind, ConstraintKind::Unique);
    assert_eq!(violation.table, store.user_table());
    // Databases tell the column, or the constraint, which holds the column's name.
    let told = [violation.column, violation.constraint];
    let names_it = |name: &String| name.contains("username");
    assert!(told.iter().flatten().any(names_it), "{told:?}");
    assert!(stored_user(store, BOB).await.is_none());
    assert_eq!(stored_key(store, "a:1").await, None);
}

pub(super) async fn a_missing_value_is_a_not_null_violation_that_names_the_column(
    store: &dyn Store,
) {
    for given in [json!({}), json!({ "username": null })] {
        let violation = violation(insert(store, ADA, given).await);
        assert_eq!(violation.kind, ConstraintKind::NotNull);
        assert_eq!(violation.table, store.user_table());
        assert_eq!(violation.column.as_deref(), Some("username"));
    }
    assert!(stored_user(store, ADA).await.is_none());
}

pub(super) async fn fifty_sign_ups_of_one_name_make_one_user(store: &dyn Store) {
    let ids: Vec<String> = (0..50).map(|number| format!("user-{number}")).collect();
    let sign_ups = ids.iter().map(|id| {
        let user = NewUserRow {
            id: UserId::from_stored(id.as_str()),
            ..new_user(ADA)
        };
        store.insert_user(user, Some(key("username:ada", id)))
    });
    let mut winners = Vec::new();
    for outcome in all(sign_ups).await {
        match outcome {
            Ok(user) => winners.push(user.id),
            Err(StoreError::DuplicateKey) => {}
            Err(other) => panic!("a sign-up that came too late: {other:?}"),
        }
    }
    let mut stored = Vec::new();
    for id in &ids {
        stored.extend(stored_user(store, id).await.map(|user| user.id));
    }
    assert_eq!(winners.len(), 1, "sign-ups that succeeded");
    assert_eq!(stored, winners, "users who are there");
    let key = stored_key(store, "username:ada").await;
    assert_eq!(key.expect("the key is there").user_id, winners[0]);
}

pub(super) async fn an_attribute_without_a_column_is_named_and_nothing_is_stored(
    store: &dyn Store,
) {
    let is_named = |error: StoreError| {
        assert!(
            matches!(&error, StoreError::InvalidAttribute { table, column: Some(column), .. }
                if table == store.user_table() && column == "shoe_size"),
            "{error:?}"
        );
    };
    let given = json!({ "username": ADA, "shoe_size": 38 });
    let refused = insert(store, ADA, given).await;
    is_named(refused.expect_err("there is no such column"));
    assert!(stored_user(store, ADA).await.is_none());

    insert_user(store, ADA).await;
    let refused = update(store, ADA, json!({ "nickname": "A", "shoe_size": 38 })).await;
    is_named(refused.expect_err("there is no such column"));
    assert_eq!(column(store, ADA, "nickname").await, Value::Null);
}

pub(super) async fn an_attribute_never_reaches_the_id(store: &dyn Store) {
    insert_user(store, ADA).await;
    for name in [
        "id",
        "ID",
        "rowid",
        "oid",
        "ctid",
        "id\" = 'x', \"id",
        "auth_user.id",
    ] {
        let given = json!({ "username": "mallory", name: "mallory" });
        let inserted = insert(store, BOB, given.clone()).await;
        assert!(inserted.is_err(), "{name:?}: {inserted:?}");
        let updated = update(store, ADA, given).await;
        assert!(updated.is_err(), "{name:?}: {updated:?}");
    }
    assert!(stored_user(store, "mallory").await.is_none());
    assert!(stored_user(store, BOB).await.is_none());
    assert_eq!(column(store, ADA, "username").await, ADA);
}

pub(super) async fn hostile_users_are_stored_as_they_are(store: &dyn Store) {
    for id in HOSTILE.map(str::to_owned).into_iter().chain([long()]) {
        let user = insert_user(store, &id).await;
        assert_eq!(user.id.as_str(), id);
        let found = stored_user(store, &id).await.expect("the user is there");
        assert_eq!(columns(&found)["id"], id);
        assert_eq!(columns(&found)["username"], id);
        let nickname = format!("{id}!");
        let updated = update(store, &id, json!({ "nickname": &nickname })).await;
        let updated = updated.expect("an update").expect("a user");
        assert_eq!(columns(&updated)["nickname"], nickname);
    }
    for id in HOSTILE {
        let deleted = store.delete_user(&UserId::from_stored(id)).await;
        deleted.expect("a user is deleted");
        assert!(stored_user(store, id).await.is_none());
    }
    assert!(stored_user(store, &long()).await.is_some());
}

pub(super) async fn an_update_sets_what_it_names_and_leaves_the_rest(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_user(store, BOB).await;
    for (change, nickname, credits) in [
        (json!({ "credits": -3, "nickname": "A" }), "A", -3),
        (json!({ "credits": 4 }), "A", 4),
        (json!({ "nickname": "B" }), "B", 4),
    ] {
        let updated = update(store, ADA, change).await;
        let updated = updated.expect("an update").expect("a user");
        let expected =
            json!({ "id": ADA, "username": ADA, "nickname": nickname, "credits": credits });
        assert_eq!(columns(&updated), expected);
        let found = stored_user(store, ADA).await.expect("the user is there");
        assert_eq!(columns(&found), expected);
    }
    assert_eq!(column(store, BOB, "credits").await, 10);
}

pub(super) async fn an_update_can_set_null(store: &dyn Store) {
    insert_user(store, ADA).await;
    for nickname in [json!("A"), Value::Null] {
        let updated = update(store, ADA, json!({ "nickname": nickname })).await;
        let updated = updated.expect("an update").expect("a user");
        assert_eq!(columns(&updated)["nickname"], nickname);
    }
    let refused = update(store, ADA, json!({ "username": null })).await;
    assert_eq!(violation(refused).kind, ConstraintKind::NotNull);
}

pub(super) async fn an_empty_update_changes_nothing(store: &dyn Store) {
    let before = insert_user(store, ADA).await;
    let updated = update(store, ADA, json!({})).await;
    let updated = updated.expect("an update").expect("a user");
    assert_eq!(columns(&updated), columns(&before));
}

pub(super) async fn updating_an_unknown_user_is_none(store: &dyn Store) {
    insert_user(store, ADA).await;
    for change in [json!({ "nickname": "B" }), json!({})] {
        let updated = update(store, BOB, change).await;
        assert!(updated.expect("nothing to update").is_none());
    }
    assert!(stored_user(store, BOB).await.is_none());
    assert_eq!(column(store, ADA, "nickname").await, Value::Null);
}

pub(super) async fn an_update_to_a_taken_value_changes_nothing(store: &dyn Store) {
    insert_user(store, ADA).await;
    insert_user(store, BOB).await;
    let refused = update(store, BOB, json!({ "username": ADA, "credits": 99 })).await;
    assert_eq!(violation(refused).kind, ConstraintKind::Unique);
    assert_eq!(column(store, BOB, "username").await, BOB);
    assert_eq!(column(store, BOB, "credits").await, 10);
}

pub(super) async fn errors_show_no_values(store: &dyn Store) {
    const CANARY: &str = "swordfish";
    let user = NewUserRow {
        id: UserId::from_stored(CANARY),
        attributes: attributes(json!({ "username": CANARY, "nickname": CANARY })),
    };
    let first = store.insert_user(user.clone(), Some(key(CANARY, CANARY)));
    first.await.expect("a user is stored");
    let silent = |doing: &str, error: StoreError| {
        let text = everything_of(&error);
        assert!(!text.contains(CANARY), "{doing} shows a value: {text}");
    };

    let same_id = store.insert_user(user.clone(), None).await;
    silent("a taken user id", same_id.expect_err("it is taken"));
    let same_name = store
        .insert_user(
            NewUserRow {
                id: UserId::from_stored(BOB),
                ..user
            },
            None,
        )
        .await;
    silent("a taken name", same_name.expect_err("it is taken"));
    let same_key = store
        .insert_user(new_user(ADA), Some(key(CANARY, ADA)))
        .await;
    silent("a taken key", same_key.expect_err("it is taken"));
    let no_user = store.insert_key(key("a:1", &format!("no {CANARY}"))).await;
    silent(
        "a key without a user",
        no_user.expect_err("there is no such user"),
    );
    let no_user = store
        .insert_session(session(1, &format!("no {CANARY}")))
        .await;
    silent(
        "a session without a user",
        no_user.expect_err("there is no such user"),
    );
    let nameless = json!({ "username": null, "nickname": CANARY });
    let nameless = update(store, CANARY, nameless).await;
    silent("a missing name", nameless.expect_err("it is required"));
    let misfit = json!({ "username": "c", "shoe_size": CANARY });
    let misfit = insert(store, ADA, misfit).await;
    silent(
        "a missing column",
        misfit.expect_err("there is no such column"),
    );
}

pub(super) async fn deleting_a_user_deletes_their_keys_and_sessions_and_no_others(
    store: &dyn Store,
) {
    for (number, user) in [(1, ADA), (2, BOB)] {
        insert_user(store, user).await;
        insert_key(store, &key(&format!("username:{user}"), user)).await;
        insert_session(store, &session(number, user)).await;
    }
    let deleted = store.delete_user(&UserId::from_stored(ADA)).await;
    deleted.expect("a user is deleted");
    assert!(stored_user(store, ADA).await.is_none());
    assert_eq!(stored_key(store, "username:ada").await, None);
    assert_eq!(session_ids(store, ADA).await, []);
    assert!(stored_user(store, BOB).await.is_some());
    assert_eq!(key_ids(store, BOB).await, ["username:bob"]);
    assert_eq!(session_ids(store, BOB).await.len(), 1);
}

pub(super) async fn deleting_an_unknown_user_is_silent(store: &dyn Store) {
    insert_user(store, ADA).await;
    let deleted = store.delete_user(&UserId::from_stored(BOB)).await;
    deleted.expect("nothing is deleted");
    assert!(stored_user(store, ADA).await.is_some());
}

pub(super) async fn the_table_of_users_is_described(store: &dyn Store) {
    let described = store.describe_users().await.expect("a description");
    let mut names = described.columns;
    names.sort();
    assert_eq!(names, ["credits", "id", "nickname", "username"]);
    assert_eq!(described.sample, None);

    let ada = insert_user(store, ADA).await;
    let described = store.describe_users().await.expect("a description");
    let sample = described.sample.expect("a user");
    assert_eq!(columns(&sample), columns(&ada));
}

async fn insert(store: &dyn Store, id: &str, given: Value) -> Result<UserRow> {
    let user = NewUserRow {
        id: UserId::from_stored(id),
        attributes: attributes(given),
    };
    store.insert_user(user, None).await
}

async fn update(store: &dyn Store, id: &str, change: Value) -> Result<Option<UserRow>> {
    store
        .update_user(&UserId::from_stored(id), attributes(change))
        .await
}

async fn column(store: &dyn Store, id: &str, name: &str) -> Value {
    let user = stored_user(store, id).await.expect("the user is there");
    columns(&user)[name].clone()
}

fn violation<T: std::fmt::Debug>(outcome: Result<T>) -> ConstraintViolation {
    match outcome {
        Err(StoreError::Constraint(violation)) => violation,
        other => panic!("no violation of a constraint: {other:?}"),
    }
}
