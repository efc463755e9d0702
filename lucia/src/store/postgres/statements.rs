//! The SQL, written once for the names of the tables.

use serde_json::{Map, Value};

use crate::store::tables::{TableNames, index, quote};
use crate::token::SessionToken;

/// How the table of sessions names a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredIds {
    /// By the SHA-256 of its token: what is stored signs nobody in.
    #[default]
    Hashed,
    /// By its token, as Lucia v2 does: for an application of Lucia's on the same tables.
    /// **Whoever reads the database can sign in as anybody.**
    LuciaTokens,
    /// By the SHA-256 of its token from now on. A session that Lucia v2 made is good as well, and
    /// stored by its hash from its first use on; Lucia then knows it no more.
    LuciaTokensAdopted,
}

impl StoredIds {
    /// The public id of the session `s`. The index of [`index`](Self::index) has the same
    /// expression.
    fn public(self) -> &'static str {
        match self {
            Self::Hashed => r#"s."id""#,
            Self::LuciaTokens => r#"encode(sha256(s."id"::BYTEA), 'hex')"#,
            // A hash is longer than any token.
            Self::LuciaTokensAdopted => {
                r#"CASE WHEN length(s."id") = 64 THEN s."id" ELSE encode(sha256(s."id"::BYTEA), 'hex') END"#
            }
        }
    }

    /// Whether the session `s` has the public id in the parameter.
    fn is(self, parameter: &str) -> String {
        format!("{} = {parameter}", self.public())
    }

    /// What finds a session of a public id quickly, where the primary key does not.
    pub(super) fn index(self, tables: &TableNames) -> Option<String> {
        let expression = match self {
            Self::Hashed => return None,
            Self::LuciaTokens | Self::LuciaTokensAdopted => self.public().replace("s.", ""),
        };
        let name = index(&tables.session, "_public_id_idx");
        let table = tables.quoted(&tables.session);
        Some(format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {table} (({expression}))"
        ))
    }

    /// What is stored as the id of a session with this token.
    pub(super) fn stored(self, token: &SessionToken) -> String {
        match self {
            Self::Hashed | Self::LuciaTokensAdopted => token.session_id().as_str().to_owned(),
            Self::LuciaTokens => token.expose().to_owned(),
        }
    }
}

/// Every statement that does not depend on which columns are written.
pub(super) struct Statements {
    /// A user `u` as JSON, with the columns that were asked for.
    user_json: String,
    /// All that is read of a session `s`.
    session: String,
    ids: StoredIds,

    pub(super) user: String,
    pub(super) any_user: String,
    pub(super) delete_user: String,

    pub(super) insert_key: String,
    pub(super) key: String,
    pub(super) user_keys: String,
    pub(super) update_key_password: String,
    pub(super) change_password: String,
    pub(super) delete_key: String,
    pub(super) delete_user_keys: String,

    pub(super) session_and_user: String,
    pub(super) sessions_and_users: String,
    pub(super) get_session: String,
    pub(super) user_sessions: String,
    pub(super) renew_session: String,
    pub(super) rotate_session: String,
    pub(super) adopt_session: String,
    pub(super) delete_session: String,
    pub(super) delete_user_sessions: String,
    pub(super) delete_excess_sessions: String,
    pub(super) delete_dead_sessions: String,
}

