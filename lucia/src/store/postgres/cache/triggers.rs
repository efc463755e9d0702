//! The triggers that tell of changes.

use deadpool_postgres::GenericClient;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error as DriverError};

use super::super::Parts;
use super::super::error::Failure;
use crate::store::tables::TableNames;
use crate::{Error, Result};

const TRIGGERS: &str = include_str!("../../../../migrations/postgres/cache.sql");

/// The tables `$2` and `$3`, and whether each of their triggers is there. By another connection
/// than the listener's, a word to the listener on its channel `$1`.
const OPENING: &str = "SELECT sessions, users, \
        (SELECT count(*) FROM pg_trigger WHERE tgrelid IN (sessions, users) \
            AND tgname IN ('lucia_update', 'lucia_delete', 'lucia_truncate') \
            AND tgenabled IN ('O', 'A')) = 6, \
        pg_notify($1, 'opening') \
    FROM (SELECT to_regclass($2::TEXT)::OID AS sessions, to_regclass($3::TEXT)::OID AS users) AS tables";

/// A heartbeat on channel `$1`: the text `$2`, if the triggers are still there, on tables that still
/// have the names by which statements find them.
const HEARTBEAT: &str = "SELECT pg_notify($1, CASE WHEN 6 = (\
        SELECT count(*) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid \
        WHERE tgname IN ('lucia_update', 'lucia_delete', 'lucia_truncate') \
            AND tgenabled IN ('O', 'A') \
            AND (tgrelid = $3 AND relname = $4 OR tgrelid = $5 AND relname = $6)\
    ) THEN $2 ELSE 'missing' END)";

/// The tables that are listened to, by their OIDs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub(super) sessions: u32,
    pub(super) users: u32,
}

/// The tables, unless a trigger is missing; and a word on the channel.
pub(super) async fn open(parts: &Parts, channel: &str) -> Result<Option<Watched>, Failure> {
    let tables = &parts.tables;
    let sessions = tables.quoted(&tables.session);
    let users = tables.quoted(&tables.user);
    let rows = parts.run(OPENING, &[&channel, &sessions, &users]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (sessions, users): (Option<u32>, Option<u32>) = (row.try_get(0)?, row.try_get(1)?);
    let is_complete: bool = row.try_get(2)?;
    Ok(match (sessions, users) {
        (Some(sessions), Some(users)) if is_complete => Some(Watched { sessions, users }),
        _ => None,
    })
}

/// Sends a heartbeat. It is prepared for this once, since a pooler may forget what is prepared.
pub(super) async fn beat(
    tables: &TableNames,
    client: &Client,
    channel: &str,
    text: &str,
    watched: Watched,
) -> Result<(), DriverError> {
    client
        .query_typed(
            HEARTBEAT,
            &[
                (&channel, Type::TEXT),
                (&text, Type::TEXT),
                (&watched.sessions, Type::OID),
                (&tables.session, Type::TEXT),
                (&watched.users, Type::OID),
                (&tables.user, Type::TEXT),
            ],
        )
        .await
        .map(drop)
}

/// The triggers of the table `$1` that are there and work.
const THERE: &str = "SELECT tgname::TEXT FROM pg_trigger WHERE tgrelid = to_regclass($1::TEXT) \
     AND tgenabled IN ('O', 'A')";

const NAMES: [&str; 3] = ["lucia_update", "lucia_delete", "lucia_truncate"];

/// Makes the triggers, unless all of them are there.
pub(super) async fn migrate(
    parts: &Parts,
    transaction: &impl GenericClient,
) -> Result<(), DriverError> {
    let tables = &parts.tables;
    let mut missing = false;
    for table in [&tables.session, &tables.user] {
        let rows = transaction.query(THERE, &[&tables.quoted(table)]).await?;
        missing |= first_missing(&rows).is_some();
    }
    if !missing {
        return Ok(());
    }
    transaction.batch_execute(&tables.apply(TRIGGERS)).await
}

/// Checks that the triggers are there.
pub(super) async fn check(parts: &Parts) -> Result<()> {
    let tables = &parts.tables;
    for table in [&tables.session, &tables.user] {
        let rows = parts.run(THERE, &[&tables.quoted(table)]).await;
        let rows = rows.map_err(Error::unavailable)?;
        if let Some(trigger) = first_missing(&rows) {
            return Err(Error::Schema {
                table: table.clone(),
                column: None,
                reason: format!(
                    "the cache needs the trigger `{trigger}`: run `store.migrate(..)`, or \
                     `migrations/postgres/cache.sql` by your migration tool"
                ),
            });
        }
    }
    Ok(())
}

fn first_missing(rows: &[tokio_postgres::Row]) -> Option<&'static str> {
    let names: Vec<&str> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    NAMES.into_iter().find(|name| !names.contains(name))
}
