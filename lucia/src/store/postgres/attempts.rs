//! Counting attempts to sign in.

use super::{Params, Parts};
use crate::store::tables::TableNames;
use crate::store::{CountedAttempt, NewAttempt, Result, UnixMillis};

/// Every statement about the counts.
pub(super) struct AttemptStatements {
    count: String,
    pub(super) uncount: String,
    delete_old: String,
}

impl AttemptStatements {
    pub(super) fn new(tables: &TableNames) -> Self {
        let attempts = tables.quoted(&tables.attempt);
        // By differences: a sum of such times can be out of range.
        let has_ended = |now: &str| {
            format!(
                r#"(a."expires" <= {now}
                    OR a."started_at" - {now} > a."expires" - a."started_at")"#
            )
        };
        let (has_ended, is_old) = (has_ended("$2"), has_ended("$1"));
        // The period of this attempt, from the start of the count on; from now on where a clock that
        // is ahead began it.
        let later_end = r#"GREATEST(a."expires", $3 - GREATEST($2 - a."started_at", 0))"#;
        Self {
            // Attempts at once take turns at the row, so each finds what those before it have
            // counted.
            count: format!(
                r#"WITH counted AS (
                    INSERT INTO {attempts} AS a ("id", "attempts", "started_at", "expires")
                    VALUES ($1, 1, $2, $3)
                    ON CONFLICT ("id") DO UPDATE SET
                        "attempts" = CASE WHEN {has_ended} THEN 1 ELSE a."attempts" + 1 END,
                        "started_at" = CASE WHEN {has_ended} THEN $2 ELSE a."started_at" END,
                        "expires" = CASE WHEN {has_ended} THEN $3 ELSE {later_end} END
                    WHERE {has_ended} OR a."attempts" < $4
                    RETURNING TRUE AS "admitted", "started_at", "expires"
                ), found AS (
                    SELECT FALSE, a."started_at", a."expires" FROM {attempts} AS a
                    WHERE a."id" = $1 AND NOT {has_ended}
                )
                SELECT * FROM counted
                UNION ALL SELECT * FROM found WHERE NOT EXISTS (SELECT 1 FROM counted)"#
            ),
            // The row is locked first, so that its count is known as those before have left it.
            uncount: format!(
                r#"WITH held AS (
                    SELECT "id", "attempts" FROM {attempts}
                    WHERE "id" = $1 AND "started_at" = $2 FOR UPDATE
                ), ended AS (
                    DELETE FROM {attempts} AS a USING held
                    WHERE a."id" = held."id" AND held."attempts" <= 1
                )
                UPDATE {attempts} AS a SET "attempts" = held."attempts" - 1 FROM held
                WHERE a."id" = held."id" AND held."attempts" > 1"#
            ),
            // What another sweeper or an attempt holds is left to them. Counts of a wrong clock are
            // rare, and no index finds them: they are looked for when the others are gone.
            delete_old: format!(
                r#"WITH ended AS (
                    SELECT "id" FROM {attempts} WHERE "expires" <= $1
                    LIMIT $2 FOR UPDATE SKIP LOCKED
                ), wrong AS (
                    SELECT a."id" FROM {attempts} AS a WHERE a."expires" > $1 AND {is_old}
                    LIMIT $2 - (SELECT count(*) FROM ended) FOR UPDATE SKIP LOCKED
                ), deleted AS (
                    DELETE FROM {attempts} AS a
                    USING (SELECT "id" FROM ended UNION ALL SELECT "id" FROM wrong) AS old
                    WHERE a."id" = old."id" RETURNING 1
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
                    started_at: UnixMillis(row.try_get(1)?),
                    expires: UnixMillis(row.try_get(2)?),
                })
            })
            .await?;
        // No row: others have begun a count while the statement ran, and it is full.
        Ok(counted.first().copied().unwrap_or(CountedAttempt {
            admitted: false,
            started_at: attempt.now,
            expires: attempt.expires,
        }))
    }

    pub(super) async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        let params: Params<'_> = &[&now.0, &i64::from(limit)];
        let sql = &self.attempt_statements.delete_old;
        let deleted = self
            .read(sql, params, None, |row| Ok(row.try_get(0)?))
            .await?;
        Ok(deleted
            .first()
            .map_or(0, |count: &i64| count.unsigned_abs()))
    }
}
