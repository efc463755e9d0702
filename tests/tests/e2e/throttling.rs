//! Counting attempts to sign in, without a framework. What clients see of it is in
//! `both/throttling.rs`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lucia::{Auth, Error, NewKey, NewUser, SqliteStore};

use crate::support::{ADMITTED, PASSWORD, Stage, on_each_store, sign_up};

on_each_store![
    without_an_address_nothing_is_counted,
    without_a_limit_nothing_is_counted,
    a_key_that_is_used_without_a_password_is_not_counted,
    an_attempt_that_nobody_waits_for_stays_counted,
    nobody_is_let_in_while_attempts_cannot_be_counted,
    a_success_that_cannot_be_written_down_is_one_all_the_same,
    a_first_sign_in_by_a_provider_logs_no_refusal,
    r24_proofs_are_counted_together_with_sign_ins,
    r34_second_proofs_buy_no_guesses,
    r34_a_second_proof_by_the_key_of_somebody_else_stays_counted,
    r34_a_second_auth_with_other_limits_cuts_no_count_short,
    r34_a_count_that_a_short_period_began_lasts_as_long_as_the_longest_one,
    r34_the_table_shows_neither_names_nor_addresses,
    r52_counts_that_have_ended_are_swept_and_no_others,
    a_clock_that_was_wrong_for_a_moment_locks_nobody_out,
    counts_that_cannot_be_swept_hide_no_sessions_that_were,
    a_table_of_an_earlier_version_is_told_and_migrated_with_its_counts,
    r34_names_and_passwords_of_megabytes_are_refused_as_unknown_ones_are,
    without_its_table_attempts_are_refused_by_its_name_and_all_else_works,
];

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const WRONG: &str = "wrong horse battery";
const MINUTE: Duration = Duration::from_secs(60);

async fn sign_in(auth: &Auth, username: &str, password: &str) -> lucia::Result<()> {
    let key = auth.verify_password(("username", username), password);
    key.address(HERE).await.map(drop)
}

/// So many attempts with a wrong password, each of which is looked at.
async fn fail(auth: &Auth, username: &str, count: usize) {
    for _ in 0..count {
        let refused = sign_in(auth, username, WRONG).await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
}

#[track_caller]
fn assert_too_many<T: std::fmt::Debug>(refused: lucia::Result<T>) {
    assert!(
        matches!(refused, Err(Error::TooManyAttempts { .. })),
        "{refused:?}"
    );
}

async fn counted(stage: &Stage) -> Option<String> {
    stage.value("SELECT attempts FROM sign_in_attempt").await
}

async fn without_an_address_nothing_is_counted(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for _ in 0..11 {
        let refused = auth.verify_password(("username", "ada"), WRONG).await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn without_a_limit_nothing_is_counted(stage: Stage) {
    let auth = stage.builder().await.without_sign_in_limit();
    let auth = auth.build().unwrap();
    sign_up(&auth, "ada").await;
    fail(&auth, "ada", 11).await;
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn a_key_that_is_used_without_a_password_is_not_counted(stage: Stage) {
    let auth = stage.builder().await.sign_in_limit(1, MINUTE);
    let auth = auth.build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let trusted = async |id| auth.trusted_key(("github", id)).await;
    for _ in 0..2 {
        let unknown = trusted("1815").await;
        assert!(
            matches!(unknown, Err(Error::InvalidCredentials)),
            "{unknown:?}"
        );
    }
    let key = NewKey::without_password(("github", "1815"));
    auth.create_key(&session.user_id, key).await.unwrap();
    assert_eq!(trusted("1815").await.unwrap().user_id, session.user_id);
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn an_attempt_that_nobody_waits_for_stays_counted(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    stage.probe.halt("uncount_attempt");
    let abandoned = tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await });
    stage.probe.arrived("uncount_attempt").await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    assert_eq!(counted(&stage).await.as_deref(), Some("1"));
}

async fn nobody_is_let_in_while_attempts_cannot_be_counted(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    stage.probe.halt("count_attempt");
    let attempt = {
        let auth = auth.clone();
        tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await })
    };
    stage.probe.arrived("count_attempt").await;
    stage.probe.set_down(true);
    stage.probe.release("count_attempt");
    let refused = attempt.await.unwrap();
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    stage.probe.set_down(false);
    sign_in(&auth, "ada", PASSWORD).await.unwrap();
}

async fn a_success_that_cannot_be_written_down_is_one_all_the_same(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    stage.probe.halt("uncount_attempt");
    let attempt = tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await });
    stage.probe.arrived("uncount_attempt").await;
    stage.probe.set_down(true);
    stage.probe.release("uncount_attempt");
    attempt.await.unwrap().unwrap();
    assert_eq!(counted(&stage).await.as_deref(), Some("1"));
}

