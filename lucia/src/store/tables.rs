//! What the SQL stores share: names of tables and columns, and the definitions of columns.

use super::SESSION_COLUMNS;
use super::migrations::RECORD;
use crate::store::{NewAttempt, StoreError};
use crate::{Error, Result};

/// Postgres cuts longer names off silently; SQLite has no limit.
pub(crate) const MAX_NAME: usize = 63;

/// The function of the triggers that tell caches of changes: one for all tables of a schema, so that
/// no name is made out of a table's.
pub(crate) const CHANGED_FUNCTION: &str = "lucia_changed";

/// The function of the triggers that leave a row for each change, and the table of these rows.
pub(crate) const RECORD_CHANGE_FUNCTION: &str = "lucia_record_change";
pub(crate) const CHANGE_TABLE: &str = "lucia_change";
/// The table by which processes see how old the data of a replica is. All stores of a schema share it: a row
/// belongs to a process.
pub(crate) const HEARTBEAT: &str = "lucia_heartbeat";

/// lucia's own columns of a table.
type Columns = &'static [&'static str];
const KEY_COLUMNS: Columns = &["id", "user_id", "hashed_password", "verified_at"];
const ATTEMPT_COLUMNS: Columns = &["id", "attempts", "expires", "started_at"];
const TOKEN_COLUMNS: Columns = &[
    "id",
    "purpose",
    "user_id",
    "data",
    "hashed_code",
    "tries_left",
    "created_at",
    "expires",
];
const MAIL_COLUMNS: Columns = &[
    "id",
    "recipient",
    "subject",
    "text",
    "html",
    "attempts",
    "created_at",
    "expires",
    "due",
];
const CREDENTIAL_COLUMNS: Columns = &[
    "id",
    "user_id",
    "kind",
    "name",
    "data",
    "created_at",
    "last_used_at",
];

/// The names of lucia's tables.
#[derive(Clone, Debug)]
pub(crate) struct TableNames {
    pub(crate) schema: Option<String>,
    pub(crate) user: String,
    pub(crate) key: String,
    pub(crate) session: String,
    pub(crate) attempt: String,
    pub(crate) token: String,
    pub(crate) mail: String,
    pub(crate) credential: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self {
            schema: None,
            user: "auth_user".to_owned(),
            key: "user_key".to_owned(),
            session: "user_session".to_owned(),
            attempt: "sign_in_attempt".to_owned(),
            token: "one_time_token".to_owned(),
            mail: "outgoing_mail".to_owned(),
            credential: "user_credential".to_owned(),
        }
    }
}

impl TableNames {
    /// Refuses a name that cannot be one, and the later of two tables of one name. `is_same` says which
    /// names are the same to the database.
    pub(crate) fn check(&self, is_same: fn(&str, &str) -> bool) -> Result<()> {
        if let Some(schema) = &self.schema {
            check_name("schema", schema)?;
        }
        let names = self.by_setting();
        for (at, (setting, name, _)) in names.into_iter().enumerate() {
            check_name(setting, name)?;
            let own = [
                (RECORD, "says which migrations have run"),
                (HEARTBEAT, "says how old the data of a replica is"),
            ];
            for (own, what) in own {
                if name.eq_ignore_ascii_case(own) {
                    let reason = format!("`{own}` is the table that {what}");
                    return Err(Error::setting(setting, reason));
                }
            }
            if names[..at].iter().any(|(_, other, _)| is_same(name, other)) {
                let reason = format!("{name:?}: each table needs a name of its own");
                return Err(Error::setting(setting, reason));
            }
        }
        Ok(())
    }

