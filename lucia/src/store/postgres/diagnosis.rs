//! Finds out what is wrong with the tables, or with a value, after a statement has failed.
//!
//! None of this runs while all is well, except by `check_schema`.

use std::pin::Pin;

use serde_json::{Map, Value};
use tokio_postgres::error::SqlState;
use tokio_postgres::{GenericClient, Row};

use super::Parts;
use super::error::{Failure, ServerError, Written};
use super::migrate::failed;
use super::statements::given;
use super::unnamed::query_unnamed;
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::tables::{SessionColumn, quote};
use crate::store::{Result, StoreError};

/// The columns that lucia needs, and the kind of each.
const KEY_COLUMNS: [(&str, Kind); 3] = [
    ("id", Kind::Text),
    ("user_id", Kind::Text),
    ("hashed_password", Kind::Text),
];
const SESSION_COLUMNS: [(&str, Kind); 10] = [
    ("id", Kind::Text),
    ("user_id", Kind::Text),
    ("created_at", Kind::BigInt),
    ("authenticated_at", Kind::BigInt),
    ("renewed_at", Kind::BigInt),
    ("active_expires", Kind::BigInt),
    ("idle_expires", Kind::BigInt),
    ("device", Kind::Text),
    ("address", Kind::Text),
    ("persistent", Kind::Boolean),
];
const ATTEMPT_COLUMNS: [(&str, Kind); 4] = [
    ("id", Kind::Text),
    ("attempts", Kind::BigInt),
    ("expires", Kind::BigInt),
    ("started_at", Kind::BigInt),
];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    BigInt,
    Boolean,
    /// A column of the application's.
    Any,
}

