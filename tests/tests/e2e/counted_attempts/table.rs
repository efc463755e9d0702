//! The table of the counts: what is swept out, and what becomes of one that is old or missing.

use std::time::Duration;

use lucia::Error;

use super::{MINUTE, assert_too_many, counted, fail, sign_in};
use crate::support::{PASSWORD, Stage, on_each_store, sign_up};

on_each_store![
    r34_the_table_shows_neither_names_nor_addresses,
    r52_counts_that_have_ended_are_swept_and_no_others,
    counts_that_cannot_be_swept_hide_no_sessions_that_were,
    a_clock_that_was_wrong_for_a_moment_locks_nobody_out,
    a_table_of_an_earlier_version_is_told_and_migrated_with_its_counts,
    without_its_table_attempts_are_refused_by_its_name_and_all_else_works,
];

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
