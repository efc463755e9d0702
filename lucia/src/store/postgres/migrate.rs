//! Making what is missing.

use std::time::Duration;

use tokio_postgres::{Client, GenericClient, IsolationLevel};

use super::Parts;
use super::error::Failure;
use super::unnamed::{Params, query_unnamed};
use crate::store::migrations::{Migration, RECORD, RECORD_COLUMNS, Ran, pending, recorded_as};
use crate::store::tables::{defined_columns, index, quote};
use crate::store::{Result, SESSION_COLUMNS, StoreError};

/// The numbered files, the oldest first. How to add one is said in `store/migrations.rs`.
const MIGRATIONS: [Migration; 1] = [Migration {
    number: 1,
    file: "0001_tables.sql",
    sql: include_str!("../../../migrations/postgres/0001_tables.sql"),
    adds: None,
}];

/// What finds a session by the hash of the token that is stored.
pub(super) const PUBLIC_IDS: &str =
    include_str!("../../../migrations/postgres/lucia_v2_tokens.sql");

/// What processes that migrate at the same time take turns by. The number means nothing else.
const LOCK: i64 = 0x006C_7563_6961;

/// How long to wait for one's turn: others may have large tables to change.
const TURN: Duration = Duration::from_secs(60);

pub(super) async fn migrate(parts: &Parts, user_columns: &[&str]) -> Result<()> {
    let user_columns = defined_columns(user_columns, str::to_ascii_lowercase)?;

    let unavailable = |failure: Failure| StoreError::unavailable(failure);
    let connection = tokio::time::timeout(parts.timeout, parts.pool.get()).await;
    let mut connection = connection
        .map_err(|_| unavailable(Failure::TimedOut(parts.timeout)))?
        .map_err(|error| unavailable(error.into()))?;

    // One transaction: dropped or killed half-way, it leaves nothing behind.
    // It has to see what others have made while it waited for the lock.
    // None of its statements has a name: each runs once, and there may be a pooler.
    let client: &mut Client = &mut connection;
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(|error| failed(parts, error))?;
    limit_waiting(parts, &transaction, TURN).await?;
    query_unnamed(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(|error| failed(parts, error))?;
    // Whoever waits to change a table makes all others wait who want to read it.
    limit_waiting(parts, &transaction, parts.timeout).await?;
    parts.check_types(&transaction).await?;
    run_pending(parts, &transaction).await?;
    if parts.ids.need_index() {
        make_index_of_tokens(parts, &transaction).await?;
    }
    for (name, definition) in user_columns {
        add_column(parts, &transaction, &parts.tables.user, &name, &definition).await?;
    }
    for column in &parts.session_columns {
        if let Some(definition) = &column.definition {
            let table = &parts.tables.session;
            add_column(parts, &transaction, table, &column.name, definition).await?;
        }
    }
    parts.cache.migrate(parts, &transaction).await?;
    // Rows have more columns now, and no trigger tells of that.
    let _changing = parts.cache.all_changes();
    transaction
        .commit()
        .await
        .map_err(|error| failed(parts, error))?;
    parts.cache.migrated();
    Ok(())
}

/// Bounds how long each of the following statements waits for a lock.
async fn limit_waiting(
    parts: &Parts,
    transaction: &impl GenericClient,
    limit: Duration,
) -> Result<()> {
    let sql = format!("SET LOCAL lock_timeout = {}", limit.as_millis().max(1));
    transaction
        .batch_execute(&sql)
        .await
        .map_err(|error| failed(parts, error))
}

/// Runs the numbered files that have not run, and records them. Where a table is missing or incomplete
/// all the same, all of them run again. Where nothing is missing, no table is locked, not even for a moment: `ADD COLUMN IF NOT EXISTS` would keep everybody out to find out that there is
/// nothing to do.
async fn run_pending(parts: &Parts, transaction: &impl GenericClient) -> Result<()> {
    let tables = &parts.tables;
    let record = tables.quoted(RECORD);
    let is_recorded = are_there(parts, transaction, std::slice::from_ref(&record)).await?;
    let set = recorded_as(tables);

    let mut ran = Vec::new();
    if is_recorded {
        let sql = format!(r#"SELECT "number", "checksum" FROM {record} WHERE "tables" = $1"#);
        let rows = query_unnamed(transaction, &sql, &[&set])
            .await
            .map_err(|error| failed(parts, error))?;
        for row in rows {
            let read = || {
                Ok(Ran {
                    number: row.try_get(0)?,
                    checksum: row.try_get(1)?,
                })
            };
            ran.push(read().map_err(|error| failed(parts, error))?);
        }
    }
    let mut pending = pending(&MIGRATIONS, &ran)?;
    // Columns can be missing because of the files that are pending.
    let columns: &[&str] = match pending.is_empty() {
        true => &SESSION_COLUMNS,
        false => &[],
    };
    if !are_tables_there(parts, transaction, columns).await? {
        // Dropped, or replaced by others without lucia's columns.
        pending = MIGRATIONS.iter().collect();
    }
    if pending.is_empty() {
        return Ok(());
    }

    let mut sql = String::new();
    if let Some(schema) = &tables.schema {
        sql.push_str(&format!("CREATE SCHEMA IF NOT EXISTS {};\n", quote(schema)));
    }
    if !is_recorded {
        sql.push_str(&format!("CREATE TABLE {record} {RECORD_COLUMNS};"));
    }
    for migration in &pending {
        sql.push_str(&tables.apply(migration.sql));
    }
    transaction
        .batch_execute(&sql)
        .await
        .map_err(|error| failed(parts, error))?;

    let sql = format!(
        r#"INSERT INTO {record} ("tables", "number", "checksum", "ran_at")
        VALUES ($1, $2, $3, (extract(epoch FROM now()) * 1000)::BIGINT)
        ON CONFLICT ("tables", "number") DO UPDATE
            SET "checksum" = excluded."checksum", "ran_at" = excluded."ran_at""#
    );
    for migration in pending {
        let params: Params<'_> = &[&set, &migration.number, &migration.checksum()];
        query_unnamed(transaction, &sql, params)
            .await
            .map_err(|error| failed(parts, error))?;
        tracing::info!(file = migration.file, tables = set, "migration has run");
    }
    Ok(())
}

/// Whether there are lucia's tables, with these columns in that of sessions.
async fn are_tables_there(
    parts: &Parts,
    transaction: &impl GenericClient,
    columns: &[&str],
) -> Result<bool> {
    const SQL: &str = "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1::TEXT) \
                       AND attname = ANY ($2::TEXT[]) AND NOT attisdropped";
    let tables = &parts.tables;
    let names = tables.by_setting().map(|(_, name)| tables.quoted(name));
    if !are_there(parts, transaction, &names).await? {
        return Ok(false);
    }
    let sessions = tables.quoted(&tables.session);
    let rows = query_unnamed(transaction, SQL, &[&sessions, &columns])
        .await
        .map_err(|error| failed(parts, error))?;
    let count: i64 = match rows.first() {
        Some(row) => row.try_get(0).map_err(|error| failed(parts, error))?,
        None => 0,
    };
    Ok(usize::try_from(count) == Ok(columns.len()))
}

/// Makes the index that finds a session by the hash of the token that is stored.
async fn make_index_of_tokens(parts: &Parts, transaction: &impl GenericClient) -> Result<()> {
    let name = index(&parts.tables.session, "_public_id_idx");
    let name = match &parts.tables.schema {
        Some(schema) => format!("{}.{name}", quote(schema)),
        None => name,
    };
    if are_there(parts, transaction, &[name]).await? {
        return Ok(());
    }
    transaction
        .batch_execute(&parts.tables.apply(PUBLIC_IDS))
        .await
        .map_err(|error| failed(parts, error))
}

/// Whether there are tables or indexes of all these quoted names.
async fn are_there(
    parts: &Parts,
    transaction: &impl GenericClient,
    names: &[String],
) -> Result<bool> {
    const SQL: &str = "SELECT COALESCE(bool_and(to_regclass(name) IS NOT NULL), TRUE) \
                       FROM unnest($1::TEXT[]) AS name";
    let names = names.to_vec();
    let rows = query_unnamed(transaction, SQL, &[&names])
        .await
        .map_err(|error| failed(parts, error))?;
    match rows.first() {
        Some(row) => row.try_get(0).map_err(|error| failed(parts, error)),
        None => Ok(false),
    }
}

/// Adds a column to a table, unless there is one of this name.
async fn add_column(
    parts: &Parts,
    transaction: &impl GenericClient,
    table_name: &str,
    name: &str,
    definition: &str,
) -> Result<()> {
    let table = parts.tables.quoted(table_name);
    let exists = query_unnamed(
        transaction,
        "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1::TEXT) \
         AND attname = $2::TEXT AND attnum > 0 AND NOT attisdropped",
        &[&table, &name],
    )
    .await
    .map_err(|error| failed(parts, error))?;
    if !exists.is_empty() {
        return Ok(());
    }
    // The extended protocol takes one statement and no more.
    let sql = format!("ALTER TABLE {table} ADD COLUMN {definition}");
    match query_unnamed(transaction, &sql, &[]).await {
        Ok(_) => Ok(()),
        Err(error) => match Failure::from(error).meaning(&parts.tables) {
            Ok(error @ StoreError::Unavailable(_)) => Err(error),
            Ok(error) => Err(cannot_add(table_name, name, definition, &error.to_string())),
            Err(failure) => Err(cannot_add(
                table_name,
                name,
                definition,
                &failure.to_string(),
            )),
        },
    }
}

fn cannot_add(table: &str, name: &str, definition: &str, why: &str) -> StoreError {
    StoreError::Schema {
        table: table.to_owned(),
        column: Some(name.to_owned()),
        reason: format!("`{definition}` cannot be added: {why}"),
    }
}

pub(super) fn failed(parts: &Parts, error: tokio_postgres::Error) -> StoreError {
    match Failure::from(error).meaning(&parts.tables) {
        Ok(error) => error,
        Err(failure) => StoreError::internal(failure),
    }
}
