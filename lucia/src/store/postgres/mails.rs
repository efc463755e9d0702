//! Mails that wait to be sent.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::error::{Failure, Written};
use super::run::Statement;
use super::statements::{as_text, text_or_null};
use super::{Params, PgStore};
use crate::store::tables::TableNames;
use crate::store::{MailRow, MailStore, Result, UnixMillis};

/// Every statement about the mails.
pub(super) struct MailStatements {
    insert: String,
    claim: String,
    postpone: String,
    delete: String,
}

impl MailStatements {
    pub(super) fn new(tables: &TableNames) -> Self {
        let mails = tables.quoted(&tables.mail);
        let columns = format!(
            r#"{}, {}, {}, {}, {}, m."attempts", m."created_at", m."expires", m."due""#,
            as_text(r#"m."id""#),
            as_text(r#"m."recipient""#),
            as_text(r#"m."subject""#),
            as_text(r#"m."text""#),
            text_or_null(r#"m."html""#),
        );
        Self {
            insert: format!(
                r#"INSERT INTO {mails} ("id", "recipient", "subject", "text", "html", "attempts",
                    "created_at", "expires", "due")
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                ON CONFLICT ("id") DO UPDATE SET "id" = excluded."id" RETURNING 1"#
            ),
            // What another process is claiming is left to it. A row that it has claimed meanwhile is looked
            // at once more, and is not due any more.
            claim: format!(
                r#"WITH next AS (
                    SELECT "id" FROM {mails} WHERE "due" <= $1
                    ORDER BY "due" LIMIT 1 FOR UPDATE SKIP LOCKED
                )
                UPDATE {mails} AS m SET "due" = $2, "attempts" = m."attempts" + 1
                FROM next WHERE m."id" = next."id" RETURNING {columns}"#
            ),
            postpone: format!(
                r#"UPDATE {mails} SET "due" = $3 WHERE "id" = $1 AND "attempts" = $2 RETURNING 1"#
            ),
            delete: format!(r#"DELETE FROM {mails} WHERE "id" = $1 RETURNING 1"#),
        }
    }
}

fn mail_row(row: &Row) -> Result<Option<MailRow>, Failure> {
    let attempts: i64 = row.try_get(5)?;
    let expires: Option<i64> = row.try_get(7)?;
    Ok(Some(MailRow {
        id: row.try_get(0)?,
        recipient: row.try_get(1)?,
        subject: row.try_get(2)?,
        text: row.try_get(3)?,
        html: row.try_get(4)?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        created_at: UnixMillis(row.try_get(6)?),
        expires: expires.map(UnixMillis),
        due: UnixMillis(row.try_get(8)?),
    }))
}

/// A statement about mails.
fn of_mails<'a>(sql: &'a str, params: Params<'a>) -> Statement<'a> {
    Statement::new(sql, params).writing(Written::Mail)
}

#[async_trait]
impl MailStore for PgStore {
    async fn check_mails(&self) -> Result<()> {
        self.0.check_table(&self.0.tables.mail).await
    }

    async fn insert_mail(&self, mail: MailRow) -> Result<()> {
        let params: Params<'_> = &[
            &mail.id,
            &mail.recipient,
            &mail.subject,
            &mail.text,
            &mail.html,
            &i64::from(mail.attempts),
            &mail.created_at.0,
            &mail.expires.map(|expires| expires.0),
            &mail.due.0,
        ];
        let statement = of_mails(&self.0.mail_statements.insert, params);
        match self.0.returns_row(&statement).await? {
            true => Ok(()),
            false => Err(self.0.kept_out(&self.0.tables.mail)),
        }
    }

    async fn claim_mail(&self, now: UnixMillis, until: UnixMillis) -> Result<Option<MailRow>> {
        let params: Params<'_> = &[&now.0, &until.0];
        let sql = &self.0.mail_statements.claim;
        self.0.row(&of_mails(sql, params), mail_row).await
    }

    async fn postpone_mail(&self, id: &str, attempts: u32, due: UnixMillis) -> Result<bool> {
        let params: Params<'_> = &[&id, &i64::from(attempts), &due.0];
        let sql = &self.0.mail_statements.postpone;
        self.0.returns_row(&of_mails(sql, params)).await
    }

    async fn delete_mail(&self, id: &str) -> Result<bool> {
        let params: Params<'_> = &[&id];
        let sql = &self.0.mail_statements.delete;
        self.0.returns_row(&of_mails(sql, params)).await
    }
}
