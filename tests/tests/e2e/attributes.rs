//! The application's own columns of a user.

use lucia::{Auth, ConstraintKind, ConstraintViolation, Error, NewUser, Result, Session, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Profile, Stage, actix, on_each_store, sign_up};

on_each_store![
    an_update_sets_what_it_names_and_leaves_the_rest,
    the_next_request_sees_an_update,
    an_empty_update_changes_nothing,
    an_update_of_nobody_is_an_error,
    a_broken_rule_is_named_by_table_column_and_constraint,
    a_broken_rule_at_a_sign_up_is_told_to_the_client_without_the_value,
    what_is_no_object_is_refused,
    an_update_of_a_column_that_is_not_there_is_named,
    r56_attribute_updates_of_a_user_reach_no_id,
];

const COLUMNS: &[&str] = &[
    "age INTEGER CONSTRAINT age_is_no_joke CHECK (age BETWEEN 0 AND 150)",
    "team TEXT REFERENCES team (id)",
    "city TEXT DEFAULT 'Utrecht'",
];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    username: String,
    age: Option<i64>,
    team: Option<String>,
    city: Option<String>,
}

/// Ada, on a team, in a table with rules.
async fn ada(stage: &Stage) -> (Auth, Session) {
    stage
        .execute("CREATE TABLE team (id TEXT PRIMARY KEY)")
        .await;
    stage.execute("INSERT INTO team VALUES ('red')").await;
    stage.add_columns(COLUMNS).await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    sign_up(&auth, "bob").await;
    let team = json!({ "age": 36, "team": "red" });
    update(&auth, &session.user_id, team).await.unwrap();
    (auth, session)
}

async fn update(auth: &Auth, id: &UserId, attributes: Value) -> Result<Person> {
    let user = auth.update_user_attributes::<Person>(id, &attributes).await;
    user.map(|user| {
        assert_eq!(user.id, *id);
        user.attributes
    })
}

fn person(age: Option<i64>, city: Option<&str>) -> Person {
    Person {
        username: "ada".to_owned(),
        age,
        team: Some("red".to_owned()),
        city: city.map(str::to_owned),
    }
}

async fn an_update_sets_what_it_names_and_leaves_the_rest(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let id = &session.user_id;
    for (attributes, expected) in [
        (json!({ "age": 37 }), person(Some(37), Some("Utrecht"))),
        (json!({ "city": null }), person(Some(37), None)),
        (
            json!({ "city": "o'\"; --", "age": null }),
            person(None, Some("o'\"; --")),
        ),
    ] {
        assert_eq!(update(&auth, id, attributes).await.unwrap(), expected);
        let read = auth.user::<Person>(id).await.unwrap().unwrap();
        assert_eq!(read.attributes, expected);
    }
    // A struct is as good as a map.
    let whole = person(Some(1), Some("London"));
    let updated = auth.update_user_attributes::<Person>(id, &whole).await;
    assert_eq!(updated.unwrap().attributes, whole);
    let bob = "SELECT age, team, city FROM auth_user WHERE username = 'bob'";
    let untouched = [None, None, Some("Utrecht".to_owned())];
    assert_eq!(stage.rows(bob).await, [untouched]);
}

async fn the_next_request_sees_an_update(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let site = actix::serve(auth, actix::front_page()).await;
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    let renamed = json!({ "username": "countess" });
    let updated = site
        .auth
        .update_user_attributes::<Profile>(&session.user_id, &renamed);
    assert_eq!(updated.await.unwrap().username, "countess");
    assert_eq!(browser.get("/me").await.body, "Hello, countess!");
    // The key is another matter.
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(site.browser().post("/login", &form).await.status, 204);
}

async fn an_empty_update_changes_nothing(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let before = stage.dump().await;
    let updated = update(&auth, &session.user_id, json!({})).await.unwrap();
    assert_eq!(updated, person(Some(36), Some("Utrecht")));
    assert_eq!(stage.dump().await, before);
}

async fn an_update_of_nobody_is_an_error(stage: Stage) {
    let (auth, _) = ada(&stage).await;
    for nobody in ["nobody", "NOBODY", " "] {
        for attributes in [json!({}), json!({ "age": 1 })] {
            let refused = update(&auth, &UserId::new(nobody).unwrap(), attributes).await;
            assert!(matches!(refused, Err(Error::UnknownUser)), "{refused:?}");
        }
    }
}

