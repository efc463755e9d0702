//! The application's columns in the table of sessions.

use serde_json::{Value, json};

use super::values::{
    NOW, attributes, comparable, everything_of, expiries, insert_session, row, session, session_id,
    session_ids, stored_session,
};
use crate::error::ConstraintKind;
use crate::store::{NewSessionRow, Result, SESSION_COLUMNS, SessionRow, SessionStore, StoreError};

const ADA: &str = "ada";

pub(super) async fn the_attributes_of_a_session_come_back_with_the_defaults(
    store: &dyn SessionStore,
) {
    for (number, given, expected) in [
        (1, json!({}), json!({ "country": null, "visits": 1 })),
        (
            2,
            json!({ "country": "NL" }),
            json!({ "country": "NL", "visits": 1 }),
        ),
        (
            3,
            json!({ "visits": -7 }),
            json!({ "country": null, "visits": -7 }),
        ),
        (
            4,
            json!({ "country": null }),
            json!({ "country": null, "visits": 1 }),
        ),
        (
            5,
            json!({ "country": "o'\"{", "visits": 2 }),
            json!({ "country": "o'\"{", "visits": 2 }),
        ),
    ] {
        let returned = store.insert_session(with(number, given)).await;
        let returned = returned.expect("a session is stored").row;
        assert_eq!(columns(&returned), expected);
        let stored = stored_session(store, &session_id(number)).await;
        assert_eq!(stored, Some(comparable(returned)));
    }
}

pub(super) async fn an_update_of_a_session_sets_what_it_names_and_leaves_the_rest(
    store: &dyn SessionStore,
) {
    let before = with(1, json!({ "country": "NL" }));
    insert_session(store, &before).await;
    insert_session(store, &session(2, ADA)).await;
    for (change, expected) in [
        (
            json!({ "visits": 2 }),
            json!({ "country": "NL", "visits": 2 }),
        ),
        (
            json!({ "country": "DE", "visits": 3 }),
            json!({ "country": "DE", "visits": 3 }),
        ),
        (
            json!({ "country": null }),
            json!({ "country": null, "visits": 3 }),
        ),
    ] {
        let updated = update(store, 1, change).await;
        let updated = updated.expect("an update").expect("a session");
        let after = SessionRow {
            attributes: expected.to_string(),
            ..row(&before)
        };
        assert_eq!(comparable(updated), comparable(after.clone()));
        let stored = stored_session(store, &session_id(1)).await;
        assert_eq!(stored, Some(comparable(after)));
    }
    let other = stored_session(store, &session_id(2)).await;
    assert_eq!(other, Some(row(&session(2, ADA))));
}

pub(super) async fn an_empty_update_of_a_session_changes_nothing(store: &dyn SessionStore) {
    let before = with(1, json!({ "country": "NL" }));
    insert_session(store, &before).await;
    let updated = update(store, 1, json!({})).await;
    let updated = updated.expect("an update").expect("a session");
    assert_eq!(comparable(updated), row(&before));
}

pub(super) async fn updating_an_unknown_session_is_none(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    for change in [json!({ "visits": 2 }), json!({})] {
        let updated = update(store, 2, change).await;
        assert_eq!(updated.expect("nothing to update"), None);
    }
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

pub(super) async fn a_session_breaks_no_rule_of_its_table(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    let given = json!({ "visits": null, "country": "swordfish" });
    let replacing = NewSessionRow {
        replaces: Some(session_id(1)),
        ..with(2, given.clone())
    };
    let inserted = store.insert_session(replacing).await.map(drop);
    for refused in [inserted, update(store, 1, given).await.map(drop)] {
        let error = refused.expect_err("the number of visits is required");
        assert!(!everything_of(&error).contains("swordfish"), "{error:?}");
        match error {
            StoreError::Constraint(violation) => {
                assert_eq!(violation.kind, ConstraintKind::NotNull);
                assert_eq!(violation.table, store.session_table());
                assert_eq!(violation.column.as_deref(), Some("visits"));
            }
            other => panic!("no violation of a constraint: {other:?}"),
        }
    }
    unchanged(store).await;
}

pub(super) async fn an_attribute_of_a_session_never_reaches_a_column_of_lucias(
    store: &dyn SessionStore,
) {
    insert_session(store, &session(1, ADA)).await;
    for name in SESSION_COLUMNS {
        let given = json!({ "country": "NL", name: "mallory" });
        let inserted = store.insert_session(with(2, given.clone())).await;
        assert!(
            matches!(inserted, Err(StoreError::Misuse(_))),
            "{inserted:?}"
        );
        let updated = update(store, 1, given).await;
        assert!(matches!(updated, Err(StoreError::Misuse(_))), "{updated:?}");
    }
    for name in [
        "ID",
        "User_Id",
        "rowid",
        "oid",
        "ctid",
        "s.id",
        "id\" = 'x', \"id",
    ] {
        let given = json!({ "country": "NL", name: "mallory" });
        let inserted = store.insert_session(with(2, given.clone())).await;
        assert!(inserted.is_err(), "{name:?}: {inserted:?}");
        let updated = update(store, 1, given).await;
        assert!(updated.is_err(), "{name:?}: {updated:?}");
    }
    unchanged(store).await;
    // Sessions are none the worse for it.
    let renewed = store.renew_session(&session_id(1), expiries(NOW)).await;
    assert!(renewed.expect("a session is renewed"));
}

pub(super) async fn an_attribute_of_a_session_without_a_column_is_named(store: &dyn SessionStore) {
    insert_session(store, &session(1, ADA)).await;
    let given = json!({ "country": "NL", "shoe_size": 38 });
    let inserted = store.insert_session(with(2, given.clone())).await.map(drop);
    for refused in [inserted, update(store, 1, given).await.map(drop)] {
        let error = refused.expect_err("there is no such column");
        assert!(
            matches!(&error, StoreError::InvalidAttribute { table, column: Some(column), .. }
                if table == store.session_table() && column == "shoe_size"),
            "{error:?}"
        );
    }
    unchanged(store).await;
}

/// The first session is all there is.
async fn unchanged(store: &dyn SessionStore) {
    let stored = stored_session(store, &session_id(1)).await;
    assert_eq!(stored, Some(row(&session(1, ADA))));
    assert_eq!(session_ids(store, ADA).await, [session_id(1)]);
}

fn with(number: u64, given: Value) -> NewSessionRow {
    NewSessionRow {
        attributes: attributes(given),
        ..session(number, ADA)
    }
}

async fn update(
    store: &dyn SessionStore,
    number: u64,
    change: Value,
) -> Result<Option<SessionRow>> {
    let id = session_id(number);
    store.update_session(&id, attributes(change)).await
}

fn columns(session: &SessionRow) -> Value {
    serde_json::from_str(&session.attributes).expect("attributes are the text of a JSON object")
}
