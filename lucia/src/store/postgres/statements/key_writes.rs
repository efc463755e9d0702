//! The SQL that writes keys together with sessions and one-time tokens.

use super::{IN_TURN, IS_IN_TURN, StoredIds, TableNames, as_text, key_columns, key_deletion, turn};
use crate::store::ADDRESS_NOTE;

/// The statements of [`write_key`](crate::store::Store::write_key), for one kind of what a key is written by.
/// Its id is the last parameter, or behind it those of the note.
///
/// Each waits for the turn of the user alone. Whatever ends all sessions of the user, and then looks for keys,
/// comes before it and is seen, or finds what it has written. The row of the session or token is locked until
/// then, so that a deletion of this row alone waits as well.
pub(in crate::store::postgres) struct KeyWrites {
    pub(in crate::store::postgres) insert: String,
    pub(in crate::store::postgres) set_password: String,
    pub(in crate::store::postgres) verify: String,
    pub(in crate::store::postgres) rename: String,
    pub(in crate::store::postgres) delete: String,
}

impl KeyWrites {
    /// Those by a session. They name no table of tokens, which need not be there.
    pub(in crate::store::postgres) fn by_session(tables: &TableNames, ids: StoredIds) -> Self {
        let sessions = tables.quoted(&tables.session);
        Self::new(tables, |id| {
            format!(
                r#"SELECT 1 FROM {sessions} AS s WHERE {} AND s."user_id" = $2"#,
                ids.is(id)
            )
        })
    }

    /// Those by a one-time token.
    pub(in crate::store::postgres) fn by_token(tables: &TableNames) -> Self {
        let tokens = tables.quoted(&tables.token);
        Self::new(tables, |id| {
            format!(r#"SELECT 1 FROM {tokens} WHERE "id" = {id} AND "user_id" = $2"#)
        })
    }

    fn new(tables: &TableNames, held: impl Fn(&str) -> String) -> Self {
        let (users, keys) = (tables.quoted(&tables.user), tables.quoted(&tables.key));
        let tokens = tables.quoted(&tables.token);
        let held = |id| {
            let turn = turn("pg_advisory_xact_lock", "id", &users, "$2");
            let held = held(id);
            format!("WITH {turn}, held AS ({held} AND {IS_IN_TURN} FOR KEY SHARE)")
        };
        let is_held = "EXISTS (SELECT 1 FROM held)";
        Self {
            insert: format!(
                r#"{} INSERT INTO {keys} ("id", "user_id", "hashed_password", "verified_at")
                SELECT $1, $2, $3, $4::BIGINT WHERE {is_held} RETURNING 1"#,
                held("$5"),
            ),
            set_password: format!(
                r#"{} UPDATE {keys} SET "hashed_password" = $3
                WHERE "id" = $1 AND "user_id" = $2 AND "hashed_password" IS NULL AND {is_held}
                RETURNING 1"#,
                held("$4"),
            ),
            verify: format!(
                r#"{} UPDATE {keys} SET "verified_at" = $3
                WHERE "id" = $1 AND "user_id" = $2 AND "verified_at" IS NULL AND {is_held}
                RETURNING 1"#,
                held("$4"),
            ),
            // The note comes first: one that is still in use keeps the key from its new id.
            rename: format!(
                r#"{}, former AS (
                    SELECT 1 FROM {keys} WHERE "id" = $1 AND "user_id" = $2 AND {is_held} FOR UPDATE
                ), noted AS (
                    INSERT INTO {tokens} AS t ("id", "purpose", "data", "created_at", "expires")
                    SELECT $6::TEXT, $7::TEXT, $8::TEXT::JSON, $9::BIGINT, $10::BIGINT
                    FROM former WHERE $6::TEXT IS NOT NULL
                    ON CONFLICT ("id") DO UPDATE SET "purpose" = excluded."purpose",
                        "user_id" = NULL, "data" = excluded."data", "hashed_code" = NULL,
                        "tries_left" = NULL, "created_at" = excluded."created_at",
                        "expires" = excluded."expires"
                    WHERE t."expires" <= $4::BIGINT
                    RETURNING 1
                )
                UPDATE {keys} SET "id" = $3, "verified_at" = $4::BIGINT
                WHERE "id" = $1 AND "user_id" = $2 AND EXISTS (SELECT 1 FROM former)
                    AND ($6::TEXT IS NULL OR EXISTS (SELECT 1 FROM noted))
                RETURNING 1"#,
                held("$5"),
            ),
            delete: format!(
                "{}, {}",
                held("$3"),
                key_deletion(&keys, &format!("$2 AND {is_held}"), "FALSE"),
            ),
        }
    }
}

/// The statement of [`claim_key`](crate::store::Store::claim_key). It is sent behind
/// [`lock_user`](super::Statements::lock_user), which waits for sign-ins and writes that are under way, and for
/// what writes tokens of the user. The statement returns no row if something that the claim names does not exist. If
/// the user keeps the account, it returns a row that says so.
pub(in crate::store::postgres) struct ClaimStatement(pub(in crate::store::postgres) String);

