//! Users that are found by their session are as those that are fetched by their id.

use futures_util::future::join_all;
use lucia::store::{Store as _, UserStore as _};
use lucia::{Auth, NewKey, NewUser, PgStore, Session, UserId};
use serde_json::{Value, json};

use crate::split::WITHOUT_USERS;
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
    let new_user = NewUser::with_password(("username", name), PASSWORD).attributes(&columns);
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

/// What lookups of these sessions find, one by one and together, is what is fetched by the ids of
/// their users.
async fn assert_same(store: &PgStore, sessions: &[Session]) {
    let mut rows = Vec::new();
    for session in sessions {
        rows.push(store.user(&session.user_id).await.unwrap().unwrap());
    }
    let ids: Vec<_> = sessions
        .iter()
        .map(|session| session.user_id.clone())
        .collect();
    let mut several = store.users(&ids).await.unwrap();
    several.sort_by_key(|user| ids.iter().position(|id| *id == user.id));
    assert_eq!(several, rows);
    for (session, row) in sessions.iter().zip(&rows) {
        let found = store.session_and_user(&session.id).await.unwrap().unwrap();
        assert_eq!(found.1, *row);
    }
    let lookups = sessions
        .iter()
        .map(|session| store.session_and_user(&session.id));
    for (found, row) in join_all(lookups).await.into_iter().zip(&rows) {
        assert_eq!(found.unwrap().unwrap().1, *row);
    }
}

#[tokio::test]
async fn they_have_the_same_values() {
    let stage = stage().await;
    let sessions = sign_up_all(&stage.auth().await).await;
    let store = stage.pg_store().await;
    assert_same(&store, &sessions).await;

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
async fn they_stay_the_same_while_the_table_changes() {
    let stage = stage().await;
    let sessions = sign_up_all(&stage.auth().await).await;
    let store = stage.pg_store().await;
    assert_same(&store, &sessions).await;
    for change in [
        "ADD age INTEGER DEFAULT 7",
        "RENAME age TO years",
        "ADD seen TIMESTAMPTZ DEFAULT now()",
        "DROP seen, ALTER years TYPE TEXT",
        "DROP admin, ADD newsletter BOOLEAN DEFAULT TRUE",
    ] {
        stage
            .execute(&format!("ALTER TABLE auth_user {change}"))
            .await;
        assert_same(&store, &sessions).await;
    }
}

/// Also where rows of their table refuse to be empty. The sessions are in another store, whose lookups ask for
/// several users at once.
#[tokio::test]
async fn they_are_found_whatever_the_type_of_their_id_is() {
    for kind in ["TEXT", "VARCHAR(40)", "CHAR(40)", "CITEXT"] {
        let stage = Stage::postgres().await;
        stage
            .execute(
                "CREATE DOMAIN a_flag AS BOOLEAN NOT NULL DEFAULT TRUE; \
                 ALTER TABLE auth_user ADD flag a_flag",
            )
            .await;
        stage.change_type_of_user_ids(kind).await;
        let sessions = Stage::sqlite().await;
        sessions.execute(WITHOUT_USERS).await;
        let auth = Auth::builder(stage.store().await).sessions(sessions.store().await);
        let auth = auth.build().unwrap();
        let mut tokens = Vec::new();
        for name in ["ada", "bob", "eve"] {
            let session = sign_up(&auth, name, json!({})).await;
            let id = match kind {
                // The database knows them by another spelling.
                "CITEXT" => UserId::new(session.user_id.as_str().to_uppercase()).unwrap(),
                _ => session.user_id.clone(),
            };
            let other = auth.create_session(&id).await.unwrap();
            assert_eq!(other.user_id, session.user_id);
            tokens.extend([(session, name), (other, name)]);
        }
        if kind == "CITEXT" {
            // As those of another version can be.
            let respelled = "UPDATE user_session SET user_id = upper(user_id)";
            sessions.execute(respelled).await;
        }
        let lookups = tokens.iter().cycle().take(40);
        let lookups = lookups.map(async |(session, name)| {
            let found = auth.validate_session(session.token()).await;
            assert!(found.unwrap().is_some(), "{kind}: {name}");
        });
        join_all(lookups).await;

        let session = sign_up(&auth, "zoe", json!({})).await;
        let spelled = match kind {
            "CITEXT" => UserId::new(session.user_id.as_str().to_uppercase()).unwrap(),
            _ => session.user_id.clone(),
        };
        let key = NewKey::without_password(("github", "1815"));
        auth.create_key(&spelled, key).await.unwrap();
        let by_key = auth.trusted_key(("github", "1815")).await.unwrap();
        let by_key = auth.create_session(&by_key).await.unwrap();
        assert_eq!(by_key.user_id, spelled);
        for id in [&session.user_id, &spelled] {
            let another = auth.create_session(id).await.unwrap();
            auth.invalidate_user_sessions(id).await.unwrap();
            for session in [&session, &by_key, &another] {
                let found = auth.validate_session(session.token()).await;
                assert!(found.unwrap().is_none(), "{kind}");
            }
        }
    }
}

/// Those that share its statement are found all the same.
#[tokio::test]
async fn a_row_that_cannot_be_read_fails_no_other() {
    let stage = stage().await;
    let auth = stage.auth().await;
    let eve = sign_up(&auth, "eve", json!({ "usual": 0 })).await;
    let ada = sign_up(&auth, "ada", json!({ "usual": 1 })).await;
    let bob = sign_up(&auth, "bob", json!({ "usual": 2 })).await;
    stage
        .execute("CREATE VIEW member AS SELECT id, username, 1 / usual AS part FROM auth_user")
        .await;
    let store = PgStore::builder().user_table("member");
    let store = store.connect(&stage.database().url()).await.unwrap();
    let lookups = [&ada, &eve, &bob, &eve, &ada].map(|session| store.session_and_user(&session.id));
    let found = join_all(lookups).await;
    for (number, session) in [(0, &ada), (2, &bob), (4, &ada)] {
        let (row, _) = found[number].as_ref().unwrap().as_ref().unwrap();
        assert_eq!(row.id, session.id);
    }
    for number in [1, 3] {
        assert!(found[number].is_err(), "{:?}", found[number]);
    }
}
