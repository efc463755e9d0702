//! Tables that are not as the code expects them.

use std::net::IpAddr;

use lucia::store::{CredentialRow, CredentialStore as _, MailRow, MailStore as _, UnixMillis};
use lucia::{Auth, Error, NewKey, PgStore, Session, SqliteStore, TokenPurpose};
use serde::Deserialize;
use serde_json::json;

use super::{assert_empty, assert_says, assert_schema, create, routes};
use crate::support::{PASSWORD, Profile, Stage, actix, on_each_store, sign_up};

on_each_store![
    a_missing_table_is_named_by_whatever_uses_it,
    a_missing_column_of_lucias_own_is_named_by_whatever_uses_it,
    a_missing_column_that_the_application_asks_for_is_named,
    a_missing_column_is_found_before_there_is_any_user,
    an_attribute_without_a_column_is_named_and_nobody_is_created,
    a_column_of_another_type_than_the_application_reads_is_named,
    a_null_where_the_application_wants_a_value_is_named,
];

const LINK: TokenPurpose = TokenPurpose::new("link");

/// What fails when `table` does not fit, each with its error.
async fn uses(
    auth: &Auth,
    session: &Session,
    table: &str,
) -> Vec<(&'static str, Result<(), Error>)> {
    let id = &session.user_id;
    let columns = json!({ "username": "bob" });
    let mut outcomes = vec![("check_schema", auth.check_schema::<Profile>().await)];
    if table != "user_session" {
        outcomes.push(("create_user", create(auth, "bob", &columns).await.map(drop)));
    }
    match table {
        "auth_user" => {
            outcomes.push(("user", auth.user::<Profile>(id).await.map(drop)));
        }
        "user_key" => {
            let used = auth.verify_password(("username", "ada"), PASSWORD).await;
            outcomes.push(("verify_password", used.map(drop)));
        }
        _ => {
            let created = auth.create_session(id).await;
            outcomes.push(("create_session", created.map(drop)));
            let listed = auth.user_sessions(id).await;
            outcomes.push(("user_sessions", listed.map(drop)));
            let found = auth.session(&session.id).await;
            outcomes.push(("session", found.map(drop)));
        }
    }
    if table != "user_key" {
        let validated = auth.validate_session(session.token()).await;
        outcomes.push(("validate_session", validated.map(drop)));
    }
    outcomes
}

/// Breaks the tables by each of the statements and mends them by the one beside it.
async fn assert_named(stage: &Stage, cases: &[(&str, Option<&str>, &str, &str)]) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    let browser = site.browser_of(&session);
    for (table, column, breaking, mending) in cases {
        stage.execute(breaking).await;
        for (doing, outcome) in uses(&site.auth, &session, table).await {
            assert_schema(outcome, (table, *column), doing);
        }
        if *table == "user_key" {
            let form = [("username", "ada"), ("password", PASSWORD)];
            assert_says(&browser.post("/login", &form).await, 500, "Internal error.");
        } else {
            assert_says(&browser.get("/me").await, 500, "Internal error.");
        }
        stage.execute(mending).await;
        assert_eq!(browser.get("/me").await.body, "Hello, ada!", "{breaking}");
    }
    assert_eq!(stage.count("auth_user").await, 1);
    assert_eq!(stage.count("user_key").await, 1);
    assert_eq!(stage.count("user_session").await, 1);
}

async fn a_missing_table_is_named_by_whatever_uses_it(stage: Stage) {
    let cases = ["auth_user", "user_key", "user_session"].map(|table| {
        let breaking = format!("ALTER TABLE {table} RENAME TO elsewhere");
        let mending = format!("ALTER TABLE elsewhere RENAME TO {table}");
        (table, breaking, mending)
    });
    let cases: Vec<_> = cases
        .iter()
        .map(|(table, breaking, mending)| (*table, None, breaking.as_str(), mending.as_str()))
        .collect();
    assert_named(&stage, &cases).await;
}

async fn a_missing_column_of_lucias_own_is_named_by_whatever_uses_it(stage: Stage) {
    let cases = [
        ("user_key", "hashed_password"),
        ("user_key", "user_id"),
        ("user_key", "verified_at"),
        ("user_session", "user_id"),
        ("user_session", "active_expires"),
        ("user_session", "created_at"),
        ("user_session", "device"),
    ]
    .map(|(table, column)| {
        let breaking = format!("ALTER TABLE {table} RENAME COLUMN {column} TO elsewhere");
        let mending = format!("ALTER TABLE {table} RENAME COLUMN elsewhere TO {column}");
        (table, column, breaking, mending)
    });
    let cases: Vec<_> = cases
        .iter()
        .map(|(table, column, breaking, mending)| {
            (*table, Some(*column), breaking.as_str(), mending.as_str())
        })
        .collect();
    assert_named(&stage, &cases).await;
}

