//! The triggers that tell the cache of changes.

use lucia::{Auth, CacheOptions, Error, PgStore};
use lucia_tests::{Database, watch};

use crate::support::{Caching, Profile, Stage, eventually, sign_up};

#[tokio::test]
async fn without_its_triggers_a_cache_does_not_answer_and_says_what_to_run() {
    let stage = Stage::postgres().await;
    let logged = watch(["triggers that tell of changes are missing"]);
    let caching = Caching::untold(&stage, PgStore::builder(), CacheOptions::new()).await;
    let session = sign_up(&caching.auth, "ada").await;
    eventually(async || logged.lines().iter().any(|line| line.starts_with("ERROR"))).await;
    let line = logged.lines().pop().unwrap();
    assert!(line.contains("store.migrate(..)"), "{line}");
    assert!(line.contains("migrations/postgres/cache.sql"), "{line}");
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
    assert!(reason.contains("lucia_update"), "{reason}");
    assert!(reason.contains("migrations/postgres/cache.sql"), "{reason}");

    caching.store.migrate(&[]).await.unwrap();
    caching.auth.check_schema::<Profile>().await.unwrap();
    caching.answers(true).await;
}

#[tokio::test]
async fn r54_a_cache_whose_triggers_go_away_stops_answering() {
    for sql in [
        "DROP TRIGGER lucia_delete ON user_session",
        "ALTER TABLE user_session DISABLE TRIGGER lucia_update",
        "ALTER TABLE auth_user DISABLE TRIGGER USER",
        "ALTER TABLE auth_user ENABLE REPLICA TRIGGER lucia_truncate",
        // Another one in its place, as some migrations do it.
        "ALTER TABLE user_session RENAME TO old_session; \
         CREATE TABLE user_session (LIKE old_session INCLUDING ALL)",
    ] {
        let stage = Stage::postgres().await;
        let caching = Caching::on(&stage).await;
        caching.auth.check_schema::<Profile>().await.unwrap();
        stage.execute(sql).await;
        let stopped = caching.answers(false).await;
        assert!(stopped.as_secs() < 1, "{sql}: {stopped:?}");
        let checked = caching.auth.check_schema::<Profile>().await;
        assert!(
            matches!(checked, Err(Error::Schema { .. })),
            "{sql}: {checked:?}"
        );
    }
}

#[tokio::test]
async fn a_store_without_a_cache_makes_no_triggers() {
    let stage = Stage::postgres().await;
    let triggers = "pg_trigger WHERE NOT tgisinternal";
    assert_eq!(stage.count(triggers).await, 0);
    Caching::on(&stage).await;
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

#[tokio::test]
async fn r53_a_migration_makes_the_triggers_once() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let first = made(&stage).await;
    assert_eq!(first.len(), 8);
    caching.store.migrate(&[]).await.unwrap();
    assert_eq!(made(&stage).await, first);
    // The file can be run as often as one likes.
    let file = include_str!("../../../../lucia/migrations/postgres/cache.sql");
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
        .execute("DROP TRIGGER lucia_truncate ON auth_user")
        .await;
    caching.store.migrate(&[]).await.unwrap();
    assert_eq!(made(&stage).await.len(), 8);
}

#[tokio::test]
async fn r53_processes_that_start_at_once_make_the_triggers_once() {
    let database = Database::new().await;
    let stores = (0..6).map(|_| async {
        let builder = PgStore::builder()
            .cache(CacheOptions::new())
            .max_connections(2);
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

#[tokio::test]
async fn r47_tables_of_any_name_have_triggers() {
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
        let cached = builder()
            .cache(CacheOptions::new())
            .connect(&url)
            .await
            .unwrap();
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
