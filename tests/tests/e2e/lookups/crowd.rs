//! Lookups from many tasks on several runtimes, with sessions that end, requests that go away, and
//! ids that nobody has: each gets its own answer, and a session that has ended is seen by nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use lucia::store::{Owner, SessionStore as _, Store as _};
use lucia::{Auth, PgStore, Session, SessionId, SessionToken};
use tokio::sync::Barrier;

use crate::support::{Stage, sign_up};

const RUNTIMES: usize = 3;
const TASKS: usize = 8;
const STEPS: u64 = 120;

/// A session that each of the tasks may look up, and one of them ends.
struct Shared {
    session: Session,
    /// Set before it is ended, and after.
    ends: AtomicBool,
    has_ended: AtomicBool,
}

impl Shared {
    fn new(session: Session) -> Self {
        Self {
            session,
            ends: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        }
    }

    async fn look_up(&self, store: &PgStore) {
        let had_ended = self.has_ended.load(Ordering::SeqCst);
        let found = store.session_and_user(&self.session.id).await.unwrap();
        match found {
            Some((session, user)) => {
                assert!(!had_ended, "it was seen after its end");
                assert_eq!(session.id, self.session.id);
                assert_eq!(user.id, self.session.user_id);
            }
            None => assert!(self.ends.load(Ordering::SeqCst), "it was lost"),
        }
    }

    async fn end(&self, store: &PgStore) {
        self.ends.store(true, Ordering::SeqCst);
        store
            .delete_session(&self.session.id, Owner::Anyone)
            .await
            .unwrap();
        self.has_ended.store(true, Ordering::SeqCst);
    }
}

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> usize {
        // The generator of Knuth's MMIX, by its upper bits.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit).unwrap()
    }
}

/// An id that no session has.
fn nobodys(number: usize) -> SessionId {
    let token = format!("nobody{number:034}");
    SessionToken::parse(&token).unwrap().session_id()
}

async fn task(store: PgStore, sessions: Arc<Vec<Shared>>, seed: u64) {
    let mut numbers = Numbers(seed);
    let count = sessions.len() as u64;
    for _ in 0..STEPS {
        let one = &sessions[numbers.below(count)];
        let other = &sessions[numbers.below(count)];
        match numbers.below(10) {
            0..4 => one.look_up(&store).await,
            4..6 => {
                let asked = [one, one, other, one, other];
                join_all(asked.map(|shared| shared.look_up(&store))).await;
            }
            6 => {
                let unknown = nobodys(numbers.below(1000));
                assert_eq!(store.session_and_user(&unknown).await.unwrap(), None);
            }
            7..9 => {
                // Given up after some polls.
                let mut lookup = store.session_and_user(&one.session.id);
                for _ in 0..numbers.below(4) {
                    if poll!(&mut lookup).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            _ => {
                if !one.ends.load(Ordering::SeqCst) {
                    one.end(&store).await;
                }
                join_all([one, one].map(|shared| shared.look_up(&store))).await;
            }
        }
    }
}

/// Runs tasks on runtimes of their own. A connection ends with the runtime that it was made on, so none
/// ends before all are done.
fn run_all(store: &PgStore, sessions: &Arc<Vec<Shared>>) {
    let all_are_done = &Barrier::new(RUNTIMES);
    std::thread::scope(|scope| {
        for runtime in 0..RUNTIMES {
            scope.spawn(move || {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                let here = builder.enable_all().build().unwrap();
                here.block_on(async {
                    let tasks = (0..TASKS).map(|number| {
                        let seed = runtime * TASKS + number + 1;
                        let seed = u64::try_from(seed).unwrap();
                        tokio::spawn(task(store.clone(), sessions.clone(), seed))
                    });
                    let done = join_all(tasks.collect::<Vec<_>>()).await;
                    all_are_done.wait().await;
                    for done in done {
                        done.unwrap();
                    }
                });
            });
        }
    });
}

async fn crowd(connections: usize) {
    let stage = Stage::postgres().await;
    let store = PgStore::builder().max_connections(connections);
    let store = store.connect(&stage.database().url()).await.unwrap();
    let auth = Auth::builder(store.clone()).build().unwrap();
    let mut sessions = Vec::new();
    for number in 0..5 {
        let user_id = sign_up(&auth, &format!("user{number}"))
            .await
            .user_id
            .clone();
        for _ in 0..20 {
            let session = auth.create_session(&user_id).await.unwrap();
            sessions.push(Shared::new(session));
        }
    }
    let sessions = Arc::new(sessions);
    let all = sessions.clone();
    let crowd = tokio::task::spawn_blocking(move || run_all(&store, &all));
    let crowd = tokio::time::timeout(Duration::from_secs(120), crowd).await;
    crowd.expect("nobody waits for ever").unwrap();
    let ended = sessions
        .iter()
        .filter(|shared| shared.has_ended.load(Ordering::SeqCst));
    assert!(ended.count() > 20, "there was something to see");
}

#[tokio::test]
async fn each_of_a_crowd_gets_its_own_answer() {
    crowd(4).await;
}

#[tokio::test]
async fn each_of_a_crowd_gets_its_own_answer_over_one_connection() {
    crowd(1).await;
}
