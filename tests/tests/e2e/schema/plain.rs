//! Lookups read columns of plain types as they are, and have all others written by Postgres. Nobody
//! sees a difference.

use futures_util::future::join_all;
use lucia::store::{Store as _, UserStore as _};
use lucia::{Auth, NewUser, PgStore, Session};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Stage};

const COLUMNS: &[&str] = &[
    "text TEXT",
    "\"a \"\"name\" TEXT DEFAULT 'named'",
    "varying VARCHAR(99)",
    "fixed CHAR(6)",
    "any_case CITEXT",
    "admin BOOLEAN",
    "small SMALLINT",
    "usual INTEGER",
    "big BIGINT",
    "external_id UUID",
    "word a_word",
    "number a_number",
];

/// Text that is written in JSON by another one.
const AWKWARD: &str = "\u{1}\u{8}\t\n\u{c}\r\u{1f}\u{7f} \"quoted\" \\ / <é> \u{2028} 🦀";

async fn stage() -> Stage {
    let stage = Stage::postgres().await;
    stage
        .execute(
            "CREATE EXTENSION citext; CREATE DOMAIN a_word AS VARCHAR(9); \
             CREATE DOMAIN a_number AS BIGINT CHECK (VALUE > 0)",
        )
        .await;
    stage.add_columns(COLUMNS).await;
    stage
}

async fn sign_up(auth: &Auth, name: &str, mut columns: Value) -> Session {
    columns["username"] = json!(name);
    let new_user = NewUser::with_password("username", name, PASSWORD).attributes(&columns);
    let user = auth.create_user(new_user.returning::<Value>()).await;
    auth.create_session(&user.unwrap().id).await.unwrap()
}

/// Users with values of all kinds in these columns.
async fn sign_up_all(auth: &Auth) -> Vec<Session> {
    vec![
        sign_up(auth, "nulls", json!({})).await,
        sign_up(
            auth,
            "least",
            json!({
                "text": "", "varying": "", "fixed": "", "any_case": "", "admin": false,
                "small": i16::MIN, "usual": i32::MIN, "big": i64::MIN,
                "external_id": "00000000-0000-0000-0000-000000000000", "word": "", "number": 1,
            }),
        )
        .await,
        sign_up(
            auth,
            "most",
            json!({
                "text": AWKWARD, "a \"name": AWKWARD, "varying": AWKWARD, "fixed": "é\t\"",
                "any_case": "MiXeD", "admin": true,
                "small": i16::MAX, "usual": i32::MAX, "big": i64::MAX,
                "external_id": "01234567-89AB-CDEF-FEDC-BA9876543210", "word": "a\\b",
                "number": i64::MAX,
            }),
        )
        .await,
    ]
}

/// What lookups of these sessions find, one by one and together, has to be what is fetched by the
/// id of the user. Says whether it was Postgres that wrote it.
async fn written_by_postgres(stage: &Stage, store: &PgStore, sessions: &[Session]) -> bool {
    let mut rows = Vec::new();
    for session in sessions {
        rows.push(store.user(&session.user_id).await.unwrap().unwrap());
    }
    stage.proxy().statements();
    for (session, row) in sessions.iter().zip(&rows) {
        let found = store.session_and_user(&session.id).await.unwrap().unwrap();
        assert_eq!(found.1.attributes, row.attributes);
        assert_eq!(found.1.id, row.id);
    }
    let lookups = sessions
        .iter()
        .map(|session| store.session_and_user(&session.id));
    for (found, row) in join_all(lookups).await.into_iter().zip(&rows) {
        assert_eq!(found.unwrap().unwrap().1.attributes, row.attributes);
    }
    let statements = stage.proxy().statements();
    let last = statements.last().unwrap();
    assert!(last.sql.contains("ANY"), "{}", last.sql);
    last.sql.contains("row_to_json")
}

#[tokio::test]
async fn plain_columns_come_back_as_postgres_writes_them() {
    let stage = stage().await;
    let sessions = sign_up_all(&stage.auth().await).await;
    let store = stage.pg_store().await;
    assert!(!written_by_postgres(&stage, &store, &sessions).await);

    let row = store.user(&sessions[2].user_id).await.unwrap().unwrap();
    let row: Value = serde_json::from_str(&row.attributes).unwrap();
    assert_eq!(
        (&row["text"], &row["fixed"], &row["external_id"]),
        (
            &json!(AWKWARD),
            &json!("é\t\"   "),
            &json!("01234567-89ab-cdef-fedc-ba9876543210")
        )
    );
}

#[tokio::test]
async fn a_column_of_another_type_may_come_and_go_while_the_application_runs() {
    let stage = stage().await;
    let sessions = sign_up_all(&stage.auth().await).await;
    let store = stage.pg_store().await;
    assert!(!written_by_postgres(&stage, &store, &sessions).await);

    stage.add_columns(&["age INTEGER DEFAULT 7"]).await;
    assert!(!written_by_postgres(&stage, &store, &sessions).await);
    stage
        .execute("ALTER TABLE auth_user RENAME age TO years")
        .await;
    assert!(!written_by_postgres(&stage, &store, &sessions).await);

    stage.add_columns(&["seen TIMESTAMPTZ DEFAULT now()"]).await;
    assert!(written_by_postgres(&stage, &store, &sessions).await);
    stage
        .execute("ALTER TABLE auth_user DROP COLUMN seen, ALTER years TYPE TEXT")
        .await;
    assert!(written_by_postgres(&stage, &store, &sessions).await);

    let store = stage.pg_store().await;
    assert!(!written_by_postgres(&stage, &store, &sessions).await);
}

#[tokio::test]
async fn it_is_the_columns_that_are_fetched_that_have_to_be_plain() {
    let stage = stage().await;
    stage
        .add_columns(&["seen TIMESTAMPTZ DEFAULT now()", "tags TEXT[]"])
        .await;
    let sessions = sign_up_all(&stage.auth().await).await;
    let store = async |columns: &[&str]| {
        let url = stage.database().url_by(stage.proxy().port());
        let builder = PgStore::builder().user_columns(columns.iter().copied());
        builder.connect(&url).await.unwrap()
    };
    let of_all = stage.pg_store().await;
    assert!(written_by_postgres(&stage, &of_all, &sessions).await);
    let with_seen = store(&["username", "seen"]).await;
    assert!(written_by_postgres(&stage, &with_seen, &sessions).await);
    let plain = store(&["username", "big", "a \"name"]).await;
    assert!(!written_by_postgres(&stage, &plain, &sessions).await);
    let none = store(&[]).await;
    assert!(!written_by_postgres(&stage, &none, &sessions).await);
}
