//! The triggers that tell the cache of changes.

use lucia::{Auth, CacheOptions, Error, PgStore};
use lucia_tests::{Database, watch};

use crate::support::{Caching, Profile, Source, Stage, eventually, on_each_source, sign_up};

on_each_source!(
    without_its_triggers_a_cache_does_not_answer_and_says_what_to_run,
    r54_a_cache_whose_triggers_go_away_stops_answering,
    a_store_without_a_cache_makes_no_triggers,
    r53_a_migration_makes_the_triggers_once,
    r53_a_migration_replaces_an_earlier_function,
    a_migration_leaves_what_an_application_has_by_one_of_its_names,
    r54_a_table_with_partitions_has_no_cache_and_the_schema_says_so,
    r53_processes_that_start_at_once_make_the_triggers_once,
    r47_tables_whose_long_names_are_alike_are_told_apart,
    r47_tables_of_any_name_have_triggers,
);

async fn without_its_triggers_a_cache_does_not_answer_and_says_what_to_run(source: Source) {
    let stage = Stage::postgres().await;
    let logged = watch(["triggers that tell of changes are missing"]);
    let caching = Caching::untold(source, &stage, PgStore::builder(), CacheOptions::new()).await;
    let session = sign_up(&caching.auth, "ada").await;
    // Another test may log the same of the other source.
    let file = source.named("migrations/postgres/cache.sql");
    let says_what_to_run = |line: &String| {
        line.starts_with("ERROR") && line.contains("store.migrate(..)") && line.contains(&file)
    };
    eventually(async || logged.lines().iter().any(says_what_to_run)).await;
    assert!(!caching.store.is_cache_answering());
    for _ in 0..2 {
        let found = caching.auth.validate_session(session.token()).await;
        assert!(found.unwrap().is_some());
    }
    let Err(Error::Schema { table, reason, .. }) = caching.auth.check_schema::<Profile>().await
    else {
        panic!("it is not in order");
    };
    assert_eq!(table, "user_session");
    assert!(reason.contains(&source.named("lucia_delete")), "{reason}");
    assert!(reason.contains(&file), "{reason}");

    caching.store.migrate(&[]).await.unwrap();
    caching.auth.check_schema::<Profile>().await.unwrap();
    caching.answers(true).await;
}

async fn r54_a_cache_whose_triggers_go_away_stops_answering(source: Source) {
    let mut cases = vec![
        "DROP TRIGGER lucia_delete ON user_session",
        "ALTER TABLE user_session DISABLE TRIGGER lucia_update",
        "ALTER TABLE auth_user DISABLE TRIGGER USER",
        "ALTER TABLE auth_user ENABLE REPLICA TRIGGER lucia_truncate",
        // Another one in its place, as some migrations do it.
        "ALTER TABLE user_session RENAME TO old_session; \
         CREATE TABLE user_session (LIKE old_session INCLUDING ALL)",
        "CREATE SCHEMA old; ALTER TABLE user_session SET SCHEMA old; \
         CREATE TABLE user_session (LIKE old.user_session INCLUDING ALL)",
        "CREATE SCHEMA new; CREATE TABLE new.auth_user (LIKE auth_user INCLUDING ALL); \
         CREATE TABLE new.user_session (LIKE user_session INCLUDING ALL); \
         ALTER SCHEMA public RENAME TO old; ALTER SCHEMA new RENAME TO public",
        // One that runs something else, or takes the one table for the other.
        "CREATE FUNCTION other() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE OR REPLACE TRIGGER lucia_delete AFTER DELETE ON user_session \
         FOR EACH STATEMENT EXECUTE FUNCTION other()",
        "CREATE OR REPLACE TRIGGER lucia_delete AFTER DELETE ON user_session \
         REFERENCING OLD TABLE AS old_rows \
         FOR EACH STATEMENT EXECUTE FUNCTION lucia_changed('users')",
        // One that runs now and then.
        "CREATE OR REPLACE TRIGGER lucia_delete AFTER DELETE ON user_session \
         REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT \
         WHEN (current_setting('application.quiet', TRUE) IS NULL) \
         EXECUTE FUNCTION lucia_changed('sessions')",
        "CREATE TABLE child () INHERITS (user_session)",
        "CREATE TABLE parent (LIKE auth_user); ALTER TABLE auth_user INHERIT parent",
    ];
    if source == Source::Poll {
        // The rest is the same statement's.
        cases.truncate(2);
        cases.extend([
            "DROP TABLE lucia_change",
            "ALTER TABLE lucia_change RENAME TO old_change",
            "CREATE SCHEMA other; ALTER TABLE lucia_change SET SCHEMA other; \
             SET search_path = other, public",
            "ALTER TABLE lucia_change SET LOGGED",
        ]);
    }
    for sql in cases {
        let stage = Stage::postgres().await;
        let caching = Caching::by(source, &stage).await;
        caching.auth.check_schema::<Profile>().await.unwrap();
        stage.execute(&source.named(sql)).await;
        caching.answers(false).await;
        let checked = caching.auth.check_schema::<Profile>().await;
        assert!(
            matches!(checked, Err(Error::Schema { .. })),
            "{sql}: {checked:?}"
        );
    }
}

