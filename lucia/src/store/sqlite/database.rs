//! A connection at work.

use rusqlite::{Connection, Params, Row, Transaction, TransactionBehavior};

use super::errors::{About as _, Outcome, Subject};
use super::tables::{Column, Tables};

/// A connection, and the tables of its database.
#[derive(Clone, Copy)]
pub(super) struct Database<'a> {
    pub(super) connection: &'a Connection,
    pub(super) tables: &'a Tables,
}

impl Database<'_> {
    /// Does `work` in one transaction, which is undone where it fails. No other connection writes
    /// meanwhile.
    pub(super) fn transact<T>(
        self,
        subject: Subject,
        work: impl FnOnce(Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let immediate = TransactionBehavior::Immediate;
        let transaction = Transaction::new_unchecked(self.connection, immediate)?;
        let done = work(self)?;
        transaction.commit().about(subject)?;
        Ok(done)
    }

    /// Runs a statement that writes. Returns how many rows it wrote.
    pub(super) fn execute(self, subject: Subject, sql: &str, params: impl Params) -> Outcome<u64> {
        let mut statement = self.connection.prepare_cached(sql).about(subject)?;
        let written = statement.execute(params).about(subject)?;
        Ok(u64::try_from(written).unwrap_or(u64::MAX))
    }

    /// Whether a query finds a row.
    pub(super) fn exists(self, sql: &str, params: impl Params) -> Outcome<bool> {
        Ok(self.connection.prepare_cached(sql)?.exists(params)?)
    }

    /// The first row of a statement, if it has one. Runs the statement to its end. Outside a transaction, SQLite
    /// commits only then, so a row may come before a commit that fails.
    pub(super) fn first<T>(
        self,
        subject: Subject,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Outcome<T>,
    ) -> Outcome<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql).about(subject)?;
        let mut rows = statement.query(params).about(subject)?;
        let first = rows.next().about(subject)?.map(read).transpose()?;
        if first.is_some() {
            while rows.next().about(subject)?.is_some() {}
        }
        Ok(first)
    }

    /// All rows of a query.
    pub(super) fn all<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Outcome<T>,
    ) -> Outcome<Vec<T>> {
        self.returned(Subject::Several, sql, params, read)
    }

    /// All rows that a statement returns.
    pub(super) fn returned<T>(
        self,
        subject: Subject,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Outcome<T>,
    ) -> Outcome<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql).about(subject)?;
        let mut rows = statement.query(params).about(subject)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().about(subject)? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// The columns of a table; none when there is no such table.
    pub(super) fn columns(self, table: &str) -> Outcome<Vec<Column>> {
        // `hidden` is 1 for the arguments of virtual tables, 2 and 3 for generated columns.
        let sql = "SELECT name, type, hidden FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1";
        self.all(sql, [table], |row| {
            Ok(Column {
                name: row.get(0)?,
                declared: row.get(1)?,
                generated: row.get::<_, i64>(2)? != 0,
            })
        })
    }
}
