//! Making what is missing.

use std::time::Duration;

use tokio_postgres::{Client, GenericClient, IsolationLevel};

use super::Parts;
use super::error::Failure;
use super::unnamed::query_unnamed;
use crate::store::SESSION_COLUMNS;
use crate::store::tables::{column_name, index, quote};
use crate::{Error, Result};

const TABLES: &str = include_str!("../../../migrations/postgres/0001_tables.sql");

/// What finds a session by the hash of the token that is stored.
pub(super) const PUBLIC_IDS: &str =
    include_str!("../../../migrations/postgres/lucia_v2_tokens.sql");

/// What processes that migrate at the same time take turns by. The number means nothing else.
const LOCK: i64 = 0x006C_7563_6961;

/// How long to wait for one's turn: others may have large tables to change.
const TURN: Duration = Duration::from_secs(60);

pub(super) async fn migrate(parts: &Parts, user_columns: &[&str]) -> Result<()> {
    let user_columns: Vec<(String, &str)> = user_columns
        .iter()
        .map(|definition| {
            Ok((
                column_name(definition, str::to_ascii_lowercase)?,
                *definition,
            ))
        })
        .collect::<Result<_>>()?;

    let unavailable = |failure: Failure| Error::unavailable(failure);
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
    if !is_complete(parts, &transaction).await? {
        make_tables(parts, &transaction).await?;
    }
    for (name, definition) in user_columns {
        add_column(parts, &transaction, &parts.tables.user, &name, definition).await?;
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

/// Whether lucia's own tables, columns and indexes are all there. Then nothing is to be made, and
/// no table is locked, not even for a moment: `ADD COLUMN IF NOT EXISTS` keeps everybody out to
/// find out that there is nothing to do.
async fn is_complete(parts: &Parts, transaction: &impl GenericClient) -> Result<bool> {
    const SQL: &str = "SELECT (SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::TEXT[]) AS name) \
             AND (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($2::TEXT) \
                 AND attname = ANY ($3::TEXT[]) AND NOT attisdropped) = cardinality($3::TEXT[]) \
             AND EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($2::TEXT) \
                 AND attname = 'authenticated_at' AND atthasdef) \
             AND EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($4::TEXT) \
                 AND attname = 'started_at' AND NOT attisdropped)";

    let tables = &parts.tables;
    let in_schema = |index: String| match &tables.schema {
        Some(schema) => format!("{}.{index}", quote(schema)),
        None => index,
    };
    let mut names = vec![
        tables.quoted(&tables.user),
        tables.quoted(&tables.key),
        in_schema(index(&tables.key, "_user_id_idx")),
        in_schema(index(&tables.session, "_user_id_idx")),
        in_schema(index(&tables.session, "_idle_expires_idx")),
        tables.quoted(&tables.attempt),
        in_schema(index(&tables.attempt, "_expires_idx")),
    ];
    if parts.ids.need_index() {
        names.push(in_schema(index(&tables.session, "_public_id_idx")));
    }
    let columns = SESSION_COLUMNS.map(str::to_owned).to_vec();
    let (session, attempt) = (
        tables.quoted(&tables.session),
        tables.quoted(&tables.attempt),
    );
    let rows = query_unnamed(transaction, SQL, &[&names, &session, &columns, &attempt])
        .await
        .map_err(|error| failed(parts, error))?;
    let complete: Option<bool> = match rows.first() {
        Some(row) => row.try_get(0).map_err(|error| failed(parts, error))?,
        None => None,
    };
    Ok(complete == Some(true))
}

/// Makes the schema, lucia's own tables and their indexes, as far as they are missing.
async fn make_tables(parts: &Parts, transaction: &impl GenericClient) -> Result<()> {
    let mut sql = String::new();
    if let Some(schema) = &parts.tables.schema {
        sql.push_str(&format!("CREATE SCHEMA IF NOT EXISTS {};\n", quote(schema)));
    }
    sql.push_str(&parts.tables.apply(TABLES));
    if parts.ids.need_index() {
        sql.push_str(&parts.tables.apply(PUBLIC_IDS));
    }
    transaction
        .batch_execute(&sql)
        .await
        .map_err(|error| failed(parts, error))
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
            Ok(error @ Error::Unavailable(_)) => Err(error),
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

fn cannot_add(table: &str, name: &str, definition: &str, why: &str) -> Error {
    Error::Schema {
        table: table.to_owned(),
        column: Some(name.to_owned()),
        reason: format!("`{definition}` cannot be added: {why}"),
    }
}

pub(super) fn failed(parts: &Parts, error: tokio_postgres::Error) -> Error {
    match Failure::from(error).meaning(&parts.tables) {
        Ok(error) => error,
        Err(failure) => Error::internal(failure),
    }
}
