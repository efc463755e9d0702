//! What refers to the rows that are to be deleted. SQLite does not say it.

use rusqlite::types::ToSql;

use super::database::Database;
use super::errors::{Failure, Outcome, Subject};
use super::tables::delete_expired_sessions;
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
fn references(db: Database<'_>, table: &str) -> Outcome<Vec<Reference>> {
    let sql = "SELECT m.name, f.\"from\", coalesce(f.\"to\", 'id') \
         FROM main.sqlite_master AS m, pragma_foreign_key_list(m.name, 'main') AS f \
         WHERE m.type = 'table' AND lower(f.\"table\") = lower(?1) AND f.seq = 0 \
             AND f.on_delete NOT IN ('CASCADE', 'SET NULL', 'SET DEFAULT')";
    let mut found = db.all(sql, [table], |row| {
        Ok(Reference {
            table: row.get(0)?,
            column: row.get(1)?,
            other: row.get(2)?,
        })
    })?;
    let names = &db.tables.names;
    found.retain(|found| {
        let is_own = |table: &str| table.eq_ignore_ascii_case(&found.table);
        !(found.column.eq_ignore_ascii_case("user_id")
            && (is_own(&names.key) || is_own(&names.session)))
    });
    Ok(found)
}

/// The error of a deletion, once what it did has been undone. `doomed` are the tables that it was to
/// delete from, each with the column that has `value` in the rows to delete.
pub(super) fn explain(
    db: Database<'_>,
    failure: Failure,
    doomed: &[(&str, &str)],
    value: &str,
) -> Failure {
    if !failure.is_broken_reference() {
        return failure;
    }
    match find(db, doomed, value) {
        Ok(Some(reference)) => {
            let violation = ConstraintViolation::new(ConstraintKind::Referenced, reference.table);
            StoreError::Constraint(violation.column(Some(reference.column))).into()
        }
        // A trigger was at work.
        Ok(None) => failure,
        Err(other) => other,
    }
}

fn find(db: Database<'_>, doomed: &[(&str, &str)], value: &str) -> Outcome<Option<Reference>> {
    for &(table, by) in doomed {
        for reference in references(db, table)? {
            let sql = format!(
                "SELECT 1 FROM {} AS p WHERE p.{} = ?1 AND EXISTS ({})",
                quote(table),
                quote(by),
                reference.rows("p")
            );
            if db.exists(&sql, [value])? {
                return Ok(Some(reference));
            }
        }
    }
    Ok(None)
}

/// Deletes expired sessions, but for those that are referred to.
pub(super) fn delete_unreferenced_sessions(
    db: Database<'_>,
    params: &[&dyn ToSql],
) -> Outcome<u64> {
    let references = references(db, &db.tables.names.session)?;
    let mut is_unreferenced = String::new();
    for reference in &references {
        is_unreferenced.push_str(&format!(" AND NOT EXISTS ({})", reference.rows("s")));
        tracing::warn!(
            table = reference.table,
            "expired sessions that this table refers to are not deleted; declare the reference \
             `ON DELETE CASCADE` or `ON DELETE SET NULL`"
        );
    }
    let sql = delete_expired_sessions(&db.tables.names, &is_unreferenced);
    db.execute(Subject::Several, &sql, params)
}