async fn a_first_sign_in_by_a_provider_logs_no_refusal(stage: Stage) {
    // What the other tests of this process log has other names in it.
    let provider = match stage.is_postgres() {
        true => "first-sign-in-postgres",
        false => "first-sign-in-sqlite",
    };
    let logs = lucia_tests::watch([provider]);
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let told = async |user, password| {
        let before = logs.lines().len();
        let used = match password {
            Some(password) => {
                let check = auth.verify_password((provider, user), password);
                check.address(HERE).await
            }
            None => auth.trusted_key((provider, user)).await,
        };
        assert!(
            matches!(used, Err(Error::InvalidCredentials)),
            "{user}: {used:?}"
        );
        let mut lines = logs.lines().split_off(before);
        lines.retain(|line| line.contains(" lucia"));
        lines
    };
    // Nobody has this key, and no name that long can be one.
    let long = "1".repeat(300);
    for unknown in ["1815", &long] {
        let lines = told(unknown, None).await;
        assert!(
            matches!(&lines[..], [line] if line.starts_with("DEBUG") && line.contains("no such key")),
            "{lines:?}"
        );
    }
    // Guesses are refused, whether there is such a key, and so is a key without its password.
    let key = NewKey::with_password((provider, "1815"), PASSWORD);
    auth.create_key(&session.user_id, key).await.unwrap();
    for (user, password) in [("1815", Some(WRONG)), ("1816", Some(WRONG)), ("1815", None)] {
        let lines = told(user, password).await;
        assert!(
            matches!(&lines[..], [line] if line.starts_with("INFO") && line.contains("key refused")),
            "{lines:?}"
        );
    }
}

