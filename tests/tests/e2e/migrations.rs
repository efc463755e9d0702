//! Making the tables: again, at once, interrupted, over what is there, and by hand.

mod numbered;

use std::future::Future as _;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, Error, NewUser, PgStore, UserId};
use lucia_tests::{Database, Proxy};

use crate::support::{PASSWORD, Profile, Stage, actix, sign_up};

const COLUMNS: &[&str] = &["username TEXT NOT NULL UNIQUE", "age INT DEFAULT 7"];

/// Everything that the database has of lucia, as text.
async fn catalog(database: &Database) -> Vec<String> {
    let client = database.connect().await;
    let sql = "SELECT format('column %s.%I %s %s %s', attrelid::REGCLASS, attname, \
            format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)) \
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
        WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r' \
            AND relnamespace = 'public'::REGNAMESPACE \
        UNION ALL SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public' \
        UNION ALL SELECT format('constraint %s', pg_get_constraintdef(oid)) FROM pg_constraint \
            WHERE connamespace = 'public'::REGNAMESPACE AND contype <> 'n'";
    let rows = client.query(sql, &[]).await.unwrap();
    let mut lines: Vec<_> = rows.iter().map(|row| row.get(0)).collect();
    lines.sort();
    lines
}

/// What a migration makes of an empty database.
async fn complete() -> Vec<String> {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    catalog(&database).await
}

async fn assert_works(database: &Database) {
    let store = PgStore::connect(&database.url()).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    auth.check_schema::<Profile>().await.unwrap();
    let session = sign_up(&auth, "somebody new").await;
    let site = actix::serve(auth, actix::front_page()).await;
    let reply = site.browser_of(&session).get("/me").await;
    assert_eq!(reply.body, "Hello, somebody new!");
}

#[tokio::test]
async fn r53_migrate_is_idempotent() {
    let database = Database::new().await;
    // No server waits as long.
    let builder = PgStore::builder().timeout(Duration::MAX);
    let builder = builder.session_columns(["Ö TEXT"]);
    let store = builder.connect(&database.url()).await.unwrap();
    let long = format!("{} TEXT", "x".repeat(63));
    let columns = [
        "username TEXT NOT NULL UNIQUE",
        "Age INT",
        "\"Nick\"\"Name\" TEXT",
        "É TEXT",
        &long,
    ];
    store.migrate(&columns).await.unwrap();
    let made = catalog(&database).await;
    let auth = Auth::builder(store.clone()).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    for columns in [&columns[..], &columns[..1], &[]] {
        store.migrate(columns).await.unwrap();
        assert_eq!(catalog(&database).await, made);
    }
    let validated = auth.validate_session(session.token()).await.unwrap();
    assert!(validated.is_some());
}