    /// Each table: the setting that names it, its name, and lucia's own columns.
    pub(crate) fn by_setting(&self) -> [(&'static str, &str, Columns); 7] {
        [
            ("user_table", &self.user, &["id"]),
            ("key_table", &self.key, KEY_COLUMNS),
            ("session_table", &self.session, &SESSION_COLUMNS),
            ("attempt_table", &self.attempt, ATTEMPT_COLUMNS),
            ("token_table", &self.token, TOKEN_COLUMNS),
            ("mail_table", &self.mail, MAIL_COLUMNS),
            ("credential_table", &self.credential, CREDENTIAL_COLUMNS),
        ]
    }

    /// lucia's own columns of this one of the tables.
    pub(crate) fn columns_of(&self, table: &str) -> Columns {
        let mut tables = self.by_setting().into_iter();
        let found = tables.find(|(_, name, _)| *name == table);
        found.map_or(&[], |(_, _, columns)| columns)
    }

    /// The tables that the first migration makes.
    pub(crate) fn first(&self) -> Vec<&str> {
        vec![&self.user, &self.key, &self.session, &self.attempt]
    }

    /// The table of one-time tokens, which a later migration makes.
    pub(crate) fn tokens(&self) -> Vec<&str> {
        vec![&self.token]
    }

    /// The table of mails that wait to be sent, which a later migration makes.
    pub(crate) fn mails(&self) -> Vec<&str> {
        vec![&self.mail]
    }

    /// The table of credentials of users, which a later migration makes.
    pub(crate) fn credentials(&self) -> Vec<&str> {
        vec![&self.credential]
    }

    /// The quoted name of a table, with its schema.
    pub(crate) fn quoted(&self, table: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(table)),
            None => quote(table),
        }
    }

    /// `sql`, written for the default names, for these ones. It names tables, indexes
    /// and functions in double quotes only.
    pub(crate) fn apply(&self, sql: &str) -> String {
        // Every second part was between quotes.
        let parts = sql.split('"').enumerate();
        parts
            .map(|(at, part)| match at % 2 {
                0 => part.to_owned(),
                _ => self.renamed(part),
            })
            .collect()
    }

    /// The quoted name of these tables for a default one. An index stands without a schema, since it
    /// lives where its table does.
    fn renamed(&self, name: &str) -> String {
        if [
            CHANGED_FUNCTION,
            RECORD_CHANGE_FUNCTION,
            CHANGE_TABLE,
            HEARTBEAT,
        ]
        .contains(&name)
        {
            return self.quoted(name);
        }
        let default = Self::default();
        for ((_, default, _), (_, table, _)) in default.by_setting().iter().zip(self.by_setting()) {
            match name.strip_prefix(default) {
                Some("") => return self.quoted(table),
                Some(rest) if rest.ends_with("_idx") => return index(table, rest),
                _ => {}
            }
        }
        quote(name)
    }
}

/// The setters of the names of tables, for the builder of a store that keeps them in the field `$names`.
macro_rules! table_setters {
    ($names:ident) => {
        /// The name of the user table; `auth_user` by default.
        pub fn user_table(mut self, name: impl Into<String>) -> Self {
            self.$names.user = name.into();
            self
        }

        /// The name of the key table; `user_key` by default.
        pub fn key_table(mut self, name: impl Into<String>) -> Self {
            self.$names.key = name.into();
            self
        }

        /// The name of the session table; `user_session` by default.
        pub fn session_table(mut self, name: impl Into<String>) -> Self {
            self.$names.session = name.into();
            self
        }

        /// The name of the table in which sign-in attempts are counted; `sign_in_attempt` by default.
        pub fn attempt_table(mut self, name: impl Into<String>) -> Self {
            self.$names.attempt = name.into();
            self
        }

        /// The name of the table of one-time tokens; `one_time_token` by default.
        pub fn token_table(mut self, name: impl Into<String>) -> Self {
            self.$names.token = name.into();
            self
        }

        /// The name of the table of mails that wait to be sent; `outgoing_mail` by default.
        pub fn mail_table(mut self, name: impl Into<String>) -> Self {
            self.$names.mail = name.into();
            self
        }

        /// The name of the table of credentials of users; `user_credential` by default.
        pub fn credential_table(mut self, name: impl Into<String>) -> Self {
            self.$names.credential = name.into();
            self
        }
    };
}
pub(crate) use table_setters;

