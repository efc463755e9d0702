//! The poller: reads changes from a table, and removes the entries that they concern.
//!
//! It is for poolers and networks that let no notification through. The promise is the same. In the
//! [cache's](super) argument, these replace steps 2 and 3:
//!
//! 1. The transaction of a change also writes a row that tells of it, with the number of the
//!    transaction. A poll is one statement. It reads the rows that the last poll could not see, by the
//!    *snapshot* of that one: those of transactions that began later, and those of transactions that were under
//!    way then, however long ago they began. Numbers alone do not do: they are not in the order of
//!    commits, and a poll for those above the highest one so far would miss what commits late.
//! 2. A poll sees all that was committed before it began. So the cache may answer for `max_silence` from its
//!    beginning, which the [cache](crate::store::cache) compares with the clock of this process. No clock of a
//!    server counts.
//!
//! **No row is deleted that a poll still needs.** A poll notes the lowest number that is under way. Every
//! later poll, by any process, sees all rows below it, or has seen them, so a while later they are deleted. The same
//! statement writes that number to the *mark*, a row of the table. If a process pauses for longer, as when
//! its machine sleeps, its last poll can be older than this number. Its next one then empties the cache. So how long
//! rows are kept decides about no correctness.
//!
//! **What was polled so far still holds.** A promoted standby may lack changes that were polled, and may use the
//! same numbers for others. So may a server that has crashed without `synchronous_commit`, or was restored. The
//! table is unlogged, so Postgres empties it in all of these cases, as `TRUNCATE` does, and the random id in the mark
//! is gone. A poll that finds no mark or another one empties the cache. It also compares the start of the
//! server and the database, for copies with the same mark. A standby refuses to read an unlogged table.

use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::super::error::Failure;
use super::super::run::Statement;
use super::super::{Params, Parts};
use super::end::End;
use super::triggers::{Names, RECORDING, VERSIONED_TABLES};
use super::{Shared, Version, changed};
use crate::store::tables::CHANGE_TABLE;

/// How long rows are kept, in times for which the cache may answer without a poll.
const KEPT: u32 = 10;

/// How many rows one statement deletes at the most.
const SWEPT_AT_ONCE: u64 = 10_000;

/// How many rows one poll reads at the most, each of which tells of up to a hundred changes. If there are
/// more, all entries are removed.
const READ_AT_ONCE: usize = 1_000;

/// Polls until it cannot any more. `Ok` when the store is gone.
pub(super) async fn poll(
    parts: &Weak<Parts>,
    shared: &Shared,
    interval: Duration,
) -> Result<(), End> {
    let Some(store) = parts.upgrade() else {
        return Ok(());
    };
    let mut poller = Poller::new(&store, shared.freshness.limit * KEPT);
    drop(store);
    loop {
        let begun = Instant::now();
        let Some(store) = parts.upgrade() else {
            return Ok(());
        };
        match poller.poll(&store, shared, begun).await {
            // The next one reads what this one would have. The cache stops by itself if that comes too late.
            Err(End::Connection(failure)) if shared.freshness.is_fresh(Instant::now()) => {
                tracing::debug!(error = %failure, "a poll for changes has failed");
            }
            polled => polled?,
        }
        poller.sweep(&store).await;
        drop(store);
        tokio::time::sleep(interval).await;
    }
}

struct Poller {
    names: Names,
    statements: Statements,
    last: Option<Last>,
    version: Version,
    sweep: Sweep,
    has_sweep_failed: bool,
}

/// What the last poll has seen.
struct Last {
    snapshot: String,
    database: String,
}

struct Statements {
    poll: String,
    mark: String,
    sweep: String,
}

