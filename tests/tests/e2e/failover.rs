//! A standby that is promoted under load.

mod access;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lucia::{
    Auth, CacheOptions, Error, PgStore, PgStoreBuilder, Result, Session, SessionToken, UserId,
};
use lucia_tests::{Failover, Pair, Replication, Stop, TestClock, programs_are_installed, skip};

use crate::support::{eventually, sign_up};

/// How long it may take from a promotion until nothing is refused any more.
const RECOVERY: Duration = Duration::from_secs(15);

/// How far each step moves the clock, and for how long a session is not renewed.
const STEP: Duration = Duration::from_millis(500);
const ACTIVE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const TASKS: usize = 4;

/// How many sessions are looked at again after the next failover, besides new ones.
const REMEMBERED: usize = 100;

/// What has been acknowledged, and what must not be.
#[derive(Default)]
struct Ledger {
    sessions: Mutex<Sessions>,
    done: AtomicU64,
    refused: AtomicU64,
    ended: AtomicBool,
}

#[derive(Default)]
struct Sessions {
    live: Vec<SessionToken>,
    revoked: Vec<SessionToken>,
}

/// Two processes, one more with a cache, and the clock of all.
struct Processes {
    auths: [Auth; 2],
    caching: Auth,
    clock: TestClock,
}

