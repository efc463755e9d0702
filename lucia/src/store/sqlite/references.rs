//! What refers to the rows that are to be deleted. SQLite does not say it.

use rusqlite::Connection;
use rusqlite::types::ToSql;

use super::errors::{self, Failure, Outcome};
use super::tables::{Statements, Tables};
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::StoreError;
use crate::store::tables::quote;

/// A foreign key that keeps rows from being deleted, by the first of its columns.
struct Reference {
    table: String,
    column: String,
    /// The column that it refers to.
    other: String,
}

impl Reference {
    /// A query for the rows that refer to the row `referenced`.
    fn rows(&self, referenced: &str) -> String {
        format!(
            "SELECT 1 FROM {} AS r WHERE r.{} = {referenced}.{}",
            quote(&self.table),
            quote(&self.column),
            quote(&self.other)
        )
    }
}

/// The references to `table` that keep its rows from being deleted, but for lucia's own.
fn references(
    connection: &Connection,
    tables: &Tables,
    table: &str,
) -> rusqlite::Result<Vec<Reference>> {
    let mut statement = connection.prepare_cached(
        "SELECT m.name, f.\"from\", coalesce(f.\"to\", 'id') \
         FROM main.sqlite_master AS m, pragma_foreign_key_list(m.name, 'main') AS f \
         WHERE m.type = 'table' AND lower(f.\"table\") = lower(?1) AND f.seq = 0 \
             AND f.on_delete NOT IN ('CASCADE', 'SET NULL', 'SET DEFAULT')",
    )?;
    let found = statement.query_map([table], |row| {
        Ok(Reference {
            table: row.get(0)?,
            column: row.get(1)?,
            other: row.get(2)?,
        })
    })?;
    let is_own = |reference: &Reference| {
        let own = [&tables.names.key, &tables.names.session];
        reference.column.eq_ignore_ascii_case("user_id")
            && own
                .iter()
                .any(|own| own.eq_ignore_ascii_case(&reference.table))
    };
    let found: rusqlite::Result<Vec<_>> = found.collect();
    Ok(found?.into_iter().filter(|found| !is_own(found)).collect())
}

/// The error of a deletion. `doomed` are the tables that it was to delete from, each with the column
/// by which, and what is in it. What it did has been undone.
pub(super) fn explain(
    connection: &Connection,
    tables: &Tables,
    error: rusqlite::Error,
    doomed: &[(&str, &str, &dyn ToSql)],
) -> Failure {
    if !errors::is_broken_reference(&error) {
        return error.into();
    }
    let found = find(connection, tables, doomed);
    let (table, column) = match found {
        Ok(Some(reference)) => (reference.table, Some(reference.column)),
        // A trigger was at work.
        Ok(None) => return error.into(),
        Err(error) => return error.into(),
    };
    let violation = ConstraintViolation::new(ConstraintKind::Referenced, table);
    StoreError::Constraint(violation.column(column)).into()
}

fn find(
    connection: &Connection,
    tables: &Tables,
    doomed: &[(&str, &str, &dyn ToSql)],
) -> rusqlite::Result<Option<Reference>> {
    for &(table, by, value) in doomed {
        for reference in references(connection, tables, table)? {
            let sql = format!(
                "SELECT 1 FROM {} AS p WHERE p.{} = ?1 AND EXISTS ({})",
                quote(table),
                quote(by),
                reference.rows("p")
            );
            if connection.prepare(&sql)?.exists([value])? {
                return Ok(Some(reference));
            }
        }
    }
    Ok(None)
}

/// Deletes expired sessions, but for those that are referred to.
pub(super) fn delete_unreferenced_sessions(
    connection: &Connection,
    tables: &Tables,
    params: &[&dyn ToSql],
) -> Outcome<usize> {
    let references = references(connection, tables, &tables.names.session)?;
    let mut is_unreferenced = String::new();
    for reference in &references {
        is_unreferenced.push_str(&format!(" AND NOT EXISTS ({})", reference.rows("s")));
        tracing::warn!(
            table = reference.table,
            "expired sessions that this table refers to are not deleted; declare the reference \
             `ON DELETE CASCADE` or `ON DELETE SET NULL`"
        );
    }
    let sql = Statements::delete_expired_sessions_where(&tables.names, &is_unreferenced);
    Ok(connection.execute(&sql, params)?)
}
