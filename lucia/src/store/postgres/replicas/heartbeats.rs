//! The table of heartbeats, and the task that sends those of this process.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_postgres::Row;

use super::super::health::in_words;
use super::super::migrate::Migrating;
use super::super::run::Statement;
use super::super::{Params, Parts};
use super::{GRACE, HEARTBEATS, Process, Shared};
use crate::store::tables::{HEARTBEAT, TableNames};
use crate::store::{Result, StoreError};

const TABLE: &str = include_str!("../../../../migrations/postgres/replicas.sql");

const COLUMNS: [&str; 3] = ["process", "beat", "sent_at"];

/// How often rows of processes that are gone are deleted, and how old these are, in milliseconds.
const SWEEP: Duration = Duration::from_secs(60 * 60);
const GONE: i64 = 24 * 60 * 60 * 1000;

const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT";

/// The row of this process.
pub(super) struct Heartbeats {
    /// The quoted name of the table.
    pub(super) table: String,
    /// The random id of this process, or rather of this store.
    pub(super) process: String,
    send: String,
    sweep: String,
    /// Why the last one was not sent.
    failure: Mutex<Option<String>>,
}

impl Heartbeats {
    pub(super) fn new(process: Process, tables: &TableNames) -> Self {
        let table = tables.quoted(HEARTBEAT);
        Self {
            send: format!(
                r#"INSERT INTO {table} ("process", "beat", "sent_at") VALUES ($1, $2, {NOW})
                ON CONFLICT ("process") DO UPDATE
                    SET "beat" = excluded."beat", "sent_at" = excluded."sent_at""#
            ),
            sweep: format!(r#"DELETE FROM {table} WHERE "sent_at" < {NOW} - {GONE}"#),
            table,
            process: format!("{:032x}", u128::from_ne_bytes(process)),
            failure: Mutex::default(),
        }
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failure.as_ref()?;
        Some(format!(
            "heartbeats cannot be written to `{HEARTBEAT}`, and no replica is used: {failure}"
        ))
    }

    /// Notes what became of a heartbeat.
    fn note(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// Sends heartbeats for as long as there is a store.
pub(super) async fn send(parts: Weak<Parts>, shared: &Shared) {
    let heartbeats = &shared.heartbeats;
    let began = Instant::now();
    let mut is_logged = false;
    let mut swept: Option<Instant> = None;
    while let Some(store) = parts.upgrade() {
        // What the clock says before it is sent.
        let now = shared.now();
        shared.last_sent.store(now.0, Ordering::Release);
        let beat = i64::try_from(now.0).unwrap_or(i64::MAX);
        let process = &*heartbeats.process;
        let params: Params<'_> = &[&process, &beat];
        let sent = store.run(&Statement::new(&heartbeats.send, params)).await;
        match sent {
            Ok(_) => {
                heartbeats.note(None);
                is_logged = false;
                if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
                    swept = Some(Instant::now());
                    let sweeping = Statement::new(&heartbeats.sweep, &[]);
                    if let Err(error) = store.run(&sweeping).await {
                        tracing::warn!(%error, "heartbeats of processes that are gone not deleted");
                    }
                }
            }
            Err(error) => {
                heartbeats.note(Some(in_words(&error, false)));
                if began.elapsed() >= GRACE && !is_logged {
                    is_logged = true;
                    tracing::error!(
                        %error,
                        "no replica is used: heartbeats cannot be written. If `{HEARTBEAT}` is missing, run \
                         `store.migrate(..)`, or `migrations/postgres/replicas.sql` by your migration tool"
                    );
                }
            }
        }
        drop(store);
        let pause = shared.max_staleness / HEARTBEATS;
        // A migration that has just been made ends the wait.
        let _ = tokio::time::timeout(pause, shared.wake.notified()).await;
    }
}

/// Makes the table, unless it is there.
pub(super) async fn migrate(migrating: &Migrating<'_>) -> Result<()> {
    let tables = &migrating.parts.tables;
    if migrating.are_there(&[&tables.quoted(HEARTBEAT)]).await? {
        return Ok(());
    }
    migrating.execute(&tables.apply(TABLE)).await
}

/// Checks that the table is there, with its columns.
pub(super) async fn check(parts: &Parts) -> Result<()> {
    const MISSING: &str = "SELECT name FROM unnest($2::TEXT[]) AS name WHERE name NOT IN ( \
         SELECT attname::TEXT FROM pg_attribute \
         WHERE attrelid = to_regclass($1::TEXT) AND attnum > 0 AND NOT attisdropped)";
    let params: Params<'_> = &[&parts.tables.quoted(HEARTBEAT), &COLUMNS.as_slice()];
    let read = |row: &Row| Ok(row.try_get::<_, Option<String>>(0)?);
    let missing = parts.ask(MISSING, params, read).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let column = (missing.len() < COLUMNS.len()).then(|| missing[0].as_str());
    let reason = "replicas need the table: run `store.migrate(..)`, or \
                  `migrations/postgres/replicas.sql` by your migration tool";
    Err(StoreError::schema(HEARTBEAT, column, reason))
}
