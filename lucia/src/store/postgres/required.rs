//! The columns that lucia needs, and the checks that the tables have them.

use tokio_postgres::Row;

use super::error::Failure;
use super::migrate::Migrating;
use super::rows::read_all;
use super::run::Statement;
use super::{Params, Parts};
use crate::store::tables::{TableNames, quote};
use crate::store::{Result, StoreError};

/// The types that a column of lucia's may have, first the one that `migrate` gives it.
type Types = &'static [&'static str];
const TEXT: Types = &["text", "character varying", "citext"];
const BIGINT: Types = &["bigint"];
const BOOLEAN: Types = &["boolean"];
const JSON: Types = &["json", "jsonb"];

/// The types that this column of lucia's may have, in whichever table.
fn types(column: &str) -> Types {
    match column {
        "data" => JSON,
        "persistent" => BOOLEAN,
        "attempts" | "tries_left" | "due" => BIGINT,
        _ if column.ends_with("_at") || column.ends_with("expires") => BIGINT,
        _ => TEXT,
    }
}

/// What the database knows of a column.
pub(super) struct Column {
    pub(super) name: String,
    /// Its type without a length or precision, which is all that lucia's own columns may differ in.
    sql_type: String,
    /// Its type as it was declared.
    pub(super) declared: String,
    /// Whether the database computes it.
    pub(super) is_computed: bool,
    /// Whether its domain is never NULL, and nothing stands in for a value that is not given.
    pub(super) needs_value: bool,
}

/// The columns of the table `$1`.
const COLUMNS: &str = "SELECT attname::TEXT, format_type(atttypid, NULL), \
         format_type(atttypid, atttypmod), attgenerated <> '' OR attidentity = 'a', \
         typnotnull AND NOT atthasdef \
     FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid \
     WHERE attrelid = to_regclass($1::TEXT) AND attnum > 0 AND NOT attisdropped \
     ORDER BY attnum";

impl Column {
    fn read(row: &Row) -> Result<Option<Self>, Failure> {
        Ok(Some(Self {
            name: row.try_get(0)?,
            sql_type: row.try_get(1)?,
            declared: row.try_get(2)?,
            is_computed: row.try_get(3)?,
            needs_value: row.try_get(4)?,
        }))
    }

    /// Checks the type of one of lucia's own columns.
    fn check(&self, tables: &TableNames, table: &str) -> Result<()> {
        let types = types(&self.name);
        if types.contains(&&*self.sql_type) {
            return Ok(());
        }
        let needed = types[0];
        let mut reason = format!(
            "it is {}, and has to be {needed}: write `ALTER TABLE {} ALTER COLUMN {} TYPE {needed}`, \
             with the columns that refer to it",
            self.declared,
            tables.quoted(table),
            quote(&self.name),
        );
        if table == tables.user {
            reason.push_str(
                ", or give lucia a table of users beside yours by `user_table(..)`; the recipe \
                 \"Users who have numbers or UUIDs for ids\" shows both",
            );
        }
        Err(StoreError::schema(table, Some(&self.name), reason))
    }
}

impl Parts {
    /// Checks the tables of users, keys and sessions, and returns the names of the columns of users.
    pub(super) async fn check_tables(&self) -> Result<Vec<String>> {
        let tables = &self.tables;
        let users = self.checked_columns(&tables.user).await?;
        let fetched = self.user_columns.iter().flatten().map(String::as_str);
        check_listed(&tables.user, &users, "fetched_user_columns", fetched)?;
        self.checked_columns(&tables.key).await?;
        let sessions = self.checked_columns(&tables.session).await?;
        let attributes = self.session_columns.iter().map(|column| &*column.name);
        check_listed(&tables.session, &sessions, "session_columns", attributes)?;
        Ok(users.into_iter().map(|column| column.name).collect())
    }

    /// Checks a table that an application can do without.
    pub(super) async fn check_table(&self, table: &str) -> Result<()> {
        self.checked_columns(table).await.map(drop)
    }

    /// Says so in the log when sessions are found by reading all of them.
    pub(super) async fn check_index(&self) -> Result<()> {
        const SQL: &str = "SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1::TEXT) \
             AND indisvalid AND pg_get_expr(indexprs, indrelid) LIKE '%sha256(%'";
        if !self.ids.need_index() {
            return Ok(());
        }
        let table = self.tables.quoted(&self.tables.session);
        if self.ask(SQL, &[&table], |_| Ok(Some(()))).await?.is_empty() {
            tracing::warn!(
                %table,
                "each lookup of a session reads the whole table: there is no index for \
                 `StoredIds::{:?}`; `migrate` makes it",
                self.ids
            );
        }
        Ok(())
    }

    /// The columns of a table, after a check that lucia's own are there.
    async fn checked_columns(&self, table: &str) -> Result<Vec<Column>> {
        let columns = self.columns(table).await?;
        if columns.is_empty() {
            let reason = "there is no such table; `migrate` makes it";
            return Err(StoreError::schema(table, None, reason));
        }
        for name in self.tables.columns_of(table) {
            match columns.iter().find(|column| column.name == *name) {
                None => {
                    let reason = "there is no such column; `migrate` makes it";
                    return Err(StoreError::schema(table, Some(name), reason));
                }
                Some(column) => column.check(&self.tables, table)?,
            }
        }
        Ok(columns)
    }

    pub(super) async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        self.ask(COLUMNS, &[&self.tables.quoted(table)], Column::read)
            .await
    }

    /// Checks the types of those of lucia's columns that are there already.
    pub(super) async fn check_types(&self, migrating: &Migrating<'_>) -> Result<()> {
        let tables = &self.tables;
        for (_, table, own) in tables.by_setting() {
            let params: Params<'_> = &[&tables.quoted(table)];
            for column in migrating.rows(COLUMNS, params, Column::read).await? {
                if own.contains(&&*column.name) {
                    column.check(tables, table)?;
                }
            }
        }
        Ok(())
    }

    /// What the database knows of the tables.
    pub(super) async fn ask<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        read: fn(&Row) -> Result<Option<T>, Failure>,
    ) -> Result<Vec<T>> {
        let rows = self.run(&Statement::new(sql, params)).await;
        let read = rows.and_then(|rows| read_all(&rows, read));
        read.map_err(StoreError::unavailable)
    }
}

/// Checks that the columns are there that a setting lists.
fn check_listed<'a>(
    table: &str,
    columns: &[Column],
    setting: &str,
    listed: impl Iterator<Item = &'a str>,
) -> Result<()> {
    match missing(columns, listed) {
        Some(name) => {
            let reason = format!("there is no such column, and `{setting}` lists it");
            Err(StoreError::schema(table, Some(name), reason))
        }
        None => Ok(()),
    }
}

/// The first of these names that is not that of a column.
pub(super) fn missing<'a>(
    columns: &[Column],
    mut names: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    names.find(|name| !columns.iter().any(|column| column.name == *name))
}
