use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Builder;
use tokio::time::{advance, sleep};

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// The tasks of this runtime, but for the one of the test.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_ready_at_once_starts_no_timer() {
    assert_eq!(within(LIMIT, ready(1)).await.unwrap(), 1);
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_future_has_exactly_as_long_as_its_limit() {
    let begin = Instant::now();
    let error = within(LIMIT, pending::<()>()).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 10s");
    let taken = begin.elapsed();
    assert!((LIMIT..LIMIT + SECOND).contains(&taken), "{taken:?}");

    let almost = LIMIT - Duration::from_millis(10);
    within(LIMIT, sleep(almost)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn limits_that_end_after_each_other_share_one_task_which_ends_with_the_last() {
    let mut limits = Vec::new();
    for number in 1..=5 {
        limits.push(tokio::spawn(async move {
            let begin = Instant::now();
            within(LIMIT, pending::<()>()).await.unwrap_err();
            (number, begin.elapsed())
        }));
        tokio::task::yield_now().await;
        advance(SECOND).await;
    }
    assert_eq!(tasks(), 5 + 1);
    for limit in limits {
        let (number, taken) = limit.await.unwrap();
        assert!(
            (LIMIT..LIMIT + SECOND).contains(&taken),
            "{number}: {taken:?}"
        );
    }
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_ends_before_the_others_is_not_late() {
    let long = tokio::spawn(within(LIMIT, pending::<()>()));
    tokio::task::yield_now().await;
    let begin = Instant::now();
    within(SECOND, pending::<()>()).await.unwrap_err();
    assert!(begin.elapsed() < SECOND * 2, "{:?}", begin.elapsed());
    assert!(!long.is_finished());
    long.await.unwrap().unwrap_err();
    assert!(begin.elapsed() < LIMIT + SECOND, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_limit_whose_future_is_done_or_dropped_wakes_nothing() {
    let wakes = AtomicUsize::new(0);
    let dropped = within(LIMIT, pending::<()>());
    tokio::select! {
        biased;
        _ = dropped => panic!("it is pending"),
        () = ready(()) => {}
    }
    within(LIMIT, sleep(SECOND)).await.unwrap();
    let waiting = async {
        poll_fn(|_| {
            wakes.fetch_add(1, Ordering::Relaxed);
            Poll::<()>::Pending
        })
        .await;
    };
    // It was polled first, and is polled again when its own limit ends.
    within(LIMIT * 2, waiting).await.unwrap_err();
    assert_eq!(wakes.into_inner(), 2);
}

#[test]
fn a_runtime_that_no_longer_runs_does_not_keep_the_limits_of_another() {
    let runtime = || {
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = runtime();
    first.block_on(async {
        drop(tokio::spawn(within(LIMIT, pending::<()>())));
        tokio::task::yield_now().await;
    });
    // Its task waits still, and only while it is blocked on.
    let second = runtime();
    second.block_on(within(LIMIT, pending::<()>())).unwrap_err();
    drop(first);
    second.block_on(within(LIMIT, pending::<()>())).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_future_that_moves_to_another_task_is_woken_there() {
    let mut limited = Box::pin(within(LIMIT, pending::<()>()));
    tokio::select! {
        biased;
        _ = &mut limited => panic!("it is pending"),
        () = ready(()) => {}
    }
    tokio::spawn(limited).await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_too_long_for_the_clock_never_passes() {
    within(Duration::MAX, sleep(LIMIT)).await.unwrap();
}

#[test]
fn a_future_does_not_wait_for_a_timer_whose_runtime_shuts_down() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let handle = runtime.handle().clone();
    let (started, starts) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        handle.block_on(async {
            let mut limited = pin!(within(Duration::MAX, pending::<()>()));
            let polled =
                poll_fn(|context| Poll::Ready(limited.as_mut().poll(context).is_pending()));
            assert!(polled.await);
            started.send(()).unwrap();
            limited.await
        })
    });
    starts.recv().unwrap();
    drop(runtime);
    waiting.join().unwrap().unwrap_err();
}
