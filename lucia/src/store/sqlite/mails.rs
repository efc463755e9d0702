//! Mails that wait to be sent.

use async_trait::async_trait;
use rusqlite::Row;

use super::SqliteStore;
use super::errors::{About as _, Outcome, Subject};
use crate::store::{MailRow, MailStore, Result, UnixMillis};

#[async_trait]
impl MailStore for SqliteStore {
    async fn check_mails(&self) -> Result<()> {
        self.read(|db| db.check_table(&db.tables.names.mail, []))
            .await
    }

    async fn insert_mail(&self, mail: MailRow) -> Result<()> {
        self.write(move |db| {
            let params = (
                &mail.id,
                &mail.recipient,
                &mail.subject,
                &mail.text,
                &mail.html,
                mail.attempts,
                mail.created_at.0,
                mail.expires.map(|expires| expires.0),
                mail.due.0,
            );
            let sql = &db.tables.sql.insert_mail;
            db.execute(Subject::Mail, sql, params).map(drop)
        })
        .await
    }

    async fn claim_mail(&self, now: UnixMillis, until: UnixMillis) -> Result<Option<MailRow>> {
        let params = (now.0, until.0);
        self.write(move |db| db.first(Subject::Mail, &db.tables.sql.claim_mail, params, mail_row))
            .await
    }

    async fn postpone_mail(&self, id: &str, attempts: u32, due: UnixMillis) -> Result<bool> {
        let params = (id.to_owned(), attempts, due.0);
        self.write(move |db| db.execute(Subject::Mail, &db.tables.sql.postpone_mail, params))
            .await
            .map(|changed| changed > 0)
    }

    async fn delete_mail(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.write(move |db| db.execute(Subject::Mail, &db.tables.sql.delete_mail, [&id]))
            .await
            .map(|deleted| deleted > 0)
    }
}

fn mail_row(row: &Row<'_>) -> Outcome<MailRow> {
    let about = Subject::Mail;
    let attempts: i64 = row.get(5).about(about)?;
    let expires: Option<i64> = row.get(7).about(about)?;
    Ok(MailRow {
        id: row.get(0).about(about)?,
        recipient: row.get(1).about(about)?,
        subject: row.get(2).about(about)?,
        text: row.get(3).about(about)?,
        html: row.get(4).about(about)?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        created_at: UnixMillis(row.get(6).about(about)?),
        expires: expires.map(UnixMillis),
        due: UnixMillis(row.get(8).about(about)?),
    })
}
