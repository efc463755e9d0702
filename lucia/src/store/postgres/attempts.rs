//! Counting attempts to sign in.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::error::Failure;
use super::rows::key_row_from;
use super::run::Statement;
use super::statements::{as_text, text_or_null};
use super::{Params, PgStore};
use crate::store::tables::{TableNames, has_ended};
use crate::store::{AttemptStore, CountedAttempt, CountedPlace, NewAttempt, Result, UnixMillis};

/// Every statement about the counts.
pub(super) struct AttemptStatements {
    count: String,
    uncount: String,
    delete_old: String,
}

impl AttemptStatements {
    pub(super) fn new(tables: &TableNames) -> Self {
        let attempts = tables.quoted(&tables.attempt);
        let is_old = has_ended("$1");
        Self {
            count: count_statement(tables),
            uncount: uncount_statement(tables),
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

/// Counts an attempt for the client, if it says so, and in the first place, looks for its key, and counts it in
/// the second place. Each part takes its rows from the one before, so that nothing happens after one that has
/// none.
///
/// Attempts at once take turns at the rows, so each finds what those before it have counted. All
/// lock the place of a client before a first one, and that before a second one, and no place is two of them, so
/// that none waits in a circle.
fn count_statement(tables: &TableNames) -> String {
    let attempts = tables.quoted(&tables.attempt);
    let keys = tables.quoted(&tables.key);
    let (id, user_id) = (as_text(r#""id""#), as_text(r#""user_id""#));
    let hash = text_or_null(r#""hashed_password""#);
    let has_ended = has_ended("$2");
    // The period of this attempt, from the start of the count on; from now on where a clock that
    // is ahead began it.
    let later_end = r#"GREATEST(a."expires", $3 - GREATEST($2 - a."started_at", 0))"#;
    let insert =
        format!(r#"INSERT INTO {attempts} AS a ("id", "attempts", "started_at", "expires")"#);
    let unless_full = |limit: &str| {
        format!(
            r#"ON CONFLICT ("id") DO UPDATE SET
            "attempts" = CASE WHEN {has_ended} THEN 1 ELSE a."attempts" + 1 END,
            "started_at" = CASE WHEN {has_ended} THEN $2 ELSE a."started_at" END,
            "expires" = CASE WHEN {has_ended} THEN $3 ELSE {later_end} END
        WHERE {has_ended} OR a."attempts" < {limit}
        RETURNING a."id"::TEXT AS "place", a."started_at", a."expires""#
        )
    };
    format!(
        r#"WITH "client" AS (
            {insert} SELECT $9::TEXT, 1, $2::BIGINT, $3::BIGINT WHERE $9::TEXT IS NOT NULL
            {unless_client_full}
        ), "admitted" AS (
            SELECT 1 WHERE $9::TEXT IS NULL OR EXISTS (SELECT 1 FROM "client")
        ), "first" AS (
            {insert} SELECT $1::TEXT, 1, $2::BIGINT, $3::BIGINT FROM "admitted" {unless_first_full}
        ), "found" AS (
            SELECT {id} AS "id", {user_id} AS "user_id", {hash} AS "hashed_password",
                "verified_at" FROM {keys}
            WHERE "id" = $5 AND EXISTS (SELECT 1 FROM "first") LIMIT 1
        ), "stored" AS (
            SELECT COALESCE(
                (SELECT encode(sha256(convert_to($6::TEXT || "id", 'UTF8')), 'hex') FROM "found"),
                $7::TEXT
            ) AS "place" FROM "first"
        ), "second" AS (
            {insert} SELECT "place", 1, $2, $3 FROM "stored" {unless_second_full}
        ), "full" AS (
            SELECT a."expires" FROM {attempts} AS a WHERE NOT {has_ended} AND a."id" =
                CASE WHEN EXISTS (SELECT 1 FROM "admitted") THEN $1::TEXT ELSE $9::TEXT END
        )
        SELECT
            "client"."place", "client"."started_at",
            "first"."place", "first"."started_at",
            "second"."place", "second"."started_at",
            COALESCE("first"."expires", (SELECT "expires" FROM "full")),
            "found"."id", "found"."user_id", "found"."hashed_password", "found"."verified_at"
        FROM (SELECT 1) AS "one"
        LEFT JOIN "client" ON TRUE LEFT JOIN "first" ON TRUE LEFT JOIN "second" ON TRUE LEFT JOIN "found" ON TRUE"#,
        unless_client_full = unless_full("$10"),
        unless_first_full = unless_full("$4"),
        unless_second_full = unless_full("$8"),
    )
}

/// Takes an attempt back. The rows are locked first, in the order of the places, so that their counts
/// are known as those before have left them.
fn uncount_statement(tables: &TableNames) -> String {
    let attempts = tables.quoted(&tables.attempt);
    format!(
        r#"WITH held AS (
            SELECT a."id", a."attempts" FROM {attempts} AS a
            JOIN unnest($1::TEXT[], $2::BIGINT[]) WITH ORDINALITY AS p ("id", "started_at", "number")
                ON a."id" = p."id" AND a."started_at" = p."started_at"
            ORDER BY p."number" FOR UPDATE OF a
        ), ended AS (
            DELETE FROM {attempts} AS a USING held
            WHERE a."id" = held."id" AND held."attempts" <= 1
        )
        UPDATE {attempts} AS a SET "attempts" = held."attempts" - 1 FROM held
        WHERE a."id" = held."id" AND held."attempts" > 1"#
    )
}

/// The answer of [`count_statement`]. Without an end of the count, others have begun it while the
/// statement ran, and it is full.
fn counted_row(row: &Row) -> Result<Option<CountedAttempt>, Failure> {
    let Some(expires) = row.try_get(6)? else {
        return Ok(None);
    };
    let is_refused = row.try_get::<_, Option<&str>>(2)?.is_none();
    if is_refused {
        return Ok(Some(CountedAttempt::refused(UnixMillis(expires))));
    }
    let mut places = Vec::with_capacity(3);
    for column in [0, 2, 4] {
        if let Some(place) = row.try_get(column)? {
            let started_at = UnixMillis(row.try_get(column + 1)?);
            places.push(CountedPlace { place, started_at });
        }
    }
    Ok(Some(CountedAttempt {
        places,
        expires: UnixMillis(expires),
        key: key_row_from(row, 7)?,
    }))
}

#[async_trait]
impl AttemptStore for PgStore {
    async fn check_attempts(&self) -> Result<()> {
        self.0.check_table(&self.0.tables.attempt).await
    }

    async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
        let client = attempt.client.as_ref();
        let params: Params<'_> = &[
            &attempt.place,
            &attempt.now.0,
            &attempt.expires.0,
            &i64::from(attempt.limit),
            &attempt.key_id,
            &attempt.salt,
            &attempt.unknown_place,
            &i64::from(attempt.stored_limit),
            &client.map(|(place, _)| &**place),
            &client.map_or(0, |(_, limit)| i64::from(*limit)),
        ];
        let sql = &self.0.attempt_statements.count;
        let statement = Statement::new(sql, params);
        let counted = self.0.row(&statement, counted_row).await?;
        Ok(counted.unwrap_or_else(|| CountedAttempt::refused(attempt.expires)))
    }

    async fn uncount_attempt(&self, places: &[CountedPlace]) -> Result<()> {
        let names: Vec<&str> = places.iter().map(|place| place.place.as_str()).collect();
        let starts: Vec<i64> = places.iter().map(|place| place.started_at.0).collect();
        let params: Params<'_> = &[&names.as_slice(), &starts];
        let statement = Statement::new(&self.0.attempt_statements.uncount, params);
        self.0.returns_row(&statement).await.map(drop)
    }

    async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        let params: Params<'_> = &[&now.0, &i64::from(limit)];
        let statement = Statement::new(&self.0.attempt_statements.delete_old, params);
        self.0.counted(self.0.run(&statement).await).await
    }
}
