//! What Lucia's ids can be, and how sessions are found by them. No Node is needed here.

use lucia::{Auth, Environment, Error, PgStore, SessionToken, StoredIds, UserId};
use lucia_tests::{Database, Proxy, watch};

use crate::support::{Profile, sign_up};

const ALL: [StoredIds; 3] = [
    StoredIds::PlainTokens,
    StoredIds::HashedOnUse,
    StoredIds::Hashed,
];

async fn store(database: &Database, ids: StoredIds) -> PgStore {
    let builder = PgStore::builder().stored_ids(ids);
    builder.connect(&database.url()).await.unwrap()
}

async fn auth(database: &Database, ids: StoredIds) -> Auth {
    let auth = Auth::builder(store(database, ids).await);
    let auth = auth.environment(Environment::Development);
    auth.build().unwrap()
}

/// Tables as for Lucia's tokens.
async fn migrated() -> Database {
    let database = Database::new().await;
    let store = store(&database, StoredIds::PlainTokens).await;
    let columns = ["username TEXT NOT NULL UNIQUE"];
    store.migrate(&columns).await.unwrap();
    database
}

const FAR: i64 = 9_000_000_000_000;

/// Ids that no Lucia makes by itself, though an application may have it make them.
fn foreign_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "",
        "\\",
        "\\\\",
        "\\x",
        "\\xzz",
        "\\x61",
        "\\777",
        "a\\b",
        "\u{1f980} é",
        "'; --",
        "%_",
    ]
    .map(str::to_owned)
    .into();
    ids.extend([
        "A".repeat(40),
        "é".repeat(40),
        "F".repeat(64),
        "\\".repeat(64),
    ]);
    ids.extend(["g".repeat(64), "a".repeat(63), "x".repeat(2000)]);
    ids.push(format!("{}\n", "a".repeat(64)));
    ids
}

async fn insert(database: &Database, id: &str, user: &UserId) {
    let client = database.connect().await;
    let sql = "INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
               VALUES ($1, $2, $3, $3)";
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&id, &user.as_str(), &FAR];
    client.execute(sql, &params).await.unwrap();
}

