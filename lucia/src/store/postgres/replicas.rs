//! Lookups of sessions at replicas, and why none of their answers is too old.
//!
//! **How old an answer can be.** No clock of another machine is trusted, and no position in the log of
//! Postgres: those of two timelines say nothing of each other. A process only asks what it can see.
//!
//! 1. It has a row in the table of [`heartbeats`], under a random id that no other process has. It writes
//!    there what its own monotonic clock said *before* the statement was sent. The row goes to the primary,
//!    by the pool that all writes go by.
//! 2. A lookup at a replica reads this row by the same statement as the session, so by the same snapshot.
//!    A standby makes transactions visible in the order in which they were committed. So if the lookup
//!    sees a heartbeat, it sees all that had been committed at that primary before the heartbeat was sent:
//!    whatever had been acknowledged by then, to whatever process.
//! 3. The answer counts if the heartbeat that it has seen was sent no longer ago than `max_staleness`, by
//!    the same monotonic clock, when it is about to be used ([`Shared::admit`]). An answer that was long on
//!    its way, a replay that is paused, a replica that is down or was restored from a backup and heartbeats
//!    that do not reach the primary have the same end: nothing has to notice.
//!
//! A machine that sleeps does not count its sleep.
//!
//! **Another primary.** A replica that follows another server than the one that this process writes to gets
//! no heartbeats of this process. That is so for a replica that has been promoted while the old primary goes
//! on, and for one that still follows the old primary while this process writes to the new one. Besides, a
//! replica has to say that it is in recovery. A server that takes writes is asked as the primary, and not as
//! a replica. Nor is a subscriber of logical replication one, which could have one table before another.
//!
//! **What this process has changed itself** is noted before the call returns ([`changes`]), with the time. An
//! answer counts only if its heartbeat was sent after all changes of its session and of its user. So a
//! revocation that has returned is seen by every lookup that is called after it, as at the primary.
//!
//! **What is decided at the primary.** A session that a replica does not have may have begun a moment ago,
//! and one that is expired may have been renewed. So neither is believed: the first is asked for again
//! here, the second by [`Auth`](crate::Auth), since only that knows the time
//! ([`lookups_may_lag`](crate::store::Store::lookups_may_lag)). All that an answer leads to is a write at
//! the primary, which changes only what is still there.
//!
//! **What a replica that does not work costs.** A background task asks each replica for the heartbeat, about
//! as often as one is sent. So lookups are sent only to a replica that was well a moment ago. A lookup that
//! fails there tells the others, is sent to the primary within the same time-out, and the task alone finds
//! out when the replica is back.

mod changes;
mod heartbeats;
mod reads;
mod replica;
mod settings;

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, select};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Parts;
use super::lookups::Found;
use super::migrate::Migrating;
use crate::measure::ReplicaCounts;
use crate::session::token::SessionId;
use crate::store::tables::TableNames;
use crate::store::{NewSessionRow, Result};
use crate::user::UserId;
use changes::{Changed, Changes};
use heartbeats::Heartbeats;
use reads::Fallback;
use replica::{Replica, Statements};
pub(super) use settings::Settings;

/// How many heartbeats there are within the bound.
const HEARTBEATS: u32 = 4;

/// How long heartbeats may fail and replicas may be behind before the log says so: a store is made before it
/// migrates.
const GRACE: Duration = Duration::from_secs(3);

/// The longest time that a lookup spends on a replica, whatever the time-out of the store.
const PATIENCE: Duration = Duration::from_millis(500);

/// A time of this process by its monotonic clock, in microseconds since the store was made. Zero is before
/// all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(u64);

/// The random id of a store that has replicas.
pub(super) type Process = [u8; 16];

/// The replicas of a store, if it has some.
pub(super) struct Replicas(Option<Active>);

struct Active {
    shared: Arc<Shared>,
    /// Sends heartbeats and asks replicas. It ends with its runtime or with this.
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the task shares with lookups.
struct Shared {
    begin: Instant,
    max_staleness: Duration,
    replicas: Vec<Arc<Replica>>,
    /// Whose turn it is.
    next: AtomicUsize,
    changes: Mutex<Changes>,
    heartbeats: Heartbeats,
    /// What the latest heartbeat says. No replica can have seen a later one.
    last_sent: AtomicU64,
    /// Has the task try again at once.
    wake: Notify,
    counts: ReplicaCounts,
}

/// A change by this process that is in flight. When it is dropped, for whatever reason, it counts as one that
/// has happened.
pub(super) struct PendingChange<'a>(Option<(&'a Shared, What)>);

