//! Finds out what is wrong with the tables, or with a value, after a statement has failed.
//!
//! None of this runs while all is well, except by `check_schema`.

use std::pin::Pin;

use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::error::{Failure, ServerError, Written};
use super::migrate::Migrating;
use super::rows::read_all;
use super::run::Statement;
use super::statements::given;
use super::{Params, Parts};
use crate::error::ConstraintKind;
use crate::store::tables::{TableNames, quote};
use crate::store::{Result, StoreError};

/// The types that a column of lucia's may have, first the one that `migrate` gives it.
type Types = &'static [&'static str];
const TEXT: Types = &["text", "character varying", "citext"];
const BIGINT: Types = &["bigint"];
const BOOLEAN: Types = &["boolean"];
const JSON: Types = &["json", "jsonb"];

/// The columns that lucia needs.
const USER_COLUMNS: &[(&str, Types)] = &[("id", TEXT)];
const KEY_COLUMNS: &[(&str, Types)] = &[
    ("id", TEXT),
    ("user_id", TEXT),
    ("hashed_password", TEXT),
    ("verified_at", BIGINT),
];
const SESSION_COLUMNS: &[(&str, Types)] = &[
    ("id", TEXT),
    ("user_id", TEXT),
    ("created_at", BIGINT),
    ("authenticated_at", BIGINT),
    ("renewed_at", BIGINT),
    ("active_expires", BIGINT),
    ("idle_expires", BIGINT),
    ("device", TEXT),
    ("address", TEXT),
    ("persistent", BOOLEAN),
];
const ATTEMPT_COLUMNS: &[(&str, Types)] = &[
    ("id", TEXT),
    ("attempts", BIGINT),
    ("expires", BIGINT),
    ("started_at", BIGINT),
];
const TOKEN_COLUMNS: &[(&str, Types)] = &[
    ("id", TEXT),
    ("purpose", TEXT),
    ("user_id", TEXT),
    ("data", JSON),
    ("hashed_code", TEXT),
    ("tries_left", BIGINT),
    ("created_at", BIGINT),
    ("expires", BIGINT),
];

const MAIL_COLUMNS: &[(&str, Types)] = &[
    ("id", TEXT),
    ("recipient", TEXT),
    ("subject", TEXT),
    ("text", TEXT),
    ("html", TEXT),
    ("attempts", BIGINT),
    ("created_at", BIGINT),
    ("expires", BIGINT),
    ("due", BIGINT),
];
const CREDENTIAL_COLUMNS: &[(&str, Types)] = &[
    ("id", TEXT),
    ("user_id", TEXT),
    ("kind", TEXT),
    ("name", TEXT),
    ("data", JSON),
    ("created_at", BIGINT),
    ("last_used_at", BIGINT),
];

/// What the database knows of a column.
struct Column {
    name: String,
    /// Its type without a length or precision, which is all that lucia's own columns may differ in.
    sql_type: String,
    /// Its type as it was declared.
    declared: String,
    /// Whether the database computes it.
    is_computed: bool,
    /// Whether its domain is never NULL, and nothing stands in for a value that is not given.
    needs_value: bool,
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

