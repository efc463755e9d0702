//! Tables, schemas and columns of any name.

use std::net::IpAddr;

use actix_web::get;
use actix_web::web::ServiceConfig;
use lucia::deadpool_postgres::tokio_postgres::NoTls;
use lucia::deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use lucia::{Auth, AuthBuilder, Error, NewUser, PgStore, PgStoreBuilder, SqliteStore, User};
use lucia::{SqliteStoreBuilder, authenticated};
use lucia_tests::Database;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::support::{PASSWORD, actix};

/// Names that are allowed, each with a letter to tell the tables apart by.
fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "a\"b",
        "a.b;--",
        "\"",
        "a' OR 1=1 --",
        "select",
        "Käse Ü",
        "$1",
    ]
    .map(str::to_owned)
    .into();
    // As long as a name can be.
    names.push("x".repeat(62));
    names.push("é".repeat(31));
    // As lucia's own tables and indexes are called.
    names.push("x\"auth_user\"".to_owned());
    names.push("user_key\" (\"user_id\"); DROP TABLE \"auth_user".to_owned());
    names
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Odd {
    #[serde(rename = "na\"me; --")]
    name: String,
    #[serde(rename = "given.User Name")]
    user_name: Option<String>,
}

const COLUMNS: &[&str] = &[
    "\"na\"\"me; --\" TEXT NOT NULL UNIQUE",
    "\"given.User Name\" TEXT",
    "unfetched TEXT",
];

#[get("/odd")]
#[authenticated]
async fn odd(user: User<Odd>) -> String {
    user.attributes.name
}

fn routes(config: &mut ServiceConfig) {
    config.service(odd);
}

/// Everything that a user does, from sign-up to the end.
async fn live(settings: AuthBuilder, name: &str) {
    let auth = settings.build().unwrap();
    auth.check_schema::<Odd>().await.unwrap();
    let ada = Odd {
        name: "ada".into(),
        user_name: Some("Ada".into()),
    };
    let new_user = || NewUser::with_password(("username", "ada"), PASSWORD).attributes(&ada);
    let user = auth.create_user(new_user()).await.unwrap();
    assert_eq!(user.attributes, ada, "{name}");
    let taken = auth.create_user(new_user()).await;
    assert!(matches!(taken, Err(Error::DuplicateKey)), "{taken:?}");
    let verify = async |password| {
        let key = auth.verify_password(("username", "ada"), password);
        key.limit_by(IpAddr::from([192, 0, 2, 1])).await
    };
    let refused = verify("wrong horse battery").await;
    assert!(
        matches!(refused, Err(Error::InvalidCredentials)),
        "{refused:?}"
    );
    assert_eq!(verify(PASSWORD).await.unwrap().user_id, user.id, "{name}");

    let session = auth.create_session(&user.id).await.unwrap();
    let site = actix::serve(auth.clone(), actix::Routes::of_config(routes)).await;
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/odd").await.body, "ada", "{name}");
    let all = auth.user::<Value>(&user.id).await.unwrap();
    assert_eq!(
        all.unwrap().attributes,
        json!({ "id": user.id, "na\"me; --": "ada", "given.User Name": "Ada" }),
        "only what is to be fetched"
    );
    assert_eq!(auth.user_sessions(&user.id).await.unwrap().len(), 1);
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 0);
    auth.delete_user(&user.id).await.unwrap();
    assert_eq!(browser.get("/odd").await.status, 401, "{name}");
}

fn fetched() -> [&'static str; 2] {
    ["na\"me; --", "given.User Name"]
}

