//! Making the tables.

use std::time::SystemTime;

use super::database::Database;
use super::errors::{self, Failure, Outcome};
use crate::store::migrations::{
    Migration, RECORD, RECORD_COLUMNS, Ran, made_by, pending, recorded_as,
};
use crate::store::tables::quote;
use crate::store::{StoreError, UnixMillis};

/// SQLite compares names of columns without regard to the case of ASCII letters.
fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Makes what is missing by the `known` files. It is to be one transaction.
pub(super) fn migrate(
    db: Database<'_>,
    user_columns: &[(String, String)],
    known: &[Migration],
) -> Outcome<()> {
    let tables = db.tables;
    let pending = find_pending(db, known)?;
    let user_columns = user_columns
        .iter()
        .map(|(name, definition)| (&**name, &**definition));
    if db.columns(&tables.names.user)?.is_empty() {
        create_user_table(db, user_columns)?;
    } else {
        add_missing(db, &tables.names.user, user_columns)?;
    }
    for migration in pending {
        run(db, migration)?;
    }
    let defined = tables.session_columns.iter();
    let defined = defined.filter_map(|column| Some((&*column.name, column.definition.as_deref()?)));
    add_missing(db, &tables.names.session, defined)?;
    db.check()?;
    let names = &tables.names;
    [&names.attempt, &names.token, &names.mail, &names.credential]
        .into_iter()
        .try_for_each(|table| db.check_table(table, []))
}

/// The files that have not run. Where a table is missing or incomplete all the same, all of them.
fn find_pending<'a>(db: Database<'_>, known: &'a [Migration]) -> Outcome<Vec<&'a Migration>> {
    let names = &db.tables.names;
    let mut ran = Vec::new();
    if !db.columns(RECORD)?.is_empty() {
        let record = quote(RECORD);
        let sql = format!(r#"SELECT "number", "checksum" FROM {record} WHERE "tables" = ?1"#);
        ran = db.all(&sql, [recorded_as(names)], |row| {
            Ok(Ran {
                number: row.get(0)?,
                checksum: row.get(1)?,
            })
        })?;
    }
    let pending = pending(known, &ran)?;
    // Columns can be missing because of the files that are pending.
    let has_own = |table| has_columns(db, table, names.columns_of(table));
    let mut is_complete = !pending.is_empty() || has_own(&names.session)? && has_own(&names.key)?;
    for table in made_by(known, &pending, names) {
        is_complete &= !db.columns(table)?.is_empty();
    }
    Ok(match is_complete {
        true => pending,
        // Nothing has run yet, or a table was dropped or replaced by one without lucia's columns.
        false => known.iter().collect(),
    })
}

/// Runs a file, and records it.
fn run(db: Database<'_>, migration: &Migration) -> Outcome<()> {
    let (connection, names) = (db.connection, &db.tables.names);
    if migration.number == 1 {
        add_own_columns(db)?;
    }
    let is_added = match migration.adds {
        Some((table, column)) => has_column(db, table(names), column)?,
        None => false,
    };
    if !is_added {
        connection.execute_batch(&names.apply(migration.sql))?;
    }
    let record = quote(RECORD);
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {record} {RECORD_COLUMNS}"
    ))?;
    let sql = format!(
        r#"INSERT OR REPLACE INTO {record} ("tables", "number", "checksum", "ran_at")
        VALUES (?1, ?2, ?3, unixepoch() * 1000)"#
    );
    let set = recorded_as(names);
    connection.execute(&sql, (&set, migration.number, migration.checksum()))?;
    tracing::info!(file = migration.file, "migration has run");
    Ok(())
}

/// The table is made with all its columns at once: only so can they be `UNIQUE` and `NOT NULL`.
fn create_user_table<'a>(
    db: Database<'_>,
    columns: impl Iterator<Item = (&'a str, &'a str)>,
) -> Outcome<()> {
    let table = &db.tables.names.user;
    let mut sql = format!(
        "CREATE TABLE {} (\n\"id\" TEXT NOT NULL PRIMARY KEY",
        quote(table)
    );
    let mut names = vec!["id"];
    for (name, definition) in columns {
        if !names.iter().any(|other| is_same(other, name)) {
            names.push(name);
            // On the next line, in case the one before ends in a comment.
            sql.push_str("\n, ");
            sql.push_str(definition);
        }
    }
    sql.push_str("\n)");
    db.connection.execute_batch(&sql).map_err(|error| {
        let what = format!("cannot be made with {}", names[1..].join(", "));
        refused(table, None, &error, &what)
    })
}

/// Adds lucia's own columns to tables that Lucia made, or an earlier version.
fn add_own_columns(db: Database<'_>) -> Outcome<()> {
    // SQLite adds no column whose default it would have to compute. Rows from before count from
    // now.
    let now = UnixMillis::from(SystemTime::now()).0;
    let since_now = |name: &str| format!("{name} BIGINT NOT NULL DEFAULT {now}");
    let session = [
        ("created_at", &*since_now("created_at")),
        ("renewed_at", &since_now("renewed_at")),
        ("authenticated_at", "authenticated_at BIGINT"),
        ("device", "device TEXT"),
        ("address", "address TEXT"),
        ("persistent", "persistent BOOLEAN NOT NULL DEFAULT TRUE"),
    ];
    let attempt = [("started_at", &*since_now("started_at"))];
    let names = &db.tables.names;
    for (table, columns) in [(&names.session, &session[..]), (&names.attempt, &attempt)] {
        if !db.columns(table)?.is_empty() {
            add_missing(db, table, columns.iter().copied())?;
        }
    }
    Ok(())
}

fn has_columns(db: Database<'_>, table: &str, names: &[&str]) -> Outcome<bool> {
    let columns = db.columns(table)?;
    let is_there = |name: &&str| columns.iter().any(|column| is_same(&column.name, name));
    Ok(names.iter().all(is_there))
}

fn has_column(db: Database<'_>, table: &str, name: &str) -> Outcome<bool> {
    has_columns(db, table, &[name])
}

/// Adds columns, each a name with its definition, to a table that is there.
fn add_missing<'a>(
    db: Database<'_>,
    table: &str,
    columns: impl Iterator<Item = (&'a str, &'a str)>,
) -> Outcome<()> {
    for (name, definition) in columns {
        if has_column(db, table, name)? {
            continue;
        }
        let sql = format!("ALTER TABLE {} ADD COLUMN {definition}\n", quote(table));
        db.connection.execute_batch(&sql).map_err(|error| {
            let what = "SQLite does not add it to a table that is there already";
            refused(table, Some(name), &error, what)
        })?;
    }
    Ok(())
}

/// The error of a definition that SQLite refuses. Other errors keep their meaning.
fn refused(table: &str, column: Option<&str>, error: &rusqlite::Error, what: &str) -> Failure {
    Failure::Told(match errors::refused_sql(error) {
        Some(reason) => StoreError::schema(table, column, format!("{what}: {reason}")),
        None => errors::plain(error),
    })
}
