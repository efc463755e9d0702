use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Builder;
use tokio::task::{consume_budget, yield_now};
use tokio::time::{advance, sleep};

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// How many timers this thread keeps.
fn kept() -> usize {
    SPARE.with_borrow(Vec::len)
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_ready_at_once_has_no_timer() {
    assert_eq!(within(LIMIT, ready(1)).await.unwrap(), 1);
    assert_eq!(kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn limits_of_one_length_that_come_after_each_other_share_a_timer() {
    for _ in 0..3 {
        within(LIMIT, yield_now()).await.unwrap();
        assert_eq!(kept(), 1);
    }
    within(SECOND, yield_now()).await.unwrap();
    assert_eq!(kept(), 2);
    let both = async || tokio::join!(within(LIMIT, yield_now()), within(LIMIT, yield_now()));
    for _ in 0..3 {
        both().await.0.unwrap();
        assert_eq!(kept(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_used_again_counts_from_then() {
    for early in [1, 5, 9, 15] {
        within(LIMIT, yield_now()).await.unwrap();
        advance(SECOND * early).await;
        let begin = Instant::now();
        within(LIMIT, pending::<()>()).await.unwrap_err();
        let taken = begin.elapsed();
        assert!(
            (LIMIT..LIMIT + SECOND).contains(&taken),
            "{early}: {taken:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_timers_are_kept_than_a_busy_thread_uses() {
    let limits: Vec<_> = (0..KEPT + 5)
        .map(|_| within(LIMIT, sleep(SECOND)))
        .collect();
    for limit in limits.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
        limit.await.unwrap().unwrap();
    }
    assert_eq!(kept(), KEPT);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_never_done_with_its_work_has_a_limit() {
    let busy = tokio::spawn(within(LIMIT, async {
        loop {
            consume_budget().await;
        }
    }));
    yield_now().await;
    advance(LIMIT).await;
    let ended: Result<(), _> = busy.await.unwrap();
    ended.unwrap_err();
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
async fn limits_that_run_at_once_each_end_in_time() {
    let mut limits = Vec::new();
    for number in 1..=5 {
        limits.push(tokio::spawn(async move {
            let begin = Instant::now();
            within(LIMIT, pending::<()>()).await.unwrap_err();
            (number, begin.elapsed())
        }));
        yield_now().await;
        advance(SECOND).await;
    }
    for limit in limits {
        let (number, taken) = limit.await.unwrap();
        assert!(
            (LIMIT..LIMIT + SECOND).contains(&taken),
            "{number}: {taken:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_ends_before_the_others_is_not_late() {
    let long = tokio::spawn(within(LIMIT, pending::<()>()));
    yield_now().await;
    let begin = Instant::now();
    within(SECOND, pending::<()>()).await.unwrap_err();
    assert!(begin.elapsed() < SECOND * 2, "{:?}", begin.elapsed());
    assert!(!long.is_finished());
    long.await.unwrap().unwrap_err();
    assert!(begin.elapsed() < LIMIT + SECOND, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_limit_whose_future_is_dropped_wakes_nothing() {
    let wakes = AtomicUsize::new(0);
    let dropped = within(LIMIT, pending::<()>());
    tokio::select! {
        biased;
        _ = dropped => panic!("it is pending"),
        () = ready(()) => {}
    }
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
        yield_now().await;
    });
    first.block_on(within(LIMIT, yield_now())).unwrap();
    // Its timers pass only while it is blocked on.
    let second = runtime();
    second.block_on(within(LIMIT, pending::<()>())).unwrap_err();
    assert_eq!(kept(), 0);
    drop(first);
    second.block_on(within(LIMIT, pending::<()>())).unwrap_err();
    second.block_on(within(LIMIT, yield_now())).unwrap();
    assert_eq!(kept(), 1);
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
fn a_future_does_not_hang_when_its_runtime_shuts_down() {
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
    // It panics, as all timers of tokio do.
    waiting.join().unwrap_err();
}
