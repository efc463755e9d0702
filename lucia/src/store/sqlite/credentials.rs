//! Credentials of users.

use async_trait::async_trait;
use rusqlite::Row;

use super::SqliteStore;
use super::errors::{About as _, Outcome, Subject};
use crate::store::{CredentialRow, CredentialStore, Result, UnixMillis};
use crate::user::UserId;

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn check_credentials(&self) -> Result<()> {
        self.read(|db| db.check_table(&db.tables.names.credential, []))
            .await
    }

    async fn insert_credential(&self, credential: CredentialRow) -> Result<bool> {
        self.write(move |db| {
            let params = (
                &credential.id,
                credential.user_id.as_str(),
                &credential.kind,
                &credential.name,
                &credential.data,
                credential.created_at.0,
                credential.last_used_at.map(|at| at.0),
            );
            let sql = &db.tables.sql.insert_credential;
            db.execute(Subject::Credential, sql, params)
        })
        .await
        .map(|written| written > 0)
    }

    async fn credential(&self, id: &str) -> Result<Option<CredentialRow>> {
        let id = id.to_owned();
        self.read(move |db| {
            let sql = &db.tables.sql.credential;
            db.first(Subject::Credential, sql, [&id], credential_row)
        })
        .await
    }

    async fn user_credentials(&self, user_id: &UserId, kind: &str) -> Result<Vec<CredentialRow>> {
        let (user_id, kind) = (user_id.clone(), kind.to_owned());
        self.read(move |db| {
            let sql = &db.tables.sql.user_credentials;
            let params = (user_id.as_str(), &kind);
            db.returned(Subject::Credential, sql, params, credential_row)
        })
        .await
    }

    async fn replace_credential_data(
        &self,
        id: &str,
        old: &str,
        new: &str,
        used_at: Option<UnixMillis>,
    ) -> Result<bool> {
        let (id, old, new) = (id.to_owned(), old.to_owned(), new.to_owned());
        self.write(move |db| {
            let sql = &db.tables.sql.replace_credential_data;
            let params = (&id, &old, &new, used_at.map(|at| at.0));
            db.execute(Subject::Credential, sql, params)
        })
        .await
        .map(|written| written > 0)
    }

    async fn delete_credential(
        &self,
        id: &str,
        user_id: &UserId,
        data: Option<&str>,
    ) -> Result<bool> {
        let (id, user_id, data) = (id.to_owned(), user_id.clone(), data.map(str::to_owned));
        self.write(move |db| {
            let sql = &db.tables.sql.delete_credential;
            let params = (&id, user_id.as_str(), &data);
            db.execute(Subject::Credential, sql, params)
        })
        .await
        .map(|deleted| deleted > 0)
    }
}

fn credential_row(row: &Row<'_>) -> Outcome<CredentialRow> {
    let about = Subject::Credential;
    let user_id: String = row.get(1).about(about)?;
    let last_used_at: Option<i64> = row.get(6).about(about)?;
    Ok(CredentialRow {
        id: row.get(0).about(about)?,
        user_id: UserId::from_stored(user_id),
        kind: row.get(2).about(about)?,
        name: row.get(3).about(about)?,
        data: row.get(4).about(about)?,
        created_at: UnixMillis(row.get(5).about(about)?),
        last_used_at: last_used_at.map(UnixMillis),
    })
}
