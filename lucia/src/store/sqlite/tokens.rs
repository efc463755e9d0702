//! One-time tokens.

use async_trait::async_trait;
use rusqlite::Row;

use super::SqliteStore;
use super::database::Database;
use super::errors::{About as _, Outcome, Subject};
use crate::store::{FormerTokens, Result, TokenRow, TokenStore, UnixMillis};
use crate::user::UserId;

#[async_trait]
impl TokenStore for SqliteStore {
    async fn check_tokens(&self) -> Result<()> {
        self.read(|db| db.check_table(&db.tables.names.token, []))
            .await
    }

    async fn insert_token(&self, token: TokenRow, former: FormerTokens) -> Result<()> {
        self.transact(Subject::Token, move |db| {
            let sql = &db.tables.sql;
            if former == FormerTokens::Delete {
                let user_id = token.user_id.as_ref().map(UserId::as_str);
                let of = (&token.purpose, user_id);
                db.execute(Subject::Token, &sql.delete_former_tokens, of)?;
            }
            insert(db, &token)
        })
        .await
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        let id = id.to_owned();
        self.read(move |db| db.first(Subject::Token, &db.tables.sql.token, [&id], token_row))
            .await
    }

    async fn take_token(&self, id: &str, hashed_code: Option<&str>) -> Result<Option<TokenRow>> {
        let params = (id.to_owned(), hashed_code.map(str::to_owned));
        self.write(move |db| db.first(Subject::Token, &db.tables.sql.take_token, params, token_row))
            .await
    }

    async fn try_code(&self, id: &str) -> Result<Option<TokenRow>> {
        let id = id.to_owned();
        self.write(move |db| db.first(Subject::Token, &db.tables.sql.try_code, [&id], token_row))
            .await
    }

    async fn delete_user_tokens(&self, user_id: &UserId) -> Result<()> {
        let user_id = user_id.clone();
        self.write(move |db| {
            let sql = &db.tables.sql.delete_user_tokens;
            db.execute(Subject::Token, sql, [user_id.as_str()])
                .map(drop)
        })
        .await
    }

    async fn delete_expired_tokens(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.write(move |db| {
            let sql = &db.tables.sql.delete_expired_tokens;
            db.execute(Subject::Token, sql, (now.0, limit))
        })
        .await
    }
}

pub(super) fn insert(db: Database<'_>, token: &TokenRow) -> Outcome<()> {
    let params = (
        &token.id,
        &token.purpose,
        token.user_id.as_ref().map(UserId::as_str),
        &token.data,
        &token.hashed_code,
        token.tries_left,
        token.created_at.0,
        token.expires.0,
    );
    db.execute(Subject::Token, &db.tables.sql.insert_token, params)
        .map(drop)
}

fn token_row(row: &Row<'_>) -> Outcome<TokenRow> {
    let about = Subject::Token;
    let user_id: Option<String> = row.get(2).about(about)?;
    let tries_left: Option<i64> = row.get(5).about(about)?;
    Ok(TokenRow {
        id: row.get(0).about(about)?,
        purpose: row.get(1).about(about)?,
        user_id: user_id.map(UserId::from_stored),
        data: row.get(3).about(about)?,
        hashed_code: row.get(4).about(about)?,
        tries_left: tries_left.map(|tries| u32::try_from(tries).unwrap_or(0)),
        created_at: UnixMillis(row.get(6).about(about)?),
        expires: UnixMillis(row.get(7).about(about)?),
    })
}
