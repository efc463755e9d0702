//! The names in the database, and the statements made of them once.

use super::database::Database;
use super::errors::{Failure, Outcome};
use crate::store::tables::{SessionColumn, TableNames, check_name, has_ended, quote};
use crate::store::{ADDRESS_NOTE, SESSION_COLUMNS, StoreError};
use crate::{Error, Result};

/// The tables, and the statements over them.
pub(super) struct Tables {
    pub(super) names: TableNames,
    pub(super) user_columns: Option<Vec<String>>,
    /// The application's columns in the table of sessions.
    pub(super) session_columns: Vec<SessionColumn>,
    pub(super) sql: Statements,
}

/// Every statement whose text does not depend on the attributes of a user or session.
pub(super) struct Statements {
    pub(super) user: String,
    pub(super) any_user: String,
    pub(super) delete_user: String,
    pub(super) insert_key: String,
    pub(super) key: String,
    pub(super) user_keys: String,
    pub(super) update_key_password: String,
    pub(super) set_password: String,
    pub(super) verify_key: String,
    pub(super) rename_key: String,
    pub(super) session_of_user: String,
    pub(super) token_of_user: String,
    pub(super) unexpired_token: String,
    pub(super) give_key: String,
    pub(super) delete_other_keys: String,
    pub(super) close_keys: String,
    pub(super) delete_key: String,
    pub(super) delete_user_keys: String,
    pub(super) key_of_user: String,
    pub(super) opened_key: String,
    pub(super) other_way_in: String,
    pub(super) session: String,
    pub(super) sessions: String,
    pub(super) user_sessions: String,
    pub(super) renew_session: String,
    pub(super) rotate_session: String,
    pub(super) delete_session: String,
    pub(super) delete_user_sessions: String,
    pub(super) delete_excess_sessions: String,
    pub(super) delete_expired_sessions: String,
    pub(super) session_and_user: String,
    pub(super) sessions_and_users: String,
    pub(super) count_attempt: String,
    pub(super) attempt_end: String,
    pub(super) uncount_attempt: String,
    pub(super) uncount_last_attempt: String,
    pub(super) delete_old_attempts: String,
    pub(super) delete_former_tokens: String,
    pub(super) insert_token: String,
    pub(super) token: String,
    pub(super) take_token: String,
    pub(super) delete_token: String,
    pub(super) try_code: String,
    pub(super) delete_user_tokens: String,
    pub(super) delete_expired_tokens: String,
    pub(super) insert_mail: String,
    pub(super) claim_mail: String,
    pub(super) postpone_mail: String,
    pub(super) delete_mail: String,
    pub(super) insert_credential: String,
    pub(super) credential: String,
    pub(super) user_credentials: String,
    pub(super) replace_credential_data: String,
    pub(super) delete_credential: String,
}

/// A column that the database has.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) declared: String,
    /// Whether the database computes it.
    pub(super) generated: bool,
}

impl Column {
    /// Whether SQLite stores text that looks like a number as one in this column, by the rules of
    /// <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>.
    pub(super) fn takes_text_for_numbers(&self) -> bool {
        let declared = self.declared.to_ascii_uppercase();
        let has = |names: &[&str]| names.iter().any(|name| declared.contains(name));
        has(&["INT"]) || !(declared.is_empty() || has(&["CHAR", "CLOB", "TEXT", "BLOB"]))
    }
}

impl Tables {
    pub(super) fn new(
        names: TableNames,
        user_columns: Option<Vec<String>>,
        session_columns: &[String],
    ) -> Result<Self> {
        // Case makes no difference.
        names.check(str::eq_ignore_ascii_case)?;
        for (setting, name, _) in names.by_setting() {
            let reserved = name.get(..7);
            if reserved.is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_")) {
                let reason = format!("{name:?}: SQLite keeps names with `sqlite_` for itself");
                return Err(Error::setting(setting, reason));
            }
        }
        for column in user_columns.iter().flatten() {
            check_name("fetched_user_columns", column)?;
        }
        let session_columns = SessionColumn::parse_all(session_columns, str::to_owned)?;
        Ok(Self {
            sql: Statements::new(&names, user_columns.as_deref(), &session_columns),
            names,
            user_columns,
            session_columns,
        })
    }
}