/// The quoted name of an index of `table`. A name that is too long is cut in its middle: the ends
/// of two tables' names differ where their beginnings do not.
pub(crate) fn index(table: &str, rest: &str) -> String {
    let too_long = (table.len() + rest.len()).saturating_sub(MAX_NAME);
    if too_long == 0 {
        return quote(&format!("{table}{rest}"));
    }
    let keep = table.len() - too_long;
    let head = (0..=keep / 2)
        .rev()
        .find(|end| table.is_char_boundary(*end));
    let tail = (table.len() - keep / 2..=table.len()).find(|start| table.is_char_boundary(*start));
    let (head, tail) = (head.unwrap_or(0), tail.unwrap_or(table.len()));
    quote(&format!("{}{}{rest}", &table[..head], &table[tail..]))
}

/// A column of the application's in the table of sessions.
#[derive(Clone, Debug)]
pub(crate) struct SessionColumn {
    pub(crate) name: String,
    /// How to make it, if the application said so.
    pub(crate) definition: Option<String>,
}

impl SessionColumn {
    /// Reads columns, each a name alone or a definition such as `country TEXT`. Refuses what is
    /// neither, and lucia's columns.
    pub(crate) fn parse_all(columns: &[String], fold: fn(&str) -> String) -> Result<Vec<Self>> {
        columns.iter().map(|text| Self::parse(text, fold)).collect()
    }

    fn parse(text: &str, fold: fn(&str) -> String) -> Result<Self> {
        const SETTING: &str = "session_columns";
        let column = match column_name(text, fold) {
            Ok(name) => Self {
                name,
                definition: Some(text.to_owned()),
            },
            Err(_) => Self {
                name: text.to_owned(),
                definition: None,
            },
        };
        check_name(SETTING, &column.name)?;
        let is_own = |own: &&&str| own.eq_ignore_ascii_case(&column.name);
        match SESSION_COLUMNS.iter().find(is_own) {
            Some(own) => {
                let reason = format!("`{own}` is a column of lucia's");
                Err(Error::setting(SETTING, reason))
            }
            None => Ok(column),
        }
    }
}