#[tokio::test]
async fn r47_tables_of_any_name_in_any_schema_work_on_postgres() {
    let database = Database::new().await;
    for name in hostile() {
        let store = PgStore::builder()
            .schema(format!("{name}s"))
            .user_table(format!("{name}u"))
            .key_table(format!("{name}k"))
            .session_table(format!("{name}t"))
            .attempt_table(format!("{name}a"))
            .token_table(format!("{name}o"))
            .mail_table(format!("{name}m"))
            .credential_table(format!("{name}c"))
            .fetched_user_columns(fetched())
            .connect(&database.url())
            .await
            .unwrap();
        for _ in 0..2 {
            store.migrate(COLUMNS).await.unwrap();
        }
        live(Auth::builder(store), &name).await;
    }
    let client = database.connect().await;
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let outside: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(outside, 0);
    // The ids of seven tables, the key of the migrations' record, the unique name of a user, and eight
    // indexes of lucia's own.
    let sql = "SELECT schemaname::TEXT, count(*) FROM pg_indexes \
               WHERE schemaname NOT LIKE 'pg\\_%' GROUP BY 1";
    let rows = client.query(sql, &[]).await.unwrap();
    assert_eq!(rows.len(), hostile().len());
    for row in rows {
        assert_eq!(row.get::<_, i64>(1), 17, "{}", row.get::<_, &str>(0));
    }
}

#[tokio::test]
async fn r47_tables_of_any_name_work_on_sqlite() {
    for name in hostile() {
        let store = SqliteStore::builder()
            .user_table(format!("{name}u"))
            .key_table(format!("{name}k"))
            .session_table(format!("{name}t"))
            .attempt_table(format!("{name}a"))
            .token_table(format!("{name}o"))
            .mail_table(format!("{name}m"))
            .credential_table(format!("{name}c"))
            .fetched_user_columns(fetched())
            .in_memory()
            .await
            .unwrap();
        for _ in 0..2 {
            store.migrate(COLUMNS).await.unwrap();
        }
        live(Auth::builder(store), &name).await;
    }
}

#[tokio::test]
async fn r47_tables_may_swap_their_names() {
    let database = Database::new().await;
    let store = PgStore::builder()
        .user_table("user_session")
        .key_table("auth_user")
        .session_table("sign_in_attempt")
        .attempt_table("one_time_token")
        .token_table("outgoing_mail")
        .mail_table("user_credential")
        .credential_table("user_key")
        .fetched_user_columns(fetched());
    let store = store.connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    live(Auth::builder(store), "swapped").await;
}

fn pool() -> Pool {
    let mut config = Config::new();
    config.url = Some("postgres://nobody@127.0.0.1:1/nowhere".to_owned());
    config.create_pool(None, NoTls).unwrap()
}

/// Names that are none.
fn impossible() -> [String; 4] {
    [
        String::new(),
        "a\0b".to_owned(),
        "a\nb".to_owned(),
        "x".repeat(64),
    ]
}

#[tokio::test]
async fn r47_names_that_postgres_cannot_hold_are_refused_at_build() {
    type Set = fn(PgStoreBuilder, String) -> PgStoreBuilder;
    let settings: [(&str, Set); 9] = [
        ("schema", |store, name| store.schema(name)),
        ("user_table", |store, name| store.user_table(name)),
        ("key_table", |store, name| store.key_table(name)),
        ("session_table", |store, name| store.session_table(name)),
        ("attempt_table", |store, name| store.attempt_table(name)),
        ("token_table", |store, name| store.token_table(name)),
        ("mail_table", |store, name| store.mail_table(name)),
        ("credential_table", |store, name| {
            store.credential_table(name)
        }),
        ("fetched_user_columns", |store, name| {
            store.fetched_user_columns([name])
        }),
    ];
    for (expected, set) in settings {
        for name in impossible() {
            let built = set(PgStore::builder(), name.clone()).build(pool());
            match built {
                Err(Error::Setting { setting, .. }) => assert_eq!(setting, expected),
                other => panic!("{name:?}: {other:?}"),
            }
            // Before anybody is asked.
            let url = "postgres://nobody@127.0.0.1:1/nowhere";
            let connected = set(PgStore::builder(), name.clone()).connect(url).await;
            assert!(matches!(connected, Err(Error::Setting { .. })), "{name:?}");
        }
        assert!(
            set(PgStore::builder(), "x".repeat(63))
                .build(pool())
                .is_ok()
        );
    }
}