impl Database<'_> {
    /// Checks that the tables of users, keys and sessions are there with all columns, and can hold
    /// what they have to.
    pub(super) fn check(self) -> Outcome<()> {
        let tables = self.tables;
        let user_columns = tables.user_columns.iter().flatten().map(String::as_str);
        let session_columns = tables.session_columns.iter().map(|column| &*column.name);
        let names = &tables.names;
        self.check_table(&names.user, user_columns)?;
        self.check_table(&names.key, [])?;
        self.check_table(&names.session, session_columns)
    }

    /// Checks a table, which has these columns besides lucia's own.
    pub(super) fn check_table<'a>(
        self,
        table: &str,
        others: impl IntoIterator<Item = &'a str>,
    ) -> Outcome<()> {
        let misfit =
            |column, reason: &str| Failure::Told(StoreError::schema(table, column, reason));
        let columns = self.columns(table)?;
        if columns.is_empty() {
            return Err(misfit(None, "it is missing; `migrate` makes it"));
        }
        let own = self.tables.names.columns_of(table).iter().copied();
        for name in own.chain(others) {
            let Some(column) = columns.iter().find(|column| column.name == name) else {
                return Err(misfit(Some(name), "it is missing"));
            };
            let is_id = name == "id" || name == "user_id";
            if is_id && column.takes_text_for_numbers() {
                let reason = format!(
                    "its type is {}, and has to be TEXT, or SQLite stores ids that look like numbers \
                     as such. It changes the type of no column: make the table once more, or give \
                     lucia a table of users beside yours by `user_table(..)`; the recipe \"Users who \
                     have numbers or UUIDs for ids\" shows how",
                    column.declared
                );
                return Err(misfit(Some(name), &reason));
            }
        }
        Ok(())
    }
}

/// Deletes up to `?2` sessions that were expired at `?1`, where `and` holds as well.
pub(super) fn delete_expired_sessions(names: &TableNames, and: &str) -> String {
    let session = quote(&names.session);
    format!(
        r#"DELETE FROM {session} WHERE "id" IN (SELECT s."id" FROM {session} AS s
            WHERE s."idle_expires" < ?1 {and}
            ORDER BY s."idle_expires" LIMIT ?2)"#
    )
}

