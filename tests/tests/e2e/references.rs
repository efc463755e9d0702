//! Rows of the application that refer to users, keys and sessions.

use std::time::Duration;

use lucia::{Auth, ConstraintKind, ConstraintViolation, Error, NewKey, Session};

use crate::support::{Stage, on_each_store, request_of, sign_up};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

on_each_store![
    a_user_who_is_referred_to_is_not_deleted_and_the_reference_is_named,
    a_user_goes_with_what_is_declared_to_go_with_them,
    a_key_that_is_referred_to_is_not_deleted,
    a_session_that_is_referred_to_is_not_ended,
    a_session_that_is_referred_to_keeps_no_other_expired_one,
];

#[track_caller]
fn assert_referenced<T: std::fmt::Debug>(
    outcome: Result<T, Error>,
    stage: &Stage,
    at: (&str, &str, &str),
) {
    let (table, column, constraint) = at;
    // SQLite has no name of it.
    let constraint = stage.is_postgres().then(|| constraint.to_owned());
    let expected = ConstraintViolation::new(ConstraintKind::Referenced, table)
        .column(Some(column.to_owned()))
        .constraint(constraint);
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.status(), error.public_message()),
        (409, "Still in use.")
    );
    let told = error.to_string();
    let named = format!("the row is still referenced by column `{column}` of table `{table}`");
    assert!(told.starts_with(&named), "{told}");
    match error {
        Error::Constraint(violation) => assert_eq!(violation, expected),
        other => panic!("{other:?}"),
    }
}

async fn ada(stage: &Stage) -> (Auth, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let key = NewKey::without_password(("github", "1815"));
    auth.create_key(&session.user_id, key).await.unwrap();
    (auth, session)
}

async fn a_user_who_is_referred_to_is_not_deleted_and_the_reference_is_named(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let id = &session.user_id;
    for (number, rule) in [
        "",
        "ON DELETE NO ACTION",
        "ON DELETE RESTRICT",
        "DEFERRABLE INITIALLY DEFERRED",
        "ON UPDATE CASCADE",
    ]
    .iter()
    .enumerate()
    {
        let table = format!("post_{number}");
        stage
            .execute(&format!(
                "CREATE TABLE {table} (author TEXT REFERENCES auth_user (id) {rule}); \
                 INSERT INTO {table} VALUES (NULL), ('{id}')"
            ))
            .await;
        let before = stage.dump().await;
        let constraint = format!("{table}_author_fkey");
        let deleted = auth.delete_user(id).await;
        assert_referenced(deleted, &stage, (&table, "author", &constraint));
        assert_eq!(stage.dump().await, before, "{rule}");
        stage.execute(&format!("DROP TABLE {table}")).await;
    }
    // A user by another user.
    stage
        .execute("ALTER TABLE auth_user ADD COLUMN invited_by TEXT REFERENCES auth_user (id)")
        .await;
    let bob = sign_up(&auth, "bob").await;
    stage
        .execute(&format!(
            "UPDATE auth_user SET invited_by = '{id}' WHERE id = '{}'",
            bob.user_id
        ))
        .await;
    let at = ("auth_user", "invited_by", "auth_user_invited_by_fkey");
    assert_referenced(auth.delete_user(id).await, &stage, at);
    auth.delete_user(&bob.user_id).await.unwrap();
    auth.delete_user(id).await.unwrap();
    assert_eq!(stage.dump().await, Vec::<String>::new());
}

async fn a_user_goes_with_what_is_declared_to_go_with_them(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let id = &session.user_id;
    stage
        .execute(&format!(
            "CREATE TABLE post (author TEXT REFERENCES auth_user (id) ON DELETE CASCADE); \
             CREATE TABLE bill (payer TEXT REFERENCES auth_user (id) ON DELETE SET NULL); \
             INSERT INTO post VALUES ('{id}'); INSERT INTO bill VALUES ('{id}')"
        ))
        .await;
    auth.delete_user(id).await.unwrap();
    assert_eq!(stage.count("post").await, 0);
    assert_eq!(stage.rows("SELECT payer FROM bill").await, [[None]]);
}

