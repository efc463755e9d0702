//! Whether a server works, and what it works with less of than it should.

use std::sync::Arc;

use deadpool_postgres::Pool;

use super::error::Failure;
use super::run::Statement;
use super::statements::IS_READ_ONLY;
use super::{Parts, PgStore};
#[cfg(feature = "metrics")]
use crate::measure;
use crate::store::StoreHealth;

/// The name of the store.
pub(super) const NAME: &str = "postgres";

/// Whether no commit is acknowledged. Everybody may see how many standbys there are, and only some accounts how far
/// they are.
const WAITS_FOR_STANDBY: &str = "\
    current_setting('synchronous_commit') NOT IN ('off', 'local') \
    AND coalesce(current_setting('synchronous_standby_names', true), '') <> '' \
    AND NOT pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_stat_replication)";

impl PgStore {
    pub(super) async fn ask_health(&self) -> StoreHealth {
        let parts: &Arc<Parts> = &self.0;
        let mut health = StoreHealth::up(NAME);
        // Before this call waits as well.
        let is_exhausted = is_exhausted(&parts.pool);
        // It begins with the first lookup, where there was no runtime before.
        parts.cache.start(parts);
        parts.replicas.start(parts);
        let sql = format!(
            "SELECT current_setting('synchronous_commit') = 'off', {IS_READ_ONLY}, {WAITS_FOR_STANDBY}"
        );
        let rows = match parts.run(&Statement::lookup(&sql, &[])).await {
            Ok(rows) => rows,
            Err(failure) => {
                tracing::error!(error = %failure, "the store is unavailable");
                return health.down(in_words(&failure, is_exhausted));
            }
        };
        let says = |column: usize| {
            let row = rows.first();
            row.is_some_and(|row| row.try_get(column).unwrap_or(false))
        };
        if is_exhausted {
            health = health.degraded(
                "all connections of the pool are in use, and callers wait for one: see `max_connections`",
            );
        }
        if says(1) {
            health = health.degraded("the server is read-only: sign-ins fail");
        }
        if says(2) {
            health = health.degraded(
                "commits wait for a synchronous standby, and none is connected: sign-ins and sign-outs fail. If it \
                 has been promoted, this server is not the primary any more",
            );
        }
        if says(0) {
            health = health.degraded(
                "`synchronous_commit` is off: a crash of the server undoes what it answered last, the end of a \
                 session included",
            );
        }
        health = parts
            .cache
            .complaint()
            .into_iter()
            .fold(health, StoreHealth::degraded);
        for complaint in parts.replicas.complaints() {
            health = health.degraded(complaint);
        }
        health
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record(&self) {
        let Parts {
            pool,
            queues,
            cache,
            replicas,
            ..
        } = &*self.0;
        let status = pool.status();
        let in_use = status.size.saturating_sub(status.available);
        measure::pool(NAME, status.max_size, in_use, status.waiting);
        queues.record_metrics(NAME);
        measure::batch_waiting(NAME, queues.waiting() + replicas.waiting());
        replicas.record_metrics();
        cache.record_metrics();
    }
}

/// Whether all connections are in use and callers wait for one.
fn is_exhausted(pool: &Pool) -> bool {
    let status = pool.status();
    // While one is being made for them, callers wait as well.
    status.size >= status.max_size && status.available == 0 && status.waiting > 0
}

/// Why the server did not answer, in words that quote neither the driver nor the server.
pub(super) fn in_words(failure: &Failure, is_exhausted: bool) -> String {
    let words = match failure {
        Failure::TimedOut(_) if is_exhausted => {
            "all connections of the pool are in use, and none came free in time"
        }
        Failure::TimedOut(limit) => return format!("no answer within {} ms", limit.as_millis()),
        Failure::Connection(_) => "there is no connection to the server",
        Failure::Server(error) => match error.class() {
            "28" => "the server does not let this account in",
            "3D" => "the server has no such database",
            "53" => "the server has no connections, memory or disk space left",
            "57" => "the server starts, stops, or was told to cancel what it does",
            _ => return format!("the server answers with SQLSTATE {}", error.code.code()),
        },
        Failure::Unfit(_) | Failure::Driver(_) => "the driver does not understand the answer",
    };
    words.to_owned()
}