impl Statements {
    fn new(
        names: &TableNames,
        user_columns: Option<&[String]>,
        own_session_columns: &[SessionColumn],
    ) -> Self {
        let user = quote(&names.user);
        let key = quote(&names.key);
        let session = quote(&names.session);
        let attempt = quote(&names.attempt);
        let (has_ended, is_old) = (has_ended("?2"), has_ended("?1"));
        // The period of this attempt, from the start of the count on; from now on where a clock that
        // is ahead began it.
        let later_end = r#"max(a."expires", ?3 - max(?2 - a."started_at", 0))"#;
        let session_columns: Vec<_> = SESSION_COLUMNS
            .into_iter()
            .chain(own_session_columns.iter().map(|column| &*column.name))
            .map(|column| format!("s.{}", quote(column)))
            .collect();
        let session_columns = session_columns.join(", ");
        // The id stands in front once more, where it is found whatever the others are.
        let user_columns = match user_columns {
            None => r#"u."id", u.*"#.to_owned(),
            Some(columns) => {
                let columns = columns.iter().map(String::as_str);
                let columns = ["id", "id"].into_iter().chain(columns);
                let columns: Vec<_> = columns.map(|it| format!("u.{}", quote(it))).collect();
                columns.join(", ")
            }
        };
        let session_and_user = format!(
            r#"SELECT {session_columns}, {user_columns} FROM {session} AS s
                JOIN {user} AS u ON u."id" = s."user_id""#
        );
        // However many they are, it is one statement.
        let among_first = r#"s."id" IN (SELECT "value" FROM json_each(?1))"#;
        let columns_of = |table: &str| -> String {
            let columns = names.columns_of(table).iter().map(|column| quote(column));
            columns.collect::<Vec<_>>().join(", ")
        };
        let key_columns = columns_of(&names.key);
        let token = quote(&names.token);
        let token_columns = columns_of(&names.token);
        let mail = quote(&names.mail);
        let mail_columns = columns_of(&names.mail);
        let credential = quote(&names.credential);
        let credential_columns = columns_of(&names.credential);

        Self {
            user: format!(r#"SELECT {user_columns} FROM {user} AS u WHERE u."id" = ?1"#),
            any_user: format!("SELECT {user_columns} FROM {user} AS u LIMIT 1"),
            delete_user: format!(r#"DELETE FROM {user} WHERE "id" = ?1"#),
            insert_key: format!("INSERT INTO {key} ({key_columns}) VALUES (?1, ?2, ?3, ?4)"),
            key: format!(r#"SELECT {key_columns} FROM {key} WHERE "id" = ?1"#),
            user_keys: format!(
                r#"SELECT {key_columns} FROM {key} WHERE "user_id" = ?1 ORDER BY "id""#
            ),
            update_key_password: format!(
                r#"UPDATE {key} SET "hashed_password" = ?3 WHERE "id" = ?1
                    AND "user_id" = ?2 AND (?4 OR "hashed_password" IS ?5)"#
            ),
            set_password: format!(
                r#"UPDATE {key} SET "hashed_password" = ?3
                    WHERE "id" = ?1 AND "user_id" = ?2 AND "hashed_password" IS NULL"#
            ),
            verify_key: format!(
                r#"UPDATE {key} SET "verified_at" = ?3
                    WHERE "id" = ?1 AND "user_id" = ?2 AND "verified_at" IS NULL"#
            ),
            rename_key: format!(
                r#"UPDATE {key} SET "id" = ?3, "verified_at" = ?4
                    WHERE "id" = ?1 AND "user_id" = ?2"#
            ),
            session_of_user: format!(
                r#"SELECT 1 FROM {session} WHERE "id" = ?1 AND "user_id" = ?2"#
            ),
            unexpired_token: format!(r#"SELECT 1 FROM {token} WHERE "id" = ?1 AND "expires" > ?2"#),
            token_of_user: format!(r#"SELECT 1 FROM {token} WHERE "id" = ?1 AND "user_id" = ?2"#),
            give_key: format!(
                r#"INSERT INTO {key} ("id", "user_id", "verified_at") VALUES (?1, ?2, ?3)
                    ON CONFLICT ("id") DO UPDATE SET "id" = excluded."id",
                    "user_id" = excluded."user_id", "verified_at" = excluded."verified_at""#
            ),
            delete_other_keys: format!(
                r#"DELETE FROM {key} WHERE "user_id" = ?1 AND "id" <> ?2
                    AND "id" COLLATE BINARY NOT IN (SELECT "value" FROM json_each(?3)) RETURNING {key_columns}"#
            ),
            close_keys: format!(
                r#"UPDATE {key} SET "hashed_password" = NULL, "verified_at" = CASE
                    WHEN "id" = ?2 THEN ?4
                    WHEN "id" COLLATE BINARY IN (SELECT "value" FROM json_each(?3)) THEN "verified_at" END
                    WHERE "user_id" = ?1"#
            ),
            delete_key: format!(
                r#"DELETE FROM {key} AS k WHERE k."id" = ?1 AND (?2 OR EXISTS (SELECT 1
                    FROM {key} AS o WHERE o."user_id" = k."user_id" AND o."id" <> k."id"))"#
            ),
            delete_user_keys: format!(r#"DELETE FROM {key} WHERE "user_id" = ?1"#),
            key_of_user: format!(
                r#"SELECT 1 FROM {key} WHERE "id" = ?1 AND "user_id" = ?2
                    AND (?3 OR "hashed_password" IS ?4)"#
            ),
            opened_key: format!(
                r#"SELECT 1 FROM {key} WHERE "id" = ?1 AND "user_id" = ?2
                    AND "hashed_password" IS ?3
                    AND ("hashed_password" IS NOT NULL OR "verified_at" IS ?4)"#
            ),
            other_way_in: format!(
                r#"SELECT 1 FROM {key} WHERE "user_id" = ?1 AND "id" <> ?2
                    AND ("verified_at" IS NOT NULL OR "hashed_password" IS NULL)
                UNION ALL SELECT 1 FROM {token}
                WHERE "user_id" IS NULL AND "expires" > ?3 AND CASE
                    WHEN "purpose" = '{ADDRESS_NOTE}' THEN "data" ->> 'user_id' = ?1 END"#
            ),
            session: format!(r#"SELECT {session_columns} FROM {session} AS s WHERE s."id" = ?1"#),
            sessions: format!("SELECT {session_columns} FROM {session} AS s WHERE {among_first}"),
            user_sessions: format!(
                r#"SELECT {session_columns} FROM {session} AS s WHERE s."user_id" = ?1
                    ORDER BY s."created_at", s."id""#
            ),
            renew_session: format!(
                r#"UPDATE {session} SET "renewed_at" = ?2, "active_expires" = ?3,
                    "idle_expires" = ?4 WHERE "id" = ?1"#
            ),
            rotate_session: format!(
                r#"UPDATE {session} SET "id" = ?2, "renewed_at" = ?3, "active_expires" = ?4,
                    "idle_expires" = ?5, "authenticated_at" = coalesce(?6, "authenticated_at")
                    WHERE "id" = ?1 AND (?7 IS NULL OR "user_id" = ?7)"#
            ),
            delete_session: format!(
                r#"DELETE FROM {session} WHERE "id" = ?1 AND (?2 IS NULL OR "user_id" = ?2)"#
            ),
            delete_user_sessions: format!(
                r#"DELETE FROM {session} WHERE "user_id" = ?1 AND (?2 IS NULL OR "id" <> ?2)"#
            ),
            delete_excess_sessions: format!(
                r#"DELETE FROM {session} WHERE "user_id" = ?1 AND "id" NOT IN (SELECT "id"
                    FROM {session} WHERE "user_id" = ?1 ORDER BY "id" = ?2 DESC,
                    "idle_expires" >= ?4 DESC, "renewed_at" DESC, "id" LIMIT ?3) RETURNING "id""#
            ),
            delete_expired_sessions: delete_expired_sessions(names, ""),
            session_and_user: format!(r#"{session_and_user} WHERE s."id" = ?1"#),
            sessions_and_users: format!("{session_and_user} WHERE {among_first}"),
            count_attempt: format!(
                r#"INSERT INTO {attempt} AS a ("id", "attempts", "started_at", "expires")
                    VALUES (?1, 1, ?2, ?3) ON CONFLICT ("id") DO UPDATE SET
                    "attempts" = CASE WHEN {has_ended} THEN 1 ELSE a."attempts" + 1 END,
                    "started_at" = CASE WHEN {has_ended} THEN ?2 ELSE a."started_at" END,
                    "expires" = CASE WHEN {has_ended} THEN ?3 ELSE {later_end} END
                    WHERE {has_ended} OR a."attempts" < ?4
                    RETURNING "started_at", "expires""#
            ),
            attempt_end: format!(r#"SELECT "expires" FROM {attempt} WHERE "id" = ?1"#),
            uncount_attempt: format!(
                r#"UPDATE {attempt} SET "attempts" = "attempts" - 1
                    WHERE "id" = ?1 AND "started_at" = ?2 AND "attempts" > 1"#
            ),
            uncount_last_attempt: format!(
                r#"DELETE FROM {attempt} WHERE "id" = ?1 AND "started_at" = ?2 AND "attempts" <= 1"#
            ),
            delete_old_attempts: format!(
                r#"DELETE FROM {attempt} WHERE "id" IN (SELECT a."id" FROM {attempt} AS a
                    WHERE {is_old} LIMIT ?2)"#
            ),
            delete_former_tokens: format!(
                r#"DELETE FROM {token} WHERE "purpose" = ?1 AND "user_id" = ?2"#
            ),
            insert_token: format!(
                "INSERT OR REPLACE INTO {token} ({token_columns})
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ),
            token: format!(r#"SELECT {token_columns} FROM {token} WHERE "id" = ?1"#),
            take_token: format!(
                r#"DELETE FROM {token} WHERE "id" = ?1 AND "hashed_code" IS ?2
                    RETURNING {token_columns}"#
            ),
            delete_token: format!(r#"DELETE FROM {token} WHERE "id" = ?1"#),
            try_code: format!(
                r#"UPDATE {token} SET "tries_left" = "tries_left" - 1
                    WHERE "id" = ?1 AND "tries_left" > 0 RETURNING {token_columns}"#
            ),
            delete_user_tokens: format!(r#"DELETE FROM {token} WHERE "user_id" = ?1"#),
            delete_expired_tokens: format!(
                r#"DELETE FROM {token} WHERE "id" IN
                    (SELECT "id" FROM {token} WHERE "expires" <= ?1 LIMIT ?2)"#
            ),
            insert_mail: format!(
                "INSERT OR IGNORE INTO {mail} ({mail_columns})
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            ),
            claim_mail: format!(
                r#"UPDATE {mail} SET "due" = ?2, "attempts" = "attempts" + 1 WHERE "id" =
                    (SELECT "id" FROM {mail} WHERE "due" <= ?1 ORDER BY "due" LIMIT 1)
                    RETURNING {mail_columns}"#
            ),
            postpone_mail: format!(
                r#"UPDATE {mail} SET "due" = ?3 WHERE "id" = ?1 AND "attempts" = ?2"#
            ),
            delete_mail: format!(r#"DELETE FROM {mail} WHERE "id" = ?1"#),
            insert_credential: format!(
                r#"INSERT INTO {credential} AS c ({credential_columns})
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                    ON CONFLICT ("id") DO UPDATE SET "name" = excluded."name",
                    "data" = excluded."data", "created_at" = excluded."created_at",
                    "last_used_at" = excluded."last_used_at"
                    WHERE c."user_id" = excluded."user_id" AND c."kind" = excluded."kind""#
            ),
            credential: format!(r#"SELECT {credential_columns} FROM {credential} WHERE "id" = ?1"#),
            user_credentials: format!(
                r#"SELECT {credential_columns} FROM {credential} WHERE "user_id" = ?1
                    AND "kind" = ?2 ORDER BY "created_at", "id""#
            ),
            replace_credential_data: format!(
                r#"UPDATE {credential} SET "data" = ?3,
                    "last_used_at" = coalesce(?4, "last_used_at")
                    WHERE "id" = ?1 AND "data" = ?2"#
            ),
            delete_credential: format!(
                r#"DELETE FROM {credential} WHERE "id" = ?1 AND "user_id" = ?2
                    AND (?3 IS NULL OR "data" = ?3)"#
            ),
        }
    }
}
