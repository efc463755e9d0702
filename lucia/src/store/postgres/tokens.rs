//! One-time tokens.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::error::{Failure, Written};
use super::run::Statement;
use super::statements::{as_text, telling_access, text_or_null};
use super::{Params, PgStore};
use crate::store::tables::TableNames;
use crate::store::{FormerTokens, Result, TokenRow, TokenStore, UnixMillis};
use crate::user::UserId;

/// Every statement about the tokens.
pub(super) struct TokenStatements {
    lock_user: String,
    insert: String,
    find: String,
    take: String,
    try_code: String,
    delete_of_user: String,
    delete_expired: String,
}

impl TokenStatements {
    pub(super) fn new(tables: &TableNames) -> Self {
        let (tokens, users) = (tables.quoted(&tables.token), tables.quoted(&tables.user));
        let columns = format!(
            r#"{}, {}, {}, "data"::TEXT, {}, "tries_left", "created_at", "expires""#,
            as_text(r#""id""#),
            as_text(r#""purpose""#),
            text_or_null(r#""user_id""#),
            text_or_null(r#""hashed_code""#),
        );
        Self {
            // Whatever writes several tokens of a user takes this lock first. So two of them that
            // replace each other's tokens take turns, and none waits for another in a circle. It lets
            // sign-ins of the user pass.
            lock_user: format!(r#"SELECT 1 FROM {users} WHERE "id" = $1 FOR NO KEY UPDATE"#),
            insert: format!(
                r#"WITH former AS (
                    DELETE FROM {tokens}
                    WHERE $9 AND "purpose" = $2 AND "user_id" = $3 AND "id" <> $1
                )
                INSERT INTO {tokens} ("id", "purpose", "user_id", "data", "hashed_code",
                    "tries_left", "created_at", "expires")
                VALUES ($1, $2, $3, $4::TEXT::JSON, $5, $6, $7, $8)
                ON CONFLICT ("id") DO UPDATE SET "purpose" = excluded."purpose",
                    "user_id" = excluded."user_id", "data" = excluded."data",
                    "hashed_code" = excluded."hashed_code", "tries_left" = excluded."tries_left",
                    "created_at" = excluded."created_at", "expires" = excluded."expires"
                RETURNING 1"#
            ),
            find: telling_access(&format!(
                r#"SELECT {columns} FROM {tokens} WHERE "id" = $1"#
            )),
            take: format!(
                r#"DELETE FROM {tokens}
                WHERE "id" = $1 AND "hashed_code" IS NOT DISTINCT FROM $2 RETURNING {columns}"#
            ),
            try_code: format!(
                r#"UPDATE {tokens} SET "tries_left" = "tries_left" - 1
                WHERE "id" = $1 AND "tries_left" > 0 RETURNING {columns}"#
            ),
            delete_of_user: format!(r#"DELETE FROM {tokens} WHERE "user_id" = $1"#),
            // What another sweeper or a use of a token holds is left to them.
            delete_expired: format!(
                r#"WITH expired AS (
                    SELECT "id" FROM {tokens} WHERE "expires" <= $1
                    LIMIT $2 FOR UPDATE SKIP LOCKED
                ), deleted AS (
                    DELETE FROM {tokens} AS t USING expired WHERE t."id" = expired."id" RETURNING 1
                )
                SELECT count(*) FROM deleted"#
            ),
        }
    }
}

/// A token; `None` for the row of NULLs of a lookup that finds nothing.
fn token_row(row: &Row) -> Result<Option<TokenRow>, Failure> {
    let Some(data) = row.try_get(3)? else {
        return Ok(None);
    };
    let tries_left: Option<i64> = row.try_get(5)?;
    Ok(Some(TokenRow {
        id: row.try_get(0)?,
        purpose: row.try_get(1)?,
        user_id: row.try_get::<_, Option<&str>>(2)?.map(UserId::from_stored),
        data,
        hashed_code: row.try_get(4)?,
        tries_left: tries_left.map(|tries| u32::try_from(tries).unwrap_or(0)),
        created_at: UnixMillis(row.try_get(6)?),
        expires: UnixMillis(row.try_get(7)?),
    }))
}

/// A statement about tokens.
fn of_tokens<'a>(sql: &'a str, params: Params<'a>) -> Statement<'a> {
    Statement::new(sql, params).writing(Written::Token)
}

#[async_trait]
impl TokenStore for PgStore {
    async fn check_tokens(&self) -> Result<()> {
        self.0.check_table(&self.0.tables.token).await
    }

    async fn insert_token(&self, token: TokenRow, former: FormerTokens) -> Result<()> {
        let user_id = token.user_id.as_ref().map(UserId::as_str);
        let tries_left = token.tries_left.map(i64::from);
        let params: Params<'_> = &[
            &token.id,
            &token.purpose,
            &user_id,
            &token.data,
            &token.hashed_code,
            &tries_left,
            &token.created_at.0,
            &token.expires.0,
            &(former == FormerTokens::Delete),
        ];
        let statements = &self.0.token_statements;
        let of_user: Params<'_> = &[&user_id];
        let lock = of_tokens(&statements.lock_user, of_user);
        let statement = Statement {
            // Also without a user, so that an unknown key takes the same steps.
            lock: Some(&lock),
            ..of_tokens(&statements.insert, params)
        };
        match self.0.returns_row(&statement).await? {
            true => Ok(()),
            false => Err(self.0.kept_out(&self.0.tables.token)),
        }
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        let params: Params<'_> = &[&id];
        let sql = &self.0.token_statements.find;
        let statement = Statement::lookup(sql, params).writing(Written::Token);
        self.0.row(&statement, token_row).await
    }

    async fn take_token(&self, id: &str, hashed_code: Option<&str>) -> Result<Option<TokenRow>> {
        let params: Params<'_> = &[&id, &hashed_code];
        let sql = &self.0.token_statements.take;
        self.0.row(&of_tokens(sql, params), token_row).await
    }

    async fn try_code(&self, id: &str) -> Result<Option<TokenRow>> {
        let params: Params<'_> = &[&id];
        let sql = &self.0.token_statements.try_code;
        self.0.row(&of_tokens(sql, params), token_row).await
    }

    async fn delete_user_tokens(&self, user_id: &UserId) -> Result<()> {
        let params: Params<'_> = &[&user_id.as_str()];
        let statements = &self.0.token_statements;
        let lock = of_tokens(&statements.lock_user, params);
        let statement = Statement {
            lock: Some(&lock),
            ..of_tokens(&statements.delete_of_user, params)
        };
        self.0.returns_row(&statement).await.map(drop)
    }

    async fn delete_expired_tokens(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        let params: Params<'_> = &[&now.0, &i64::from(limit)];
        let statement = of_tokens(&self.0.token_statements.delete_expired, params);
        self.0.counted(self.0.run(&statement).await).await
    }
}