enum What {
    These([Option<Changed>; 3]),
    Everything,
}

impl Replicas {
    pub(super) fn new(
        settings: Option<(Settings, Process)>,
        tables: &TableNames,
        statements: &super::Statements,
        timeout: Duration,
        prepare_behind_pooler: bool,
    ) -> Self {
        Self(settings.map(|(settings, process)| {
            let Settings {
                pools,
                max_staleness,
            } = settings;
            let heartbeats = Heartbeats::new(process, tables);
            let statements = Arc::new(Statements::new(statements, &heartbeats));
            // The rest of the time-out is for the primary.
            let limits = [PATIENCE.min(timeout / 4), timeout];
            let replicas = pools.into_iter().map(|pool| {
                Arc::new(Replica::new(
                    pool,
                    limits,
                    statements.clone(),
                    &tables.user,
                    prepare_behind_pooler,
                ))
            });
            Active {
                shared: Arc::new(Shared {
                    begin: Instant::now(),
                    max_staleness,
                    replicas: replicas.collect(),
                    next: AtomicUsize::new(0),
                    changes: Mutex::default(),
                    heartbeats,
                    last_sent: AtomicU64::new(0),
                    wake: Notify::new(),
                    counts: ReplicaCounts::default(),
                }),
                task: Mutex::new(None),
            }
        }))
    }

    pub(super) fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Starts the task if there is a runtime, and again if its runtime has ended.
    pub(super) fn start(&self, parts: &Arc<Parts>) {
        let Some(active) = &self.0 else { return };
        let mut task = active.task.lock().unwrap_or_else(PoisonError::into_inner);
        let works = task.as_ref().is_some_and(|task| !task.is_finished());
        if !works && let Ok(runtime) = Handle::try_current() {
            let (parts, shared) = (Arc::downgrade(parts), active.shared.clone());
            *task = Some(runtime.spawn(async move {
                let sending = Box::pin(heartbeats::send(parts, &shared));
                let replicas = (1..).zip(&shared.replicas);
                let asking = replicas.map(|(number, replica)| replica.watch(number, &shared));
                // The first ends with the store, the others never.
                drop(select(sending, Box::pin(join_all(asking))).await);
            }));
        }
    }

    /// A session with its user, if a replica has them and the answer is new enough. It says nothing of a
    /// session otherwise.
    pub(super) async fn find(&self, parts: &Arc<Parts>, id: &SessionId) -> Option<Found> {
        let shared = self.shared()?;
        let fallback = match shared.find(id, parts.batched).await {
            Ok(found) => {
                shared.counts.lookups.add(1);
                return Some(found);
            }
            Err(fallback) => fallback,
        };
        let counts = &shared.counts;
        match fallback {
            Fallback::Changed => counts.changed.add(1),
            Fallback::Unknown => counts.unknown.add(1),
            Fallback::Stale => counts.stale.add(1),
            Fallback::Unavailable => counts.unavailable.add(1),
        }
        if matches!(fallback, Fallback::Stale | Fallback::Unavailable) {
            self.start(parts);
        }
        None
    }

