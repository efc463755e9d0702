//! The names in the database, and the statements made of them once.

use rusqlite::Connection;

use super::errors::{Failure, Outcome};
use crate::store::tables::{SessionColumn, TableNames, check_name, quote};
use crate::store::{SESSION_COLUMNS, StoreError};
use crate::{Error, Result};

/// lucia's own columns of the table of keys.
const KEY_COLUMNS: [&str; 3] = ["id", "user_id", "hashed_password"];

/// The columns of the table that attempts to sign in are counted in.
const ATTEMPT_COLUMNS: [&str; 4] = ["id", "attempts", "expires", "started_at"];

/// The tables, and the statements over them.
pub(super) struct Tables {
    pub(super) names: TableNames,
    pub(super) user_columns: Option<Vec<String>>,
    /// The columns of the application's own in the table of sessions.
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
    pub(super) change_password: String,
    pub(super) delete_key: String,
    pub(super) delete_user_keys: String,
    pub(super) key_as_opened: String,
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
        names.check()?;
        for (setting, name) in names.by_setting() {
            let reserved = name.get(..7);
            if reserved.is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_")) {
                let reason = format!("{name:?}: SQLite keeps names with `sqlite_` for itself");
                return Err(Error::setting(setting, reason));
            }
        }
        // Case makes no difference.
        names.check_distinct(str::eq_ignore_ascii_case)?;
        for column in user_columns.iter().flatten() {
            check_name("user_columns", column)?;
        }
        let session_columns: Vec<_> = session_columns
            .iter()
            .map(|column| SessionColumn::parse(column, str::to_owned))
            .collect::<Result<_>>()?;
        Ok(Self {
            sql: Statements::new(&names, user_columns.as_deref(), &session_columns),
            names,
            user_columns,
            session_columns,
        })
    }

    /// Every table with the columns that have to be there, but for that of attempts.
    fn needed_columns(&self) -> [(&str, Vec<&str>); 3] {
        let mut user = vec!["id"];
        user.extend(self.user_columns.iter().flatten().map(String::as_str));
        let mut session = SESSION_COLUMNS.to_vec();
        session.extend(self.session_columns.iter().map(|column| &*column.name));
        [
            (&self.names.user, user),
            (&self.names.key, KEY_COLUMNS.to_vec()),
            (&self.names.session, session),
        ]
    }

    /// Checks that the tables of users, keys and sessions are there with all columns, and can hold
    /// what they have to.
    pub(super) fn check(&self, connection: &Connection) -> Outcome<()> {
        check_tables(connection, &self.needed_columns())
    }

    /// Checks the table that attempts to sign in are counted in, which an application that counts
    /// none can do without.
    pub(super) fn check_attempts(&self, connection: &Connection) -> Outcome<()> {
        check_tables(
            connection,
            &[(&self.names.attempt, ATTEMPT_COLUMNS.to_vec())],
        )
    }
}

fn check_tables(connection: &Connection, tables: &[(&str, Vec<&str>)]) -> Outcome<()> {
    for &(table, ref needed) in tables {
        let misfit = |column: Option<&str>, reason: String| {
            Failure::Told(StoreError::Schema {
                table: table.to_owned(),
                column: column.map(str::to_owned),
                reason,
            })
        };
        let columns = columns(connection, table)?;
        if columns.is_empty() {
            let reason = "it is missing; `migrate` makes it".to_owned();
            return Err(misfit(None, reason));
        }
        for &name in needed {
            let Some(column) = columns.iter().find(|column| column.name == name) else {
                return Err(misfit(Some(name), "it is missing".to_owned()));
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
                return Err(misfit(Some(name), reason));
            }
        }
    }
    Ok(())
}

/// The columns of a table; none when there is no such table.
pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    // `hidden` is 1 for the arguments of virtual tables, 2 and 3 for generated columns.
    let mut statement = connection.prepare_cached(
        "SELECT name, type, hidden FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1",
    )?;
    let columns = statement.query_map([table], |row| {
        Ok(Column {
            name: row.get(0)?,
            declared: row.get(1)?,
            generated: row.get::<_, i64>(2)? != 0,
        })
    })?;
    columns.collect()
}