impl Ledger {
    /// The answer of a call, unless the store was away.
    fn note<T>(&self, answer: Result<T>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                Some(answer)
            }
            Err(Error::Unavailable(_)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Whether people come and go, and did after so many calls.
    fn has_load_since(&self, done: u64) -> bool {
        let sessions = self.sessions.lock().unwrap();
        let is_known = !sessions.live.is_empty() && !sessions.revoked.is_empty();
        is_known && self.done.load(Ordering::Relaxed) >= done + 50
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

async fn another_process(pair: &Pair, clock: &TestClock, store: PgStoreBuilder) -> Auth {
    let store = store.timeout(Duration::from_secs(2));
    let store = store.connect(&pair.url("postgres")).await.unwrap();
    let auth = Auth::builder(store).clock(clock.reader());
    let auth = auth.active_period(ACTIVE).idle_period(IDLE);
    auth.build().unwrap()
}

/// Signs in, looks up in both processes, renews and revokes, until it is to end.
async fn visit(processes: Arc<Processes>, user_id: UserId, ledger: Arc<Ledger>, number: usize) {
    let mut kept: Vec<Session> = Vec::new();
    for step in number.. {
        if ledger.has_ended() {
            break;
        }
        processes.clock.advance(STEP);
        let [one, other] = [0, 1].map(|next| &processes.auths[(step + next) % 2]);
        if let Some(session) = ledger.note(one.create_session(&user_id).await) {
            ledger
                .sessions
                .lock()
                .unwrap()
                .live
                .push(session.token().clone());
            kept.push(session);
        }
        for session in &kept {
            for auth in [other, &processes.caching] {
                let found = ledger.note(auth.validate_session(session.token()).await);
                let is_lost = found.is_some_and(|found| found.is_none());
                assert!(!is_lost, "a wrong log-out");
            }
        }
        if kept.len() > 3 {
            let session = kept.remove(step % 3);
            let token = session.token();
            {
                // Whether it is ended by a revocation that fails is not said.
                let mut sessions = ledger.sessions.lock().unwrap();
                sessions.live.retain(|live| live.expose() != token.expose());
            }
            if ledger
                .note(one.invalidate_session(&session.id).await)
                .is_some()
            {
                for auth in [one, other] {
                    let found = ledger.note(auth.validate_session(token).await);
                    assert!(found.flatten().is_none(), "a revoked session is accepted");
                }
                ledger.sessions.lock().unwrap().revoked.push(token.clone());
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until everything works again in both processes.
async fn recover(auths: &[Auth; 2], user_id: &UserId, how: Failover) {
    let begin = Instant::now();
    loop {
        let sign_ins = auths.iter().flat_map(|auth| {
            (0..10).map(async |_| {
                let session = auth.create_session(user_id).await?;
                auth.validate_session(session.token()).await
            })
        });
        let mut refused = None;
        for found in join_all(sign_ins).await {
            match found {
                Ok(found) => assert!(found.is_some(), "a wrong log-out"),
                Err(error) => refused = Some(error),
            }
        }
        let Some(error) = refused else { break };
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        let elapsed = begin.elapsed();
        assert!(
            elapsed < RECOVERY,
            "{how:?}: still refused after {elapsed:?}: {error:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks at each session that has been acknowledged or revoked, in each process.
async fn audit(processes: &Processes, ledger: &Ledger, how: Failover) {
    let (live, revoked) = {
        let sessions = ledger.sessions.lock().unwrap();
        (sessions.live.clone(), sessions.revoked.clone())
    };
    let Processes { auths, caching, .. } = processes;
    // It hears of them within a second, unless the machine is busy.
    eventually(async || {
        let found = join_all(revoked.iter().map(|token| caching.validate_session(token))).await;
        found.into_iter().all(|found| matches!(found, Ok(None)))
    })
    .await;
    for auth in [&auths[0], &auths[1], caching] {
        let found = join_all(live.iter().map(|token| auth.validate_session(token))).await;
        let still: HashSet<String> = {
            let sessions = ledger.sessions.lock().unwrap();
            sessions
                .live
                .iter()
                .map(|token| token.expose().to_owned())
                .collect()
        };
        for (found, token) in found.into_iter().zip(&live) {
            let is_lost = found.unwrap().is_none() && still.contains(token.expose());
            assert!(!is_lost, "{how:?}: an acknowledged session is lost");
        }
        for found in join_all(revoked.iter().map(|token| auth.validate_session(token))).await {
            assert!(
                found.unwrap().is_none(),
                "{how:?}: a revoked session is accepted"
            );
        }
    }
}

/// Forgets most of what has been looked at, so that the last round takes no longer than the first.
fn forget(ledger: &Ledger) {
    let mut sessions = ledger.sessions.lock().unwrap();
    let Sessions { live, revoked } = &mut *sessions;
    for tokens in [live, revoked] {
        tokens.drain(..tokens.len().saturating_sub(REMEMBERED));
    }
}

/// Promotes the standby again and again while people come and go.
async fn fail_over_under_load(hows: &[Failover]) {
    let pair = tokio::task::spawn_blocking(|| Pair::start(Replication::Synchronous)).await;
    let mut pair = pair.unwrap().unwrap();
    let store = PgStore::builder().cache(CacheOptions::new());
    let store = store.connect(&pair.url("postgres")).await.unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let user_id = sign_up(&Auth::builder(store).build().unwrap(), "ada")
        .await
        .user_id
        .clone();
    let clock = TestClock::new();
    let process = |store| another_process(&pair, &clock, store);
    let auths = [
        process(PgStore::builder()).await,
        process(PgStore::builder()).await,
    ];
    let caching = process(PgStore::builder().cache(CacheOptions::new())).await;
    let processes = Arc::new(Processes {
        auths,
        caching,
        clock,
    });
    let auths = &processes.auths;
    let ledger = Arc::new(Ledger::default());
    let visits: Vec<_> = (0..TASKS)
        .map(|number| {
            tokio::spawn(visit(
                processes.clone(),
                user_id.clone(),
                ledger.clone(),
                number,
            ))
        })
        .collect();
    for how in hows.iter().copied() {
        let done = ledger.done.load(Ordering::Relaxed);
        eventually(async || ledger.has_load_since(done)).await;
        let failing = tokio::task::spawn_blocking(move || pair.fail_over(how).map(|()| pair));
        pair = failing.await.unwrap().unwrap();
        recover(auths, &user_id, how).await;
        let refused = ledger.refused.load(Ordering::Relaxed);
        audit(&processes, &ledger, how).await;
        forget(&ledger);
        recover(auths, &user_id, how).await;
        let since = ledger.refused.load(Ordering::Relaxed) - refused;
        assert_eq!(since, 0, "{how:?}: refused after all worked again");
        let following = tokio::task::spawn_blocking(move || pair.follow().map(|()| pair));
        pair = following.await.unwrap().unwrap();
        let ended = visits.iter().any(tokio::task::JoinHandle::is_finished);
        assert!(!ended, "{how:?}: a visit has failed");
    }
    ledger.ended.store(true, Ordering::Relaxed);
    for visit in visits {
        visit.await.unwrap();
    }
    assert!(ledger.done.load(Ordering::Relaxed) > 1000, "there was load");
}

fn can_start_a_pair(name: &str) -> bool {
    let can = programs_are_installed();
    if !can {
        skip(name, "no programs of Postgres to start two");
    }
    can
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_a_failover_loses_no_session_and_accepts_no_revoked_one() {
    if !can_start_a_pair("r48_a_failover_loses_no_session") {
        return;
    }
    let round = [
        Failover::ReadOnly,
        Failover::Stopped(Stop::Fast),
        Failover::Stopped(Stop::Kill),
        Failover::ReadOnly,
        Failover::Stopped(Stop::Immediate),
    ];
    fail_over_under_load(&round.repeat(4)).await;
}
