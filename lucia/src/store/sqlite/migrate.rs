//! Making the tables.

use std::time::SystemTime;

use rusqlite::{Connection, TransactionBehavior};

use super::errors::{self, Failure, Outcome};
use super::tables::{self, Tables};
use crate::store::UnixMillis;
use crate::store::tables::{column_name, quote};
use crate::{Error, Result};

const TABLES: &str = include_str!("../../../migrations/sqlite/0001_tables.sql");

/// A column of the application's that shall be there.
pub(super) struct NewColumn {
    name: String,
    definition: String,
}

/// Reads the definitions of columns.
///
/// # Errors
///
/// [`Error::Misuse`] for one without a name or a type.
pub(super) fn columns(definitions: &[&str]) -> Result<Vec<NewColumn>> {
    let mut columns: Vec<NewColumn> = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let name = column_name(definition, str::to_owned)?;
        if columns.iter().any(|column| is_same(&column.name, &name)) {
            continue;
        }
        columns.push(NewColumn {
            name,
            definition: (*definition).to_owned(),
        });
    }
    Ok(columns)
}

/// SQLite compares names of columns without regard to the case of ASCII letters.
fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Makes what is missing, all or nothing.
pub(super) fn migrate(
    connection: &mut Connection,
    tables: &Tables,
    columns: &[NewColumn],
) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let existing = tables::columns(&transaction, &tables.names.user)?;
    let is_missing = |column: &&NewColumn| {
        !existing
            .iter()
            .any(|other| is_same(&other.name, &column.name))
    };
    let missing: Vec<_> = columns.iter().filter(is_missing).collect();
    if existing.is_empty() {
        create_user_table(&transaction, tables, &missing)?;
    } else {
        for column in missing {
            add_column(
                &transaction,
                &tables.names.user,
                &column.name,
                &column.definition,
            )?;
        }
    }
    add_own_columns(&transaction, tables)?;
    transaction.execute_batch(&tables.names.apply(TABLES))?;
    add_session_columns(&transaction, tables)?;
    tables.check(&transaction)?;
    tables.check_attempts(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// The table is made with all its columns at once: only so can they be `UNIQUE` and `NOT NULL`.
fn create_user_table(
    connection: &Connection,
    tables: &Tables,
    columns: &[&NewColumn],
) -> Outcome<()> {
    let mut sql = format!(
        "CREATE TABLE {} (\n\"id\" TEXT NOT NULL PRIMARY KEY",
        quote(&tables.names.user)
    );
    for column in columns.iter().filter(|column| !is_same(&column.name, "id")) {
        // On a line of its own, in case the one before ends in a comment.
        sql.push_str("\n, ");
        sql.push_str(&column.definition);
    }
    sql.push_str("\n)");
    connection.execute_batch(&sql).map_err(|error| {
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        refused(
            &tables.names.user,
            None,
            &error,
            &format!("cannot be made with {}", names.join(", ")),
        )
    })
}

/// Adds lucia's own columns to tables that Lucia made, or an earlier version.
fn add_own_columns(connection: &Connection, tables: &Tables) -> Outcome<()> {
    // SQLite adds no column whose default it would have to compute. Rows from before count from
    // now.
    let now = UnixMillis::from(SystemTime::now()).0;
    let since_now = format!("BIGINT NOT NULL DEFAULT {now}");
    let session = [
        ("created_at", &*since_now),
        ("renewed_at", &since_now),
        ("authenticated_at", "BIGINT"),
        ("device", "TEXT"),
        ("address", "TEXT"),
        ("persistent", "BOOLEAN NOT NULL DEFAULT TRUE"),
    ];
    let attempt = [("started_at", &*since_now)];
    for (table, columns) in [
        (&tables.names.session, &session[..]),
        (&tables.names.attempt, &attempt[..]),
    ] {
        let existing = tables::columns(connection, table)?;
        if existing.is_empty() {
            continue;
        }
        for (name, definition) in columns {
            if !existing.iter().any(|other| is_same(&other.name, name)) {
                let definition = format!("{} {definition}", quote(name));
                add_column(connection, table, name, &definition)?;
            }
        }
    }
    Ok(())
}

/// Adds the columns of the application's own to the table of sessions.
fn add_session_columns(connection: &Connection, tables: &Tables) -> Outcome<()> {
    let table = &tables.names.session;
    for column in &tables.session_columns {
        let Some(definition) = &column.definition else {
            continue;
        };
        let existing = tables::columns(connection, table)?;
        if !existing
            .iter()
            .any(|other| is_same(&other.name, &column.name))
        {
            add_column(connection, table, &column.name, definition)?;
        }
    }
    Ok(())
}

fn add_column(connection: &Connection, table: &str, name: &str, definition: &str) -> Outcome<()> {
    let sql = format!("ALTER TABLE {} ADD COLUMN {definition}\n", quote(table));
    connection.execute_batch(&sql).map_err(|error| {
        let what = "SQLite does not add it to a table that is there already";
        refused(table, Some(name), &error, what)
    })
}

/// The error of a definition that SQLite refuses. Other errors keep their meaning.
fn refused(table: &str, column: Option<&str>, error: &rusqlite::Error, what: &str) -> Failure {
    match errors::refused_sql(error) {
        Some(reason) => Failure::Told(Error::Schema {
            table: table.to_owned(),
            column: column.map(str::to_owned),
            reason: format!("{what}: {reason}"),
        }),
        None => errors::plain(error).into(),
    }
}