async fn r24_proofs_are_counted_together_with_sign_ins(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let prove = async |password| {
        auth.reauthenticate(&session, ("username", "ada"), password)
            .address(HERE)
            .await
    };
    fail(&auth, "ada", 5).await;
    for _ in 0..5 {
        let refused = prove(WRONG).await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
    assert_too_many(prove(PASSWORD).await);
    assert_too_many(sign_in(&auth, "ada", PASSWORD).await);
    stage.clock.advance(15 * MINUTE);
    prove(PASSWORD).await.unwrap();
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn r34_second_proofs_buy_no_guesses(stage: Stage) {
    let auths = [stage.auth().await, stage.auth().await];
    let own = sign_up(&auths[0], "Ada").await;
    sign_up(&auths[0], "ada").await;
    let mut own = [own.clone(), own];
    let mut guesses = 0;
    for number in 0..25 {
        // By a sign-in, and by a second proof of a session of the guesser's.
        let (auth, session) = (&auths[number % 2], &own[0]);
        let guess = match number % 3 {
            0 => sign_in(auth, "ada", WRONG).await,
            _ => {
                let guess = auth.reauthenticate(session, ("username", "ada"), WRONG);
                guess.address(HERE).await.map(drop)
            }
        };
        guesses += usize::from(matches!(guess, Err(Error::InvalidCredentials)));
        let proof = auths[0].reauthenticate(session, ("username", "Ada"), PASSWORD);
        match proof.address(HERE).await {
            Ok(session) => own = [session.clone(), session],
            Err(error) => assert!(matches!(error, Error::TooManyAttempts { .. }), "{error:?}"),
        }
    }
    assert_eq!(guesses, 10);
}

async fn r34_a_second_proof_by_the_key_of_somebody_else_stays_counted(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    sign_up(&auth, "bob").await;
    for attempts in 1..=10 {
        let proof = auth.reauthenticate(&session, ("username", "bob"), PASSWORD);
        let refused = proof.address(HERE).await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
        assert_eq!(counted(&stage).await, Some(attempts.to_string()));
    }
    assert_too_many(sign_in(&auth, "bob", PASSWORD).await);
}

/// One that allows few failures in a long time, and one that allows many in a short time, each
/// with a store of its own.
async fn strict_and_lax(stage: &Stage) -> [Auth; 2] {
    let strict = stage.builder().await.sign_in_limit(5, 15 * MINUTE);
    let lax = stage.builder().await.sign_in_limit(20, MINUTE);
    [strict.build().unwrap(), lax.build().unwrap()]
}

async fn sweep(auths: &[Auth]) {
    for auth in auths {
        auth.delete_expired_sessions().await.unwrap();
    }
}

async fn r34_a_second_auth_with_other_limits_cuts_no_count_short(stage: Stage) {
    let auths = strict_and_lax(&stage).await;
    let [strict, lax] = &auths;
    sign_up(strict, "ada").await;
    fail(strict, "ada", 5).await;
    // Neither the sweeps nor the attempts of the other one end the count, nor its successes.
    for _ in 0..14 {
        sweep(&auths).await;
        assert_too_many(sign_in(strict, "ada", PASSWORD).await);
        fail(lax, "ada", 1).await;
        sign_in(lax, "ada", PASSWORD).await.unwrap();
        assert_too_many(sign_in(strict, "ada", PASSWORD).await);
        stage.clock.advance(MINUTE);
    }
    // It has more attempts, in the same count.
    fail(lax, "ada", 1).await;
    assert_too_many(sign_in(lax, "ada", PASSWORD).await);
    stage.clock.advance(MINUTE);
    fail(strict, "ada", 5).await;
}

async fn r34_a_count_that_a_short_period_began_lasts_as_long_as_the_longest_one(stage: Stage) {
    let auths = strict_and_lax(&stage).await;
    let [strict, lax] = &auths;
    sign_up(strict, "ada").await;
    fail(lax, "ada", 1).await;
    stage.clock.advance(MINUTE / 2);
    fail(strict, "ada", 4).await;
    assert_too_many(sign_in(strict, "ada", PASSWORD).await);
    for _ in 0..14 {
        stage.clock.advance(MINUTE);
        sweep(&auths).await;
        fail(lax, "ada", 1).await;
        assert_too_many(sign_in(strict, "ada", PASSWORD).await);
    }
    // From the first attempt on, whoever made it.
    stage.clock.advance(MINUTE / 2);
    fail(strict, "ada", 5).await;
    // An attempt that is refused is not counted, and makes nobody wait longer.
    stage.clock.advance(15 * MINUTE);
    fail(lax, "ada", 20).await;
    assert_too_many(sign_in(strict, "ada", PASSWORD).await);
    stage.clock.advance(MINUTE);
    fail(strict, "ada", 5).await;
}

async fn r34_the_table_shows_neither_names_nor_addresses(stage: Stage) {
    let auth = stage.auth().await;
    fail(&auth, "ada-of-london", 2).await;
    let rows = stage.rows("SELECT * FROM sign_in_attempt").await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    for row in &rows {
        assert_eq!(row[0].as_ref().unwrap().len(), 64);
        let row = format!("{row:?}");
        for shown in ["ada", "london", "username", "192.0.2.1"] {
            assert!(!row.contains(shown), "{row}");
        }
    }
}

async fn r52_counts_that_have_ended_are_swept_and_no_others(stage: Stage) {
    let auth = stage.auth().await;
    for (number, minutes) in [(1, 10), (2, 5), (3, 0)] {
        fail(&auth, &format!("user{number}"), 1).await;
        stage.clock.advance(minutes * MINUTE);
    }
    let old: Vec<_> = (0..1500)
        .map(|number| format!("('{number:064x}', 1, 1000000000000)"))
        .collect();
    let sql = format!(
        "INSERT INTO sign_in_attempt (id, attempts, expires) VALUES {}",
        old.join(", ")
    );
    stage.execute(&sql).await;
    // There is no session to delete, and counts are not told.
    stage.probe.calls();
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 0);
    let mut calls = stage.probe.calls();
    calls.retain(|call| *call == "delete_old_attempts");
    assert_eq!(calls.len(), 2, "in batches of a thousand");
    // Two users, each in two places.
    assert_eq!(stage.count("sign_in_attempt").await, 4);
    stage.clock.advance(15 * MINUTE);
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 0);
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn counts_that_cannot_be_swept_hide_no_sessions_that_were(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    stage
        .clock
        .set(session.idle_expires + Duration::from_millis(1));
    stage.probe.halt("delete_old_attempts");
    let failing = async {
        stage.probe.arrived("delete_old_attempts").await;
        stage.probe.set_down(true);
        stage.probe.release("delete_old_attempts");
    };
    let (deleted, ()) = tokio::join!(auth.delete_expired_sessions(), failing);
    assert_eq!(deleted.unwrap(), 1);
}

async fn a_clock_that_was_wrong_for_a_moment_locks_nobody_out(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let now = stage.clock.now();
    stage.clock.set(now + 365 * 24 * 60 * MINUTE);
    for username in ["ada", "bob"] {
        fail(&auth, username, 10).await;
    }
    stage.clock.set(now);
    fail(&auth, "ada", 9).await;
    auth.delete_expired_sessions().await.unwrap();
    assert_eq!(counted(&stage).await.as_deref(), Some("9"));
    sign_in(&auth, "ada", PASSWORD).await.unwrap();
}

async fn a_table_of_an_earlier_version_is_told_and_migrated_with_its_counts(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    fail(&auth, "ada", 10).await;
    stage
        .execute("ALTER TABLE sign_in_attempt DROP COLUMN started_at")
        .await;
    // Earlier versions did not record their migrations.
    stage.execute("DROP TABLE lucia_migration").await;
    // Another process, which has prepared nothing yet.
    let auth = stage.auth().await;
    for refused in [
        sign_in(&auth, "ada", PASSWORD).await,
        auth.check_schema::<lucia::NoAttributes>().await,
    ] {
        match refused {
            Err(Error::Schema { table, column, .. }) => {
                let told = (table.as_str(), column.as_deref());
                assert_eq!(told, ("sign_in_attempt", Some("started_at")));
            }
            other => panic!("{other:?}"),
        }
    }
    for _ in 0..2 {
        stage.add_columns(&[]).await;
    }
    let auth = stage.auth().await;
    auth.check_schema::<lucia::NoAttributes>().await.unwrap();
    auth.delete_expired_sessions().await.unwrap();
    assert_too_many(sign_in(&auth, "ada", PASSWORD).await);
    // What a process of the earlier version writes meanwhile is a count, too.
    let later = stage.clock.now() + 10 * MINUTE;
    let later = later.duration_since(std::time::UNIX_EPOCH).unwrap();
    let sql = format!(
        "INSERT INTO sign_in_attempt (id, attempts, expires) VALUES ('{:064x}', 10, {})",
        1,
        later.as_millis()
    );
    stage.execute(&sql).await;
    auth.delete_expired_sessions().await.unwrap();
    // That one, and those of the key, as it is spelled and as it is stored.
    assert_eq!(stage.count("sign_in_attempt").await, 3);
    stage.clock.advance(15 * MINUTE);
    sign_in(&auth, "ada", PASSWORD).await.unwrap();
    auth.delete_expired_sessions().await.unwrap();
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn r34_names_and_passwords_of_megabytes_are_refused_as_unknown_ones_are(stage: Stage) {
    let auth = stage.auth().await;
    // Of one byte, of many, and one that becomes eighteen.
    for part in ["x", "\u{1f600}", "\u{fdfa}"] {
        let long = part.repeat((2 << 20) / part.len());
        stage.probe.calls();
        for number in 0..10 {
            // Another end makes no other name of it.
            let name = format!("{long}{number}");
            fail(&auth, &name, 1).await;
        }
        assert_eq!(stage.probe.calls(), ["count_attempt"; 10], "{part:?}");
        assert_too_many(sign_in(&auth, &long, PASSWORD).await);
        let used = auth
            .verify_password((&long, "ada"), WRONG)
            .address(HERE)
            .await;
        assert!(matches!(used, Err(Error::InvalidCredentials)), "{used:?}");
        // All others that take the name of a key.
        assert!(auth.key(("username", &long)).await.unwrap().is_none());
        auth.delete_key(("username", &long)).await.unwrap();
        let reset = auth.reset_password(("username", &long), PASSWORD).await;
        assert!(matches!(reset, Err(Error::UnknownKey)), "{reset:?}");
        stage.probe.calls();
        let new_user = NewUser::with_password(("username", &long), PASSWORD);
        let created = auth.create_user(new_user).await;
        assert!(
            matches!(created, Err(Error::InvalidKey { .. })),
            "{created:?}"
        );
        let key = NewUser::with_password(("username", "ada"), &long);
        let created = auth.create_user(key).await;
        assert!(
            matches!(created, Err(Error::InvalidPassword(_))),
            "{created:?}"
        );
        assert_eq!(stage.probe.calls(), [""; 0], "{part:?}");
        stage.execute("DELETE FROM sign_in_attempt").await;
    }
}

async fn without_its_table_attempts_are_refused_by_its_name_and_all_else_works(stage: Stage) {
    stage.execute("DROP TABLE sign_in_attempt").await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    for refused in [
        sign_in(&auth, "ada", PASSWORD).await,
        auth.check_schema::<lucia::NoAttributes>().await,
    ] {
        match refused {
            Err(Error::Schema { table, column, .. }) => {
                assert_eq!((table.as_str(), column), ("sign_in_attempt", None));
            }
            other => panic!("{other:?}"),
        }
    }
    // Who counts none needs no table.
    let uncounted = stage.builder().await.without_sign_in_limit();
    let uncounted = uncounted.build().unwrap();
    uncounted
        .check_schema::<lucia::NoAttributes>()
        .await
        .unwrap();
    sign_in(&uncounted, "ada", PASSWORD).await.unwrap();
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    auth.create_session(&key.unwrap().user_id).await.unwrap();
    stage
        .clock
        .set(session.idle_expires + Duration::from_millis(1));
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 2);
}

/// On a database that compares the ids of keys without case, one key has many spellings. The counts
/// do not tell whether there is one.
#[tokio::test]
async fn r34_a_key_of_many_spellings_has_one_count_whether_it_is_known_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    let sql = "CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL); \
               CREATE TABLE user_key (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, \
               user_id TEXT NOT NULL REFERENCES auth_user (id), hashed_password TEXT)";
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch(sql).unwrap();
    let store = SqliteStore::open(&file).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let auth = Auth::builder(store).sign_in_limit(4, MINUTE);
    let auth = auth.build().unwrap();
    sign_up(&auth, "ada").await;
    for spellings in [
        ["ada", "Ada", "aDa", "adA", "ADA"],
        ["bob", "Bob", "bOb", "boB", "BOB"],
    ] {
        for spelling in &spellings[..4] {
            fail(&auth, spelling, 1).await;
        }
        assert_too_many(sign_in(&auth, spellings[4], PASSWORD).await);
    }
}