async fn a_broken_rule_is_named_by_table_column_and_constraint(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let before = stage.dump().await;
    let violation = |kind| ConstraintViolation::new(kind, "auth_user");
    // Each database tells as much as it knows.
    let told = |name: &str| stage.is_postgres().then(|| name.to_owned());
    for (attributes, expected, status) in [
        (
            json!({ "username": "bob", "age": 40 }),
            violation(ConstraintKind::Unique)
                .column(Some("username".to_owned()))
                .constraint(told("auth_user_username_key")),
            409,
        ),
        (
            json!({ "username": null }),
            violation(ConstraintKind::NotNull).column(Some("username".to_owned())),
            400,
        ),
        (
            json!({ "city": "Delft", "age": 151 }),
            violation(ConstraintKind::Check).constraint(Some("age_is_no_joke".to_owned())),
            400,
        ),
        (
            json!({ "age": 41, "team": "blue" }),
            violation(ConstraintKind::ForeignKey)
                .column(told("team"))
                .constraint(told("auth_user_team_fkey")),
            400,
        ),
    ] {
        let error = update(&auth, &session.user_id, attributes)
            .await
            .unwrap_err();
        assert_eq!(error.status(), status);
        match error {
            Error::Constraint(broken) => assert_eq!(broken, expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(stage.dump().await, before);
    }
}

async fn a_broken_rule_at_a_sign_up_is_told_to_the_client_without_the_value(stage: Stage) {
    let auth = stage.auth().await;
    let site = actix::serve(auth, actix::front_page()).await;
    let key = "username:countess";
    let form = [("username", "countess"), ("password", PASSWORD)];
    assert_eq!(site.browser().post("/signup", &form).await.status, 201);
    stage
        .execute(&format!(
            "UPDATE user_key SET id = 'email:x' WHERE id = '{key}'"
        ))
        .await;
    // The key is free, and the column is not.
    let reply = site.browser().post("/signup", &form).await;
    assert_eq!((reply.status, &*reply.body), (409, "Already taken."));
    assert!(reply.set_cookies().is_empty());
    assert_eq!(stage.count("user_key").await, 1);
}

async fn what_is_no_object_is_refused(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    for attributes in [json!(null), json!(1), json!("age"), json!([{ "age": 1 }])] {
        let refused = update(&auth, &session.user_id, attributes).await;
        assert!(
            matches!(&refused, Err(Error::InvalidAttribute { column: None, .. })),
            "{refused:?}"
        );
    }
    let refused = update(&auth, &session.user_id, json!({ "city": "a\0" })).await;
    match refused {
        Err(Error::InvalidAttribute { table, column, .. }) => {
            assert_eq!((&*table, column.as_deref()), ("auth_user", Some("city")));
        }
        other => panic!("{other:?}"),
    }
}

async fn an_update_of_a_column_that_is_not_there_is_named(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let before = stage.dump().await;
    for name in [
        "shoe_size",
        "Age",
        "age\" = 1 --",
        "rowid",
        "_rowid_",
        "oid",
        "ctid",
        "u",
    ] {
        let given = json!({ "city": "Delft", (name): 1 });
        match update(&auth, &session.user_id, given).await {
            Err(Error::InvalidAttribute { table, column, .. }) => {
                assert_eq!((&*table, column.as_deref()), ("auth_user", Some(name)));
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(stage.dump().await, before);
    }
}

/// All that a row is known by, also what `SELECT *` does not show.
async fn identities(stage: &Stage) -> Vec<Vec<Option<String>>> {
    let rowid = if stage.is_postgres() { "0" } else { "rowid" };
    let sql = format!("SELECT {rowid}, id, username FROM auth_user ORDER BY username");
    stage.rows(&sql).await
}

const SPELLINGS: [&str; 8] = ["id", "ID", "Id", "iD", "rowid", "RowId", "_rowid_", "oid"];

async fn r56_attribute_updates_of_a_user_reach_no_id(stage: Stage) {
    #[derive(Serialize)]
    struct WithId {
        id: &'static str,
        username: &'static str,
    }

    let (auth, session) = ada(&stage).await;
    let before = identities(&stage).await;
    for name in SPELLINGS {
        for value in [json!("mallory"), json!(77), json!(null)] {
            let attributes = json!({ "username": "mallory", (name): value });
            let error = update(&auth, &session.user_id, attributes.clone())
                .await
                .unwrap_err();
            assert!(
                matches!(error, Error::InvalidAttribute { .. }),
                "{name}: {error:?}"
            );
            assert!(error.to_string().contains(name), "{error}");
            let created = auth.create_user(NewUser::without_key().attributes(&attributes));
            assert!(created.await.is_err(), "{name}");
            assert_eq!(identities(&stage).await, before, "{name}");
        }
    }
    let with_id = WithId {
        id: "mallory",
        username: "mallory",
    };
    let refused = auth
        .update_user_attributes::<Profile>(&session.user_id, &with_id)
        .await;
    assert!(
        matches!(refused, Err(Error::InvalidAttribute { .. })),
        "{refused:?}"
    );
    assert_eq!(identities(&stage).await, before);
}
