//! Finds out what is wrong with the tables, or with a value, after a statement has failed.
//!
//! None of this runs while all is well, except by `check_schema`.

use serde_json::{Map, Value};
use tokio_postgres::error::SqlState;

use super::Parts;
use super::error::{Failure, Written};
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::tables::{SessionColumn, quote};
use crate::{Error, Result};

/// The columns that lucia needs, and whether each is text or a number.
const KEY_COLUMNS: [(&str, Kind); 3] = [
    ("id", Kind::Text),
    ("user_id", Kind::Text),
    ("hashed_password", Kind::Text),
];
const SESSION_COLUMNS: [(&str, Kind); 9] = [
    ("id", Kind::Text),
    ("user_id", Kind::Text),
    ("created_at", Kind::BigInt),
    ("authenticated_at", Kind::BigInt),
    ("renewed_at", Kind::BigInt),
    ("active_expires", Kind::BigInt),
    ("idle_expires", Kind::BigInt),
    ("device", Kind::Text),
    ("address", Kind::Text),
];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    BigInt,
}

impl Kind {
    fn accepts(self, sql_type: &str) -> bool {
        match self {
            Self::Text => matches!(sql_type, "text" | "character varying" | "citext"),
            Self::BigInt => sql_type == "bigint",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::BigInt => "bigint",
        }
    }
}

/// A column's name and type.
struct Column {
    name: String,
    sql_type: String,
}

impl Parts {
    /// What a failure means. `written` is what the statement was to write.
    pub(super) async fn explain(&self, failure: Failure, written: Option<Written<'_>>) -> Error {
        let failure = match failure.meaning(&self.tables) {
            Ok(error) => return error,
            Err(failure) => failure,
        };
        let found = match (&failure, written) {
            (Failure::Server(error), _) if error.code == SqlState::UNIQUE_VIOLATION => {
                let table = error.table.as_deref().unwrap_or(&self.tables.user);
                self.broken_unique_rule(table, error.constraint.as_deref())
                    .await
            }
            (Failure::Server(error), _) if error.code == SqlState::FOREIGN_KEY_VIOLATION => {
                self.broken_reference(error.constraint.as_deref()).await
            }
            (Failure::Server(error), Some(written)) if error.class() == "22" => {
                self.unfit_attribute(written).await
            }
            (_, written) => self.unfit_schema(written).await,
        };
        match found {
            Ok(Some(error)) => error,
            // The failure itself is worth more than why its cause was not found.
            Ok(None) | Err(_) => Error::internal(failure),
        }
    }

    /// Checks lucia's own tables, and returns the names of the columns of the table of users.
    pub(super) async fn check_tables(&self) -> Result<Vec<String>> {
        let tables = &self.tables;
        let users = self
            .checked_columns(&tables.user, &[("id", Kind::Text)])
            .await?;
        self.checked_columns(&tables.key, &KEY_COLUMNS).await?;
        let sessions = self
            .checked_columns(&tables.session, &SESSION_COLUMNS)
            .await?;
        let is_missing =
            |column: &&SessionColumn| !sessions.iter().any(|other| other.name == column.name);
        if let Some(column) = self.session_columns.iter().find(is_missing) {
            return Err(missing(&tables.session, &column.name));
        }
        Ok(users.into_iter().map(|column| column.name).collect())
    }

