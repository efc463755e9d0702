//! The job that deletes expired sessions in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lucia::store::Store;
use lucia::{Auth, Error};

use crate::support::{Stage, on_each_store, sign_up};

on_each_store![
    it_sweeps_when_it_starts_and_again_after_its_interval,
    it_deletes_in_batches_of_the_size_asked_for,
    it_rests_after_each_batch_nine_times_as_long_as_it_took,
    it_has_ended_when_stop_returns,
    it_ends_when_it_is_dropped,
    it_survives_an_outage,
    settings_that_make_no_sense_are_refused_by_name,
    an_interval_without_end_is_a_long_rest,
];

const SWEEP: &str = "delete_expired_sessions";
const SHORT: Duration = Duration::from_millis(1);

/// An `Auth` and so many sessions that are expired.
async fn with_expired(stage: &Stage, count: usize) -> Auth {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    for _ in 1..count {
        auth.create_session(&session.user_id).await.unwrap();
    }
    stage.clock.set(session.idle_expires + SHORT);
    auth
}

/// Waits for the beginning of the next sweep, and lets it go on.
async fn next_sweep(stage: &Stage) {
    stage.probe.arrived(SWEEP).await;
    stage.probe.release(SWEEP);
}

async fn it_sweeps_when_it_starts_and_again_after_its_interval(stage: Stage) {
    const INTERVAL: Duration = Duration::from_millis(200);

    let auth = with_expired(&stage, 3).await;
    stage.probe.halt(SWEEP);
    let sweeper = auth.sweeper().interval(INTERVAL).jitter(Duration::ZERO);
    let sweeper = sweeper.start().unwrap();
    stage.probe.arrived(SWEEP).await;
    assert_eq!(stage.count("user_session").await, 3);
    let first = Instant::now();
    stage.probe.release(SWEEP);
    stage.probe.halt(SWEEP);
    stage.probe.arrived(SWEEP).await;
    // No sooner than that; how much later is the machine's business.
    assert!(first.elapsed() >= INTERVAL, "{:?}", first.elapsed());
    assert_eq!(stage.count("user_session").await, 0);
    stage.probe.release(SWEEP);
    sweeper.stop().await;
}

async fn it_deletes_in_batches_of_the_size_asked_for(stage: Stage) {
    let auth = with_expired(&stage, 5).await;
    stage.probe.calls();
    stage.probe.halt(SWEEP);
    let sweeper = auth.sweeper().batch(2).jitter(Duration::ZERO);
    let sweeper = sweeper.start().unwrap();
    for left in [5, 3, 1] {
        stage.probe.arrived(SWEEP).await;
        assert_eq!(stage.count("user_session").await, left);
        stage.probe.release(SWEEP);
        stage.probe.halt(SWEEP);
    }
    sweeper.stop().await;
    let mut calls = stage.probe.calls();
    calls.retain(|call| *call == SWEEP);
    assert_eq!(calls, [SWEEP; 3]);
}

/// An `Auth` and its store, which nobody else holds.
async fn alone(stage: &Stage) -> (Auth, Arc<dyn Store>) {
    let store = stage.store().await;
    let auth = stage.builder_over(store.clone()).build().unwrap();
    (auth, store)
}

async fn it_rests_after_each_batch_nine_times_as_long_as_it_took(stage: Stage) {
    let auth = with_expired(&stage, 2).await;
    let attempts = "INSERT INTO sign_in_attempt (id, attempts, expires) VALUES \
                    ('1', 1, 1000000000000), ('2', 1, 1000000000000)";
    stage.execute(attempts).await;
    for method in [SWEEP, "delete_old_attempts"] {
        stage.probe.halt(method);
        let sweeper = auth.sweeper().batch(1).jitter(SHORT).start().unwrap();
        stage.probe.arrived(method).await;
        // It takes longer than all that a test does between two batches.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {
            tokio::task::yield_now().await;
        }
        let took = begun.elapsed();
        stage.probe.calls();
        let released = Instant::now();
        stage.probe.release(method);
        while !stage.probe.calls().contains(&method) {
            tokio::task::yield_now().await;
        }
        let rested = released.elapsed();
        assert!(rested >= 9 * took, "{method}: {rested:?} after {took:?}");
        sweeper.stop().await;
    }
}

async fn it_has_ended_when_stop_returns(stage: Stage) {
    let (auth, store) = alone(&stage).await;
    stage.probe.halt(SWEEP);
    let sweeper = auth.sweeper().interval(SHORT).jitter(Duration::ZERO);
    let sweeper = sweeper.start().unwrap();
    drop(auth);
    stage.probe.arrived(SWEEP).await;
    assert_eq!(Arc::strong_count(&store), 2);
    sweeper.stop().await;
    // It has let go of all that it would need to sweep once more.
    assert_eq!(Arc::strong_count(&store), 1);
}

async fn it_ends_when_it_is_dropped(stage: Stage) {
    let (auth, store) = alone(&stage).await;
    stage.probe.halt(SWEEP);
    let sweeper = auth.sweeper().interval(SHORT).jitter(Duration::ZERO);
    let sweeper = sweeper.start().unwrap();
    drop(auth);
    stage.probe.arrived(SWEEP).await;
    drop(sweeper);
    let ended = async {
        while Arc::strong_count(&store) > 1 {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(8), ended).await;
    assert!(ended.is_ok(), "it goes on");
}

async fn it_survives_an_outage(stage: Stage) {
    let auth = with_expired(&stage, 3).await;
    stage.probe.halt(SWEEP);
    let sweeper = auth.sweeper().interval(SHORT).jitter(Duration::ZERO);
    let sweeper = sweeper.start().unwrap();
    stage.probe.set_down(true);
    for _ in 0..3 {
        next_sweep(&stage).await;
        stage.probe.halt(SWEEP);
    }
    stage.probe.arrived(SWEEP).await;
    assert_eq!(stage.count("user_session").await, 3);
    stage.probe.set_down(false);
    stage.probe.release(SWEEP);
    stage.probe.halt(SWEEP);
    stage.probe.arrived(SWEEP).await;
    assert_eq!(stage.count("user_session").await, 0);
    sweeper.stop().await;
}

async fn settings_that_make_no_sense_are_refused_by_name(stage: Stage) {
    let auth = with_expired(&stage, 1).await;
    for (sweeper, name) in [
        (auth.sweeper().interval(Duration::ZERO), "sweeper.interval"),
        (auth.sweeper().batch(0), "sweeper.batch"),
    ] {
        match sweeper.start() {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let without_runtime = std::thread::spawn(move || auth.sweeper().start().map(drop));
    let refused = without_runtime.join().unwrap();
    match refused {
        Err(Error::Misuse(reason)) => assert!(reason.contains("Tokio runtime"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.count("user_session").await, 1);
}

async fn an_interval_without_end_is_a_long_rest(stage: Stage) {
    let (auth, store) = alone(&stage).await;
    stage.probe.halt(SWEEP);
    let sweeper = auth.sweeper().interval(Duration::MAX).jitter(SHORT);
    let sweeper = sweeper.start().unwrap();
    drop(auth);
    stage.probe.arrived(SWEEP).await;
    stage.probe.release(SWEEP);
    // The sweep is over when the same store has answered, and had turns to begin its rest.
    stage.store().await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.count("user_session").await, 0);
    assert_eq!(Arc::strong_count(&store), 2, "it has ended by itself");
    assert!(format!("{sweeper:?}").contains("stopped: false"));
    sweeper.stop().await;
}
