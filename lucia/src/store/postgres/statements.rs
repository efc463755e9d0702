//! The SQL, written once for the names of the tables.

use serde_json::{Map, Value};

mod found;
mod insertion;
mod key_writes;

pub(super) use found::Found;
pub(super) use insertion::Insertion;
pub(super) use key_writes::{ClaimStatement, KeyWrites};

use super::StoredIds;
use super::references::Reference;
use crate::store::tables::{SessionColumn, TableNames, quote};

/// What tells the locks of sign-ins from others. The number means nothing else.
const SIGN_INS: i64 = 0x006C_7563_6962;

/// That the lock of the common table expression `turn` is held. Postgres asks it before anything else.
const IS_IN_TURN: &str = "(SELECT count(*) FROM turn) >= 0";

/// Whether the server refuses to write: a standby, or a primary that has been replaced.
pub(super) const IS_READ_ONLY: &str = "current_setting('transaction_read_only')::BOOLEAN";

/// The oldest first: how sessions `s` are listed, and how more than one is locked. A session's age
/// stays the same when its id changes.
const IN_TURN: &str = r#"s."created_at", s."id""#;

/// Every statement that does not depend on which columns are written.
pub(super) struct Statements {
    /// The quoted names of the tables.
    users: String,
    keys: String,
    sessions: String,
    /// All that is read of a user `u`: the id, and the columns that were asked for as JSON.
    user_columns: String,
    /// All that is read of a session `s`.
    session_columns: String,
    ids: StoredIds,

    pub(super) user: String,
    pub(super) several_users: String,
    pub(super) any_user: String,
    pub(super) lock_user: String,
    pub(super) delete_user: String,

    pub(super) insert_key: String,
    pub(super) key: String,
    pub(super) user_keys: String,
    pub(super) update_key_password: String,
    pub(super) change_password: String,
    pub(super) delete_key: String,
    pub(super) lock_key: String,
    pub(super) lock_sign_ins: String,

    /// How sessions are found with their users.
    pub(super) found: Found,
    pub(super) session_and_user: String,
    pub(super) sessions_and_users: String,
    pub(super) get_session: String,
    pub(super) get_sessions: String,
    pub(super) user_sessions: String,
    pub(super) renew_session: String,
    pub(super) rotate_session: String,
    pub(super) hash_session: String,
    pub(super) delete_session: String,
    pub(super) delete_user_sessions: String,
    pub(super) delete_expired_sessions: String,
}