    /// The columns of a table, after a check that the needed ones are there.
    async fn checked_columns(&self, table: &str, needed: &[(&str, Kind)]) -> Result<Vec<Column>> {
        let schema_error = |column: Option<&str>, reason: String| Error::Schema {
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
                    let reason = "there is no such column; `migrate` makes it".to_owned();
                    return Err(schema_error(Some(name), reason));
                }
                Some(column) if !kind.accepts(&column.sql_type) => {
                    let reason =
                        format!("it is {}, and has to be {}", column.sql_type, kind.name());
                    return Err(schema_error(Some(name), reason));
                }
                Some(_) => {}
            }
        }
        Ok(columns)
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        const SQL: &str = "SELECT attname::TEXT, format_type(atttypid, NULL) FROM pg_attribute \
             WHERE attrelid = to_regclass($1::TEXT) AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum";
        let rows = self
            .run(SQL, &[&self.tables.quoted(table)])
            .await
            .map_err(Error::unavailable)?;
        rows.iter()
            .map(|row| {
                Ok(Column {
                    name: row.try_get(0).map_err(Error::internal)?,
                    sql_type: row.try_get(1).map_err(Error::internal)?,
                })
            })
            .collect()
    }

    /// What is wrong with the tables, if something is.
    async fn unfit_schema(&self, written: Option<Written<'_>>) -> Result<Option<Error>> {
        match self.check_tables().await {
            Ok(_) => {}
            Err(error @ Error::Schema { .. }) => return Ok(Some(error)),
            Err(error) => return Err(error),
        }
        let Some(written) = written else {
            return Ok(None);
        };
        let table = written.table(&self.tables);
        let columns = self.columns(table).await?;
        let mut names = written.attributes().keys();
        Ok(names
            .find(|name| !columns.iter().any(|column| column.name == **name))
            .map(|name| missing(table, name)))
    }

    /// Which of the attributes its column cannot hold.
    async fn unfit_attribute(&self, written: Written<'_>) -> Result<Option<Error>> {
        let table = written.table(&self.tables);
        let quoted = self.tables.quoted(table);
        let columns = self.columns(table).await?;
        for column in columns {
            let Some(value) = written.attributes().get(&column.name) else {
                continue;
            };
            let object = Map::from_iter([(column.name.clone(), value.clone())]);
            let sql = format!(
                "SELECT ({}) IS NULL FROM json_populate_record(NULL::{quoted}, $1::TEXT::JSON) AS given",
                format_args!("given.{}", quote(&column.name)),
            );
            if self
                .run(&sql, &[&Value::Object(object).to_string()])
                .await
                .is_err()
            {
                return Ok(Some(Error::InvalidAttribute {
                    table: table.to_owned(),
                    column: Some(column.name),
                    reason: format!("it does not fit the type {}", column.sql_type),
                }));
            }
        }
        // Each fits its type, and the database still refused: a trigger or a domain.
        Ok(Some(Error::InvalidAttribute {
            table: table.to_owned(),
            column: None,
            reason: "the database refused a value".to_owned(),
        }))
    }

    /// What a row refers to in vain: its user, or something of yours.
    async fn broken_reference(&self, constraint: Option<&str>) -> Result<Option<Error>> {
        const SQL: &str = "SELECT a.attname::TEXT FROM pg_constraint AS c \
             JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
             WHERE c.conrelid = to_regclass($1::TEXT) AND c.conname = $2::TEXT";
        let table = &self.tables.session;
        let params: super::Params<'_> = &[&self.tables.quoted(table), &constraint];
        let rows = self.run(SQL, params).await.map_err(Error::unavailable)?;
        let column: Option<String> = match rows.first() {
            Some(row) => Some(row.try_get(0).map_err(Error::internal)?),
            None => None,
        };
        Ok(Some(match column.as_deref() {
            Some("user_id") | None => Error::UnknownUser,
            Some(_) => Error::Constraint(
                ConstraintViolation::new(ConstraintKind::ForeignKey, table)
                    .column(column)
                    .constraint(constraint.map(str::to_owned)),
            ),
        }))
    }

    /// Which column of a row is taken: the id, or one of yours.
    async fn broken_unique_rule(&self, table: &str, index: Option<&str>) -> Result<Option<Error>> {
        const SQL: &str = "SELECT i.indisprimary, i.indnatts, a.attname::TEXT \
             FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
             LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
             WHERE i.indrelid = to_regclass($1::TEXT) AND c.relname = $2::TEXT";
        let params: super::Params<'_> = &[&self.tables.quoted(table), &index];
        let rows = self.run(SQL, params).await.map_err(Error::unavailable)?;
        let violation = ConstraintViolation::new(ConstraintKind::Unique, table)
            .constraint(index.map(str::to_owned));
        let Some(row) = rows.first() else {
            return Ok(Some(Error::Constraint(violation)));
        };
        let is_primary: bool = row.try_get(0).map_err(Error::internal)?;
        let column_count: i16 = row.try_get(1).map_err(Error::internal)?;
        let first_column: Option<String> = row.try_get(2).map_err(Error::internal)?;
        if is_primary && table == self.tables.session {
            // Nobody draws a token twice.
            return Ok(None);
        }
        Ok(Some(if is_primary && table == self.tables.user {
            Error::DuplicateUser
        } else {
            let column = first_column.filter(|_| column_count == 1);
            Error::Constraint(violation.column(column))
        }))
    }
}

fn missing(table: &str, column: &str) -> Error {
    Error::Schema {
        table: table.to_owned(),
        column: Some(column.to_owned()),
        reason: "there is no such column".to_owned(),
    }
}
