//! Counting attempts to sign in, without a framework. What clients see of it is in
//! `both/throttling.rs`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lucia::{Auth, Error, NewKey, SqliteStore};

use crate::support::{PASSWORD, Stage, on_each_store, sign_up};

on_each_store![
    without_an_address_nothing_is_counted,
    without_a_limit_nothing_is_counted,
    a_key_that_is_used_without_a_password_is_not_counted,
    an_attempt_that_nobody_waits_for_stays_counted,
    nobody_is_let_in_while_attempts_cannot_be_counted,
    a_success_that_cannot_be_written_down_is_one_all_the_same,
    r24_proofs_are_counted_together_with_sign_ins,
    r34_the_table_shows_neither_names_nor_addresses,
    r52_counts_that_have_ended_are_swept_and_no_others,
    a_clock_that_was_wrong_for_a_moment_locks_nobody_out,
    counts_that_cannot_be_swept_hide_no_sessions_that_were,
    without_its_table_attempts_are_refused_by_its_name_and_all_else_works,
];

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const WRONG: &str = "wrong horse battery";
const MINUTE: Duration = Duration::from_secs(60);

async fn sign_in(auth: &Auth, username: &str, password: &str) -> lucia::Result<()> {
    let key = auth.use_key("username", username, Some(password));
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
        let refused = auth.use_key("username", "ada", Some(WRONG)).await;
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
    let use_key = async |id| auth.use_key("github", id, None).address(HERE).await;
    for _ in 0..2 {
        let unknown = use_key("1815").await;
        assert!(
            matches!(unknown, Err(Error::InvalidCredentials)),
            "{unknown:?}"
        );
    }
    let key = NewKey::without_password("github", "1815");
    auth.create_key(&session.user_id, key).await.unwrap();
    assert_eq!(use_key("1815").await.unwrap().user_id, session.user_id);
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn an_attempt_that_nobody_waits_for_stays_counted(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    stage.probe.halt("forget_attempts");
    let abandoned = tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await });
    stage.probe.arrived("forget_attempts").await;
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
    stage.probe.halt("forget_attempts");
    let attempt = tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await });
    stage.probe.arrived("forget_attempts").await;
    stage.probe.set_down(true);
    stage.probe.release("forget_attempts");
    attempt.await.unwrap().unwrap();
    assert_eq!(counted(&stage).await.as_deref(), Some("1"));
}

async fn r24_proofs_are_counted_together_with_sign_ins(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let prove = async |password| {
        auth.reauthenticate(&session, "username", "ada", password)
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

async fn r34_the_table_shows_neither_names_nor_addresses(stage: Stage) {
    let auth = stage.auth().await;
    fail(&auth, "ada-of-london", 2).await;
    let rows = stage.rows("SELECT * FROM sign_in_attempt").await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row[0].as_ref().unwrap().len(), 64);
    let row = format!("{row:?}");
    for shown in ["ada", "london", "username", "192.0.2.1"] {
        assert!(!row.contains(shown), "{row}");
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
    let sql = format!("INSERT INTO sign_in_attempt VALUES {}", old.join(", "));
    stage.execute(&sql).await;
    // There is no session to delete, and counts are not told.
    stage.probe.calls();
    assert_eq!(auth.delete_dead_sessions().await.unwrap(), 0);
    let mut calls = stage.probe.calls();
    calls.retain(|call| *call == "delete_old_attempts");
    assert_eq!(calls.len(), 2, "in batches of a thousand");
    assert_eq!(stage.count("sign_in_attempt").await, 2);
    stage.clock.advance(15 * MINUTE);
    assert_eq!(auth.delete_dead_sessions().await.unwrap(), 0);
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
    let (deleted, ()) = tokio::join!(auth.delete_dead_sessions(), failing);
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
    auth.delete_dead_sessions().await.unwrap();
    assert_eq!(counted(&stage).await.as_deref(), Some("9"));
    sign_in(&auth, "ada", PASSWORD).await.unwrap();
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
    let key = auth.use_key("username", "ada", Some(PASSWORD)).await;
    auth.create_session(&key.unwrap().user_id).await.unwrap();
    stage
        .clock
        .set(session.idle_expires + Duration::from_millis(1));
    assert_eq!(auth.delete_dead_sessions().await.unwrap(), 2);
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