/// Whether an attempt at this name is the first one that is counted for its key and this address. No
/// password is hashed for it: the attempt is given up when it has been counted.
async fn is_first(stage: &Stage, auth: &Auth, name: &str, address: u32) -> bool {
    let attempt = auth.verify_password(("username", name), WRONG);
    tokio::select! {
        attempt = attempt.address(Ipv4Addr::from(address).into()) => {
            assert_too_many(attempt);
            false
        }
        () = stage.probe.arrived(ADMITTED) => true,
    }
}

/// What a database can compare names by, of those that know more letters than ASCII has. Each is an
/// expression over `name`.
const COMPARISONS: [&str; 7] = [
    "name::citext",
    "lower(name)",
    r#"lower(name COLLATE "und-x-icu")"#,
    r#"lower(name COLLATE "tr-x-icu")"#,
    r#"name COLLATE "ignores_case""#,
    r#"name COLLATE "ignores_accents""#,
    r#"name COLLATE "ignores_punctuation""#,
];

/// All of Unicode that has a character, each at the beginning and at the end of a word, and what
/// becomes of it in the other case and in parts.
const NAMES: &str = r#"CREATE EXTENSION citext;
    CREATE COLLATION ignores_case
        (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE COLLATION ignores_accents
        (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
    CREATE COLLATION ignores_punctuation
        (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false);
    CREATE TABLE names AS
    SELECT DISTINCT name FROM (
        SELECT chr(n) AS letter FROM generate_series(1, 918000) AS n
        WHERE n NOT BETWEEN 55296 AND 63743 AND n NOT BETWEEN 210000 AND 917503
    ) AS letters, LATERAL (VALUES
        (letter || 'a'), ('a' || letter),
        ('a' || upper(letter COLLATE "und-x-icu")), ('a' || lower(letter COLLATE "und-x-icu")),
        ('a' || normalize(letter, NFD))
    ) AS names (name);
    INSERT INTO names
    SELECT a || b || c || d FROM (VALUES ('Σ'), ('σ'), ('ς')) AS one (a),
        (VALUES ('Σ'), ('σ'), ('ς')) AS two (b),
        (VALUES ('Σ'), ('σ'), ('ς')) AS three (c),
        (VALUES ('Σ'), ('σ'), ('ς')) AS four (d)"#;

#[tokio::test]
async fn r34_what_a_database_takes_for_one_name_has_one_count() {
    let database = lucia_tests::Database::new().await;
    let client = database.connect().await;
    client.batch_execute(NAMES).await.unwrap();

    let stage = Stage::sqlite().await;
    let auth = stage.builder().await.sign_in_limit(1, MINUTE);
    let auth = auth.build().unwrap();
    stage.probe.halt(ADMITTED);
    let mut missed = Vec::new();
    // Each group has an address of its own, so that no count is of another group.
    let mut address = 0;
    for comparison in COMPARISONS {
        let sql =
            format!("SELECT array_agg(name) FROM names GROUP BY {comparison} HAVING count(*) > 1");
        let groups = client.query(&sql, &[]).await.unwrap();
        // Without a locale, the database's own `lower` knows few letters.
        let least = if comparison.contains("COLLATE") {
            1000
        } else {
            20
        };
        assert!(groups.len() > least, "{comparison}: {}", groups.len());
        for group in groups {
            let names: Vec<String> = group.get(0);
            address += 1;
            assert!(is_first(&stage, &auth, &names[0], address).await);
            for name in &names[1..] {
                if is_first(&stage, &auth, name, address).await {
                    missed.push((comparison, names[0].clone(), name.clone()));
                }
            }
        }
    }
    missed.truncate(50);
    assert!(missed.is_empty(), "{missed:?}");
    // SQLite's NOCASE knows ASCII alone.
    for letter in 'a'..='z' {
        let name = format!("nocase {letter}");
        assert!(is_first(&stage, &auth, &name, 0).await);
        assert!(!is_first(&stage, &auth, &name.to_ascii_uppercase(), 0).await);
    }
    // Not everything is one.
    for name in [
        "this one",
        "that one",
        "\u{5f20}\u{4f1f}",
        "\u{5f20}\u{4f1a}",
    ] {
        assert!(is_first(&stage, &auth, name, 0).await, "{name}");
    }
}