impl Statements {
    fn new(table: &str) -> Self {
        let most = READ_AT_ONCE + 1;
        Self {
            // `$7` is the snapshot of the last poll. A restored dump can have a mark and rows with numbers that
            // this server has not come to, and counts as a table without a mark.
            poll: format!(
                "{VERSIONED_TABLES}, polled AS (\
                    SELECT pg_current_snapshot() AS now, $7::TEXT::pg_snapshot AS last\
                ), mark AS (\
                    SELECT change AS id, swept FROM {table} WHERE swept IS NOT NULL\
                ) \
                SELECT coalesce(sessions.fault, users.fault), digest, now::TEXT, \
                    concat_ws(' ', mark.id, extract(epoch FROM pg_postmaster_start_time()), \
                        (SELECT oid FROM pg_database WHERE datname = current_database())), \
                    coalesce(swept <= pg_snapshot_xmin(now) AND NOT EXISTS (\
                        SELECT FROM {table} WHERE swept IS NULL AND xact >= pg_snapshot_xmax(now)\
                    ), FALSE), \
                    coalesce(swept <= pg_snapshot_xmin(last) \
                        AND pg_snapshot_xmax(last) <= pg_snapshot_xmax(now), TRUE), \
                    ARRAY(\
                        SELECT change FROM {table} WHERE swept IS NULL \
                            AND xact >= pg_snapshot_xmax($7::TEXT::pg_snapshot) \
                        UNION ALL SELECT change FROM {table} WHERE swept IS NULL \
                            AND xact = ANY (ARRAY(SELECT pg_snapshot_xip($7::TEXT::pg_snapshot))) \
                        LIMIT {most}\
                    ), \
                    pg_snapshot_xmin(now)::TEXT::BIGINT, swept::TEXT::BIGINT, mark.id, \
                    current_setting('transaction_read_only')::BOOLEAN \
                FROM tables AS sessions, tables AS users, version, polled LEFT JOIN mark ON TRUE \
                WHERE sessions.of = 'sessions' AND users.of = 'users'"
            ),
            // Makes the mark, or replaces the one with the id `$1`, which is that of a restored dump. Not while
            // there is a prepared transaction: it survives a crash that has emptied the table, and its rows do
            // not, so no poll would see what it changes.
            mark: format!(
                "WITH gone AS (\
                    DELETE FROM {table} \
                    WHERE swept IS NULL AND xact >= pg_snapshot_xmax(pg_current_snapshot())\
                ) \
                INSERT INTO {table} AS mark (xact, swept, change) \
                SELECT '0'::xid8, '0'::xid8, gen_random_uuid()::TEXT \
                WHERE NOT EXISTS (\
                    SELECT FROM pg_prepared_xacts WHERE database = current_database()\
                ) \
                ON CONFLICT ((swept IS NOT NULL)) WHERE swept IS NOT NULL \
                DO UPDATE SET swept = '0', change = excluded.change WHERE mark.change = $1::TEXT"
            ),
            // Rows below the number `$1`. While another process sweeps, nothing.
            sweep: format!(
                "WITH mark AS (\
                    SELECT ctid FROM {table} WHERE swept <= $1::BIGINT::TEXT::xid8 \
                    FOR UPDATE SKIP LOCKED\
                ), moved AS (\
                    UPDATE {table} AS changes SET swept = $1::BIGINT::TEXT::xid8 FROM mark \
                    WHERE changes.ctid = mark.ctid RETURNING 1\
                ), gone AS (\
                    DELETE FROM {table} WHERE EXISTS (SELECT FROM moved) AND ctid = ANY (ARRAY(\
                        SELECT ctid FROM {table} \
                        WHERE swept IS NULL AND xact < $1::BIGINT::TEXT::xid8 \
                        ORDER BY xact LIMIT {SWEPT_AT_ONCE}\
                    )) RETURNING 1\
                ) \
                SELECT count(*) FROM gone"
            ),
        }
    }
}

impl Poller {
    fn new(parts: &Parts, keep: Duration) -> Self {
        Self {
            names: RECORDING.names(parts),
            statements: Statements::new(&parts.tables.quoted(CHANGE_TABLE)),
            last: None,
            version: Version::default(),
            sweep: Sweep::new(keep),
            has_sweep_failed: false,
        }
    }

    /// Removes what has changed since the last poll.
    async fn poll(&mut self, parts: &Parts, shared: &Shared, begun: Instant) -> Result<(), End> {
        let snapshot = self.last.as_ref().map(|last| &*last.snapshot);
        let params = self.names.params_and(&[&snapshot]);
        let poll = Statement::lookup(&self.statements.poll, &params);
        let rows = parts.run(&poll).await.map_err(end_by)?;
        let polled = Polled::read(rows.first().ok_or(End::Missing(&RECORDING))?)?;
        if let Some(fault) = &polled.fault {
            return Err(RECORDING.end_by(fault));
        }
        match &self.last {
            Some(last) => {
                if !polled.is_marked || !polled.is_complete || last.database != polled.database {
                    return Err(End::Another);
                }
            }
            None if polled.is_marked => {}
            // There are no entries yet. The next poll finds the mark.
            None => {
                let params: Params<'_> = &[&polled.mark];
                let mark = Statement::new(&self.statements.mark, params);
                return Ok(parts.run(&mark).await.map(drop)?);
            }
        }
        if polled.changes.len() > READ_AT_ONCE {
            changed(shared, "*");
        } else {
            polled
                .changes
                .iter()
                .for_each(|change| changed(shared, change));
        }
        self.version.is(polled.version, shared);
        self.sweep.note(begun, polled.under_way, polled.swept);
        self.last = Some(Last {
            snapshot: polled.snapshot,
            database: polled.database,
        });
        match shared.heartbeat(shared.freshness.time(begun)) {
            true => Ok(()),
            false => Err(End::Silent),
        }
    }