    /// Checks that lucia can work with a column of this type.
    fn check(&self, tables: &TableNames, table: &str, types: Types) -> Result<()> {
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
    /// What a failure means. `written` is what the statement was to write.
    ///
    /// Boxed, so that no call is larger by it that does not fail.
    pub(super) fn explain<'a>(
        &'a self,
        failure: Failure,
        written: Option<Written<'a>>,
    ) -> Pin<Box<dyn Future<Output = StoreError> + Send + 'a>> {
        Box::pin(self.find_out(failure, written))
    }

    async fn find_out(&self, failure: Failure, written: Option<Written<'_>>) -> StoreError {
        let failure = match failure.meaning(&self.tables) {
            Ok(error) => return error,
            Err(failure) => failure,
        };
        let columns = written.and_then(|written| written.columns(&self.tables));
        let found = match &failure {
            Failure::Server(error) => match (error.broken_rule(), columns) {
                (Some(ConstraintKind::Unique), _) => self.broken_unique_rule(error).await,
                (Some(ConstraintKind::ForeignKey), _) => {
                    self.broken_reference(error, written).await
                }
                (Some(kind), Some((table, _)))
                    if error.table.is_some() && table == self.tables.session =>
                {
                    Ok(Some(self.broken_session_rule(error, kind)))
                }
                (_, Some((table, attributes)))
                    if matches!(error.class(), "22" | "23")
                        || error.code == SqlState::GENERATED_ALWAYS =>
                {
                    self.refused_attribute(error, table, attributes).await
                }
                _ => self.unfit_schema(written).await,
            },
            _ => self.unfit_schema(written).await,
        };
        match found {
            Ok(Some(error)) | Err(error @ StoreError::Schema { .. }) => error,
            // The failure itself is worth more than why its cause was not found.
            Ok(None) | Err(_) => StoreError::internal(failure),
        }
    }

    /// Checks the tables of users, keys and sessions, and returns the names of the columns of users.
    pub(super) async fn check_tables(&self) -> Result<Vec<String>> {
        let tables = &self.tables;
        let users = self.checked_columns(&tables.user, USER_COLUMNS).await?;
        let fetched = self.user_columns.iter().flatten().map(String::as_str);
        check_listed(&tables.user, &users, "fetched_user_columns", fetched)?;
        self.checked_columns(&tables.key, KEY_COLUMNS).await?;
        let sessions = self
            .checked_columns(&tables.session, SESSION_COLUMNS)
            .await?;
        let attributes = self.session_columns.iter().map(|column| &*column.name);
        check_listed(&tables.session, &sessions, "session_columns", attributes)?;
        Ok(users.into_iter().map(|column| column.name).collect())
    }

    /// Checks the table that attempts to sign in are counted in.
    pub(super) async fn check_attempts(&self) -> Result<()> {
        let columns = self.checked_columns(&self.tables.attempt, ATTEMPT_COLUMNS);
        columns.await.map(drop)
    }

    /// Checks the table of one-time tokens.
    pub(super) async fn check_tokens(&self) -> Result<()> {
        let columns = self.checked_columns(&self.tables.token, TOKEN_COLUMNS);
        columns.await.map(drop)
    }

    /// Checks the table of mails that wait to be sent.
    pub(super) async fn check_mails(&self) -> Result<()> {
        let columns = self.checked_columns(&self.tables.mail, MAIL_COLUMNS);
        columns.await.map(drop)
    }

    /// Checks the table of credentials of users.
    pub(super) async fn check_credentials(&self) -> Result<()> {
        let columns = self.checked_columns(&self.tables.credential, CREDENTIAL_COLUMNS);
        columns.await.map(drop)
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
    async fn checked_columns(&self, table: &str, own: &[(&str, Types)]) -> Result<Vec<Column>> {
        let columns = self.columns(table).await?;
        if columns.is_empty() {
            let reason = "there is no such table; `migrate` makes it";
            return Err(StoreError::schema(table, None, reason));
        }
        for (name, types) in own {
            match columns.iter().find(|column| column.name == *name) {
                None => {
                    let reason = "there is no such column; `migrate` makes it";
                    return Err(StoreError::schema(table, Some(name), reason));
                }
                Some(column) => column.check(&self.tables, table, types)?,
            }
        }
        Ok(columns)
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        self.ask(COLUMNS, &[&self.tables.quoted(table)], Column::read)
            .await
    }

    /// Checks the types of those of lucia's columns that are there already.
    pub(super) async fn check_types(&self, migrating: &Migrating<'_>) -> Result<()> {
        let tables = &self.tables;
        for (table, own) in [
            (&tables.user, USER_COLUMNS),
            (&tables.key, KEY_COLUMNS),
            (&tables.session, SESSION_COLUMNS),
            (&tables.attempt, ATTEMPT_COLUMNS),
            (&tables.token, TOKEN_COLUMNS),
            (&tables.mail, MAIL_COLUMNS),
            (&tables.credential, CREDENTIAL_COLUMNS),
        ] {
            let params: Params<'_> = &[&tables.quoted(table)];
            for column in migrating.rows(COLUMNS, params, Column::read).await? {
                if let Some((_, types)) = own.iter().find(|(name, _)| *name == column.name) {
                    column.check(tables, table, types)?;
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

    /// What is wrong with the tables, if something is.
    async fn unfit_schema(&self, written: Option<Written<'_>>) -> Result<Option<StoreError>> {
        match written {
            Some(Written::Token) => self.check_tokens().await?,
            Some(Written::Mail) => self.check_mails().await?,
            Some(Written::Credential) => self.check_credentials().await?,
            _ => {}
        }
        self.check_tables().await?;
        let columns = written.and_then(|written| written.columns(&self.tables));
        let Some((table, attributes)) = columns else {
            // Last: an application that counts no attempts can do without this table.
            self.check_attempts().await?;
            return Ok(None);
        };
        let columns = self.columns(table).await?;
        let missing = missing(&columns, attributes.keys().map(String::as_str));
        Ok(missing.map(|name| {
            StoreError::invalid_attribute(table, Some(name), "there is no such column")
        }))
    }

    /// Which of the attributes was refused, and what that means.
    async fn refused_attribute(
        &self,
        error: &ServerError,
        table: &str,
        attributes: &Map<String, Value>,
    ) -> Result<Option<StoreError>> {
        let columns = self.columns(table).await?;
        let is_given = |column: &&Column| attributes.contains_key(&column.name);
        if error.code == SqlState::GENERATED_ALWAYS {
            let mut given = columns.iter().filter(is_given);
            let computed = given.find(|column| column.is_computed);
            let reason = "the database computes this column";
            return Ok(computed
                .map(|column| StoreError::invalid_attribute(table, Some(&column.name), reason)));
        }
        let column = self.unfit_column(table, &columns, attributes).await;
        if let Some(kind) = error.broken_rule() {
            let column = column.or_else(|| {
                let lacks = |column: &&Column| column.needs_value && !is_given(column);
                columns.iter().find(lacks)
            });
            let column = column.map(|column| &*column.name);
            return Ok(Some(error.broken(kind, table, column)));
        }
        if let Some(Column { name, declared, .. }) = column {
            let reason = format!("it does not fit the type {declared}");
            return Ok(Some(StoreError::invalid_attribute(
                table,
                Some(name),
                reason,
            )));
        }
        // Each fits its type, and the database still refused: a column of lucia's own of another type,
        // or a trigger.
        Ok(Some(match self.check_tables().await {
            Err(error @ StoreError::Schema { .. }) => error,
            _ => StoreError::invalid_attribute(table, None, "the database refused a value"),
        }))
    }

    /// The column whose type refuses the attribute for it.
    async fn unfit_column<'a>(
        &self,
        table: &str,
        columns: &'a [Column],
        attributes: &Map<String, Value>,
    ) -> Option<&'a Column> {
        let table = self.tables.quoted(table);
        for column in columns {
            let Some(value) = attributes.get(&column.name) else {
                continue;
            };
            let object = Map::from_iter([(column.name.clone(), value.clone())]);
            let sql = format!(
                // The table is in it, so that Postgres makes a new plan where it has changed.
                "SELECT given.{} IS NULL FROM {} LEFT JOIN {table} AS read ON FALSE",
                quote(&column.name),
                given(&table, "$1"),
            );
            let params: Params<'_> = &[&Value::Object(object).to_string()];
            if self.run(&Statement::new(&sql, params)).await.is_err() {
                return Some(column);
            }
        }
        None
    }

    /// What it means that a rule of the table of sessions was broken. A column that lucia does not
    /// know has to get along without it.
    fn broken_session_rule(&self, error: &ServerError, kind: ConstraintKind) -> StoreError {
        let table = &self.tables.session;
        let column = error.column.as_deref();
        let mut attributes = self.session_columns.iter().map(|column| &*column.name);
        match kind {
            ConstraintKind::NotNull if attributes.any(|name| Some(name) == column) => {
                error.broken(kind, table, column)
            }
            _ => error.violation(kind, table, &self.tables),
        }
    }

    /// Which column is taken: the id of a user, or one of yours.
    async fn broken_unique_rule(&self, error: &ServerError) -> Result<Option<StoreError>> {
        const SQL: &str = "SELECT i.indisprimary, i.indnatts, a.attname::TEXT \
             FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
             LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
             WHERE i.indrelid = to_regclass($1::TEXT) AND c.relname = $2::TEXT";
        let tables = &self.tables;
        let table = error.table.as_deref().unwrap_or(&tables.user);
        let params: Params<'_> = &[&tables.quoted(table), &error.constraint];
        let indexes = self.ask(SQL, params, |row| {
            let (is_primary, width): (bool, i16) = (row.try_get(0)?, row.try_get(1)?);
            let first: Option<String> = row.try_get(2)?;
            Ok(Some((is_primary, width, first)))
        });
        Ok(match indexes.await?.pop() {
            // A token is never drawn twice.
            Some((true, ..)) if table == tables.session => None,
            Some((true, ..)) if table == tables.user => Some(StoreError::DuplicateUser),
            index => {
                let column = index.and_then(|(_, width, first)| first.filter(|_| width == 1));
                Some(error.broken(ConstraintKind::Unique, table, column.as_deref()))
            }
        })
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
fn missing<'a>(columns: &[Column], mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.find(|name| !columns.iter().any(|column| column.name == *name))
}
