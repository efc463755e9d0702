//! What changes the tables themselves, and so runs no trigger.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lucia::store::Store;
use lucia::{CacheOptions, PgStore, Session};

use crate::support::{Caching, Source, Stage, eventually, is_beat, on_each_source, sign_up};

on_each_source!(
    r54_tables_of_another_schema_and_other_names_are_looked_at_as_well,
    what_changes_nothing_that_is_read_leaves_the_cache_as_it_is,
);

/// Less than `max_age`, after which it would be seen anyway, and long enough for a machine that does
/// other things as well.
const SOON: Duration = Duration::from_secs(10);

/// What is so of that which a lookup gives.
type Expected = fn(&str) -> bool;

/// What a lookup gives: the session's expiry and the user's columns, or `nothing`.
async fn look(caching: &Caching, session: &Session) -> String {
    let found = Store::session_and_user(&caching.store, &session.id).await;
    found.unwrap().map_or("nothing".to_owned(), |(row, user)| {
        format!("{:?} {}", row.expiries.idle_expires, user.attributes)
    })
}

/// Changes a table by another connection, and waits until lookups give what they should.
async fn is_seen(stage: &Stage, caching: &Caching, sql: &str, expected: Expected) {
    let session = sign_up(&caching.auth, "ada").await;
    let bystander = sign_up(&caching.auth, "bob").await;
    for session in [&session, &bystander] {
        caching.remember(stage, session).await;
        assert!(!expected(&look(caching, session).await), "{sql}");
    }
    stage.execute(sql).await;
    let seen = eventually(async || expected(&look(caching, &session).await)).await;
    assert!(seen < SOON, "{sql}: {seen:?}");
    for _ in 0..10 {
        for session in [&session, &bystander] {
            let found = look(caching, session).await;
            assert!(expected(&found), "{sql}: {found}");
        }
    }
}

#[tokio::test]
async fn r54_users_whose_table_is_altered_are_seen_so() {
    let cases: [(&str, Expected); 8] = [
        (
            "ALTER TABLE auth_user ALTER username TYPE TEXT USING 'banned ' || id",
            |found| found.contains("banned"),
        ),
        ("ALTER TABLE auth_user RENAME username TO login", |found| {
            found.contains("login")
        }),
        ("ALTER TABLE auth_user DROP username", |found| {
            !found.contains("username")
        }),
        (
            "ALTER TABLE auth_user ADD role TEXT NOT NULL DEFAULT 'guest'",
            |found| found.contains("guest"),
        ),
        (
            "ALTER TABLE auth_user ADD shout TEXT GENERATED ALWAYS AS (upper(username)) STORED",
            |found| found.contains("shout"),
        ),
        (
            "ALTER TABLE auth_user ALTER username TYPE CHAR(9)",
            |found| found.contains("      "),
        ),
        // When the next heartbeat looks, the triggers are as they were.
        (
            "BEGIN; ALTER TABLE auth_user DISABLE TRIGGER USER; \
             UPDATE auth_user SET username = 'banned ' || id; \
             ALTER TABLE auth_user ENABLE TRIGGER USER; COMMIT",
            |found| found.contains("banned"),
        ),
        (
            "BEGIN; DROP TRIGGER lucia_update ON auth_user; \
             UPDATE auth_user SET username = 'banned ' || id; \
             CREATE TRIGGER lucia_update AFTER UPDATE ON auth_user \
             REFERENCING OLD TABLE AS old_rows \
             FOR EACH STATEMENT EXECUTE FUNCTION lucia_changed('users'); COMMIT",
            |found| found.contains("banned"),
        ),
    ];
    for (sql, expected) in cases {
        let stage = Stage::postgres().await;
        let caching = Caching::on(&stage).await;
        is_seen(&stage, &caching, sql, expected).await;
    }
}

#[tokio::test]
async fn r54_sessions_whose_table_is_altered_are_seen_so() {
    let cases: [(&str, Expected); 3] = [
        (
            "ALTER TABLE user_session ALTER idle_expires TYPE BIGINT USING 7",
            |found| found.contains("UnixMillis(7)"),
        ),
        (
            "ALTER TABLE user_session ALTER id TYPE TEXT USING md5(id) || md5(id)",
            |found| found == "nothing",
        ),
        (
            "BEGIN; ALTER TABLE user_session DISABLE TRIGGER lucia_delete; DELETE FROM user_session; \
             ALTER TABLE user_session ENABLE TRIGGER lucia_delete; COMMIT",
            |found| found == "nothing",
        ),
    ];
    for (sql, expected) in cases {
        let stage = Stage::postgres().await;
        let caching = Caching::on(&stage).await;
        is_seen(&stage, &caching, sql, expected).await;
    }
}

