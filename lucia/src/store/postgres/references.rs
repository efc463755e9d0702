//! What refers to the rows that are to be deleted.

use tokio_postgres::Row;

use super::error::{ServerError, Written};
use super::{Params, Parts};
use crate::error::ConstraintKind;
use crate::store::tables::quote;
use crate::store::{Result, StoreError};

/// A foreign key that keeps rows from being deleted.
pub(super) struct Reference {
    /// The table that has it, as SQL writes it.
    table: String,
    constraint: String,
    /// Its columns, each with the one that it refers to.
    columns: Vec<(String, String)>,
}

impl Reference {
    /// A query for the rows that refer to the row `referenced`.
    pub(super) fn rows(&self, referenced: &str) -> String {
        let columns = self
            .columns
            .iter()
            .map(|(column, other)| format!("r.{} = {referenced}.{}", quote(column), quote(other)));
        let columns: Vec<_> = columns.collect();
        format!(
            "SELECT FROM {} AS r WHERE {}",
            self.table,
            columns.join(" AND ")
        )
    }
}

impl Parts {
    /// The foreign keys that keep sessions from being deleted.
    pub(super) async fn references_to_sessions(&self) -> Result<Vec<Reference>> {
        const SQL: &str = "SELECT c.conrelid::REGCLASS::TEXT, c.conname::TEXT, \
                 ARRAY(SELECT a.attname::TEXT FROM unnest(c.conkey) WITH ORDINALITY AS k (number, at) \
                     JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number \
                     ORDER BY k.at), \
                 ARRAY(SELECT a.attname::TEXT FROM unnest(c.confkey) WITH ORDINALITY AS k (number, at) \
                     JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.number \
                     ORDER BY k.at) \
             FROM pg_constraint AS c \
             WHERE c.contype = 'f' AND c.confrelid = to_regclass($1::TEXT) \
                 AND c.confdeltype IN ('a', 'r') AND c.conparentid = 0";

        let table = self.tables.quoted(&self.tables.session);
        let read = |row: &Row| {
            let columns: Vec<String> = row.try_get(2)?;
            let others: Vec<String> = row.try_get(3)?;
            Ok(Some(Reference {
                table: row.try_get(0)?,
                constraint: row.try_get(1)?,
                columns: columns.into_iter().zip(others).collect(),
            }))
        };
        self.ask(SQL, &[&table], read).await
    }

    /// What it means that a reference was broken. The error of Postgres is the same for a reference
    /// to nothing and for the deletion of a row that is referred to: what was `written` tells them
    /// apart.
    pub(super) async fn broken_reference(
        &self,
        error: &ServerError,
        written: Option<Written<'_>>,
    ) -> Result<Option<StoreError>> {
        const SQL: &str = "SELECT a.attname::TEXT, \
                 c.confrelid = to_regclass($4::TEXT), c.confrelid = to_regclass($5::TEXT), \
                 r.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($4::TEXT)) \
             FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid \
             JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
             WHERE r.relnamespace = to_regnamespace(quote_ident($1::TEXT)) \
                 AND r.relname = $2::TEXT AND c.conname = $3::TEXT";

        let tables = &self.tables;
        let (users, sessions) = (tables.quoted(&tables.user), tables.quoted(&tables.session));
        let params: Params<'_> = &[
            &error.schema,
            &error.table,
            &error.constraint,
            &users,
            &sessions,
        ];
        let references = self.ask(SQL, params, |row| {
            let column: String = row.try_get(0)?;
            let (is_to_user, is_to_session): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
            let is_beside: bool = row.try_get(3)?;
            Ok(Some((column, is_to_user, is_to_session, is_beside)))
        });
        let Some((column, is_to_user, is_to_session, is_beside)) = references.await?.pop() else {
            // Raised by a trigger, which need not say more.
            return Ok(Some(match written {
                Some(Written::Key | Written::Token | Written::Credential | Written::Session(_)) => {
                    StoreError::UnknownUser
                }
                _ => error.broken(ConstraintKind::ForeignKey, &tables.user, None),
            }));
        };
        let table = error.table.as_deref().unwrap_or_default();
        let table = match &error.schema {
            Some(schema) if !is_beside => format!("{schema}.{table}"),
            _ => table.to_owned(),
        };
        let kind = match written {
            Some(Written::Key | Written::Token | Written::Credential | Written::Session(_))
                if is_to_user && column == "user_id" =>
            {
                return Ok(Some(StoreError::UnknownUser));
            }
            // A session that is replaced, or in excess.
            Some(Written::Session(_)) if is_to_session && table != tables.session => {
                ConstraintKind::Referenced
            }
            Some(_) => ConstraintKind::ForeignKey,
            None => ConstraintKind::Referenced,
        };
        Ok(Some(error.broken(kind, &table, Some(&column))))
    }

    /// Says in the log why expired sessions stay.
    pub(super) fn warn_of(references: &[Reference]) {
        for Reference {
            table, constraint, ..
        } in references
        {
            tracing::warn!(
                table,
                constraint,
                "expired sessions that this table refers to are not deleted; declare the reference \
                 `ON DELETE CASCADE` or `ON DELETE SET NULL`"
            );
        }
    }
}
