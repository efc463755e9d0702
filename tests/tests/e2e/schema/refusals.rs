//! Values that a column cannot hold, and rules of the table that a user breaks.

use lucia::{ConstraintKind, ConstraintViolation, Error};
use serde_json::{Value, json};

use super::{assert_empty, assert_says, create, post_json, routes};
use crate::support::{Stage, actix, on_each_store};

on_each_store![
    a_taken_value_is_told_as_a_conflict_and_nothing_is_stored,
    a_missing_value_is_a_not_null_violation_of_its_column,
    a_failed_check_is_named,
    a_reference_that_leads_nowhere_is_named,
    text_with_a_nul_is_an_invalid_attribute,
];

#[track_caller]
fn violation(outcome: lucia::Result<lucia::User>) -> ConstraintViolation {
    match outcome {
        Err(Error::Constraint(violation)) => violation,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_invalid(outcome: lucia::Result<lucia::User>, at: Option<&str>) {
    match &outcome {
        Err(Error::InvalidAttribute { table, column, .. }) => {
            assert_eq!((table.as_str(), column.as_deref()), ("auth_user", at));
        }
        other => panic!("{at:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_column_is_an_invalid_attribute_and_nothing_is_stored() {
    let stage = Stage::postgres().await;
    stage
        .execute("CREATE TYPE plan AS ENUM ('free', 'pro')")
        .await;
    stage
        .add_columns(&[
            "plan plan",
            "external_id UUID",
            "code VARCHAR(5)",
            "letter CHAR(1)",
            "small SMALLINT",
            "age INT",
            "admin BOOLEAN",
            "seen TIMESTAMPTZ",
            "balance NUMERIC(4, 2)",
            "scores INT[]",
            "picture BYTEA",
        ])
        .await;
    let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
    for (column, value) in [
        ("plan", json!("gold")),
        ("external_id", json!("swordfish")),
        ("code", json!("123456")),
        ("letter", json!("ab")),
        ("small", json!(40_000)),
        ("small", json!("many")),
        ("age", json!(i64::MAX)),
        ("age", json!({ "years": 3 })),
        ("admin", json!("perhaps")),
        ("seen", json!("2024-13-45")),
        ("balance", json!(100)),
        ("scores", json!(["one"])),
        ("scores", json!("one")),
        ("picture", json!("\\xzz")),
    ] {
        // Beside columns that fit.
        let columns = json!({ "username": "ada", "code": "abc", column: value });
        let refused = create(&site.auth, "ada", &columns).await;
        if column == "code" {
            let told = refused.as_ref().unwrap_err().to_string();
            assert!(told.contains("character varying(5)"), "{told}");
        }
        assert_invalid(refused, Some(column));
        let reply = post_json(&site.browser(), "/join", &columns).await;
        assert_says(&reply, 400, "A value was refused.");
        assert_empty(&stage).await;
    }
    let columns = json!({ "username": "ada", "code": "abcde", "small": -32768 });
    create(&site.auth, "ada", &columns).await.unwrap();
}

async fn text_with_a_nul_is_an_invalid_attribute(stage: Stage) {
    let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
    let columns = json!({ "username": "a\0b" });
    assert_invalid(create(&site.auth, "ada", &columns).await, Some("username"));
    let reply = post_json(&site.browser(), "/join", &columns).await;
    assert_says(&reply, 400, "A value was refused.");
    assert_empty(&stage).await;
}

async fn a_taken_value_is_told_as_a_conflict_and_nothing_is_stored(stage: Stage) {
    let auth = stage.auth().await;
    stage.add_columns(&["email TEXT"]).await;
    let index = "CREATE UNIQUE INDEX one_email ON auth_user (email)";
    stage.execute(index).await;
    let columns = |name: &str| json!({ "username": name, "email": "ada@example.com" });
    create(&auth, "ada", &columns("ada")).await.unwrap();
    let before = stage.dump().await;

    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    let taken = violation(create(&site.auth, "bob", &columns("bob")).await);
    assert_eq!(taken.kind, ConstraintKind::Unique);
    assert_eq!(
        (taken.table.as_str(), taken.column.as_deref()),
        ("auth_user", Some("email"))
    );
    let reply = post_json(&site.browser(), "/join", &columns("bob")).await;
    assert_says(&reply, 409, "Already taken.");
    assert_eq!(stage.dump().await, before);
}

async fn a_missing_value_is_a_not_null_violation_of_its_column(stage: Stage) {
    let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
    for columns in [json!({}), json!({ "username": Value::Null })] {
        let missing = violation(create(&site.auth, "ada", &columns).await);
        let expected = ConstraintViolation::new(ConstraintKind::NotNull, "auth_user");
        assert_eq!(missing, expected.column(Some("username".into())));
        let reply = post_json(&site.browser(), "/join", &columns).await;
        assert_says(&reply, 400, "A value was refused.");
    }
    assert_empty(&stage).await;
}

async fn a_failed_check_is_named(stage: Stage) {
    let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
    stage
        .add_columns(&["age INTEGER CONSTRAINT adult CHECK (age >= 18)"])
        .await;
    let columns = json!({ "username": "ada", "age": 17 });
    let failed = violation(create(&site.auth, "ada", &columns).await);
    let expected = ConstraintViolation::new(ConstraintKind::Check, "auth_user");
    assert_eq!(failed, expected.constraint(Some("adult".into())));
    let reply = post_json(&site.browser(), "/join", &columns).await;
    assert_says(&reply, 400, "A value was refused.");
    assert_empty(&stage).await;
}

async fn a_reference_that_leads_nowhere_is_named(stage: Stage) {
    let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
    stage
        .execute("CREATE TABLE team (id TEXT NOT NULL PRIMARY KEY)")
        .await;
    stage
        .add_columns(&["team TEXT CONSTRAINT team_of REFERENCES team (id)"])
        .await;
    let columns = json!({ "username": "ada", "team": "nowhere" });
    let failed = violation(create(&site.auth, "ada", &columns).await);
    assert_eq!(failed.kind, ConstraintKind::ForeignKey);
    assert_eq!(failed.table, "auth_user");
    let reply = post_json(&site.browser(), "/join", &columns).await;
    assert_says(&reply, 400, "A value was refused.");
    assert_empty(&stage).await;
}

#[tokio::test]
async fn a_rule_is_named_where_postgres_names_it() {
    let stage = Stage::postgres().await;
    stage
        .execute(
            "CREATE TABLE team (id TEXT NOT NULL PRIMARY KEY); \
             ALTER TABLE auth_user ADD COLUMN team TEXT CONSTRAINT team_of REFERENCES team (id), \
                ADD COLUMN badge INT, ADD COLUMN desk INT, \
                ADD CONSTRAINT one_badge UNIQUE (badge, desk), \
                ADD CONSTRAINT one_desk EXCLUDE USING btree (desk WITH =)",
        )
        .await;
    let auth = stage.auth().await;
    let columns = |name: &str, badge: i32, desk: i32| json!({ "username": name, "badge": badge, "desk": desk });
    create(&auth, "ada", &columns("ada", 1, 1)).await.unwrap();
    let before = stage.dump().await;
    let rule = |kind, constraint: &str| {
        ConstraintViolation::new(kind, "auth_user").constraint(Some(constraint.to_owned()))
    };
    let broken = create(&auth, "bob", &columns("bob", 1, 1)).await;
    assert_eq!(violation(broken), rule(ConstraintKind::Unique, "one_badge"));
    let broken = create(&auth, "bob", &columns("bob", 2, 1)).await;
    assert_eq!(violation(broken), rule(ConstraintKind::Other, "one_desk"));
    let broken = create(&auth, "bob", &json!({ "username": "bob", "team": "x" })).await;
    assert_eq!(
        violation(broken),
        rule(ConstraintKind::ForeignKey, "team_of").column(Some("team".into()))
    );
    let broken = create(&auth, "bob", &json!({ "username": "ada" })).await;
    let expected = rule(ConstraintKind::Unique, "auth_user_username_key");
    assert_eq!(violation(broken), expected.column(Some("username".into())));
    assert_eq!(stage.dump().await, before);
}

#[tokio::test]
async fn a_domain_that_refuses_a_value_is_named_with_the_column() {
    let stage = Stage::postgres().await;
    stage
        .execute("CREATE DOMAIN handle AS TEXT CONSTRAINT plain CHECK (VALUE ~ '^[a-z]+$')")
        .await;
    stage.add_columns(&["handle handle", "nickname TEXT"]).await;
    let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
    let columns = json!({ "username": "ada", "nickname": "Ada", "handle": "ADA" });
    let failed = violation(create(&site.auth, "ada", &columns).await);
    let expected = ConstraintViolation::new(ConstraintKind::Check, "auth_user")
        .column(Some("handle".into()))
        .constraint(Some("plain".into()));
    assert_eq!(failed, expected);
    let reply = post_json(&site.browser(), "/join", &columns).await;
    assert_says(&reply, 400, "A value was refused.");
    assert_empty(&stage).await;
}

#[tokio::test]
async fn a_domain_that_is_never_null_names_the_column_without_a_value() {
    let stage = Stage::postgres().await;
    stage.execute("CREATE DOMAIN handle AS TEXT NOT NULL").await;
    stage.add_columns(&["handle handle"]).await;
    let auth = stage.auth().await;
    for columns in [
        json!({ "username": "ada" }),
        json!({ "username": "ada", "handle": Value::Null }),
    ] {
        let failed = violation(create(&auth, "ada", &columns).await);
        let expected = ConstraintViolation::new(ConstraintKind::NotNull, "auth_user");
        assert_eq!(failed, expected.column(Some("handle".into())), "{columns}");
    }
    assert_empty(&stage).await;
}

#[tokio::test]
async fn a_column_that_the_database_computes_cannot_be_given() {
    let stage = Stage::postgres().await;
    stage
        .add_columns(&[
            "number INT GENERATED ALWAYS AS IDENTITY",
            "length INT GENERATED ALWAYS AS (length(username)) STORED",
        ])
        .await;
    let auth = stage.auth().await;
    for column in ["number", "length"] {
        let columns = json!({ "username": "ada", column: 3 });
        assert_invalid(create(&auth, "ada", &columns).await, Some(column));
    }
    assert_empty(&stage).await;
}