#[tokio::test]
async fn r53_processes_that_start_at_once_migrate_once() {
    let complete = complete().await;
    for isolation in ["read committed", "serializable"] {
        let database = Database::new().await;
        let client = database.connect().await;
        let sql = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation \
             = ''{isolation}''', current_database()); END $$"
        );
        client.batch_execute(&sql).await.unwrap();
        let stores = (0..8).map(|_| async {
            let store = PgStore::builder().max_connections(2);
            store.connect(&database.url()).await.unwrap()
        });
        let stores = join_all(stores).await;
        for migrated in join_all(stores.iter().map(|store| store.migrate(COLUMNS))).await {
            migrated.unwrap();
        }
        assert_eq!(catalog(&database).await, complete, "{isolation}");
        assert_works(&database).await;
    }
}

#[tokio::test]
async fn r53_an_interrupted_migration_leaves_all_or_nothing() {
    let complete = complete().await;
    let mut interrupted = 0;
    for statements in 0.. {
        let database = Database::new().await;
        let proxy = Proxy::before(&database).await;
        let url = database.url_by(proxy.port());
        let store = PgStore::connect(&url).await.unwrap();
        proxy.cut_after(statements);
        let migrated = store.migrate(COLUMNS).await;
        proxy.heal();
        if migrated.is_ok() {
            assert_eq!(catalog(&database).await, complete);
            break;
        }
        assert!(
            matches!(migrated, Err(Error::Unavailable(_))),
            "{migrated:?}"
        );
        assert_eq!(catalog(&database).await, Vec::<String>::new());
        store.migrate(COLUMNS).await.unwrap();
        assert_eq!(catalog(&database).await, complete);
        interrupted += 1;
    }
    assert!(interrupted >= 5, "at {interrupted} statements only");
}

#[tokio::test]
async fn r53_a_migration_that_is_dropped_half_way_leaves_all_or_nothing() {
    let complete = complete().await;
    let mut dropped = 0;
    // Dropped when it has been polled so many times.
    for polls in 0.. {
        let database = Database::new().await;
        // One connection, which has to be in order afterwards.
        let store = PgStore::builder().max_connections(1);
        let store = store.connect(&database.url()).await.unwrap();
        let finished = {
            let mut migrating = std::pin::pin!(store.migrate(COLUMNS));
            let mut left = polls;
            std::future::poll_fn(|context: &mut Context<'_>| {
                if left == 0 {
                    return Poll::Ready(false);
                }
                left -= 1;
                migrating.as_mut().poll(context).map(|migrated| {
                    migrated.unwrap();
                    true
                })
            })
            .await
        };
        let left = catalog(&database).await;
        assert!(left == complete || left.is_empty(), "{polls}: {left:#?}");
        if finished {
            assert_eq!(left, complete);
            break;
        }
        store.migrate(COLUMNS).await.unwrap();
        assert_eq!(catalog(&database).await, complete, "{polls}");
        dropped += 1;
    }
    assert!(dropped >= 5, "at {dropped} points only");
}

#[tokio::test]
async fn a_migration_that_nobody_waits_for_holds_no_lock() {
    let database = Database::new().await;
    let store = PgStore::builder().max_connections(1);
    let store = store.connect(&database.url()).await.unwrap();
    {
        let mut migrating = Box::pin(store.migrate(COLUMNS));
        let _ = migrating
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }
    let other = PgStore::connect(&database.url()).await.unwrap();
    other.migrate(COLUMNS).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    assert_works(&database).await;
}

/// The tables of Lucia v2 as its documentation makes them, with a user who is signed in.
const LUCIA: &str = "
    CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL);
    CREATE TABLE user_key (id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL REFERENCES auth_user(id), hashed_password TEXT);
    CREATE TABLE user_session (id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL REFERENCES auth_user(id),
        active_expires BIGINT NOT NULL, idle_expires BIGINT NOT NULL, country TEXT);
    INSERT INTO auth_user VALUES ('abcdefghij01234', 'ada');
    INSERT INTO user_key VALUES ('username:ada', 'abcdefghij01234', NULL);
    INSERT INTO user_session VALUES
        ('0123456789abcdefghij0123456789abcdefghij', 'abcdefghij01234',
         9999999999998, 9999999999999, 'UK');";

#[tokio::test]
async fn the_tables_of_lucia_v2_get_what_they_lack_and_keep_their_rows() {
    let database = Database::new().await;
    let client = database.connect().await;
    client.batch_execute(LUCIA).await.unwrap();
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    let made = catalog(&database).await;
    store.migrate(COLUMNS).await.unwrap();
    assert_eq!(catalog(&database).await, made);

    let row = "SELECT u.username, u.age, k.id, s.id, s.active_expires, s.idle_expires, s.country \
               FROM auth_user u JOIN user_key k ON k.user_id = u.id \
               JOIN user_session s ON s.user_id = u.id \
               WHERE s.created_at = s.renewed_at AND s.device IS NULL AND s.persistent \
                   AND abs(s.created_at - extract(epoch FROM now()) * 1000) < 600000";
    let row = client.query_one(row, &[]).await.unwrap();
    let text = |column: usize| row.get::<_, String>(column);
    assert_eq!((text(0), row.get(1)), ("ada".to_owned(), Some(7)));
    assert_eq!(text(2), "username:ada");
    assert_eq!(text(3), "0123456789abcdefghij0123456789abcdefghij");
    let expiries: (i64, i64) = (row.get(4), row.get(5));
    assert_eq!(expiries, (9_999_999_999_998, 9_999_999_999_999));
    assert_eq!(text(6), "UK");
    assert_works(&database).await;
}

#[tokio::test]
async fn the_users_of_lucia_v2_have_sessions_of_both_and_a_list_of_ours() {
    let database = Database::new().await;
    let client = database.connect().await;
    client.batch_execute(LUCIA).await.unwrap();
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let ada = UserId::new("abcdefghij01234").unwrap();
    let session = auth.create_session(&ada).await.unwrap();

    let listed = auth.user_sessions(&ada).await.unwrap();
    // Lucia's ids are tokens, which are not for showing.
    let ids: Vec<_> = listed.into_iter().map(|session| session.id).collect();
    assert_eq!(ids, std::slice::from_ref(&session.id));
    // Lucia still adds its own.
    let sql = "INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
               VALUES ('another', 'abcdefghij01234', 1, 2)";
    client.batch_execute(sql).await.unwrap();
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 1);

    auth.invalidate_user_sessions(&ada).await.unwrap();
    let left = client.query_one("SELECT count(*) FROM user_session", &[]);
    assert_eq!(left.await.unwrap().get::<_, i64>(0), 0);
    auth.delete_user(&ada).await.unwrap();
    assert!(auth.user::<Profile>(&ada).await.unwrap().is_none());
}

#[tokio::test]
async fn the_shipped_files_run_by_hand_do_without_migrate() {
    let database = Database::new().await;
    let client = database.connect().await;
    let tables = include_str!("../../../lucia/migrations/postgres/0001_tables.sql");
    let tokens = include_str!("../../../lucia/migrations/postgres/0002_one_time_tokens.sql");
    let verified = include_str!("../../../lucia/migrations/postgres/0003_verified_keys.sql");
    let mails = include_str!("../../../lucia/migrations/postgres/0004_outgoing_mail.sql");
    let credentials = include_str!("../../../lucia/migrations/postgres/0005_user_credential.sql");
    for file in [tables, tokens, verified, mails, credentials].repeat(2) {
        client.batch_execute(file).await.unwrap();
    }
    let sql = "ALTER TABLE auth_user ADD COLUMN username TEXT NOT NULL UNIQUE, \
               ADD COLUMN age INT DEFAULT 7";
    client.batch_execute(sql).await.unwrap();
    // A tool of the application's has a record of its own.
    let mut complete = complete().await;
    complete.retain(|line| !line.contains("lucia_migration") && !line.contains("(tables, number)"));
    assert_eq!(catalog(&database).await, complete);
    assert_works(&database).await;
}

#[tokio::test]
async fn a_column_that_is_there_is_left_as_it_is() {
    let database = Database::new().await;
    let client = database.connect().await;
    let sql = "CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY, username VARCHAR(20), \
               \"Age\" TEXT DEFAULT 'old')";
    client.batch_execute(sql).await.unwrap();
    let store = PgStore::connect(&database.url()).await.unwrap();
    store
        .migrate(&["USERNAME TEXT NOT NULL UNIQUE", "\"Age\" INT", "age INT"])
        .await
        .unwrap();
    let columns: Vec<_> = catalog(&database)
        .await
        .into_iter()
        .filter(|line| line.starts_with("column auth_user."))
        .collect();
    assert_eq!(
        columns,
        [
            "column auth_user.\"Age\" text f 'old'::text",
            "column auth_user.age integer f ",
            "column auth_user.id text t ",
            "column auth_user.username character varying(20) f ",
        ]
    );
}

#[tokio::test]
async fn a_bad_definition_names_itself_and_nothing_is_made() {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    for definition in [
        "age NONSENSE",
        "age INT NOT",
        "age INT DEFAULT 'x'",
        "age INT; DROP TABLE auth_user",
        "UNIQUE (id)",
        "age INT REFERENCES nowhere (id)",
    ] {
        let refused = store.migrate(&["username TEXT", definition]).await;
        match &refused {
            Err(Error::Schema { table, reason, .. }) => {
                assert_eq!(table, "auth_user");
                assert!(reason.contains(definition), "{reason}");
            }
            other => panic!("{definition}: {other:?}"),
        }
        assert_eq!(catalog(&database).await, Vec::<String>::new());
    }
    let long = format!("{} TEXT", "x".repeat(64));
    for definition in ["", "age", "\"age TEXT", "a;b TEXT", "a\0 TEXT", &long] {
        let refused = store.migrate(&["username TEXT", definition]).await;
        let Err(Error::Misuse(reason)) = &refused else {
            panic!("{definition:?}: {refused:?}");
        };
        assert!(reason.contains(definition), "{reason}");
    }
    store.migrate(COLUMNS).await.unwrap();
    let user = NewUser::with_password(("username", "ada"), PASSWORD);
    let columns = Profile {
        username: "ada".into(),
    };
    let auth = Auth::builder(store).build().unwrap();
    auth.create_user(user.attributes(&columns)).await.unwrap();
}

#[tokio::test]
async fn a_column_that_existing_users_have_no_value_for_is_named() {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(COLUMNS).await.unwrap();
    sign_up(&Auth::builder(store.clone()).build().unwrap(), "ada").await;
    let before = catalog(&database).await;
    let refused = store
        .migrate(&["nickname TEXT", "email TEXT NOT NULL"])
        .await;
    match &refused {
        Err(Error::Schema { table, column, .. }) => {
            assert_eq!(
                (table.as_str(), column.as_deref()),
                ("auth_user", Some("email"))
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(catalog(&database).await, before);
}

#[tokio::test]
async fn a_start_at_which_nothing_is_missing_waits_for_nobody_and_locks_nobody_out() {
    let stage = Stage::postgres().await;
    let store = stage.pg_store().await;
    let reader = stage.database().connect().await;
    reader
        .batch_execute("BEGIN; SELECT * FROM user_session")
        .await
        .unwrap();
    // Whoever wanted to change the table would wait for the reader now.
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    reader.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_migration_that_cannot_have_its_turn_at_a_table_gives_up_and_can_be_tried_again() {
    let stage = Stage::postgres().await;
    let url = stage.database().url();
    let store = PgStore::builder().timeout(Duration::from_millis(300));
    let store = store.connect(&url).await.unwrap();
    stage
        .execute("ALTER TABLE user_session DROP COLUMN address")
        .await;
    let reader = stage.database().connect().await;
    reader
        .batch_execute("BEGIN; SELECT * FROM user_session")
        .await
        .unwrap();
    let refused = store.migrate(&[]).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    reader.batch_execute("COMMIT").await.unwrap();
    store.migrate(&[]).await.unwrap();
    assert_eq!(stage.count("user_session").await, 0);
    stage.rows("SELECT address FROM user_session").await;
}
