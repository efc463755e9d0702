//! The SQL that inserts a session, which can depend on a key and end other sessions.

use serde_json::{Map, Value};

use super::{IN_TURN, IS_IN_TURN, Statements, columns_and_values, given, turn};

/// What the insertion of a session depends on, and what ends with it. Each part that is asked for
/// has parameters, from `$12` on in this order.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::postgres) struct Insertion {
    /// The session of this public id ends.
    pub(in crate::store::postgres) replaces: bool,
    /// Nothing happens unless there is the key of this id with this hash, or without one and verified at this time.
    pub(in crate::store::postgres) by_key: bool,
    /// The user has so many sessions at the most. No other one may be inserted at the same time: see
    /// [`Statements::lock_sign_ins`].
    pub(in crate::store::postgres) limited: bool,
}

impl Statements {
    /// Inserts the session `$1` of the user `$2`, with the attributes in the JSON `$9`. No row
    /// comes back where the key refuses it, and one of NULLs where something keeps the session out.
    pub(in crate::store::postgres) fn insert_session(
        &self,
        attributes: &Map<String, Value>,
        insertion: Insertion,
    ) -> String {
        let (sessions, returned) = (&self.sessions, &self.session_columns);
        let (columns, values) = columns_and_values(attributes);
        let given = if attributes.is_empty() {
            // The parameter is named all the same, so that the others keep their numbers.
            "(SELECT $9::TEXT) AS given".to_owned()
        } else {
            given(sessions, "$9")
        };
        let (steps, may_begin) = self.before(insertion);
        let in_excess = match insertion.limited {
            true => r#"ARRAY(SELECT "id" FROM ended WHERE NOT "is_replaced")"#,
            false => "ARRAY[]::TEXT[]",
        };
        format!(
            r#"WITH {steps} inserted AS (
                INSERT INTO {sessions} AS s ("id", "user_id", "created_at", "authenticated_at",
                    "renewed_at", "active_expires", "idle_expires", "device", "address",
                    "persistent"{columns})
                SELECT $1, $2, $3::BIGINT, $4::BIGINT, $5::BIGINT, $6::BIGINT, $7::BIGINT,
                    $8::TEXT, $10::TEXT, $11::BOOLEAN{values}
                FROM {given}
                WHERE {may_begin}
                RETURNING {returned}
            )
            SELECT inserted.*, {in_excess}
            FROM (SELECT WHERE {may_begin}) AS begun LEFT JOIN inserted ON TRUE"#
        )
    }

    /// What an insertion waits for and ends, as common table expressions with a comma behind each, and
    /// the condition that makes Postgres take them in turn.
    fn before(&self, insertion: Insertion) -> (String, &'static str) {
        let sessions = &self.sessions;
        let mut number = 11;
        let mut parameter = || {
            number += 1;
            format!("${number}")
        };
        let is_replaced = insertion.replaces.then(|| self.ids.is(&parameter()));
        let key = insertion
            .by_key
            .then(|| (parameter(), parameter(), parameter()));
        let limit = insertion.limited.then(parameter);

        // The user goes first, as everywhere: the insertion looks for them when all is done.
        let mut steps = format!(
            r#"{turn}, owner AS (SELECT 1 FROM {users} WHERE "id" = $2 AND {IS_IN_TURN} FOR KEY SHARE),"#,
            turn = turn("pg_advisory_xact_lock_shared", "id", &self.users, "$2"),
            users = self.users,
        );
        let mut may_begin = "(SELECT count(*) FROM owner) >= 0";
        if let Some((id, hash, verified_at)) = key {
            // A later change of the key waits until the session is there. An earlier one is waited
            // for, and what it left is then compared.
            steps.push_str(&format!(
                r#"opened AS (
                    SELECT 1 FROM {} WHERE "id" = {id} AND "user_id" = $2
                        AND "hashed_password" IS NOT DISTINCT FROM {hash}
                        AND ("hashed_password" IS NOT NULL
                            OR "verified_at" IS NOT DISTINCT FROM {verified_at}::BIGINT)
                        AND {may_begin}
                    FOR SHARE
                ),"#,
                self.keys
            ));
            may_begin = "EXISTS (SELECT 1 FROM opened)";
        }
        match (limit, is_replaced) {
            (None, None) => {}
            (None, Some(is_replaced)) => steps.push_str(&format!(
                r#"replaced AS (
                    DELETE FROM {sessions} AS s WHERE {is_replaced} AND {may_begin}
                ),"#
            )),
            (Some(limit), is_replaced) => {
                let is_replaced = is_replaced.as_deref().unwrap_or("FALSE");
                let public_id = self.ids.public();
                // Which ones to keep is decided when all are locked, by what they are then: no
                // session counts that is deleted at the same time, and none is missed that was
                // rotated meanwhile. Where nothing is in excess, only the one that is replaced is
                // locked.
                let ends = format!(
                    r#"((s."user_id" = $2 AND (SELECT "there" FROM excess)) OR {is_replaced})"#
                );
                steps.push_str(&format!(
                    r#"excess AS (
                        SELECT count(*) >= {limit}::BIGINT AS "there" FROM {sessions} AS s
                        WHERE s."user_id" = $2
                    ), locked_sessions AS (
                        SELECT {public_id} AS "id", s."idle_expires", s."renewed_at",
                            (s."user_id" = $2 AND NOT {is_replaced}) AS "may_stay"
                        FROM {sessions} AS s WHERE {ends} AND {may_begin}
                        ORDER BY {IN_TURN} FOR UPDATE OF s
                    ), kept AS (
                        SELECT "id" FROM locked_sessions WHERE "may_stay"
                        ORDER BY ("idle_expires" >= $3::BIGINT) DESC, "renewed_at" DESC, "id"
                        LIMIT greatest({limit}::BIGINT - 1, 0)
                    ), ended AS (
                        DELETE FROM {sessions} AS s
                        WHERE {ends} AND EXISTS (SELECT 1 FROM locked_sessions)
                            AND ({public_id}) <> ALL (ARRAY(SELECT "id" FROM kept))
                        RETURNING ({public_id})::TEXT AS "id", {is_replaced} AS "is_replaced"
                    ),"#
                ));
            }
        }
        (steps, may_begin)
    }
}
