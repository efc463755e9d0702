//! Making what is missing.

use deadpool_postgres::GenericClient;
use tokio_postgres::IsolationLevel;

use super::Parts;
use super::error::Failure;
use crate::store::tables::{column_name, quote};
use crate::{Error, Result};

const TABLES: &str = include_str!("../../../migrations/postgres/0001_tables.sql");

/// What finds a session by the hash of the token that is stored.
pub(super) const PUBLIC_IDS: &str =
    include_str!("../../../migrations/postgres/lucia_v2_tokens.sql");

/// What processes that migrate at the same time take turns by. The number means nothing else.
const LOCK: i64 = 0x006C_7563_6961;

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
    let transaction = connection
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(|error| failed(parts, error))?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(|error| failed(parts, error))?;
    if let Some(schema) = &parts.tables.schema {
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema));
        transaction
            .batch_execute(&sql)
            .await
            .map_err(|error| failed(parts, error))?;
    }
    transaction
        .batch_execute(&parts.tables.apply(TABLES))
        .await
        .map_err(|error| failed(parts, error))?;
    if parts.ids.need_index() {
        transaction
            .batch_execute(&parts.tables.apply(PUBLIC_IDS))
            .await
            .map_err(|error| failed(parts, error))?;
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
    transaction
        .commit()
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
    let exists = transaction
        .query_opt(
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1::TEXT) \
             AND attname = $2::TEXT AND attnum > 0 AND NOT attisdropped",
            &[&table, &name],
        )
        .await
        .map_err(|error| failed(parts, error))?;
    if exists.is_some() {
        return Ok(());
    }
    // The extended protocol takes one statement and no more.
    let sql = format!("ALTER TABLE {table} ADD COLUMN {definition}");
    match transaction.execute(&sql, &[]).await {
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

fn failed(parts: &Parts, error: tokio_postgres::Error) -> Error {
    match Failure::from(error).meaning(&parts.tables) {
        Ok(error) => error,
        Err(failure) => Error::internal(failure),
    }
}
