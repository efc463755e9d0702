//! Columns of every type, written and read back.

use actix_web::web::ServiceConfig;
use actix_web::{get, web};
use lucia::store::UserStore as _;
use lucia::{NewUser, User, authenticated};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{PASSWORD, Stage, actix, on_each_store};

on_each_store![
    numbers_booleans_and_json_come_back_as_they_were_written,
    columns_may_change_while_the_application_runs,
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Plan {
    Free,
    Pro,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    theme: String,
    limits: Vec<Option<u32>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    username: String,
    plan: Plan,
    external_id: String,
    seen: String,
    tags: Vec<String>,
    scores: Vec<Option<i32>>,
    settings: Settings,
    balance: f64,
    admin: bool,
    small: i16,
    big: i64,
    ratio: f64,
    picture: String,
    handle: String,
    nickname: Option<String>,
    age: Option<i32>,
}

const TYPES: &str = "CREATE TYPE plan AS ENUM ('free', 'pro'); \
    CREATE DOMAIN handle AS TEXT NOT NULL CHECK (VALUE ~ '^[a-z]+$');";

const COLUMNS: &[&str] = &[
    "plan plan NOT NULL DEFAULT 'free'",
    "external_id UUID NOT NULL DEFAULT '6f7a54bd-6d0c-4b2c-9b1f-0d6a1d1c2b3a'",
    "seen TIMESTAMPTZ NOT NULL DEFAULT '2024-05-06 07:08:09+00'",
    "tags TEXT[] NOT NULL DEFAULT '{new}'",
    "scores INT[] NOT NULL DEFAULT '{}'",
    "settings JSONB NOT NULL DEFAULT '{\"theme\": \"dark\", \"limits\": []}'",
    "balance NUMERIC(12, 2) NOT NULL DEFAULT 0.5",
    "admin BOOLEAN NOT NULL DEFAULT FALSE",
    "small SMALLINT NOT NULL DEFAULT 1",
    "big BIGINT NOT NULL DEFAULT 2",
    "ratio DOUBLE PRECISION NOT NULL DEFAULT 3.5",
    "picture BYTEA NOT NULL DEFAULT '\\x00'",
    "handle handle DEFAULT 'nobody'",
    "nickname TEXT",
    "age INT",
];

fn ada() -> Everything {
    Everything {
        username: "ada".into(),
        plan: Plan::Pro,
        external_id: "00112233-4455-6677-8899-aabbccddeeff".into(),
        seen: "1815-12-10T01:02:03.456789+00:00".into(),
        tags: vec!["a, \"b\"".into(), "{}".into(), String::new(), "NULL".into()],
        scores: vec![Some(i32::MIN), None, Some(i32::MAX)],
        settings: Settings {
            theme: "o'brien \\ \"dark\"".into(),
            limits: vec![None, Some(u32::MAX)],
        },
        balance: 1_234_567_890.25,
        admin: true,
        small: i16::MIN,
        big: i64::MIN,
        ratio: 1.797_693_134_862_315_7e308,
        picture: "\\xdeadbeef00".into(),
        handle: "countess".into(),
        nickname: Some(String::new()),
        age: None,
    }
}

async fn stage() -> Stage {
    let stage = Stage::postgres().await;
    stage.execute(TYPES).await;
    stage.add_columns(COLUMNS).await;
    // Times come back in the time zone of the connection.
    let zone = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''UTC''', \
                current_database()); END $$";
    stage.execute(zone).await;
    stage
}

#[get("/everything")]
#[authenticated]
async fn everything(user: User<Everything>) -> web::Json<Everything> {
    web::Json(user.attributes)
}

fn routes(config: &mut ServiceConfig) {
    config.service(everything);
}

#[tokio::test]
async fn columns_of_every_type_come_back_as_they_were_written() {
    let stage = stage().await;
    let auth = stage.auth().await;
    let new_user = NewUser::with_password(("username", "ada"), PASSWORD).attributes(&ada());
    let created = auth.create_user(new_user).await.unwrap();
    assert_eq!(created.attributes, ada());
    let read = auth.user::<Everything>(&created.id).await.unwrap();
    assert_eq!(read.unwrap(), created);
    auth.check_schema::<Everything>().await.unwrap();

    let session = auth.create_session(&created.id).await.unwrap();
    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    let reply = site.browser_of(&session).get("/everything").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        serde_json::from_str::<Everything>(&reply.body).unwrap(),
        ada()
    );
}

#[tokio::test]
async fn the_database_holds_the_columns_in_their_own_types() {
    let stage = stage().await;
    let new_user = NewUser::with_password(("username", "ada"), PASSWORD).attributes(&ada());
    stage.auth().await.create_user(new_user).await.unwrap();
    let sql = "SELECT plan = 'pro'::plan AND external_id = '00112233445566778899aabbccddeeff'::UUID \
        AND seen = '1815-12-10 01:02:03.456789 UTC'::TIMESTAMPTZ AND tags[1] = 'a, \"b\"' \
        AND scores[2] IS NULL AND scores[3] = 2147483647 AND settings->'limits'->>1 = '4294967295' \
        AND balance = 1234567890.25 AND admin AND small = -32768 \
        AND big = -9223372036854775808 AND ratio = 1.7976931348623157e308::FLOAT8 \
        AND picture = '\\xdeadbeef00'::BYTEA AND handle = 'countess' AND nickname = '' \
        AND age IS NULL FROM auth_user";
    assert_eq!(stage.value(sql).await.as_deref(), Some("t"));
}

#[tokio::test]
async fn a_created_user_has_the_defaults_of_the_database() {
    let stage = stage().await;
    stage
        .add_columns(&[
            "number INT GENERATED ALWAYS AS IDENTITY",
            "length INT GENERATED ALWAYS AS (length(username)) STORED",
        ])
        .await;
    #[derive(Debug, PartialEq, Deserialize)]
    struct Computed {
        number: i32,
        length: i32,
        #[serde(flatten)]
        rest: Everything,
    }
    let auth = stage.auth().await;
    let new_user = NewUser::with_password(("username", "ada"), PASSWORD)
        .attributes(&json!({ "username": "ada" }))
        .returning::<Computed>();
    let created = auth.create_user(new_user).await.unwrap().attributes;
    let expected = Everything {
        username: "ada".into(),
        plan: Plan::Free,
        external_id: "6f7a54bd-6d0c-4b2c-9b1f-0d6a1d1c2b3a".into(),
        seen: "2024-05-06T07:08:09+00:00".into(),
        tags: vec!["new".into()],
        scores: vec![],
        settings: Settings {
            theme: "dark".into(),
            limits: vec![],
        },
        balance: 0.5,
        admin: false,
        small: 1,
        big: 2,
        ratio: 3.5,
        picture: "\\x00".into(),
        handle: "nobody".into(),
        nickname: None,
        age: None,
    };
    assert_eq!(
        created,
        Computed {
            number: 1,
            length: 3,
            rest: expected
        }
    );
}

#[tokio::test]
async fn an_update_leaves_columns_of_every_type_that_it_does_not_name() {
    let stage = stage().await;
    let auth = stage.auth().await;
    let new_user = NewUser::with_password(("username", "ada"), PASSWORD).attributes(&ada());
    let id = auth.create_user(new_user).await.unwrap().id;
    let update = serde_json::from_value(json!({ "small": 7, "plan": "free", "age": 36 }));
    let store = stage.pg_store().await;
    let updated = store.update_user(&id, update.unwrap()).await.unwrap();
    let expected = Everything {
        small: 7,
        plan: Plan::Free,
        age: Some(36),
        ..ada()
    };
    let updated: Everything = serde_json::from_str(&updated.unwrap().attributes).unwrap();
    assert_eq!(updated, expected);
    let read = auth.user::<Everything>(&id).await.unwrap().unwrap();
    assert_eq!(read.attributes, expected);
}

async fn numbers_booleans_and_json_come_back_as_they_were_written(stage: Stage) {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Common {
        username: String,
        age: i64,
        ratio: f64,
        admin: bool,
        settings: Settings,
        nickname: Option<String>,
    }
    let common = Common {
        username: "ada".into(),
        age: i64::MAX,
        ratio: -0.125,
        admin: true,
        settings: ada().settings,
        nickname: None,
    };
    stage
        .add_columns(&[
            "age BIGINT",
            "ratio DOUBLE PRECISION",
            "admin BOOLEAN NOT NULL DEFAULT FALSE",
            "settings JSON",
            "nickname TEXT",
        ])
        .await;
    let auth = stage.auth().await;
    let new_user = NewUser::with_password(("username", "ada"), PASSWORD).attributes(&common);
    let created = auth.create_user(new_user).await.unwrap();
    assert_eq!(created.attributes, common);
    let read = auth.user::<Common>(&created.id).await.unwrap();
    assert_eq!(read.unwrap().attributes, common);

    let new_user = NewUser::with_password(("username", "bob"), PASSWORD)
        .attributes(&json!({ "username": "bob" }))
        .returning::<serde_json::Value>();
    let bob = auth.create_user(new_user).await.unwrap();
    assert_eq!((&bob["admin"], &bob["age"]), (&json!(false), &json!(null)));
}

async fn columns_may_change_while_the_application_runs(stage: Stage) {
    let auth = stage.auth().await;
    let create = async |name: &str, columns: serde_json::Value| {
        let new_user = NewUser::with_password(("username", name), PASSWORD).attributes(&columns);
        let created = auth.create_user(new_user.returning::<serde_json::Value>());
        created.await.unwrap()
    };
    let ada = create("ada", json!({ "username": "ada" })).await;
    stage.add_columns(&["age INTEGER DEFAULT 7"]).await;
    let read = auth.user::<serde_json::Value>(&ada.id).await.unwrap();
    assert_eq!(read.unwrap()["age"], json!(7));
    let bob = create("bob", json!({ "username": "bob" })).await;
    assert_eq!(bob["age"], json!(7));
    let eve = create("eve", json!({ "username": "eve", "age": 8 })).await;
    assert_eq!(eve["age"], json!(8));

    stage.execute("ALTER TABLE auth_user DROP COLUMN age").await;
    stage.add_columns(&["age TEXT DEFAULT 'old'"]).await;
    let read = auth.user::<serde_json::Value>(&ada.id).await.unwrap();
    assert_eq!(read.unwrap()["age"], json!("old"));
    let dan = create("dan", json!({ "username": "dan", "age": "young" })).await;
    assert_eq!(dan["age"], json!("young"));
    let may = create("may", json!({ "username": "may" })).await;
    assert_eq!(may["age"], json!("old"));
}

#[tokio::test]
async fn lucias_own_columns_may_change_their_kind_of_text_while_the_application_runs() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    let session = crate::support::sign_up(&auth, "ada").await;
    let site = actix::serve(auth, actix::front_page()).await;
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/me").await.status, 200);
    let sql = "ALTER TABLE user_session ALTER id TYPE VARCHAR(64), ALTER device TYPE VARCHAR(99)";
    stage.execute(sql).await;
    assert_eq!(browser.get("/me").await.status, 200);
}
