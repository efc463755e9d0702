//! Making the tables.

use std::time::SystemTime;

use rusqlite::{Connection, TransactionBehavior};

use super::errors::{self, Failure, Outcome};
use super::tables::{self, Tables};
use crate::store::migrations::{Migration, RECORD, Ran, pending, recorded_as};
use crate::store::tables::{column_name, quote};
use crate::store::{Result, SESSION_COLUMNS, StoreError, UnixMillis};

/// The numbered files, the oldest first. How to add one is said in `store/migrations.rs`.
pub(super) const MIGRATIONS: [Migration; 1] = [Migration {
    number: 1,
    file: "0001_tables.sql",
    sql: include_str!("../../../migrations/sqlite/0001_tables.sql"),
    adds: None,
}];

/// A column of the application's that shall be there.
pub(super) struct NewColumn {
    name: String,
    definition: String,
}

/// Reads the definitions of columns.
///
/// # Errors
///
/// [`StoreError::Misuse`] for one without a name or a type.
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

/// Makes what is missing by the `known` files, all or nothing.
pub(super) fn migrate(
    connection: &mut Connection,
    tables: &Tables,
    columns: &[NewColumn],
    known: &[Migration],
) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let pending = find_pending(&transaction, tables, known)?;
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
    for migration in pending {
        run(&transaction, tables, migration)?;
    }
    add_session_columns(&transaction, tables)?;
    tables.check(&transaction)?;
    tables.check_attempts(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// The files that have not run. Where a table is missing or incomplete all the same, all of them.
fn find_pending<'a>(
    connection: &Connection,
    tables: &Tables,
    known: &'a [Migration],
) -> Outcome<Vec<&'a Migration>> {
    let mut ran = Vec::new();
    if !tables::columns(connection, RECORD)?.is_empty() {
        let sql = format!(
            r#"SELECT "number", "checksum" FROM {} WHERE "tables" = ?1"#,
            quote(RECORD)
        );
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map([recorded_as(&tables.names)], |row| {
            Ok(Ran {
                number: row.get(0)?,
                checksum: row.get(1)?,
            })
        })?;
        ran = rows.collect::<Result<_, _>>()?;
    }
    let pending = pending(known, &ran).map_err(Failure::Told)?;
    let sessions = tables::columns(connection, &tables.names.session)?;
    let is_there = |column: &&str| sessions.iter().any(|other| is_same(&other.name, column));
    // Columns can be missing because of the files that are pending.
    let mut is_complete = !pending.is_empty() || SESSION_COLUMNS.iter().all(is_there);
    for (_, table) in tables.names.by_setting() {
        is_complete &= !tables::columns(connection, table)?.is_empty();
    }
    if is_complete {
        Ok(pending)
    } else {
        // Nothing has run yet, or a table was dropped or replaced by one without lucia's columns.
        Ok(known.iter().collect())
    }
}

/// Runs a file, and records it.
fn run(connection: &Connection, tables: &Tables, migration: &Migration) -> Outcome<()> {
    if migration.number == 1 {
        add_own_columns(connection, tables)?;
    }
    let is_added = match migration.adds {
        Some((table, column)) => tables::columns(connection, table(&tables.names))?
            .iter()
            .any(|other| is_same(&other.name, column)),
        None => false,
    };
    if !is_added {
        connection.execute_batch(&tables.names.apply(migration.sql))?;
    }
    let record = quote(RECORD);
    connection.execute_batch(&format!(
        r#"CREATE TABLE IF NOT EXISTS {record} (
            "tables" TEXT NOT NULL,
            "number" BIGINT NOT NULL,
            "checksum" TEXT NOT NULL,
            "ran_at" BIGINT NOT NULL,
            PRIMARY KEY ("tables", "number")
        )"#
    ))?;
    let sql = format!(
        r#"INSERT OR REPLACE INTO {record} ("tables", "number", "checksum", "ran_at")
        VALUES (?1, ?2, ?3, unixepoch() * 1000)"#
    );
    let set = recorded_as(&tables.names);
    connection.execute(&sql, (&set, migration.number, migration.checksum()))?;
    tracing::info!(file = migration.file, tables = set, "migration has run");
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
        Some(reason) => Failure::Told(StoreError::Schema {
            table: table.to_owned(),
            column: column.map(str::to_owned),
            reason: format!("{what}: {reason}"),
        }),
        None => errors::plain(error).into(),
    }
}