impl Kind {
    fn accepts(self, sql_type: &str) -> bool {
        match self {
            Self::Text => matches!(sql_type, "text" | "character varying" | "citext"),
            Self::BigInt => sql_type == "bigint",
            Self::Boolean => sql_type == "boolean",
            Self::Any => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::BigInt => "bigint",
            Self::Boolean => "boolean",
            Self::Any => "there",
        }
    }
}

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
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            name: row.try_get(0).map_err(StoreError::internal)?,
            sql_type: row.try_get(1).map_err(StoreError::internal)?,
            declared: row.try_get(2).map_err(StoreError::internal)?,
            is_computed: row.try_get(3).map_err(StoreError::internal)?,
            needs_value: row.try_get(4).map_err(StoreError::internal)?,
        })
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
        let found = match (&failure, columns) {
            (Failure::Server(error), _) if error.code == SqlState::UNIQUE_VIOLATION => {
                self.broken_unique_rule(error).await
            }
            (Failure::Server(error), _) if failure.is_broken_reference() => {
                self.broken_reference(error, written).await
            }
            (Failure::Server(error), Some(_))
                if matches!(written, Some(Written::Session(_)))
                    && error.table.is_some()
                    && error.broken_rule().is_some() =>
            {
                Ok(self.broken_session_rule(error))
            }
            (Failure::Server(error), Some((table, attributes)))
                if matches!(error.class(), "22" | "23")
                    || error.code == SqlState::GENERATED_ALWAYS =>
            {
                self.refused_attribute(error, table, attributes).await
            }
            (_, columns) => self.unfit_schema(columns).await,
        };
        match found {
            Ok(Some(error)) => error,
            // The failure itself is worth more than why its cause was not found.
            Ok(None) | Err(_) => StoreError::internal(failure),
        }
    }

    /// Checks the tables of users, keys and sessions, and returns the names of the columns of the table of users.
    pub(super) async fn check_tables(&self) -> Result<Vec<String>> {
        let tables = &self.tables;
        let mut needed = vec![("id", Kind::Text)];
        let fetched = self.user_columns.iter().flatten();
        needed.extend(fetched.map(|column| (column.as_str(), Kind::Any)));
        let users = self.checked_columns(&tables.user, &needed).await?;
        self.checked_columns(&tables.key, &KEY_COLUMNS).await?;
        let sessions = self
            .checked_columns(&tables.session, &SESSION_COLUMNS)
            .await?;
        let is_missing =
            |column: &&SessionColumn| !sessions.iter().any(|other| other.name == column.name);
        if let Some(column) = self.session_columns.iter().find(is_missing) {
            return Err(StoreError::Schema {
                table: tables.session.clone(),
                column: Some(column.name.clone()),
                reason: "there is no such column, and `session_columns` lists it".to_owned(),
            });
        }
        Ok(users.into_iter().map(|column| column.name).collect())
    }

    /// Checks the table that attempts to sign in are counted in.
    pub(super) async fn check_attempts(&self) -> Result<()> {
        let table = &self.tables.attempt;
        self.checked_columns(table, &ATTEMPT_COLUMNS).await?;
        Ok(())
    }

    /// Says so in the log when sessions are found by reading all of them.
    pub(super) async fn check_index(&self) -> Result<()> {
        const SQL: &str = "SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1::TEXT) \
             AND indisvalid AND pg_get_expr(indexprs, indrelid) LIKE '%sha256(%'";
        if !self.ids.need_index() {
            return Ok(());
        }
        let table = self.tables.quoted(&self.tables.session);
        let found = self.run(SQL, &[&table]).await;
        if found.map_err(StoreError::unavailable)?.is_empty() {
            tracing::warn!(
                %table,
                "each lookup of a session reads the whole table: there is no index for \
                 `StoredIds::{:?}`; `migrate` makes it",
                self.ids
            );
        }
        Ok(())
    }

    /// The columns of a table, after a check that the needed ones are there.
    async fn checked_columns(&self, table: &str, needed: &[(&str, Kind)]) -> Result<Vec<Column>> {
        let schema_error = |column: Option<&str>, reason: String| StoreError::Schema {
            table: table.to_owned(),
            column: column.map(str::to_owned),
            reason,
        };
        let columns = self.columns(table).await?;
        if columns.is_empty() {
            let reason = "there is no such table; `migrate` makes it".to_owned();
            return Err(schema_error(None, reason));
        }
        for (name, kind) in needed {
            match columns.iter().find(|column| column.name == *name) {
                None => {
                    let reason = match kind {
                        Kind::Any => "there is no such column, and `user_columns` lists it",
                        _ => "there is no such column; `migrate` makes it",
                    };
                    return Err(schema_error(Some(name), reason.to_owned()));
                }
                Some(column) => self.check_type(table, column, *kind)?,
            }
        }
        Ok(columns)
    }

    /// Checks the types of those of lucia's columns that are there already.
    pub(super) async fn check_types(&self, connection: &impl GenericClient) -> Result<()> {
        let tables = &self.tables;
        for (table, needed) in [
            (&tables.user, &[("id", Kind::Text)][..]),
            (&tables.key, &KEY_COLUMNS),
            (&tables.session, &SESSION_COLUMNS),
            (&tables.attempt, &ATTEMPT_COLUMNS),
        ] {
            let rows = query_unnamed(connection, COLUMNS, &[&tables.quoted(table)]).await;
            let rows = rows.map_err(|error| failed(self, error))?;
            for column in rows.iter().map(Column::read) {
                let column = column?;
                if let Some((_, kind)) = needed.iter().find(|(name, _)| *name == column.name) {
                    self.check_type(table, &column, *kind)?;
                }
            }
        }
        Ok(())
    }

    fn check_type(&self, table: &str, column: &Column, kind: Kind) -> Result<()> {
        if kind.accepts(&column.sql_type) {
            return Ok(());
        }
        let (is, name, needed) = (&column.declared, &column.name, kind.name());
        let mut reason = format!(
            "it is {is}, and has to be {needed}: write `ALTER TABLE {} ALTER COLUMN {} TYPE {needed}`, \
             with the columns that refer to it",
            self.tables.quoted(table),
            quote(name),
        );
        if table == self.tables.user {
            reason.push_str(
                ", or give lucia a table of users beside yours by `user_table(..)`; the recipe \
                 \"Users who have numbers or UUIDs for ids\" shows both",
            );
        }
        Err(StoreError::Schema {
            table: table.to_owned(),
            column: Some(name.clone()),
            reason,
        })
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        let rows = self
            .run(COLUMNS, &[&self.tables.quoted(table)])
            .await
            .map_err(StoreError::unavailable)?;
        rows.iter().map(Column::read).collect()
    }

    /// What is wrong with the tables, if something is.
    async fn unfit_schema(
        &self,
        written: Option<(&str, &Map<String, Value>)>,
    ) -> Result<Option<StoreError>> {
        match self.check_tables().await {
            Ok(_) => {}
            Err(error @ StoreError::Schema { .. }) => return Ok(Some(error)),
            Err(error) => return Err(error),
        }
        let Some((table, attributes)) = written else {
            // Last: an application that counts no attempts can do without this table.
            return match self.check_attempts().await {
                Ok(()) => Ok(None),
                Err(error @ StoreError::Schema { .. }) => Ok(Some(error)),
                Err(error) => Err(error),
            };
        };
        let columns = self.columns(table).await?;
        let mut names = attributes.keys();
        Ok(names
            .find(|name| !columns.iter().any(|column| column.name == **name))
            .map(|name| StoreError::InvalidAttribute {
                table: table.to_owned(),
                column: Some(name.clone()),
                reason: "there is no such column".to_owned(),
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
        let invalid = |column: Option<String>, reason: String| StoreError::InvalidAttribute {
            table: table.to_owned(),
            column,
            reason,
        };
        let is_given = |column: &&Column| attributes.contains_key(&column.name);
        if error.code == SqlState::GENERATED_ALWAYS {
            let computed = columns.iter().filter(is_given);
            let column = computed.into_iter().find(|column| column.is_computed);
            return Ok(column.map(|column| {
                let reason = "the database computes this column".to_owned();
                invalid(Some(column.name.clone()), reason)
            }));
        }
        let column = self.unfit_column(table, &columns, attributes).await;
        if let Some(kind) = error.broken_rule() {
            let column = column.or_else(|| {
                let lacks = |column: &&Column| column.needs_value && !is_given(column);
                columns.iter().find(lacks)
            });
            let violation = ConstraintViolation::new(kind, table)
                .column(column.map(|column| column.name.clone()))
                .constraint(error.constraint.clone());
            return Ok(Some(StoreError::Constraint(violation)));
        }
        Ok(Some(match column {
            Some(column) => invalid(
                Some(column.name.clone()),
                format!("it does not fit the type {}", column.declared),
            ),
            // Each fits its type, and the database still refused: a column of lucia's own of another
            // type, or a trigger.
            None => match self.check_tables().await {
                Err(error @ StoreError::Schema { .. }) => error,
                _ => invalid(None, "the database refused a value".to_owned()),
            },
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
            let fits = self.run(&sql, &[&Value::Object(object).to_string()]).await;
            if fits.is_err() {
                return Some(column);
            }
        }
        None
    }

    /// What it means that a rule of the table of sessions was broken. A column that lucia does not
    /// know has to get along without it.
    fn broken_session_rule(&self, error: &ServerError) -> Option<StoreError> {
        let kind = error.broken_rule()?;
        let table = &self.tables.session;
        let is_attribute = |column: &SessionColumn| Some(&column.name) == error.column.as_ref();
        if kind == ConstraintKind::NotNull && !self.session_columns.iter().any(is_attribute) {
            return Some(error.violation(kind, table, &self.tables));
        }
        let violation = ConstraintViolation::new(kind, table)
            .column(error.column.clone())
            .constraint(error.constraint.clone());
        Some(StoreError::Constraint(violation))
    }

    /// Which column is taken: the id of a user, or one of yours.
    async fn broken_unique_rule(&self, error: &ServerError) -> Result<Option<StoreError>> {
        const SQL: &str = "SELECT i.indisprimary, i.indnatts, a.attname::TEXT \
             FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
             LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
             WHERE i.indrelid = to_regclass($1::TEXT) AND c.relname = $2::TEXT";
        let tables = &self.tables;
        let table = error.table.as_deref().unwrap_or(&tables.user);
        let params: super::Params<'_> = &[&tables.quoted(table), &error.constraint];
        let rows = self
            .run(SQL, params)
            .await
            .map_err(StoreError::unavailable)?;
        let violation = ConstraintViolation::new(ConstraintKind::Unique, table)
            .constraint(error.constraint.clone());
        let Some(row) = rows.first() else {
            return Ok(Some(StoreError::Constraint(violation)));
        };
        let is_primary: bool = row.try_get(0).map_err(StoreError::internal)?;
        let column_count: i16 = row.try_get(1).map_err(StoreError::internal)?;
        let first_column: Option<String> = row.try_get(2).map_err(StoreError::internal)?;
        if is_primary && table == tables.session {
            // Nobody draws a token twice.
            return Ok(None);
        }
        Ok(Some(if is_primary && table == tables.user {
            StoreError::DuplicateUser
        } else {
            let column = first_column.filter(|_| column_count == 1);
            StoreError::Constraint(violation.column(column))
        }))
    }
}
