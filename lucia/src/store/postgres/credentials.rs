//! Credentials of users.

use async_trait::async_trait;
use tokio_postgres::{Row, Transaction};

use super::error::{Failure, Written};
use super::run::Statement;
use super::statements::{as_text, telling_access, text_or_null};
use super::{Params, PgStore};
use crate::store::tables::TableNames;
use crate::store::{CredentialRow, CredentialStore, Result, UnixMillis};
use crate::user::UserId;

/// Every statement about the credentials.
pub(super) struct CredentialStatements {
    insert: String,
    find: String,
    of_user: String,
    replace_data: String,
    delete: String,
}

impl CredentialStatements {
    pub(super) fn new(tables: &TableNames) -> Self {
        let credentials = tables.quoted(&tables.credential);
        let columns = format!(
            r#"{}, {}, {}, {}, "data"::TEXT, "created_at", "last_used_at""#,
            as_text(r#""id""#),
            as_text(r#""user_id""#),
            as_text(r#""kind""#),
            text_or_null(r#""name""#),
        );
        Self {
            insert: format!(
                r#"INSERT INTO {credentials} AS c ("id", "user_id", "kind", "name", "data",
                    "created_at", "last_used_at")
                VALUES ($1, $2, $3, $4, $5::TEXT::JSON, $6, $7)
                ON CONFLICT ("id") DO UPDATE SET "name" = excluded."name",
                    "data" = excluded."data", "created_at" = excluded."created_at",
                    "last_used_at" = excluded."last_used_at"
                WHERE c."user_id" = excluded."user_id" AND c."kind" = excluded."kind"
                RETURNING 1"#
            ),
            find: telling_access(&format!(
                r#"SELECT {columns} FROM {credentials} WHERE "id" = $1"#
            )),
            of_user: telling_access(&format!(
                r#"SELECT {columns} FROM {credentials} WHERE "user_id" = $1 AND "kind" = $2
                ORDER BY "created_at", "id""#
            )),
            // JSON keeps its text as it was written, and has no comparison.
            replace_data: format!(
                r#"UPDATE {credentials} SET "data" = $3::TEXT::JSON,
                    "last_used_at" = coalesce($4, "last_used_at")
                WHERE "id" = $1 AND "data"::TEXT = $2 RETURNING 1"#
            ),
            delete: format!(
                r#"DELETE FROM {credentials} WHERE "id" = $1 AND "user_id" = $2
                    AND ($3::TEXT IS NULL OR "data"::TEXT = $3) RETURNING 1"#
            ),
        }
    }
}

/// A credential; `None` for the row of NULLs of a lookup that finds nothing.
fn credential_row(row: &Row) -> Result<Option<CredentialRow>, Failure> {
    let Some(data) = row.try_get(4)? else {
        return Ok(None);
    };
    let last_used_at: Option<i64> = row.try_get(6)?;
    Ok(Some(CredentialRow {
        id: row.try_get(0)?,
        user_id: UserId::from_stored(row.try_get::<_, &str>(1)?),
        kind: row.try_get(2)?,
        name: row.try_get(3)?,
        data,
        created_at: UnixMillis(row.try_get(5)?),
        last_used_at: last_used_at.map(UnixMillis),
    }))
}

/// A statement about credentials.
fn of_credentials<'a>(sql: &'a str, params: Params<'a>) -> Statement<'a> {
    Statement::new(sql, params).writing(Written::Credential)
}

impl PgStore {
    pub(super) async fn insert_credential_by(
        &self,
        transaction: Option<&Transaction<'_>>,
        credential: CredentialRow,
    ) -> Result<bool> {
        let params: Params<'_> = &[
            &credential.id,
            &credential.user_id.as_str(),
            &credential.kind,
            &credential.name,
            &credential.data,
            &credential.created_at.0,
            &credential.last_used_at.map(|at| at.0),
        ];
        let statement = Statement {
            transaction,
            ..of_credentials(&self.0.credential_statements.insert, params)
        };
        self.0.returns_row(&statement).await
    }
}

#[async_trait]
impl CredentialStore for PgStore {
    async fn check_credentials(&self) -> Result<()> {
        self.0.check_table(&self.0.tables.credential).await
    }

    async fn insert_credential(&self, credential: CredentialRow) -> Result<bool> {
        self.insert_credential_by(None, credential).await
    }

    async fn credential(&self, id: &str) -> Result<Option<CredentialRow>> {
        let params: Params<'_> = &[&id];
        let sql = &self.0.credential_statements.find;
        let statement = Statement::lookup(sql, params).writing(Written::Credential);
        self.0.row(&statement, credential_row).await
    }

    async fn user_credentials(&self, user_id: &UserId, kind: &str) -> Result<Vec<CredentialRow>> {
        let params: Params<'_> = &[&user_id.as_str(), &kind];
        let sql = &self.0.credential_statements.of_user;
        let statement = Statement::lookup(sql, params).writing(Written::Credential);
        self.0.rows(&statement, credential_row).await
    }

    async fn replace_credential_data(
        &self,
        id: &str,
        old: &str,
        new: &str,
        used_at: Option<UnixMillis>,
    ) -> Result<bool> {
        let params: Params<'_> = &[&id, &old, &new, &used_at.map(|at| at.0)];
        let sql = &self.0.credential_statements.replace_data;
        self.0.returns_row(&of_credentials(sql, params)).await
    }

    async fn delete_credential(
        &self,
        id: &str,
        user_id: &UserId,
        data: Option<&str>,
    ) -> Result<bool> {
        let params: Params<'_> = &[&id, &user_id.as_str(), &data];
        let sql = &self.0.credential_statements.delete;
        self.0.returns_row(&of_credentials(sql, params)).await
    }
}
