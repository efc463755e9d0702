//! Finds out what is wrong with the tables, or with a value, after a statement has failed.
//!
//! None of this runs while all is well.

use std::pin::Pin;

use serde_json::{Map, Value};
use tokio_postgres::error::SqlState;

use super::error::{Failure, ServerError, Written};
use super::required::{Column, missing};
use super::run::Statement;
use super::statements::given;
use super::{Params, Parts};
use crate::error::ConstraintKind;
use crate::store::tables::quote;
use crate::store::{Result, StoreError};

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
                _ if error.code == SqlState::STRING_DATA_RIGHT_TRUNCATION
                    && matches!(written, Some(Written::Key)) =>
                {
                    let (table, reason) = (&self.tables.key, "the id of a key is too long for it");
                    Ok(Some(StoreError::invalid_attribute(
                        table,
                        Some("id"),
                        reason,
                    )))
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

    /// What is wrong with the tables, if something is.
    async fn unfit_schema(&self, written: Option<Written<'_>>) -> Result<Option<StoreError>> {
        let tables = &self.tables;
        match written {
            Some(Written::Token) => self.check_table(&tables.token).await?,
            Some(Written::Mail) => self.check_table(&tables.mail).await?,
            Some(Written::Credential) => self.check_table(&tables.credential).await?,
            _ => {}
        }
        self.check_tables().await?;
        let columns = written.and_then(|written| written.columns(&self.tables));
        let Some((table, attributes)) = columns else {
            // Last: an application that counts no attempts can do without this table.
            self.check_table(&tables.attempt).await?;
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