    /// Deletes rows that no poll needs any more, if it is time.
    async fn sweep(&mut self, parts: &Parts) {
        let Some(below) = self.sweep.due else { return };
        let params: Params<'_> = &[&below];
        let sweep = Statement::new(&self.statements.sweep, params);
        match parts.counted(parts.run(&sweep).await).await {
            // The rest goes after the next poll.
            Ok(SWEPT_AT_ONCE..) => return,
            Ok(_) => self.has_sweep_failed = false,
            Err(error) => {
                if !std::mem::replace(&mut self.has_sweep_failed, true) {
                    tracing::warn!(%error, "old rows of `{CHANGE_TABLE}` cannot be deleted");
                }
            }
        }
        self.sweep.due = None;
    }
}

/// A missing table is made by the same file as its triggers.
fn end_by(failure: Failure) -> End {
    match failure {
        Failure::Server(error) if error.code == SqlState::UNDEFINED_TABLE => {
            End::Missing(&RECORDING)
        }
        failure => failure.into(),
    }
}

/// What a poll has found.
struct Polled {
    fault: Option<String>,
    version: String,
    snapshot: String,
    /// Which server, database and mark it has asked.
    database: String,
    /// Whether there is a mark, and nothing that has not happened here.
    is_marked: bool,
    /// Whether no row was deleted that the last poll did not see.
    is_complete: bool,
    changes: Vec<String>,
    /// The lowest number that is still under way.
    under_way: i64,
    swept: i64,
    mark: Option<String>,
}

impl Polled {
    fn read(row: &Row) -> Result<Self, End> {
        Ok(Self {
            fault: row.try_get(0)?,
            version: row.try_get(1)?,
            snapshot: row.try_get(2)?,
            database: row.try_get(3)?,
            is_marked: row.try_get(4)?,
            is_complete: row.try_get(5)?,
            changes: row.try_get(6)?,
            under_way: row.try_get(7)?,
            swept: row.try_get::<_, Option<i64>>(8)?.unwrap_or(0),
            mark: row.try_get(9)?,
        })
    }
}

/// When rows are to be deleted, and which.
#[derive(Debug)]
struct Sweep {
    keep: Duration,
    /// The lowest numbers that were under way, each at least `keep` after the next one.
    noted: [Option<(Instant, i64)>; 2],
    /// Rows below this number are to be deleted.
    due: Option<i64>,
}

impl Sweep {
    fn new(keep: Duration) -> Self {
        Self {
            keep,
            noted: [None; 2],
            due: None,
        }
    }

    /// Notes what a poll has found.
    fn note(&mut self, now: Instant, under_way: i64, swept: i64) {
        let [newer, older] = self.noted;
        if let Some((at, below)) = newer {
            if now.saturating_duration_since(at) < self.keep {
                return;
            }
            // Not where another process has swept later: many of them sweep about as often as one.
            let (_, known) = older.unwrap_or((at, below));
            if swept <= known && swept < below {
                self.due = Some(below);
            }
        }
        self.noted = [Some((now, under_way)), newer];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(10);

    /// What is due after polls at these seconds, each with the lowest number under way and what is swept.
    fn due(polls: &[(u64, i64, i64)]) -> Option<i64> {
        let begin = Instant::now();
        let mut sweep = Sweep::new(KEEP);
        for (second, under_way, swept) in polls {
            sweep.note(begin + Duration::from_secs(*second), *under_way, *swept);
        }
        sweep.due
    }

    #[test]
    fn rows_go_that_were_seen_by_all_polls_of_a_while() {
        assert_eq!(due(&[(0, 100, 0)]), None);
        assert_eq!(due(&[(0, 100, 0), (9, 200, 0)]), None);
        assert_eq!(due(&[(0, 100, 0), (9, 200, 0), (10, 210, 0)]), Some(100));
        let polls = [(0, 100, 0), (10, 210, 0), (19, 300, 100), (20, 310, 100)];
        assert_eq!(due(&polls), Some(210));
    }

    #[test]
    fn what_another_process_sweeps_is_not_swept_twice() {
        assert_eq!(due(&[(0, 100, 0), (10, 200, 100)]), None);
        assert_eq!(due(&[(0, 100, 0), (10, 200, 100), (20, 300, 150)]), None);
        // It has stopped.
        let polls = [(0, 100, 0), (10, 200, 100), (20, 300, 150), (30, 400, 150)];
        assert_eq!(due(&polls), Some(300));
    }

    #[test]
    fn where_nothing_is_written_nothing_is_swept() {
        let polls = [
            (0, 100, 100),
            (10, 100, 100),
            (20, 100, 100),
            (30, 100, 100),
        ];
        assert_eq!(due(&polls), None);
    }
}