impl Statements {
    pub(super) fn new(
        tables: &TableNames,
        user_columns: Option<&[String]>,
        session_columns: &[String],
        ids: StoredIds,
    ) -> Self {
        let json = |columns: String| {
            format!("(SELECT row_to_json(fetched)::TEXT FROM (SELECT {columns}) AS fetched)")
        };
        let list = |alias: &str, columns: &[String]| {
            let columns: Vec<_> = columns
                .iter()
                .map(|column| format!("{alias}.{}", quote(column)))
                .collect();
            columns.join(", ")
        };
        let user_json = match user_columns {
            None => "row_to_json(u)::TEXT".to_owned(),
            Some([]) => json(r#"u."id""#.to_owned()),
            Some(columns) => json(format!(r#"u."id", {}"#, list("u", columns))),
        };
        let session_json = match session_columns {
            [] => "'{}'".to_owned(),
            columns => json(list("s", columns)),
        };
        let users = tables.quoted(&tables.user);
        let keys = tables.quoted(&tables.key);
        let sessions = tables.quoted(&tables.session);
        let key = r#""id", "user_id", "hashed_password""#;
        let public_id = ids.public();
        let session = format!(
            r#"{public_id}, s."user_id", s."created_at", s."authenticated_at", s."renewed_at", s."active_expires", s."idle_expires", s."device", s."address", {session_json}"#
        );
        let is_first = ids.is("$1");
        let session_and_user = format!(
            r#"SELECT {session}, s."id", u."id", {user_json}
            FROM {sessions} AS s JOIN {users} AS u ON u."id" = s."user_id""#
        );

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
            // The key is locked first, so that it is there for the rest. The session that is kept
            // is found by its old id in all parts of the statement.
            change_password: format!(
                r#"WITH locked AS (
                    SELECT "id" FROM {keys} WHERE "id" = $1 AND "user_id" = $2 FOR UPDATE
                ), kept AS (
                    UPDATE {sessions} AS s
                    SET "id" = $5, "renewed_at" = $6, "active_expires" = $7, "idle_expires" = $8,
                        "authenticated_at" = COALESCE($9, s."authenticated_at")
                    FROM locked WHERE {is_fourth} AND s."user_id" = $2
                    RETURNING 1
                ), changed AS (
                    UPDATE {keys} AS k SET "hashed_password" = $3
                    FROM locked
                    WHERE k."id" = locked."id"
                        AND ($4::TEXT IS NULL OR EXISTS (SELECT 1 FROM kept))
                    RETURNING 1
                ), ended AS (
                    DELETE FROM {sessions} AS s USING changed
                    WHERE s."user_id" = $2 AND ($4::TEXT IS NULL OR NOT {is_fourth})
                )
                SELECT 1 FROM changed"#,
                is_fourth = format_args!("({})", ids.is("$4")),
            ),
            // All keys of the user are locked, in order, so that of two that go at once the
            // second finds itself the last.
            delete_key: format!(
                r#"WITH theirs AS (
                    SELECT "id" FROM {keys}
                    WHERE "user_id" = (SELECT "user_id" FROM {keys} WHERE "id" = $1)
                    ORDER BY "id" FOR UPDATE
                ), deleted AS (
                    DELETE FROM {keys} AS k USING theirs
                    WHERE k."id" = $1 AND theirs."id" = k."id"
                        AND ($2 OR (SELECT count(*) FROM theirs) > 1)
                    RETURNING 1
                )
                SELECT EXISTS (SELECT 1 FROM theirs WHERE "id" = $1),
                    EXISTS (SELECT 1 FROM deleted)"#
            ),
            delete_user_keys: format!(r#"DELETE FROM {keys} WHERE "user_id" = $1"#),

            session_and_user: format!("{session_and_user} WHERE {is_first}"),
            sessions_and_users: format!("{session_and_user} WHERE {}", ids.is("ANY($1::TEXT[])")),
            get_session: format!("SELECT {session} FROM {sessions} AS s WHERE {is_first}"),
            user_sessions: format!(
                r#"SELECT {session} FROM {sessions} AS s WHERE s."user_id" = $1
                ORDER BY s."created_at", s."id""#
            ),
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
            adopt_session: format!(r#"UPDATE {sessions} SET "id" = $2 WHERE "id" = $1"#),
            delete_session: format!(
                r#"DELETE FROM {sessions} AS s
                WHERE {is_first} AND ($2::TEXT IS NULL OR s."user_id" = $2) RETURNING 1"#
            ),
            delete_user_sessions: format!(
                r#"DELETE FROM {sessions} AS s
                WHERE s."user_id" = $1 AND ($2::TEXT IS NULL OR NOT ({}))"#,
                ids.is("$2")
            ),
            // Locked in one order by all who do this, since two may want the same rows.
            delete_excess_sessions: format!(
                r#"WITH excess AS (
                    SELECT s."id" FROM {sessions} AS s WHERE s."user_id" = $1
                    ORDER BY ({is_second}) DESC, (s."idle_expires" >= $4) DESC,
                        s."renewed_at" DESC, s."id"
                    OFFSET $3
                ), locked AS (
                    SELECT s."id" FROM {sessions} AS s JOIN excess ON excess."id" = s."id"
                    ORDER BY s."id" FOR UPDATE OF s
                )
                DELETE FROM {sessions} AS s USING locked WHERE s."id" = locked."id""#,
                is_second = ids.is("$2"),
            ),
            // What another sweeper or a renewal holds is left to them.
            delete_dead_sessions: format!(
                r#"WITH dead AS (
                    SELECT "id" FROM {sessions}
                    WHERE "idle_expires" < $1 AND ($3::TEXT IS NULL OR "user_id" = $3)
                    ORDER BY "idle_expires" LIMIT $2 FOR UPDATE SKIP LOCKED
                ), deleted AS (
                    DELETE FROM {sessions} AS s USING dead WHERE s."id" = dead."id" RETURNING 1
                )
                SELECT count(*) FROM deleted"#
            ),
            user_json,
            session,
            ids,
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
        let given = given(&users, "$2");
        // The user is inserted from the key, so that a taken key is found before a taken name.
        // What the key refers to is looked for when the whole statement is done.
        let new_user = if with_key {
            format!(
                r#"new_key AS (INSERT INTO {keys} ("id", "user_id", "hashed_password")
                    VALUES ($3, $1, $4) RETURNING 1),
                new_user AS ({insert} FROM new_key CROSS JOIN {given} RETURNING *)"#
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
        let names: Vec<_> = attributes.keys().map(|name| quote(name)).collect();
        let values: Vec<_> = names.iter().map(|name| format!("given.{name}")).collect();
        format!(
            r#"UPDATE {users} AS u SET ({}) =
                (SELECT {} FROM json_populate_record(u, $2::TEXT::JSON) AS given)
            WHERE u."id" = $1 RETURNING u."id", {user_json}"#,
            names.join(", "),
            values.join(", ")
        )
    }

    /// Inserts a session, with the attributes in the JSON `$9`, in place of the one whose public
    /// id is `$10`.
    pub(super) fn insert_session(
        &self,
        tables: &TableNames,
        attributes: &Map<String, Value>,
    ) -> String {
        let sessions = tables.quoted(&tables.session);
        let session = &self.session;
        let is_replaced = self.ids.is("$10");
        let (mut columns, mut values) = (String::new(), String::new());
        for name in attributes.keys().map(|name| quote(name)) {
            columns.push_str(&format!(", {name}"));
            values.push_str(&format!(", given.{name}"));
        }
        let given = if attributes.is_empty() {
            // The parameter is named all the same, so that the others keep their numbers.
            "(SELECT $9::TEXT) AS given".to_owned()
        } else {
            given(&sessions, "$9")
        };
        format!(
            r#"WITH replaced AS (DELETE FROM {sessions} AS s WHERE {is_replaced}),
            inserted AS (
                INSERT INTO {sessions} ("id", "user_id", "created_at", "authenticated_at",
                    "renewed_at", "active_expires", "idle_expires", "device", "address"{columns})
                SELECT $1, $2, $3::BIGINT, $4::BIGINT, $5::BIGINT, $6::BIGINT, $7::BIGINT,
                    $8::TEXT, $11::TEXT{values}
                FROM {given}
                RETURNING *
            )
            SELECT {session} FROM inserted AS s"#
        )
    }

    /// Sets columns of the session `$1` to the attributes in the JSON `$2`.
    pub(super) fn update_session(
        &self,
        tables: &TableNames,
        attributes: &Map<String, Value>,
    ) -> String {
        let sessions = tables.quoted(&tables.session);
        let session = &self.session;
        let is_first = self.ids.is("$1");
        let names: Vec<_> = attributes.keys().map(|name| quote(name)).collect();
        let values: Vec<_> = names.iter().map(|name| format!("given.{name}")).collect();
        format!(
            r#"UPDATE {sessions} AS s SET ({}) =
                (SELECT {} FROM json_populate_record(s, $2::TEXT::JSON) AS given)
            WHERE {is_first} RETURNING {session}"#,
            names.join(", "),
            values.join(", ")
        )
    }
}

/// The JSON object `json` as a row `given` of the quoted table `table`.
///
/// It is put into a row of NULLs that is there, from a join that finds nothing: into no row at
/// all, Postgres puts a NULL of its own for each other column, which a domain may refuse.
pub(super) fn given(table: &str, json: &str) -> String {
    format!(
        "(SELECT) AS one LEFT JOIN {table} AS empty ON FALSE \
         CROSS JOIN LATERAL json_populate_record(ROW(empty.*)::{table}, {json}::TEXT::JSON) AS given"
    )
}