impl ClaimStatement {
    pub(in crate::store::postgres) fn new(tables: &TableNames, ids: StoredIds) -> Self {
        let (users, keys) = (tables.quoted(&tables.user), tables.quoted(&tables.key));
        let (sessions, tokens) = (tables.quoted(&tables.session), tables.quoted(&tables.token));
        let (key, public_id) = (key_columns(), ids.public());
        // The user's id as text, as notes store it, in each spelling that the database treats as this user.
        let (owner, id_of_user) = (as_text(r#""user_id""#), as_text(r#""id""#));
        // To the letter: a collation can take several ids for one.
        let id = format!(r#"{} COLLATE "C""#, as_text(r#""id""#));
        // In the order of all locks: keys by id, sessions by age.
        let sessions_are_locked = "(SELECT count(*) FROM locked_sessions) >= 0";
        let is_ready = format!("{sessions_are_locked} AND EXISTS (SELECT 1 FROM ready)");
        Self(format!(
            r#"WITH locked_keys AS (
                SELECT "id", "user_id" = $2 AS "own", {owner} AS "owner", "hashed_password", "verified_at"
                FROM {keys}
                WHERE "user_id" = $2 OR "id" = $1 ORDER BY "id" FOR UPDATE
            ), asked AS (
                SELECT 1
                WHERE ($4::TEXT IS NULL OR EXISTS (SELECT 1 FROM {tokens} WHERE "id" = $4::TEXT))
                    AND CASE WHEN $5::BOOLEAN
                    THEN EXISTS (SELECT 1 FROM {users} WHERE "id" = $2) AND NOT EXISTS (
                        SELECT 1 FROM locked_keys
                        WHERE "id" = $1 AND NOT "own" AND "verified_at" IS NOT NULL
                    )
                    ELSE EXISTS (SELECT 1 FROM locked_keys WHERE "id" = $1 AND "own") END
            ), other_way_in AS (
                SELECT 1 FROM locked_keys WHERE NOT $5::BOOLEAN AND "own" AND "id" <> $1
                    AND ("verified_at" IS NOT NULL OR "hashed_password" IS NULL)
                UNION ALL SELECT 1 FROM {tokens}
                WHERE NOT $5::BOOLEAN AND "user_id" IS NULL AND "expires" > $3 AND CASE
                    WHEN "purpose" = '{ADDRESS_NOTE}' THEN "data" ->> 'user_id' IN (
                        SELECT "owner" FROM locked_keys WHERE "own"
                        UNION ALL SELECT {id_of_user} FROM {users} WHERE "id" = $2
                    ) END
            ), taken AS (
                DELETE FROM {tokens} WHERE "id" = $4::TEXT AND EXISTS (SELECT 1 FROM asked)
                    AND NOT EXISTS (SELECT 1 FROM other_way_in)
                RETURNING 1
            ), ready AS (
                SELECT 1 FROM asked WHERE NOT EXISTS (SELECT 1 FROM other_way_in)
                    AND ($4::TEXT IS NULL OR EXISTS (SELECT 1 FROM taken))
            ), locked_sessions AS (
                SELECT s."id" FROM {sessions} AS s
                WHERE s."user_id" = $2 AND (SELECT count(*) FROM locked_keys) >= 0
                ORDER BY {IN_TURN} FOR UPDATE
            ), ended AS (
                DELETE FROM {sessions} AS s WHERE s."user_id" = $2 AND {is_ready}
                RETURNING ({public_id})::TEXT AS "session_id"
            ), ended_tokens AS (
                DELETE FROM {tokens}
                WHERE "user_id" = $2 AND "id" IS DISTINCT FROM $4::TEXT AND {is_ready}
            ), foreign_key AS (
                DELETE FROM {keys}
                WHERE "id" = $1 AND "user_id" <> $2 AND {is_ready}
                RETURNING {key}
            ), given AS (
                INSERT INTO {keys} ("id", "user_id", "verified_at")
                SELECT $1, $2, $3 FROM ready
                WHERE NOT EXISTS (SELECT 1 FROM locked_keys WHERE "id" = $1 AND "own")
                    AND (SELECT count(*) FROM foreign_key) >= 0
            ), deleted AS (
                DELETE FROM {keys} WHERE $5::BOOLEAN AND "user_id" = $2 AND "id" <> $1
                    AND {id} <> ALL ($6::TEXT[]) AND {is_ready}
                RETURNING {key}
            ), closed AS (
                UPDATE {keys} SET "id" = CASE WHEN $5::BOOLEAN AND "id" = $1 THEN $1 ELSE "id" END,
                    "hashed_password" = NULL,
                    "verified_at" = CASE WHEN "id" = $1 THEN $3
                        WHEN {id} = ANY ($7::TEXT[]) THEN "verified_at" END
                WHERE "user_id" = $2 AND {is_ready}
                    AND (NOT $5::BOOLEAN OR "id" = $1 OR {id} = ANY ($6::TEXT[]))
            )
            SELECT gone.*, EXISTS (SELECT 1 FROM ready) FROM asked LEFT JOIN (
                SELECT deleted.*, NULL AS "session_id" FROM deleted
                UNION ALL SELECT foreign_key.*, NULL FROM foreign_key
                UNION ALL SELECT NULL, NULL, NULL, NULL, "session_id" FROM ended
            ) AS gone ON TRUE
            WHERE EXISTS (SELECT 1 FROM ready) OR EXISTS (SELECT 1 FROM other_way_in)"#
        ))
    }
}