    pub(super) fn session_changes(&self, id: &SessionId) -> PendingChange<'_> {
        self.pending(|changes| [Some(changes.session(id.as_str())), None, None])
    }

    /// A change of a user or of any of their sessions.
    pub(super) fn user_changes(&self, id: &UserId) -> PendingChange<'_> {
        self.pending(|changes| [Some(changes.user(id)), None, None])
    }

    /// What the insertion of a session may end, and the new session: a replica that does not have it yet
    /// need not be asked.
    pub(super) fn insertion_changes(&self, new: &NewSessionRow) -> PendingChange<'_> {
        self.pending(|changes| {
            let replaced = new.replaces.as_ref();
            [
                Some(changes.session(new.token.session_id().as_str())),
                new.limit.map(|_| changes.user(&new.user_id)),
                replaced.map(|id| changes.session(id.as_str())),
            ]
        })
    }

    /// A change of anything.
    pub(super) fn all_changes(&self) -> PendingChange<'_> {
        PendingChange(self.shared().map(|shared| (shared, What::Everything)))
    }

    fn pending(&self, changes: impl FnOnce(&Changes) -> [Option<Changed>; 3]) -> PendingChange<'_> {
        let pending = self.shared().map(|shared| {
            let changes = changes(&shared.changes());
            (shared, What::These(changes))
        });
        PendingChange(pending)
    }

    /// What keeps replicas from being used, for an operator.
    pub(super) fn complaints(&self) -> Vec<String> {
        let Some(shared) = self.shared() else {
            return Vec::new();
        };
        let mut complaints: Vec<_> = shared.heartbeats.complaint().into_iter().collect();
        let oldest = shared.oldest(shared.now());
        for (number, replica) in shared.replicas.iter().enumerate() {
            let number = number + 1;
            let complaint = replica.complaint(oldest);
            complaints.extend(complaint.map(|complaint| {
                format!(
                    "replica {number} is not used, and the primary has its lookups: {complaint}"
                )
            }));
        }
        complaints
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self) {
        let Some(shared) = self.shared() else { return };
        crate::measure::replicas(&shared.counts);
        let now = shared.now();
        for (number, replica) in shared.replicas.iter().enumerate() {
            replica.record_metrics(number + 1, now);
        }
    }

    /// How many lookups wait for the statement of others.
    #[cfg(feature = "metrics")]
    pub(super) fn waiting(&self) -> usize {
        let replicas = self.shared().map(|shared| shared.replicas.iter());
        let replicas = replicas.into_iter().flatten();
        replicas.map(|replica| replica.waiting()).sum()
    }

    /// Makes the table of heartbeats.
    pub(super) async fn migrate(&self, migrating: &Migrating<'_>) -> Result<()> {
        match self.0 {
            Some(_) => heartbeats::migrate(migrating).await,
            None => Ok(()),
        }
    }

    /// Has the task write to the table that has just been made.
    pub(super) fn migrated(&self) {
        if let Some(shared) = self.shared() {
            shared.wake.notify_one();
        }
    }

    /// Checks that the table of heartbeats is there.
    pub(super) async fn check(&self, parts: &Parts) -> Result<()> {
        match self.0 {
            Some(_) => heartbeats::check(parts).await,
            None => Ok(()),
        }
    }

    fn shared(&self) -> Option<&Shared> {
        self.0.as_ref().map(|active| &*active.shared)
    }
}

impl Shared {
    fn now(&self) -> Moment {
        let since = self.begin.elapsed().as_micros();
        Moment(u64::try_from(since).map_or(u64::MAX, |micros| micros.saturating_add(1)))
    }

    /// Heartbeats from before this are too old.
    fn oldest(&self, now: Moment) -> Moment {
        let bound = u64::try_from(self.max_staleness.as_micros()).unwrap_or(u64::MAX);
        Moment(now.0.saturating_sub(bound))
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, changed: Changed) {
        let mut changes = self.changes();
        // A heartbeat of the same microsecond may have been sent before the change.
        let now = Moment(self.now().0.saturating_add(1));
        changes.note(changed, now, self.oldest(now));
    }
}

impl PendingChange<'_> {
    /// The session of this public id has ended by it.
    pub(super) fn session_ended(&self, id: &str) {
        if let Some((shared, _)) = &self.0 {
            let changed = shared.changes().session(id);
            shared.note(changed);
        }
    }

    /// The user whom the database knows by this id has changed by it.
    pub(super) fn user_changed(&self, id: &UserId) {
        if let Some((shared, _)) = &self.0 {
            let changed = shared.changes().user(id);
            shared.note(changed);
        }
    }
}

impl Drop for PendingChange<'_> {
    fn drop(&mut self) {
        match &self.0 {
            None => {}
            Some((shared, What::These(changes))) => {
                for changed in changes.iter().flatten() {
                    shared.note(*changed);
                }
            }
            Some((shared, What::Everything)) => {
                let mut changes = shared.changes();
                changes.note_all(Moment(shared.now().0.saturating_add(1)));
            }
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let task = self.task.get_mut();
        if let Some(task) = task.unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