#[tokio::test]
async fn r54_values_of_an_enum_that_are_renamed_are_seen_so() {
    for column in ["role", "role[]", "a_role"] {
        let stage = Stage::postgres().await;
        let value = if column == "role[]" {
            "'{guest}'"
        } else {
            "'guest'"
        };
        let sql = format!(
            "CREATE TYPE role AS ENUM ('guest', 'member'); CREATE DOMAIN a_role AS role; \
             ALTER TABLE auth_user ADD is_a {column} DEFAULT {value}"
        );
        stage.execute(&sql).await;
        let caching = Caching::on(&stage).await;
        let sql = "ALTER TYPE role RENAME VALUE 'guest' TO 'banned'";
        is_seen(&stage, &caching, sql, |found| found.contains("banned")).await;
    }
}

async fn r54_tables_of_another_schema_and_other_names_are_looked_at_as_well(source: Source) {
    let stage = Stage::postgres().await;
    let builder = PgStore::builder()
        .schema("the \"accounts\"")
        .user_table("people")
        .session_table("visits");
    let caching = Caching::untold(source, &stage, builder, CacheOptions::new()).await;
    let columns = ["username TEXT NOT NULL UNIQUE"];
    caching.store.migrate(&columns).await.unwrap();
    caching.answers(true).await;
    let sql =
        "ALTER TABLE \"the \"\"accounts\"\"\".people ALTER username TYPE TEXT USING 'banned' || id";
    is_seen(&stage, &caching, sql, |found| found.contains("banned")).await;
}

async fn what_changes_nothing_that_is_read_leaves_the_cache_as_it_is(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    for sql in [
        "VACUUM (ANALYZE, FREEZE) auth_user, user_session",
        "ANALYZE",
        "VACUUM pg_catalog.pg_class, pg_catalog.pg_attribute",
        "BEGIN; ALTER TABLE auth_user ALTER username TYPE TEXT USING 'banned'; ROLLBACK",
        "CREATE TABLE other (id TEXT REFERENCES auth_user); DROP TABLE other",
    ] {
        caching.remember(&stage, &session).await;
        stage.execute(sql).await;
        for _ in 0..2 {
            stage.proxy().statements();
            eventually(async || stage.proxy().statements().iter().any(is_beat)).await;
        }
        let looked = caching.look(&stage, &session).await;
        assert_eq!(looked, (true, 0), "{sql}");
    }
}

/// The bound as it is promised: what was committed longer than `max_silence` ago is seen by every
/// lookup, however slow the machine is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r54_no_lookup_gives_what_a_table_was_longer_than_max_silence_ago() {
    no_lookup_is_late(Source::Listen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r54_no_polling_lookup_gives_what_a_table_was_longer_than_max_silence_ago() {
    no_lookup_is_late(Source::Poll).await;
}

async fn no_lookup_is_late(source: Source) {
    const ROUNDS: u32 = 20;
    const SILENCE: Duration = Duration::from_millis(100);

    let stage = Stage::postgres().await;
    let options = CacheOptions::new().max_silence(SILENCE);
    let caching = Caching::with_source(source, &stage, PgStore::builder(), options).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    let is_over = AtomicBool::new(false);
    let committed = std::sync::Mutex::new(vec![(Instant::now(), 0)]);
    let altering = async {
        for round in 1..=ROUNDS {
            let sql =
                format!("ALTER TABLE auth_user ALTER username TYPE TEXT USING 'round {round}.'");
            stage
                .execute("ALTER TABLE auth_user DROP CONSTRAINT IF EXISTS auth_user_username_key")
                .await;
            stage.execute(&sql).await;
            committed.lock().unwrap().push((Instant::now(), round));
            // It is kept before it is altered again.
            caching.remember(&stage, &session).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let looking = async {
        while !is_over.load(Ordering::Relaxed) {
            let called = Instant::now();
            let found = look(&caching, &session).await;
            let is_due = |(at, _): &&(Instant, u32)| *at + SILENCE < called;
            let due = {
                let committed = committed.lock().unwrap();
                let latest = committed.iter().rev().find(is_due);
                latest.map_or(0, |(_, round)| *round)
            };
            let seen = found.split("round ").nth(1);
            let seen = seen.map_or(0, |rest| rest.split('.').next().unwrap().parse().unwrap());
            assert!(seen >= due, "{seen} of {due}");
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(altering, looking);
}