async fn a_missing_column_that_the_application_asks_for_is_named(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    let browser = site.browser_of(&session);
    let breaking = "ALTER TABLE auth_user RENAME COLUMN username TO name";
    stage.execute(breaking).await;

    let at = ("auth_user", Some("username"));
    let checked = site.auth.check_schema::<Profile>().await;
    assert_schema(checked, at, "check_schema");
    let read = site.auth.user::<Profile>(&session.user_id).await;
    assert_schema(read, at, "user");
    assert_says(&browser.get("/me").await, 500, "Internal error.");
    // Whoever asks for less gets it.
    site.auth
        .check_schema::<lucia::NoAttributes>()
        .await
        .unwrap();
    assert_eq!(browser.post("/logout", &[]).await.status, 204);
}

async fn a_missing_column_is_found_before_there_is_any_user(stage: Stage) {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Wider {
        username: String,
        #[serde(rename = "e-mail")]
        mail: String,
    }
    let auth = stage.auth().await;
    let checked = auth.check_schema::<Wider>().await;
    assert_schema(checked, ("auth_user", Some("e-mail")), "check_schema");

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Frugal {
        #[serde(alias = "username")]
        name: String,
        mail: Option<String>,
    }
    auth.check_schema::<Frugal>().await.unwrap();
}

