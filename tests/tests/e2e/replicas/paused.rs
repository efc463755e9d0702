//! A replica that falls behind under load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lucia::Session;

use super::{LONG, Process, Replicated};
use crate::support::eventually;

const BOUND: Duration = Duration::from_millis(700);

/// Sessions, when the end of each was asked for, and when that had happened.
#[derive(Default)]
struct Ends {
    asked: OnceLock<Instant>,
    ended: OnceLock<Instant>,
}

#[derive(Default)]
struct Seen {
    /// Lookups that let somebody in, called after the session had ended: within the bound, and past it.
    late: AtomicUsize,
    too_late: AtomicUsize,
    /// Lookups that kept somebody out although nobody had asked for that.
    wrong: AtomicUsize,
}

/// Looks all sessions up again and again. Sessions of their own end at once for a process.
async fn visit(
    process: &Process,
    sessions: &[(Session, Ends)],
    bound: impl Fn(usize) -> Duration,
    seen: &Seen,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        for (at, (session, ends)) in sessions.iter().enumerate() {
            let called = Instant::now();
            let ended = ends.ended.get();
            let is_valid = process.is_valid(session.token()).await;
            let count = match (is_valid, ended) {
                (true, Some(ended)) if called > *ended + bound(at) => &seen.too_late,
                (true, Some(_)) => &seen.late,
                (false, _) if ends.asked.get().is_none() => &seen.wrong,
                _ => continue,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Ends sessions in all ways while replay is paused and two processes are busy, and goes on for a while. Each is
/// expected to see what the other has ended after [`BOUND`]. Returns what they saw, and how many statements they
/// sent to the primary and to the replica when that had passed.
async fn campaign(
    stage: &Replicated,
    [one, other]: [&Process; 2],
    sessions: &[(Session, Ends)],
) -> (Seen, (usize, usize)) {
    // What a process ends itself, it sees at once.
    let ends_itself = |at: usize| at.is_multiple_of(2);
    let bounds = [true, false].map(|is_one| {
        move |at: usize| match is_one == ends_itself(at) {
            true => Duration::ZERO,
            false => BOUND,
        }
    });
    let (seen, stop) = (Seen::default(), AtomicBool::new(false));
    let visits = join_all((0..4).map(|at| {
        let process = [one, other][at % 2];
        visit(process, sessions, bounds[at % 2], &seen, &stop)
    }));
    let ending = async {
        stage.pause(true).await;
        for (at, (session, ends)) in sessions[..5].iter().enumerate() {
            let auth = if ends_itself(at) {
                &one.auth
            } else {
                &other.auth
            };
            ends.asked.get_or_init(Instant::now);
            match at {
                0 => auth.invalidate_session(&session.id).await.unwrap(),
                1 => {
                    let id = &session.user_id;
                    auth.invalidate_user_sessions(id).await.unwrap();
                }
                2 => auth.delete_user(&session.user_id).await.unwrap(),
                3 => drop(auth.rotate_session(session).await.unwrap()),
                _ => {
                    let signing_in = auth.create_session(&session.user_id);
                    signing_in.replace(Some(session.info())).await.unwrap();
                }
            }
            ends.ended.get_or_init(Instant::now);
        }
        // From here on, all that a replica could say is past the bound.
        tokio::time::sleep(BOUND).await;
        stage.lookups();
        tokio::time::sleep(BOUND).await;
        let lookups = stage.lookups();
        stop.store(true, Ordering::Relaxed);
        lookups
    };
    let (_, lookups) = tokio::join!(visits, ending);
    (seen, lookups)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r71_while_replay_is_paused_no_answer_is_accepted_past_the_bound() {
    let test = "r71_while_replay_is_paused_no_answer_is_accepted_past_the_bound";
    let Some(stage) = Replicated::start(test).await else {
        return;
    };
    // With another bound, it is found that this one is not held.
    for (bound, is_held) in [(LONG, false), (BOUND, true)] {
        let one = stage.process(bound).await;
        let other = stage.process(bound).await;
        let mut sessions = Vec::new();
        for name in 0..6 {
            let session = stage.session(&one, &format!("user{name}{is_held}")).await;
            stage.is_read_at_the_replica(&other, &session).await;
            sessions.push((session, Ends::default()));
        }
        let (seen, (at_primary, at_replica)) = campaign(&stage, [&one, &other], &sessions).await;
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        assert_eq!(count(&seen.too_late) == 0, is_held);
        assert_eq!(count(&seen.wrong), 0);
        // Otherwise the replica was not asked at all.
        assert!(count(&seen.late) > 0);
        if is_held {
            assert!(at_primary > 0);
            assert_eq!(at_replica, 0);
            assert!(one.complaint().await.contains("further behind"));
        }

        stage.pause(false).await;
        let (kept, _) = &sessions[5];
        for process in [&one, &other] {
            stage.is_read_at_the_replica(process, kept).await;
        }
        one.is_well().await;
        for (session, _) in &sessions[..5] {
            eventually(async || !other.is_valid(session.token()).await).await;
        }
    }
}