impl Statements {
    pub(super) fn new(
        tables: &TableNames,
        user_columns: Option<&[String]>,
        session_columns: &[SessionColumn],
        ids: StoredIds,
    ) -> Self {
        // JSON has the names of the columns with it. What the driver was told of the columns of a row,
        // when it prepared the statement, can be of an older table: a pooler may prepare it once more,
        // on another connection, without a word.
        let json = |alias: &str, columns: Vec<&str>| {
            let columns = columns.into_iter().map(quote);
            let columns: Vec<_> = columns.map(|column| format!("{alias}.{column}")).collect();
            let columns = columns.join(", ");
            format!("(SELECT row_to_json(fetched.*)::TEXT FROM (SELECT {columns}) AS fetched)")
        };
        let user_json = match user_columns {
            None => "row_to_json(u.*)::TEXT".to_owned(),
            Some(columns) => {
                let columns = columns.iter().map(String::as_str);
                json("u", std::iter::once("id").chain(columns).collect())
            }
        };
        let session_json = match session_columns {
            [] => "'{}'".to_owned(),
            columns => json("s", columns.iter().map(|column| &*column.name).collect()),
        };
        let users = tables.quoted(&tables.user);
        let keys = tables.quoted(&tables.key);
        let sessions = tables.quoted(&tables.session);
        let key = key_columns();
        let user_id = as_text(r#"u."id""#);
        let user = format!("{user_id}, {user_json}");
        let public_id = ids.public();
        let session = format!(
            r#"({public_id})::TEXT, {}, s."created_at", s."authenticated_at", s."renewed_at", s."active_expires", s."idle_expires", {}, {}, s."persistent", {session_json}"#,
            as_text(r#"s."user_id""#),
            text_or_null(r#"s."device""#),
            text_or_null(r#"s."address""#),
        );
        let is_first = ids.is("$1");
        // Behind a `SELECT`, Postgres does not see how many there are, and so keeps the plan that it
        // has. It would make a new one for each small array, which takes longer than the lookup.
        let is_among_first = ids.is("ANY((SELECT $1::TEXT[])::TEXT[])");
        let found = Found {
            columns: format!("{session}, {}, {user}", ids.is_to_be_hashed()),
            rows: format!(r#"{sessions} AS s JOIN {users} AS u ON u."id" = s."user_id""#),
            is_first: is_first.clone(),
            is_among_first: is_among_first.clone(),
        };
        // Each statement that locks more than one row does so in this order, or two of them could wait
        // for each other: the user's turn, the user, their keys by id, their sessions by age.
        // Postgres looks for no rows to write before it has asked these. Rows are found once more
        // after that: the id of a locked one may be newer than what the statement else sees.
        let keys_are_locked = "(SELECT count(*) FROM locked_keys) >= 0";
        let sessions_are_locked = "(SELECT count(*) FROM locked_sessions) >= 0";
        let users_turn = turn("pg_advisory_xact_lock", "id", &users, "$1");
        let keys_turn = turn("pg_advisory_xact_lock", "user_id", &keys, "$1");

        Self {
            user: telling_access(&format!(
                r#"SELECT {user} FROM {users} AS u WHERE u."id" = $1"#
            )),
            // A row for each id, so that the id is of the type of the column. `OFFSET 0` has Postgres find
            // each by the index: it takes them for a hundred, for which it would read a small table whole.
            several_users: telling_access(&format!(
                r#"SELECT theirs.* FROM {} CROSS JOIN LATERAL (
                    SELECT {user} FROM {users} AS u WHERE u."id" = asked."id" OFFSET 0
                ) AS theirs"#,
                rows_of(&users, "json_populate_recordset", "$1", "asked"),
            )),
            any_user: format!("SELECT {user} FROM {users} AS u LIMIT 1"),
            // Once the user is locked, nothing more can come to refer to them. What came before is
            // seen by a statement that is sent behind this one.
            lock_user: format!(
                r#"WITH {users_turn} SELECT 1 FROM {users} WHERE "id" = $1 AND {IS_IN_TURN} FOR UPDATE"#
            ),
            delete_user: format!(
                r#"WITH doomed AS (
                    SELECT "id" FROM {users} WHERE "id" = $1
                ), locked_keys AS (
                    SELECT k."id" FROM {keys} AS k JOIN doomed ON k."user_id" = doomed."id"
                    ORDER BY k."id" FOR UPDATE OF k
                ), locked_sessions AS (
                    SELECT s."id" FROM {sessions} AS s JOIN doomed ON s."user_id" = doomed."id"
                    WHERE {keys_are_locked} ORDER BY {IN_TURN} FOR UPDATE OF s
                ), their_sessions AS (
                    DELETE FROM {sessions} AS s USING doomed
                    WHERE s."user_id" = doomed."id" AND {sessions_are_locked}
                ), their_keys AS (
                    DELETE FROM {keys} AS k USING doomed
                    WHERE k."user_id" = doomed."id" AND {sessions_are_locked}
                )
                DELETE FROM {users} AS u USING doomed
                WHERE u."id" = doomed."id" AND {sessions_are_locked}
                RETURNING {user_id}"#
            ),

            insert_key: format!(
                r#"INSERT INTO {keys} ("id", "user_id", "hashed_password", "verified_at")
                VALUES ($1, $2, $3, $4)"#
            ),
            key: telling_access(&format!(r#"SELECT {key} FROM {keys} WHERE "id" = $1"#)),
            user_keys: telling_access(&format!(
                r#"SELECT {key} FROM {keys} WHERE "user_id" = $1 ORDER BY "id""#
            )),
            update_key_password: format!(
                r#"WITH {keys_turn} UPDATE {keys} SET "hashed_password" = $3
                WHERE "id" = $1 AND "user_id" = $2 AND {IS_IN_TURN}
                    AND ($4 OR "hashed_password" IS NOT DISTINCT FROM $5) RETURNING 1"#
            ),
            // The session that is kept is found by its old id in all parts of the statement.
            change_password: format!(
                r#"WITH locked_keys AS (
                    SELECT "id" FROM {keys} WHERE "id" = $1 AND "user_id" = $2
                        AND ($10 OR "hashed_password" IS NOT DISTINCT FROM $11) FOR UPDATE
                ), locked_sessions AS (
                    SELECT {public_id} AS "id" FROM {sessions} AS s
                    WHERE s."user_id" = $2 AND {keys_are_locked} ORDER BY {IN_TURN} FOR UPDATE
                ), ready AS (
                    SELECT 1 FROM locked_keys CROSS JOIN (
                        SELECT count(*) AS "all", count(*) FILTER (WHERE "id" = $4) AS "kept"
                        FROM locked_sessions
                    ) AS found
                    WHERE CASE WHEN $4::TEXT IS NULL THEN "all" >= 0 ELSE "kept" > 0 END
                ), kept AS (
                    UPDATE {sessions} AS s
                    SET "id" = $5, "renewed_at" = $6, "active_expires" = $7, "idle_expires" = $8,
                        "authenticated_at" = COALESCE($9, s."authenticated_at")
                    WHERE {is_fourth} AND s."user_id" = $2 AND EXISTS (SELECT 1 FROM ready)
                ), ended AS (
                    DELETE FROM {sessions} AS s
                    WHERE s."user_id" = $2 AND ($4::TEXT IS NULL OR NOT {is_fourth})
                        AND EXISTS (SELECT 1 FROM ready)
                )
                UPDATE {keys} AS k SET "hashed_password" = $3
                WHERE k."id" = $1 AND EXISTS (SELECT 1 FROM ready)
                RETURNING (SELECT {user_id} FROM {users} AS u WHERE u."id" = $2)"#,
                is_fourth = format_args!("({})", ids.is("$4")),
            ),
            delete_key: {
                let owner =
                    format!(r#"(SELECT "user_id" FROM {keys} WHERE "id" = $1) AND {IS_IN_TURN}"#);
                format!("WITH {keys_turn}, {}", key_deletion(&keys, &owner, "$2"))
            },
            lock_key: format!(
                r#"WITH {keys_turn} SELECT 1 FROM {keys}
                WHERE "id" = $1 AND "user_id" = $2 AND {IS_IN_TURN} FOR UPDATE"#
            ),
            // By a separate lock, since users can be in another database. No row is locked
            // before it, so that it comes first in the order of locks.
            lock_sign_ins: format!("SELECT {}", sign_in_lock("pg_advisory_xact_lock", "$1")),

            session_and_user: found.one(IS_READ_ONLY),
            sessions_and_users: found.several(IS_READ_ONLY),
            get_session: telling_access(&format!(
                "SELECT {session} FROM {sessions} AS s WHERE {is_first}"
            )),
            get_sessions: telling_access(&format!(
                "SELECT {session} FROM {sessions} AS s WHERE {is_among_first}"
            )),
            user_sessions: telling_access(&format!(
                r#"SELECT {session} FROM {sessions} AS s WHERE s."user_id" = $1 ORDER BY {IN_TURN}"#
            )),
            renew_session: format!(
                r#"UPDATE {sessions} AS s
                SET "renewed_at" = $2, "active_expires" = $3, "idle_expires" = $4
                WHERE {is_first} RETURNING 1"#
            ),
            rotate_session: format!(
                r#"UPDATE {sessions} AS s
                SET "id" = $2, "renewed_at" = $3, "active_expires" = $4, "idle_expires" = $5,
                    "authenticated_at" = COALESCE($6, s."authenticated_at")
                WHERE {is_first} RETURNING 1"#
            ),
            hash_session: format!(
                r#"UPDATE {sessions} AS s SET "id" = $1 WHERE {is_first} AND {} RETURNING 1"#,
                ids.is_to_be_hashed()
            ),
            delete_session: format!(
                r#"DELETE FROM {sessions} AS s
                WHERE {is_first} AND ($2::TEXT IS NULL OR s."user_id" = $2) RETURNING 1"#
            ),
            delete_user_sessions: format!(
                r#"WITH locked_sessions AS (
                    SELECT s."id" FROM {sessions} AS s WHERE {others} ORDER BY {IN_TURN} FOR UPDATE
                )
                DELETE FROM {sessions} AS s WHERE {others} AND {sessions_are_locked}
                RETURNING ({public_id})::TEXT"#,
                others = format_args!(
                    r#"s."user_id" = $1 AND ($2::TEXT IS NULL OR NOT ({}))"#,
                    ids.is("$2")
                ),
            ),
            delete_expired_sessions: delete_expired_sessions(&sessions, ""),
            found,
            users,
            keys,
            sessions,
            user_columns: user,
            session_columns: session,
            ids,
        }
    }

    /// As [`delete_expired_sessions`](Self::delete_expired_sessions), but for those that are referred to.
    pub(super) fn delete_unreferenced_sessions(&self, references: &[Reference]) -> String {
        let is_unreferenced: String = references
            .iter()
            .map(|reference| format!(" AND NOT EXISTS ({})", reference.rows("s")))
            .collect();
        delete_expired_sessions(&self.sessions, &is_unreferenced)
    }

    /// Inserts a user `$1` with the attributes in the JSON `$2`, and with their key `$3` with hash
    /// `$4`, verified at `$5`. Postgres itself turns each value into the type of its column.
    pub(super) fn insert_user(&self, attributes: &Map<String, Value>, with_key: bool) -> String {
        let (users, keys, returned) = (&self.users, &self.keys, &self.user_columns);
        let (columns, values) = columns_and_values(attributes);
        // The user is inserted from the key, so that a taken key is found before a taken name.
        // What the key refers to is looked for when the whole statement is done.
        let (new_key, from_key) = if with_key {
            let new_key = format!(
                r#"WITH new_key AS (
                    INSERT INTO {keys} ("id", "user_id", "hashed_password", "verified_at")
                    VALUES ($3, $1, $4, $5) RETURNING 1
                )"#
            );
            (new_key, "new_key CROSS JOIN")
        } else {
            (String::new(), "")
        };
        format!(
            r#"{new_key} INSERT INTO {users} AS u ("id"{columns})
            SELECT $1{values} FROM {from_key} {given}
            RETURNING {returned}"#,
            given = given(users, "$2"),
        )
    }

    /// Sets columns of the user `$1` to the attributes in the JSON `$2`.
    pub(super) fn update_user(&self, attributes: &Map<String, Value>) -> String {
        let is_first = r#"u."id" = $1"#;
        update(&self.users, "u", attributes, is_first, &self.user_columns)
    }

    /// Sets columns of the session `$1` to the attributes in the JSON `$2`.
    pub(super) fn update_session(&self, attributes: &Map<String, Value>) -> String {
        let is_first = self.ids.is("$1");
        update(
            &self.sessions,
            "s",
            attributes,
            &is_first,
            &self.session_columns,
        )
    }
}

/// Sets columns of the rows of a table where a condition holds to the attributes in the JSON `$2`.
fn update(
    table: &str,
    alias: &str,
    attributes: &Map<String, Value>,
    condition: &str,
    returned: &str,
) -> String {
    let (columns, values) = columns_and_values(attributes);
    format!(
        "UPDATE {table} AS {alias} SET ({}) = (SELECT {} FROM {}) WHERE {condition} RETURNING {returned}",
        columns.trim_start_matches(", "),
        values.trim_start_matches(", "),
        given(table, "$2"),
    )
}

/// The columns of attributes, and their values in the row [`given`], each behind a comma.
fn columns_and_values(attributes: &Map<String, Value>) -> (String, String) {
    let names = attributes.keys().map(|name| quote(name));
    names
        .map(|name| (format!(", {name}"), format!(", given.{name}")))
        .unzip()
}

/// This query with one more column, which says whether the server is read-only. It says so in a row of
/// NULLs where there is nothing else to say.
pub(super) fn telling_access(query: &str) -> String {
    format!(
        "SELECT found.*, {IS_READ_ONLY} FROM (SELECT) AS one LEFT JOIN ({query}) AS found ON TRUE"
    )
}

/// A column that holds text, of whatever type, as `TEXT`: about a type that does not come with
/// Postgres the driver would ask, by a prepared statement with a name. A cast would take the blanks
/// off a `CHAR`.
pub(super) fn as_text(column: &str) -> String {
    format!("concat({column})")
}

/// A column that holds text or NULL as `TEXT`. Where it is of another kind, such as `BYTEA`, the statement
/// fails, and the column is named as one that does not fit.
pub(super) fn text_or_null(column: &str) -> String {
    format!("COALESCE({column}, NULL::TEXT)")
}

/// A common table expression that takes an advisory lock for the user in the column `user_id` of a row.
/// Sign-ins share it. A change that has to wait for them takes it alone, and later sign-ins wait for the
/// change. A row lock is not fair: while sign-ins share it, further ones get it before a change that waits,
/// so a change can wait until it times out.
fn turn(lock: &str, user_id: &str, table: &str, id: &str) -> String {
    let lock = sign_in_lock(lock, &as_text(&quote(user_id)));
    format!(r#"turn AS (SELECT {lock} FROM {table} WHERE "id" = {id})"#)
}

/// The call of this function of Postgres that takes the lock of the sign-ins of a user.
fn sign_in_lock(lock: &str, user_id: &str) -> String {
    format!("{lock}(hashtextextended({user_id}, {SIGN_INS}))")
}

/// All that is read of a key.
fn key_columns() -> String {
    format!(
        r#"{}, {}, {}, "verified_at""#,
        as_text(r#""id""#),
        as_text(r#""user_id""#),
        text_or_null(r#""hashed_password""#),
    )
}

/// What follows `WITH`: the key `$1` of this user is deleted, unless it is the last one and this is not
/// `even_if_last`. All keys of the user are locked, so that of two that go at once the second finds itself the
/// last. Returns whether the key was there, and its owner if it was deleted.
fn key_deletion(keys: &str, user_id: &str, even_if_last: &str) -> String {
    format!(
        r#"theirs AS (
            SELECT "id" FROM {keys} WHERE "user_id" = {user_id} ORDER BY "id" FOR UPDATE
        ), deleted AS (
            DELETE FROM {keys} AS k USING theirs
            WHERE k."id" = $1 AND theirs."id" = k."id"
                AND ({even_if_last} OR (SELECT count(*) FROM theirs) > 1)
            RETURNING {owner} AS "owner"
        )
        SELECT EXISTS (SELECT 1 FROM theirs WHERE "id" = $1), (SELECT "owner" FROM deleted)"#,
        owner = as_text(r#"k."user_id""#),
    )
}

/// Deletes up to `$2` sessions that were expired at `$1`, of the user `$3` or of all, where `and` holds
/// as well. What another sweeper or a renewal holds is left to them.
fn delete_expired_sessions(sessions: &str, and: &str) -> String {
    format!(
        r#"WITH expired AS (
            SELECT s."id" FROM {sessions} AS s
            WHERE s."idle_expires" < $1 {and}
            ORDER BY s."idle_expires" LIMIT $2 FOR UPDATE OF s SKIP LOCKED
        ), deleted AS (
            DELETE FROM {sessions} AS s USING expired WHERE s."id" = expired."id" RETURNING 1
        )
        SELECT count(*) FROM deleted"#
    )
}

/// The JSON object `json` as a row `given` of the quoted table `table`.
pub(super) fn given(table: &str, json: &str) -> String {
    rows_of(table, "json_populate_record", json, "given")
}

/// The rows of the quoted table `table` that a function of Postgres makes of JSON.
///
/// It is put into a row of NULLs: into no row at all, Postgres itself puts a NULL for each other
/// column, which a domain may refuse. The row is made of the type and not read off the table, of which
/// an account of the database may see some columns and not others.
fn rows_of(table: &str, function: &str, json: &str, alias: &str) -> String {
    format!("{function}(ROW((NULL::{table}).*)::{table}, {json}::TEXT::JSON) AS {alias}")
}