async fn an_attribute_without_a_column_is_named_and_nobody_is_created(stage: Stage) {
    let auth = stage.auth().await;
    for name in [
        "nickname",
        "USERNAME",
        "user\"name",
        "username\" = '', \"id",
        "a;--",
        "é",
        "",
    ] {
        let columns = json!({ "username": "ada", name: "Ada" });
        let created = create(&auth, "ada", &columns).await;
        match created {
            Err(Error::InvalidAttribute { table, column, .. }) => {
                assert_eq!((&*table, column.as_deref()), ("auth_user", Some(name)));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_empty(&stage).await;
}

async fn a_column_of_another_type_than_the_application_reads_is_named(stage: Stage) {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Numbered {
        username: u32,
    }
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let at = ("auth_user", Some("username"));
    let read = auth.user::<Numbered>(&session.user_id).await;
    let shown = format!("{read:?}");
    assert!(!shown.contains("ada"), "{shown}");
    assert_schema(read, at, "user");
    assert_schema(auth.check_schema::<Numbered>().await, at, "check_schema");
}

async fn a_null_where_the_application_wants_a_value_is_named(stage: Stage) {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Nicknamed {
        nickname: String,
    }
    stage.add_columns(&["nickname TEXT"]).await;
    let auth = stage.auth().await;
    auth.check_schema::<Nicknamed>().await.unwrap();
    let session = sign_up(&auth, "ada").await;
    let at = ("auth_user", Some("nickname"));
    let read = auth.user::<Nicknamed>(&session.user_id).await;
    assert!(read.as_ref().unwrap_err().to_string().contains("NULL"));
    assert_schema(read, at, "user");
    assert_schema(auth.check_schema::<Nicknamed>().await, at, "check_schema");
}

#[tokio::test]
async fn a_column_of_lucias_own_that_has_a_wrong_type_is_named_by_whatever_uses_it() {
    let stage = Stage::postgres().await;
    let retype = |table: &str, column: &str, sql_type: &str, using: &str| {
        format!("ALTER TABLE {table} ALTER {column} TYPE {sql_type} USING {using}")
    };
    let cases = [
        (
            "user_session",
            "active_expires",
            (
                retype(
                    "user_session",
                    "active_expires",
                    "INTEGER",
                    "(active_expires / 1000)::INTEGER",
                ),
                retype(
                    "user_session",
                    "active_expires",
                    "BIGINT",
                    "active_expires::BIGINT * 1000",
                ),
            ),
        ),
        (
            "user_session",
            "idle_expires",
            (
                retype(
                    "user_session",
                    "idle_expires",
                    "TIMESTAMPTZ",
                    "to_timestamp(idle_expires / 1000)",
                ),
                retype(
                    "user_session",
                    "idle_expires",
                    "BIGINT",
                    "extract(epoch FROM idle_expires)::BIGINT * 1000",
                ),
            ),
        ),
        (
            "user_session",
            "device",
            (
                retype("user_session", "device", "INTEGER", "NULL"),
                retype("user_session", "device", "TEXT", "NULL"),
            ),
        ),
        (
            "user_key",
            "hashed_password",
            (
                retype(
                    "user_key",
                    "hashed_password",
                    "BYTEA",
                    "hashed_password::BYTEA",
                ),
                retype(
                    "user_key",
                    "hashed_password",
                    "TEXT",
                    "convert_from(hashed_password, 'UTF8')",
                ),
            ),
        ),
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|(table, column, (breaking, mending))| {
            (*table, Some(*column), breaking.as_str(), mending.as_str())
        })
        .collect();
    assert_named(&stage, &cases).await;
}

#[tokio::test]
async fn a_column_to_fetch_that_is_missing_is_named() {
    let stage = Stage::postgres().await;
    let session = sign_up(&stage.auth().await, "ada").await;
    let store = PgStore::builder().fetched_user_columns(["username", "nickname"]);
    let store = store.connect(&stage.database().url()).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let at = ("auth_user", Some("nickname"));
    assert_schema(auth.check_schema::<Profile>().await, at, "check_schema");
    let read = auth.user::<Profile>(&session.user_id).await;
    assert_schema(read, at, "user");
    let validated = auth.validate_session(session.token()).await;
    assert_schema(validated, at, "validate_session");
}

#[tokio::test]
async fn a_column_that_is_not_fetched_is_named_when_the_application_asks_for_it() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Nicknamed {
        nickname: String,
    }
    let stage = Stage::postgres().await;
    stage.add_columns(&["nickname TEXT"]).await;
    let store = PgStore::builder().fetched_user_columns(["username"]);
    let store = store.connect(&stage.database().url()).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let at = ("auth_user", Some("nickname"));
    assert_schema(auth.check_schema::<Nicknamed>().await, at, "check_schema");
    auth.check_schema::<Profile>().await.unwrap();
}

#[tokio::test]
async fn a_column_may_be_listed_twice_and_so_may_the_id() {
    #[derive(Debug, Deserialize)]
    struct WithId {
        id: String,
        username: String,
    }
    let listed = ["id", "username", "username"];
    let postgres = Stage::postgres().await;
    let url = postgres.database().url();
    let builder = PgStore::builder().fetched_user_columns(listed);
    let on_postgres = Auth::builder(builder.connect(&url).await.unwrap());
    let directory = tempfile::tempdir().unwrap();
    let builder = SqliteStore::builder().fetched_user_columns(listed);
    let sqlite = builder.open(directory.path().join("db")).await.unwrap();
    sqlite.migrate(&["username TEXT NOT NULL"]).await.unwrap();
    for auth in [on_postgres, Auth::builder(sqlite)] {
        let auth = auth.build().unwrap();
        let session = sign_up(&auth, "ada").await;
        auth.check_schema::<WithId>().await.unwrap();
        let user = auth
            .user::<WithId>(&session.user_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(user.attributes.id, user.id.as_str());
        assert_eq!(user.username, "ada");
    }
}

#[tokio::test]
async fn a_column_that_cannot_be_added_is_explained() {
    let stage = Stage::postgres().await;
    sign_up(&stage.auth().await, "ada").await;
    let store = stage.pg_store().await;
    for (definition, advice) in [
        ("plan TEXT NOT NULL", "give the column a `DEFAULT`"),
        ("order TEXT", "quotation marks"),
    ] {
        let error = store.migrate(&[definition]).await.unwrap_err();
        assert!(matches!(error, Error::Schema { .. }), "{error:?}");
        assert!(error.to_string().contains(advice), "{error}");
    }
}

#[tokio::test]
async fn a_column_of_lucias_tables_that_lucia_does_not_fill_is_the_operators_mistake() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let user_id = &session.user_id;
    let key = auth.verify_password(("username", "ada"), PASSWORD);
    let key = key.await.unwrap();
    const TABLES: [&str; 6] = [
        "user_key",
        "user_session",
        "sign_in_attempt",
        "one_time_token",
        "outgoing_mail",
        "user_credential",
    ];
    for table in TABLES {
        let sql = format!(
            "ALTER TABLE {table} ADD COLUMN country TEXT NOT NULL DEFAULT 'x'; \
             ALTER TABLE {table} ALTER country DROP DEFAULT"
        );
        stage.execute(&sql).await;
    }
    let store = stage.pg_store().await;
    let (id, user, now) = (|| "a".repeat(64), || user_id.clone(), UnixMillis(0));
    let text = str::to_owned;
    let mail = MailRow::new(id(), text("a@example.com"), text("Hi"), text("Hi"), now);
    let credential = CredentialRow::new(id(), user(), text("test"), text("{}"), now);
    let address = IpAddr::from([192, 0, 2, 1]);
    let outcomes = [
        auth.create_key(user_id, NewKey::without_password(("github", "1815")))
            .await
            .map(drop),
        auth.create_session(&key).await.map(drop),
        auth.verify_password(("username", "ada"), PASSWORD)
            .limit_by(address)
            .await
            .map(drop),
        auth.create_token(LINK, &()).user(user_id).await.map(drop),
        store.insert_mail(mail).await.map_err(Error::from),
        store
            .insert_credential(credential)
            .await
            .map(drop)
            .map_err(Error::from),
    ];
    for (table, outcome) in TABLES.into_iter().zip(outcomes) {
        assert_schema(outcome, (table, Some("country")), table);
    }
}