/// The columns of users to fetch besides `id`, each once.
pub(crate) fn fetched_columns<S: Into<String>>(listed: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for column in listed.into_iter().map(Into::into) {
        if column != "id" && !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

/// Whether the count `a` of attempts has ended at this time. By differences: a sum of such times can
/// be out of range.
pub(crate) fn has_ended(now: &str) -> String {
    let most_ahead = NewAttempt::MOST_AHEAD;
    let ahead = format!(r#"a."started_at" - {now}"#);
    format!(
        r#"(a."expires" <= {now}
            OR {ahead} > {most_ahead} AND {ahead} > a."expires" - a."started_at")"#
    )
}

/// A name as SQL writes it, whatever is in it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Refuses what cannot be the name of a table or column, as a value of `setting`.
pub(crate) fn check_name(setting: &'static str, name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "a name is empty"
    } else if name.contains(|letter: char| letter.is_control()) {
        "a name holds a control character"
    } else if name.len() > MAX_NAME {
        "a name has 63 bytes at the most"
    } else {
        return Ok(());
    };
    Err(Error::setting(setting, format!("{name:?}: {reason}")))
}

/// Columns that the application defines, each by its name and its definition.
pub(crate) fn defined_columns(
    definitions: &[&str],
    fold: fn(&str) -> String,
) -> Result<Vec<(String, String)>, StoreError> {
    let defined = |text: &&str| Ok((column_name(text, fold)?, (*text).to_owned()));
    definitions.iter().map(defined).collect()
}

/// The name of the column that `definition`, such as `username TEXT NOT NULL UNIQUE`, defines, as
/// the database will call it: `fold` is what the database does with an unquoted name. Refuses a
/// definition without a type, or without a name of up to 63 bytes.
fn column_name(definition: &str, fold: fn(&str) -> String) -> Result<String, StoreError> {
    let refuse = || {
        Err(StoreError::Misuse(format!(
            "`{definition}` defines no column; write a name of up to 63 bytes and a type, such as \
             `username TEXT NOT NULL UNIQUE`"
        )))
    };
    if definition.contains('\0') {
        return refuse();
    }
    let text = definition.trim();
    let (name, has_type) = match text.strip_prefix('"') {
        Some(quoted) => {
            // A quote inside of the name is doubled.
            let quoted = quoted.replace("\"\"", "\0");
            let Some((name, rest)) = quoted.split_once('"') else {
                return refuse();
            };
            (name.replace('\0', "\""), !rest.trim().is_empty())
        }
        None => {
            let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
            if !name.chars().all(is_word) {
                return refuse();
            }
            (fold(name), !rest.trim().is_empty())
        }
    };
    if name.is_empty() || name.len() > MAX_NAME || !has_type {
        return refuse();
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_quoted_or_refused() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote("a.b;--"), "\"a.b;--\"");
        for name in ["", "a\0b", "a\nb", &"x".repeat(64)] {
            assert!(check_name("user_table", name).is_err(), "{name:?}");
        }
        assert!(check_name("user_table", &"x".repeat(63)).is_ok());
    }

    #[test]
    fn two_tables_cannot_have_one_name() {
        let user = TableNames {
            user: "user_key".to_owned(),
            ..TableNames::default()
        };
        let attempt = TableNames {
            attempt: "auth_user".to_owned(),
            ..TableNames::default()
        };
        for (names, later) in [(user, "key_table"), (attempt, "attempt_table")] {
            match names.check(str::eq) {
                Err(Error::Setting { setting, .. }) => assert_eq!(setting, later),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_names_of_tables_and_indexes_are_put_into_sql() {
        let sql = r#"CREATE INDEX "user_key_user_id_idx" ON "user_key" ("user_id"); "auth_user""#;
        assert_eq!(TableNames::default().apply(sql), sql);
        let names = TableNames {
            schema: Some("app".to_owned()),
            user: "user_key".to_owned(),
            key: "auth_user".to_owned(),
            session: "s".to_owned(),
            attempt: "user_session".to_owned(),
            ..TableNames::default()
        };
        assert_eq!(
            names.apply(sql),
            r#"CREATE INDEX "auth_user_user_id_idx" ON "app"."auth_user" ("user_id"); "app"."user_key""#
        );
        assert_eq!(
            names.apply(r#""sign_in_attempt_expires_idx" ON "sign_in_attempt""#),
            r#""user_session_expires_idx" ON "app"."user_session""#
        );
    }

    #[test]
    fn the_name_of_an_index_stays_within_bounds() {
        let names = TableNames {
            session: "é".repeat(31),
            ..TableNames::default()
        };
        let sql = names.apply(r#""user_session_idle_expires_idx""#);
        assert!(sql.len() <= MAX_NAME + 2, "{sql}");
        let long = "x".repeat(62);
        assert_ne!(
            index(&format!("{long}1"), "_user_id_idx"),
            index(&format!("{long}2"), "_user_id_idx")
        );
    }

    #[test]
    fn the_name_of_a_column_is_found_in_its_definition() {
        let name = |definition| column_name(definition, |name| name.to_lowercase()).unwrap();
        assert_eq!(name("username TEXT NOT NULL UNIQUE"), "username");
        assert_eq!(name("  userName\tTEXT"), "username");
        assert_eq!(name("\"userName\" TEXT"), "userName");
        assert_eq!(name("\"a \"\"b\" TEXT"), "a \"b");
        assert_eq!(name("\"\"\"a\"\"\" TEXT"), "\"a\"");
        for definition in [
            "",
            "username",
            "\"username",
            "\"\" TEXT",
            "a;b TEXT",
            "a\0 TEXT",
        ] {
            assert!(
                column_name(definition, str::to_lowercase).is_err(),
                "{definition:?}"
            );
        }
    }
}