async fn a_store_without_a_cache_makes_no_triggers(source: Source) {
    let stage = Stage::postgres().await;
    let triggers = "pg_trigger WHERE NOT tgisinternal";
    assert_eq!(stage.count(triggers).await, 0);
    Caching::by(source, &stage).await;
    assert_eq!(stage.count(triggers).await, 6);
    // And leaves those that are there.
    stage.pg_store().await.migrate(&[]).await.unwrap();
    assert_eq!(stage.count(triggers).await, 6);
}

/// All that there is of functions and triggers, with when each was made.
async fn made(stage: &Stage) -> Vec<Vec<Option<String>>> {
    stage
        .rows(
            "SELECT proname, pg_get_functiondef(oid), xmin FROM pg_proc \
             WHERE pronamespace = 'public'::REGNAMESPACE \
             UNION ALL SELECT tgname, pg_get_triggerdef(oid), xmin FROM pg_trigger \
             WHERE NOT tgisinternal ORDER BY 1, 2",
        )
        .await
}

async fn r53_a_migration_makes_the_triggers_once(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    let first = made(&stage).await;
    assert_eq!(first.len(), 7);
    caching.store.migrate(&[]).await.unwrap();
    assert_eq!(made(&stage).await, first);
    // The file can be run as often as one likes.
    let file = match source {
        Source::Listen => include_str!("../../../../lucia/migrations/postgres/cache.sql"),
        Source::Poll => include_str!("../../../../lucia/migrations/postgres/cache_by_polling.sql"),
    };
    for _ in 0..2 {
        stage.execute(file).await;
    }
    let without_time = |rows: Vec<Vec<Option<String>>>| -> Vec<_> {
        rows.into_iter()
            .map(|mut row| row.drain(..2).collect::<Vec<_>>())
            .collect()
    };
    assert_eq!(without_time(made(&stage).await), without_time(first));
    // What is missing is made.
    stage
        .execute(&source.named("DROP TRIGGER lucia_truncate ON auth_user"))
        .await;
    caching.store.migrate(&[]).await.unwrap();
    assert_eq!(made(&stage).await.len(), 7);
}

async fn r53_a_migration_replaces_an_earlier_function(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    let first = made(&stage).await;
    let earlier = "CREATE OR REPLACE FUNCTION lucia_changed() RETURNS TRIGGER LANGUAGE plpgsql \
                   AS 'BEGIN RETURN NULL; END'";
    stage.execute(&source.named(earlier)).await;
    caching.store.migrate(&[]).await.unwrap();
    let definitions = |rows: Vec<Vec<Option<String>>>| -> Vec<_> {
        rows.into_iter().map(|row| row[1].clone()).collect()
    };
    assert_eq!(definitions(made(&stage).await), definitions(first));
}

async fn a_migration_leaves_what_an_application_has_by_one_of_its_names(source: Source) {
    let function = "CREATE FUNCTION user_session_changed() RETURNS TRIGGER LANGUAGE plpgsql \
                    AS 'BEGIN RETURN OLD; END'; \
                    CREATE TRIGGER audit BEFORE DELETE ON user_session \
                    FOR EACH ROW EXECUTE FUNCTION user_session_changed(); ";
    let foreign = format!(
        "{function} CREATE TRIGGER lucia_delete BEFORE DELETE ON user_session \
         FOR EACH ROW EXECUTE FUNCTION user_session_changed()"
    );
    let mut cases = vec![
        (function, None),
        (
            "CREATE FUNCTION lucia_changed() RETURNS INT LANGUAGE sql AS 'SELECT 7'",
            Some("function `lucia_changed()`"),
        ),
        (&foreign, Some("trigger `lucia_delete`")),
    ];
    if source == Source::Poll {
        let table = "CREATE TABLE lucia_change (id INT)";
        cases.push((table, Some("there is a table that is not lucia's")));
    }
    for (sql, refused) in cases {
        let stage = Stage::postgres().await;
        stage.execute(&source.named(sql)).await;
        let before = made(&stage).await;
        let options = CacheOptions::new();
        let caching = Caching::untold(source, &stage, PgStore::builder(), options).await;
        match (caching.store.migrate(&[]).await, refused) {
            (Ok(()), None) => {
                let after = made(&stage).await;
                assert!(before.iter().all(|made| after.contains(made)), "{after:?}");
            }
            (Err(Error::Schema { reason, .. }), Some(refused)) => {
                assert!(reason.contains(&source.named(refused)), "{reason}");
                assert_eq!(made(&stage).await, before);
            }
            (migrated, _) => panic!("{sql}: {migrated:?}"),
        }
    }
}