/// Deletes up to `?3` sessions that were expired at `?1`, of the user `?2` or of all, where `and` holds
/// as well.
fn delete_expired_sessions(session: &str, and: &str) -> String {
    format!(
        "DELETE FROM {session} WHERE \"id\" IN (SELECT s.\"id\" FROM {session} AS s \
         WHERE s.\"idle_expires\" < ?1 AND (?2 IS NULL OR s.\"user_id\" = ?2) {and} \
         ORDER BY s.\"idle_expires\" LIMIT ?3)"
    )
}

impl Statements {
    /// As [`delete_expired_sessions`](Self::delete_expired_sessions), where `and` holds as well.
    pub(super) fn delete_expired_sessions_where(names: &TableNames, and: &str) -> String {
        delete_expired_sessions(&quote(&names.session), and)
    }

    fn new(
        names: &TableNames,
        user_columns: Option<&[String]>,
        own_session_columns: &[SessionColumn],
    ) -> Self {
        let user = quote(&names.user);
        let key = quote(&names.key);
        let session = quote(&names.session);
        let attempt = quote(&names.attempt);
        // By differences: a sum of such times can be out of range.
        let has_ended = |now: &str| {
            format!(
                "(a.\"expires\" <= {now} \
                 OR a.\"started_at\" - {now} > a.\"expires\" - a.\"started_at\")"
            )
        };
        let (has_ended, is_old) = (has_ended("?2"), has_ended("?1"));
        // The period of this attempt, from the start of the count on; from now on where a clock that
        // is ahead began it.
        let later_end = "max(a.\"expires\", ?3 - max(?2 - a.\"started_at\", 0))";
        let session_columns: Vec<_> = SESSION_COLUMNS
            .into_iter()
            .chain(own_session_columns.iter().map(|column| &*column.name))
            .map(|column| format!("s.{}", quote(column)))
            .collect();
        let session_columns = session_columns.join(", ");
        // The id stands in front once more, where it is found whatever the others are.
        let user_columns = match user_columns {
            None => "u.\"id\", u.*".to_owned(),
            Some(columns) => {
                let mut list = "u.\"id\", u.\"id\"".to_owned();
                for column in columns.iter().filter(|column| *column != "id") {
                    list.push_str(", u.");
                    list.push_str(&quote(column));
                }
                list
            }
        };
        let session_and_user = format!(
            "SELECT {session_columns}, {user_columns} FROM {session} AS s \
             JOIN {user} AS u ON u.\"id\" = s.\"user_id\""
        );
        // However many they are, it is one statement.
        let among_first = "s.\"id\" IN (SELECT \"value\" FROM json_each(?1))";
        let key_columns = KEY_COLUMNS.map(quote).join(", ");

        Self {
            user: format!("SELECT {user_columns} FROM {user} AS u WHERE u.\"id\" = ?1"),
            any_user: format!("SELECT {user_columns} FROM {user} AS u LIMIT 1"),
            delete_user: format!("DELETE FROM {user} WHERE \"id\" = ?1"),
            insert_key: format!("INSERT INTO {key} ({key_columns}) VALUES (?1, ?2, ?3)"),
            key: format!("SELECT {key_columns} FROM {key} WHERE \"id\" = ?1"),
            user_keys: format!(
                "SELECT {key_columns} FROM {key} WHERE \"user_id\" = ?1 ORDER BY \"id\""
            ),
            update_key_password: format!(
                "UPDATE {key} SET \"hashed_password\" = ?3 WHERE \"id\" = ?1 \
                 AND \"user_id\" = ?2 AND (?4 IS NULL OR \"hashed_password\" = ?4)"
            ),
            change_password: format!(
                "UPDATE {key} SET \"hashed_password\" = ?3 WHERE \"id\" = ?1 AND \"user_id\" = ?2"
            ),
            delete_key: format!(
                "DELETE FROM {key} AS k WHERE k.\"id\" = ?1 AND (?2 OR EXISTS (SELECT 1 \
                 FROM {key} AS o WHERE o.\"user_id\" = k.\"user_id\" AND o.\"id\" <> k.\"id\"))"
            ),
            delete_user_keys: format!("DELETE FROM {key} WHERE \"user_id\" = ?1"),
            key_as_opened: format!(
                "SELECT 1 FROM {key} \
                 WHERE \"id\" = ?1 AND \"user_id\" = ?2 AND \"hashed_password\" IS ?3"
            ),
            session: format!("SELECT {session_columns} FROM {session} AS s WHERE s.\"id\" = ?1"),
            sessions: format!("SELECT {session_columns} FROM {session} AS s WHERE {among_first}"),
            user_sessions: format!(
                "SELECT {session_columns} FROM {session} AS s WHERE s.\"user_id\" = ?1 \
                 ORDER BY s.\"created_at\", s.\"id\""
            ),
            renew_session: format!(
                "UPDATE {session} SET \"renewed_at\" = ?2, \"active_expires\" = ?3, \
                 \"idle_expires\" = ?4 WHERE \"id\" = ?1"
            ),
            rotate_session: format!(
                "UPDATE {session} SET \"id\" = ?2, \"renewed_at\" = ?3, \"active_expires\" = ?4, \
                 \"idle_expires\" = ?5, \"authenticated_at\" = coalesce(?6, \"authenticated_at\") \
                 WHERE \"id\" = ?1 AND (?7 IS NULL OR \"user_id\" = ?7)"
            ),
            delete_session: format!(
                "DELETE FROM {session} WHERE \"id\" = ?1 AND (?2 IS NULL OR \"user_id\" = ?2)"
            ),
            delete_user_sessions: format!(
                "DELETE FROM {session} WHERE \"user_id\" = ?1 AND (?2 IS NULL OR \"id\" <> ?2)"
            ),
            delete_excess_sessions: format!(
                "DELETE FROM {session} WHERE \"user_id\" = ?1 AND \"id\" NOT IN (SELECT \"id\" \
                 FROM {session} WHERE \"user_id\" = ?1 ORDER BY \"id\" = ?2 DESC, \
                 \"idle_expires\" >= ?4 DESC, \"renewed_at\" DESC, \"id\" LIMIT ?3)"
            ),
            delete_expired_sessions: delete_expired_sessions(&session, ""),
            session_and_user: format!("{session_and_user} WHERE s.\"id\" = ?1"),
            sessions_and_users: format!("{session_and_user} WHERE {among_first}"),
            count_attempt: format!(
                "INSERT INTO {attempt} AS a (\"id\", \"attempts\", \"started_at\", \"expires\") \
                 VALUES (?1, 1, ?2, ?3) ON CONFLICT (\"id\") DO UPDATE SET \
                 \"attempts\" = CASE WHEN {has_ended} THEN 1 ELSE a.\"attempts\" + 1 END, \
                 \"started_at\" = CASE WHEN {has_ended} THEN ?2 ELSE a.\"started_at\" END, \
                 \"expires\" = CASE WHEN {has_ended} THEN ?3 ELSE {later_end} END \
                 WHERE {has_ended} OR a.\"attempts\" < ?4 \
                 RETURNING \"started_at\", \"expires\""
            ),
            attempt_end: format!("SELECT \"expires\" FROM {attempt} WHERE \"id\" = ?1"),
            uncount_attempt: format!(
                "UPDATE {attempt} SET \"attempts\" = \"attempts\" - 1 \
                 WHERE \"id\" = ?1 AND \"started_at\" = ?2 AND \"attempts\" > 1"
            ),
            uncount_last_attempt: format!(
                "DELETE FROM {attempt} \
                 WHERE \"id\" = ?1 AND \"started_at\" = ?2 AND \"attempts\" <= 1"
            ),
            delete_old_attempts: format!(
                "DELETE FROM {attempt} WHERE \"id\" IN (SELECT a.\"id\" FROM {attempt} AS a \
                 WHERE {is_old} LIMIT ?2)"
            ),
        }
    }
}
