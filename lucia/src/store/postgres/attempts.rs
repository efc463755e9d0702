//! Counting attempts to sign in.

use super::{Params, Parts};
use crate::Result;
use crate::store::tables::TableNames;
use crate::store::{CountedAttempt, NewAttempt, UnixMillis};

/// Every statement about the counts.
pub(super) struct AttemptStatements {
    count: String,
    pub(super) uncount: String,
    pub(super) forget: String,
    delete_old: String,
}

impl AttemptStatements {
    pub(super) fn new(tables: &TableNames) -> Self {
        let attempts = tables.quoted(&tables.attempt);
        // By differences: a sum of such times can be out of range.
        let has_ended = r#"(a."expires" <= $2 OR a."expires" - $3 > $3 - $2)"#;
        Self {
            // Attempts at once take turns at the row, so each finds what those before it have
            // counted. A row that the statement does not see for what it is was written while it
            // ran: that count has just begun, and ends when this one would.
            count: format!(
                r#"WITH counted AS (
                    INSERT INTO {attempts} AS a ("id", "attempts", "expires") VALUES ($1, 1, $3)
                    ON CONFLICT ("id") DO UPDATE SET
                        "attempts" = CASE WHEN {has_ended} THEN 1 ELSE a."attempts" + 1 END,
                        "expires" = CASE WHEN {has_ended} THEN $3 ELSE a."expires" END
                    WHERE {has_ended} OR a."attempts" < $4
                    RETURNING "expires"
                )
                SELECT EXISTS (SELECT 1 FROM counted), COALESCE(
                    (SELECT "expires" FROM counted),
                    (SELECT a."expires" FROM {attempts} AS a WHERE a."id" = $1 AND NOT {has_ended}),
                    $3
                )"#
            ),
            // The row is locked first, so that its count is known as those before have left it.
            uncount: format!(
                r#"WITH held AS (
                    SELECT "id", "attempts" FROM {attempts}
                    WHERE "id" = $1 AND "expires" = $2 FOR UPDATE
                ), ended AS (
                    DELETE FROM {attempts} AS a USING held
                    WHERE a."id" = held."id" AND held."attempts" <= 1
                )
                UPDATE {attempts} AS a SET "attempts" = held."attempts" - 1 FROM held
                WHERE a."id" = held."id" AND held."attempts" > 1"#
            ),
            forget: format!(r#"DELETE FROM {attempts} WHERE "id" = $1"#),
            // What another sweeper or an attempt holds is left to them.
            delete_old: format!(
                r#"WITH old AS (
                    SELECT "id" FROM {attempts} WHERE "expires" <= $1 OR "expires" > $2
                    LIMIT $3 FOR UPDATE SKIP LOCKED
                ), deleted AS (
                    DELETE FROM {attempts} AS a USING old WHERE a."id" = old."id" RETURNING 1
                )
                SELECT count(*) FROM deleted"#
            ),
        }
    }
}

impl Parts {
    pub(super) async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
        let params: Params<'_> = &[
            &attempt.id,
            &attempt.now.0,
            &attempt.expires.0,
            &i64::from(attempt.limit),
        ];
        let sql = &self.attempt_statements.count;
        let counted = self
            .read(sql, params, None, |row| {
                Ok(CountedAttempt {
                    admitted: row.try_get(0)?,
                    expires: UnixMillis(row.try_get(1)?),
                })
            })
            .await?;
        // The statement has one row, whatever it finds.
        Ok(counted.first().copied().unwrap_or(CountedAttempt {
            admitted: false,
            expires: attempt.expires,
        }))
    }

    pub(super) async fn delete_old_attempts(
        &self,
        now: UnixMillis,
        latest: UnixMillis,
        limit: u32,
    ) -> Result<u64> {
        let params: Params<'_> = &[&now.0, &latest.0, &i64::from(limit)];
        let sql = &self.attempt_statements.delete_old;
        let deleted = self
            .read(sql, params, None, |row| Ok(row.try_get(0)?))
            .await?;
        Ok(deleted
            .first()
            .map_or(0, |count: &i64| count.unsigned_abs()))
    }
}