#[tokio::test]
async fn a_foreign_id_breaks_nothing() {
    for types in ["TEXT", "VARCHAR(3000)", "TEXT COLLATE any_case"] {
        let database = migrated().await;
        let client = database.connect().await;
        let setting = "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', \
                       deterministic = false)";
        client.batch_execute(setting).await.unwrap();
        let change = format!("ALTER TABLE user_session ALTER COLUMN id TYPE {types}");
        client.batch_execute(&change).await.unwrap();
        let first = sign_up(&auth(&database, ALL[0]).await, "ada").await;
        let user = &first.user_id;
        for id in foreign_ids() {
            insert(&database, &id, user).await;
        }
        for ids in ALL {
            let auth = auth(&database, ids).await;
            let session = auth.create_session(user).await.unwrap();
            let found = auth.validate_session(session.token()).await.unwrap();
            assert_eq!(found.unwrap().id, session.id, "{types} {ids:?}");
            let list = auth.user_sessions(user).await.unwrap();
            assert!(list.iter().any(|other| other.id == session.id));
            let rotated = auth.rotate_session(&session).await.unwrap();
            auth.invalidate_session(&rotated.id).await.unwrap();
        }
        // Each is listed where tokens are stored, and can be ended one by one.
        for ids in [StoredIds::HashedOnUse, StoredIds::PlainTokens] {
            let auth = auth(&database, ids).await;
            let list = auth.user_sessions(user).await.unwrap();
            assert_eq!(list.len(), foreign_ids().len() + 1, "{types} {ids:?}");
            for session in &list {
                assert!(auth.session(&session.id).await.unwrap().is_some());
            }
        }
        let auth = auth(&database, StoredIds::HashedOnUse).await;
        for session in auth.user_sessions(user).await.unwrap() {
            let ended = auth.invalidate_user_session(user, &session.id);
            assert!(ended.await.unwrap());
        }
        let rows = client.query("SELECT id FROM user_session", &[]).await;
        assert!(rows.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_trigger_that_keeps_a_token_from_being_hashed_is_told_of() {
    let database = migrated().await;
    let session = sign_up(&auth(&database, StoredIds::PlainTokens).await, "ada").await;
    let client = database.connect().await;
    let sql = "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN RETURN NULL; END $$; \
               CREATE TRIGGER keep BEFORE UPDATE ON user_session \
                   FOR EACH ROW EXECUTE FUNCTION keep()";
    client.batch_execute(sql).await.unwrap();
    let auth = auth(&database, StoredIds::HashedOnUse).await;
    let found = auth.validate_session(session.token()).await;
    assert!(matches!(found, Err(Error::Misuse(_))), "{found:?}");

    client
        .batch_execute("DROP TRIGGER keep ON user_session")
        .await
        .unwrap();
    let found = auth.validate_session(session.token()).await;
    assert_eq!(found.unwrap().unwrap().id, session.id);
}

#[tokio::test]
async fn a_session_is_found_by_an_index() {
    let database = migrated().await;
    sign_up(&auth(&database, ALL[0]).await, "ada").await;
    let client = database.connect().await;
    client
        .batch_execute(
            "INSERT INTO user_session (id, user_id, active_expires, idle_expires)
             SELECT left(md5(n::TEXT) || md5(n::TEXT), 40), auth_user.id, 1, 1
             FROM auth_user, generate_series(1, 20000) AS n;
             INSERT INTO user_session (id, user_id, active_expires, idle_expires)
             SELECT md5(n::TEXT) || md5(n::TEXT), auth_user.id, 1, 1
             FROM auth_user, generate_series(1, 20000) AS n;
             ANALYZE;",
        )
        .await
        .unwrap();
    for ids in ALL {
        let proxy = Proxy::before(&database).await;
        for batched in [true, false] {
            let url = database.url_by(proxy.port());
            let builder = PgStore::builder().stored_ids(ids).batched_lookups(batched);
            let store = builder.connect(&url).await.unwrap();
            let auth = Auth::builder(store).build().unwrap();
            let token = SessionToken::parse(&"z".repeat(40)).unwrap();
            proxy.statements();
            let lookups = (0..20).map(|_| auth.validate_session(&token));
            futures_util::future::join_all(lookups).await;
            auth.session(&token.session_id()).await.unwrap();
            auth.invalidate_session(&token.session_id()).await.unwrap();
            for statement in proxy.statements() {
                let id = format!("'{}'", token.session_id());
                let one = format!("'{{{}}}'", token.session_id());
                let sql = statement
                    .sql
                    .replace("$1::TEXT[]", &format!("{one}::TEXT[]"));
                let sql = sql.replace("$1", &id).replace("$2", "NULL");
                let plan = client.query(&format!("EXPLAIN {sql}"), &[]).await.unwrap();
                let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
                let plan = plan.join("\n");
                assert!(
                    !plan.contains("Seq Scan on user_session"),
                    "{ids:?}: {plan}"
                );
            }
        }
    }
}

#[tokio::test]
async fn without_the_index_it_works_and_the_check_says_what_to_do() {
    let database = migrated().await;
    let client = database.connect().await;
    // Other tests log here too.
    let table = "sessions_without_index";
    let rename = format!("ALTER TABLE user_session RENAME TO {table}");
    client.batch_execute(&rename).await.unwrap();
    for (number, ids) in ALL.into_iter().enumerate() {
        let builder = PgStore::builder().stored_ids(ids).session_table(table);
        let store = builder.connect(&database.url()).await.unwrap();
        let auth = Auth::builder(store.clone()).build().unwrap();
        let warnings = async || {
            let warnings = watch([table]);
            auth.check_schema::<Profile>().await.unwrap();
            let lines = warnings.lines().into_iter();
            let lines = lines.filter(|line| line.starts_with("WARN "));
            lines.collect::<Vec<_>>()
        };
        let index = "user_session_public_id_idx";
        let drop = format!("DROP INDEX IF EXISTS {index}, {table}_public_id_idx");
        client.batch_execute(&drop).await.unwrap();
        let session = sign_up(&auth, &format!("ada {number}")).await;
        let found = auth.validate_session(session.token()).await.unwrap();
        assert!(found.is_some(), "{ids:?}");

        let lines = warnings().await;
        if ids == StoredIds::Hashed {
            assert_eq!(lines, [""; 0]);
            continue;
        }
        let [line] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert!(line.contains("`migrate`"), "{line}");
        assert!(line.contains(&format!("{ids:?}")), "{line}");
        store.migrate(&[]).await.unwrap();
        assert_eq!(warnings().await, [""; 0]);
    }
}
