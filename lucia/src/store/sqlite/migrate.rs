//! Making the tables.

use std::time::SystemTime;

use rusqlite::{Connection, TransactionBehavior};

use super::errors::{self, Failure, Outcome};
use super::tables::{self, Tables};
use crate::store::UnixMillis;
use crate::store::tables::{column_name, quote};
use crate::{Error, Result};

const TABLES: &str = include_str!("../../../migrations/sqlite/0001_tables.sql");

/// What a table of sessions that was made by Lucia does not have. SQLite adds a column that is
/// never NULL with a constant default only: rows from before count from now.
const SINCE_LUCIA: [(&str, &str); 3] = [
    ("created_at", "BIGINT NOT NULL DEFAULT (?)"),
    ("renewed_at", "BIGINT NOT NULL DEFAULT (?)"),
    ("device", "TEXT"),
];

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
            add_column(&transaction, tables, column)?;
        }
    }
    transaction.execute_batch(&tables.names.apply(TABLES))?;
    complete_sessions(&transaction, &tables.names.session)?;
    tables.check(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Adds lucia's own columns to a table of sessions that is there without them.
fn complete_sessions(connection: &Connection, table: &str) -> Outcome<()> {
    let existing = tables::columns(connection, table)?;
    let now = UnixMillis::from(SystemTime::now()).0;
    for (name, definition) in SINCE_LUCIA {
        if !existing.iter().any(|column| is_same(&column.name, name)) {
            let definition = definition.replace("(?)", &now.to_string());
            let sql = format!(
                "ALTER TABLE {} ADD COLUMN {} {definition}",
                quote(table),
                quote(name)
            );
            connection.execute_batch(&sql)?;
        }
    }
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
            tables,
            None,
            &error,
            &format!("cannot be made with {}", names.join(", ")),
        )
    })
}

fn add_column(connection: &Connection, tables: &Tables, column: &NewColumn) -> Outcome<()> {
    let table = quote(&tables.names.user);
    let sql = format!("ALTER TABLE {table} ADD COLUMN {}\n", column.definition);
    connection.execute_batch(&sql).map_err(|error| {
        let what = "SQLite does not add it to a table that is there already";
        refused(tables, Some(&column.name), &error, what)
    })
}

/// The error of a definition that SQLite refuses. Other errors keep their meaning.
fn refused(tables: &Tables, column: Option<&str>, error: &rusqlite::Error, what: &str) -> Failure {
    match errors::refused_sql(error) {
        Some(reason) => Failure::Told(Error::Schema {
            table: tables.names.user.clone(),
            column: column.map(str::to_owned),
            reason: format!("{what}: {reason}"),
        }),
        None => errors::plain(error).into(),
    }
}