async fn a_key_that_is_referred_to_is_not_deleted(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    stage
        .execute(
            "CREATE TABLE grant_of (key TEXT REFERENCES user_key (id)); \
             INSERT INTO grant_of VALUES ('github:1815')",
        )
        .await;
    let at = ("grant_of", "key", "grant_of_key_fkey");
    assert_referenced(auth.delete_key(("github", "1815")).await, &stage, at);
    let request = request_of(&auth, &session);
    assert_referenced(request.delete_key(("github", "1815")).await, &stage, at);
    assert_referenced(auth.delete_user(&session.user_id).await, &stage, at);
    auth.delete_key(("username", "ada")).await.unwrap();
}

/// A table that refers to the session, in which it is.
async fn refer_to(stage: &Stage, session: &Session) {
    stage
        .execute(&format!(
            "CREATE TABLE cart (session TEXT REFERENCES user_session (id)); \
             INSERT INTO cart VALUES (NULL), ('{}')",
            session.id
        ))
        .await;
}

const CART: (&str, &str, &str) = ("cart", "session", "cart_session_fkey");

async fn a_session_that_is_referred_to_is_not_ended(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    refer_to(&stage, &session).await;
    let user = &session.user_id;
    assert_referenced(auth.invalidate_session(&session.id).await, &stage, CART);
    assert_referenced(auth.invalidate_user_sessions(user).await, &stage, CART);
    assert_referenced(auth.delete_user(user).await, &stage, CART);
    let alive = auth.validate_session(session.token()).await.unwrap();
    assert!(alive.is_some());
}

async fn a_session_that_is_referred_to_keeps_no_other_expired_one(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    refer_to(&stage, &session).await;
    for _ in 0..5 {
        stage.clock.advance(Duration::from_secs(1));
        auth.create_session(&session.user_id).await.unwrap();
    }
    stage.clock.advance(100 * DAY);
    let log = lucia_tests::watch(["expired sessions that this table refers to"]);
    // More than once, with a limit that it fills alone, being the oldest.
    let store = stage.store().await;
    let now = lucia::store::UnixMillis(i64::MAX);
    for _ in 0..3 {
        let deleted = store.delete_expired_sessions(now, 1).await;
        assert_eq!(deleted.unwrap(), 1);
    }
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 2);
    let of_ada = auth.delete_expired_user_sessions(&session.user_id);
    assert_eq!(of_ada.await.unwrap(), 0);
    let left = stage.value("SELECT id FROM user_session").await;
    assert_eq!(left.as_deref(), Some(session.id.as_str()));
    assert!(log.lines().iter().any(|line| line.contains("cart")));
    stage.execute("DELETE FROM cart").await;
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 1);
}

#[tokio::test]
async fn a_reference_from_another_schema_is_named_with_it() {
    let stage = Stage::postgres().await;
    let (auth, session) = ada(&stage).await;
    let id = &session.user_id;
    // By the name of a table of lucia's, too.
    for (schema, shown) in [("Shop", "Shop.user_session"), ("a b", "a b.user_session")] {
        stage
            .execute(&format!(
                "CREATE SCHEMA \"{schema}\"; \
                 CREATE TABLE \"{schema}\".user_session (user_id TEXT REFERENCES auth_user (id)); \
                 INSERT INTO \"{schema}\".user_session VALUES ('{id}')"
            ))
            .await;
        let at = (shown, "user_id", "user_session_user_id_fkey");
        assert_referenced(auth.delete_user(id).await, &stage, at);
        stage
            .execute(&format!("DROP SCHEMA \"{schema}\" CASCADE"))
            .await;
    }
    auth.delete_user(id).await.unwrap();
}
