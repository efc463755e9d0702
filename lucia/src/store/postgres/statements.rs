//! The SQL, written once for the names of the tables.

use serde_json::{Map, Value};

use crate::store::tables::{TableNames, quote};

/// Every statement that does not depend on which columns are written.
pub(super) struct Statements {
    /// A user `u` as JSON, with the columns that were asked for.
    user_json: String,

    pub(super) user: String,
    pub(super) any_user: String,
    pub(super) delete_user: String,

    pub(super) insert_key: String,
    pub(super) key: String,
    pub(super) user_keys: String,
    pub(super) update_key_password: String,
    pub(super) delete_key: String,
    pub(super) delete_user_keys: String,

    pub(super) session_and_user: String,
    pub(super) insert_session: String,
    pub(super) session: String,
    pub(super) user_sessions: String,
    pub(super) renew_session: String,
    pub(super) delete_session: String,
    pub(super) delete_user_sessions: String,
    pub(super) delete_dead_sessions: String,
}

impl Statements {
    pub(super) fn new(tables: &TableNames, user_columns: Option<&[String]>) -> Self {
        let user_json = match user_columns {
            None => "row_to_json(u)::TEXT".to_owned(),
            Some(columns) => {
                let columns: String = columns
                    .iter()
                    .map(|column| format!(", u.{}", quote(column)))
                    .collect();
                format!(
                    "(SELECT row_to_json(fetched)::TEXT FROM (SELECT u.\"id\"{columns}) AS fetched)"
                )
            }
        };
        let users = tables.quoted(&tables.user);
        let keys = tables.quoted(&tables.key);
        let sessions = tables.quoted(&tables.session);
        let key = r#""id", "user_id", "hashed_password""#;
        let session = r#"s."id", s."user_id", s."created_at", s."renewed_at", s."active_expires", s."idle_expires", s."device""#;

        Self {
            user: format!(r#"SELECT u."id", {user_json} FROM {users} AS u WHERE u."id" = $1"#),
            any_user: format!(r#"SELECT u."id", {user_json} FROM {users} AS u LIMIT 1"#),
            // Locks the user first, so that nothing more can come to refer to them.
            delete_user: format!(
                r#"WITH doomed AS (SELECT "id" FROM {users} WHERE "id" = $1 FOR UPDATE),
                    their_sessions AS
                        (DELETE FROM {sessions} AS s USING doomed WHERE s."user_id" = doomed."id"),
                    their_keys AS
                        (DELETE FROM {keys} AS k USING doomed WHERE k."user_id" = doomed."id")
                DELETE FROM {users} AS u USING doomed WHERE u."id" = doomed."id""#
            ),

            insert_key: format!("INSERT INTO {keys} ({key}) VALUES ($1, $2, $3)"),
            key: format!(r#"SELECT {key} FROM {keys} WHERE "id" = $1"#),
            user_keys: format!(r#"SELECT {key} FROM {keys} WHERE "user_id" = $1 ORDER BY "id""#),
            update_key_password: format!(
                r#"UPDATE {keys} SET "hashed_password" = $2
                WHERE "id" = $1 AND ($3::TEXT IS NULL OR "hashed_password" = $3) RETURNING 1"#
            ),
            delete_key: format!(r#"DELETE FROM {keys} WHERE "id" = $1"#),
            delete_user_keys: format!(r#"DELETE FROM {keys} WHERE "user_id" = $1"#),

            session_and_user: format!(
                r#"SELECT {session}, u."id", {user_json}
                FROM {sessions} AS s JOIN {users} AS u ON u."id" = s."user_id"
                WHERE s."id" = $1"#
            ),
            insert_session: format!(
                r#"INSERT INTO {sessions} ("id", "user_id", "created_at", "renewed_at",
                    "active_expires", "idle_expires", "device")
                VALUES ($1, $2, $3, $4, $5, $6, $7)"#
            ),
            session: format!(r#"SELECT {session} FROM {sessions} AS s WHERE s."id" = $1"#),
            user_sessions: format!(
                r#"SELECT {session} FROM {sessions} AS s WHERE s."user_id" = $1
                ORDER BY s."created_at", s."id""#
            ),
            renew_session: format!(
                r#"UPDATE {sessions}
                SET "renewed_at" = $2, "active_expires" = $3, "idle_expires" = $4
                WHERE "id" = $1 RETURNING 1"#
            ),
            delete_session: format!(
                r#"DELETE FROM {sessions}
                WHERE "id" = $1 AND ($2::TEXT IS NULL OR "user_id" = $2) RETURNING 1"#
            ),
            delete_user_sessions: format!(
                r#"DELETE FROM {sessions}
                WHERE "user_id" = $1 AND ($2::TEXT IS NULL OR "id" <> $2)"#
            ),
            // What another sweeper or a renewal holds is left to them.
            delete_dead_sessions: format!(
                r#"WITH dead AS (
                    SELECT "id" FROM {sessions} WHERE "idle_expires" < $1
                    ORDER BY "idle_expires" LIMIT $2 FOR UPDATE SKIP LOCKED
                ), deleted AS (
                    DELETE FROM {sessions} AS s USING dead WHERE s."id" = dead."id" RETURNING 1
                )
                SELECT count(*) FROM deleted"#
            ),
            user_json,
        }
    }

    /// Inserts a user `$1` with the attributes in the JSON `$2`, and with their key `$3` with hash
    /// `$4`. Postgres itself turns each value into the type of its column.
    pub(super) fn insert_user(
        &self,
        tables: &TableNames,
        attributes: &Map<String, Value>,
        with_key: bool,
    ) -> String {
        let users = tables.quoted(&tables.user);
        let keys = tables.quoted(&tables.key);
        let user_json = &self.user_json;
        let (mut columns, mut values) = (String::new(), String::new());
        for name in attributes.keys().map(|name| quote(name)) {
            columns.push_str(&format!(", {name}"));
            values.push_str(&format!(", given.{name}"));
        }
        let insert = format!(r#"INSERT INTO {users} ("id"{columns}) SELECT $1{values}"#);
        let given = format!("json_populate_record(NULL::{users}, $2::TEXT::JSON) AS given");
        // The user is inserted from the key, so that a taken key is found before a taken name.
        // What the key refers to is looked for when the whole statement is done.
        let new_user = if with_key {
            format!(
                r#"new_key AS (INSERT INTO {keys} ("id", "user_id", "hashed_password")
                    VALUES ($3, $1, $4) RETURNING 1),
                new_user AS ({insert} FROM new_key, {given} RETURNING *)"#
            )
        } else {
            format!("new_user AS ({insert} FROM {given} RETURNING *)")
        };
        format!(r#"WITH {new_user} SELECT u."id", {user_json} FROM new_user AS u"#)
    }

    /// Sets columns of the user `$1` to the attributes in the JSON `$2`.
    pub(super) fn update_user(
        &self,
        tables: &TableNames,
        attributes: &Map<String, Value>,
    ) -> String {
        let users = tables.quoted(&tables.user);
        let user_json = &self.user_json;
        let names = attributes.keys().map(|name| quote(name));
        let set: Vec<_> = names.map(|name| format!("{name} = given.{name}")).collect();
        format!(
            r#"UPDATE {users} AS u SET {}
            FROM json_populate_record(NULL::{users}, $2::TEXT::JSON) AS given
            WHERE u."id" = $1 RETURNING u."id", {user_json}"#,
            set.join(", ")
        )
    }
}