#[tokio::test]
async fn r47_names_that_cannot_be_are_refused_by_sqlite_too() {
    type Set = fn(SqliteStoreBuilder, String) -> SqliteStoreBuilder;
    let settings: [(&str, Set); 8] = [
        ("user_table", |store, name| store.user_table(name)),
        ("key_table", |store, name| store.key_table(name)),
        ("session_table", |store, name| store.session_table(name)),
        ("attempt_table", |store, name| store.attempt_table(name)),
        ("token_table", |store, name| store.token_table(name)),
        ("mail_table", |store, name| store.mail_table(name)),
        ("credential_table", |store, name| {
            store.credential_table(name)
        }),
        ("fetched_user_columns", |store, name| {
            store.fetched_user_columns([name])
        }),
    ];
    for (expected, set) in settings {
        for name in impossible() {
            let built = set(SqliteStore::builder(), name.clone()).in_memory().await;
            match built {
                Err(Error::Setting { setting, .. }) => assert_eq!(setting, expected),
                other => panic!("{name:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn columns_may_be_called_as_lucias_statements_call_their_parts() {
    let names = [
        "u", "s", "k", "given", "fetched", "empty", "one", "new_user", "inserted",
    ];
    let columns = names.map(|name| format!("{name} TEXT"));
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let database = Database::new().await;
    let builders = [
        PgStore::builder().session_columns(columns.clone()),
        PgStore::builder()
            .session_columns(columns.clone())
            .fetched_user_columns(names),
    ];
    for (number, builder) in (0..).zip(builders) {
        let store = builder.connect(&database.url()).await.unwrap();
        store.migrate(&columns).await.unwrap();
        let auth = Auth::builder(store).build().unwrap();
        let given: Map<String, Value> = names
            .map(|name| (name.to_owned(), name.into()))
            .into_iter()
            .collect();
        let name = format!("ada{number}");
        let new_user = NewUser::with_password(("username", &name), PASSWORD).attributes(&given);
        let user = auth.create_user(new_user).await.unwrap();
        let session = auth
            .create_session(&user.id)
            .attributes(&given)
            .await
            .unwrap();
        let read: Map<String, Value> = session.attributes_as().unwrap();
        assert_eq!(read, given);
        let changed = json!({ "u": "v", "s": "t" });
        let user: User<Map<String, Value>> = auth
            .update_user_attributes(&user.id, &changed)
            .await
            .unwrap();
        assert_eq!((&user["u"], &user["k"]), (&json!("v"), &json!("k")));
        let session = auth
            .update_session_attributes(&session.id, &changed)
            .await
            .unwrap();
        let read: Map<String, Value> = session.attributes_as().unwrap();
        assert_eq!((&read["s"], &read["k"]), (&json!("t"), &json!("k")));
    }
}

#[tokio::test]
async fn a_connection_does_not_keep_a_statement_for_every_set_of_attributes() {
    let database = Database::new().await;
    let mut config = Config::new();
    config.url = Some(database.url());
    config.pool = Some(PoolConfig::new(1));
    let pool = config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
    let store = PgStore::new(pool.clone());
    let names: Vec<_> = (0..9).map(|number| format!("c{number}")).collect();
    let columns: Vec<_> = names.iter().map(|name| format!("{name} INT")).collect();
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    store.migrate(&columns).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let user = auth.create_user(NewUser::without_key()).await.unwrap();
    for set in 1..300_u32 {
        let given: Map<String, Value> = names
            .iter()
            .enumerate()
            .filter(|(bit, _)| set & (1 << bit) != 0)
            .map(|(_, name)| (name.clone(), set.into()))
            .collect();
        let updated = auth
            .update_user_attributes::<Map<String, Value>>(&user.id, &given)
            .await;
        updated.unwrap();
    }
    let connection = pool.get().await.unwrap();
    let sql = "SELECT count(*) FROM pg_prepared_statements";
    let count: i64 = connection.query_one(sql, &[]).await.unwrap().get(0);
    assert!(count <= 130, "{count}");
}