async fn r54_a_table_with_partitions_has_no_cache_and_the_schema_says_so(source: Source) {
    let stage = Stage::postgres().await;
    stage
        .execute(
            "DROP TABLE user_session; \
             CREATE TABLE user_session (id TEXT PRIMARY KEY, \
                 user_id TEXT NOT NULL REFERENCES auth_user (id), \
                 active_expires BIGINT NOT NULL, idle_expires BIGINT NOT NULL) \
                 PARTITION BY HASH (id); \
             CREATE TABLE part PARTITION OF user_session \
                 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        )
        .await;
    let logged = watch(["needs an ordinary table without partitions"]);
    let caching = Caching::untold(source, &stage, PgStore::builder(), CacheOptions::new()).await;
    caching.store.migrate(&[]).await.unwrap();
    eventually(async || !logged.lines().is_empty()).await;
    assert!(logged.lines()[0].starts_with("ERROR"), "{logged:?}");
    assert!(!caching.store.is_cache_answering());
    let checked = caching.auth.check_schema::<Profile>().await;
    let Err(Error::Schema { table, reason, .. }) = checked else {
        panic!("{checked:?}");
    };
    assert_eq!(table, "user_session");
    assert!(reason.contains("partitions"), "{reason}");
}

async fn r53_processes_that_start_at_once_make_the_triggers_once(source: Source) {
    let database = Database::new().await;
    let stores = (0..6).map(|_| async {
        let builder = PgStore::builder().cache(CacheOptions::new());
        let builder = source.of(builder.max_connections(2), &database.url());
        builder.connect(&database.url()).await.unwrap()
    });
    let stores = futures_util::future::join_all(stores).await;
    let columns = ["username TEXT NOT NULL UNIQUE"];
    let migrated = stores.iter().map(|store| store.migrate(&columns));
    for migrated in futures_util::future::join_all(migrated).await {
        migrated.unwrap();
    }
    for store in &stores {
        eventually(async || store.is_cache_answering()).await;
    }
}

async fn r47_tables_whose_long_names_are_alike_are_told_apart(source: Source) {
    let stage = Stage::postgres().await;
    let ends = "t".repeat(27);
    let (users, sessions) = (format!("{ends}users_{ends}"), format!("{ends}sessns{ends}"));
    let builder = PgStore::builder()
        .user_table(&users)
        .session_table(&sessions);
    let caching =
        Caching::untold(source, &stage, builder.key_table("k"), CacheOptions::new()).await;
    let columns = ["username TEXT NOT NULL"];
    caching.store.migrate(&columns).await.unwrap();
    caching.answers(true).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    let sql = format!("UPDATE {users} SET username = 'banned'");
    stage.execute(&sql).await;
    eventually(async || {
        let found = lucia::store::Store::session_and_user(&caching.store, &session.id);
        let (_, user) = found.await.unwrap().unwrap();
        user.attributes.contains("banned")
    })
    .await;
}

async fn r47_tables_of_any_name_have_triggers(source: Source) {
    let database = Database::new().await;
    let long = "x".repeat(62);
    let wide = "é".repeat(31);
    for name in [
        "a\"b",
        "a.b;--",
        "a' OR 1=1 --",
        "$$",
        "\\",
        "%s",
        &long,
        &wide,
    ] {
        let builder = || {
            PgStore::builder()
                .schema(format!("{name}s"))
                .user_table(format!("{name}u"))
                .key_table(format!("{name}k"))
                .session_table(format!("{name}t"))
        };
        let url = database.url();
        let cached = source.of(builder().cache(CacheOptions::new()), &url);
        let cached = cached.connect(&url).await.unwrap();
        for _ in 0..2 {
            cached
                .migrate(&["username TEXT NOT NULL UNIQUE"])
                .await
                .unwrap();
        }
        eventually(async || cached.is_cache_answering()).await;
        let auth = Auth::builder(cached).build().unwrap();
        auth.check_schema::<Profile>().await.unwrap();
        let elsewhere = Auth::builder(builder().connect(&url).await.unwrap());
        let elsewhere = elsewhere.build().unwrap();
        let session = sign_up(&auth, "ada").await;
        for _ in 0..2 {
            let found = auth.validate_session(session.token()).await.unwrap();
            assert!(found.is_some(), "{name}");
        }
        elsewhere.invalidate_session(&session.id).await.unwrap();
        let token = session.token();
        eventually(async || auth.validate_session(token).await.unwrap().is_none()).await;
    }
}
