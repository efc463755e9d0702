//! What the SQL stores share: names of tables and columns, and the definitions of columns.

use super::SESSION_COLUMNS;
use crate::{Error, Result};

/// Postgres cuts longer names off silently; SQLite has no limit.
const MAX_NAME: usize = 63;

/// The names of lucia's tables.
#[derive(Clone, Debug)]
pub(crate) struct TableNames {
    pub(crate) schema: Option<String>,
    pub(crate) user: String,
    pub(crate) key: String,
    pub(crate) session: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self {
            schema: None,
            user: "auth_user".to_owned(),
            key: "user_key".to_owned(),
            session: "user_session".to_owned(),
        }
    }
}

impl TableNames {
    /// Checks every name.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a name that cannot be one, and for two tables of one name.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(schema) = &self.schema {
            check_name("schema", schema)?;
        }
        check_name("user_table", &self.user)?;
        check_name("key_table", &self.key)?;
        check_name("session_table", &self.session)?;
        if self.user == self.key || self.user == self.session || self.key == self.session {
            return Err(Error::setting(
                "key_table",
                "each table needs a name of its own",
            ));
        }
        Ok(())
    }

    /// The quoted name of a table, with its schema.
    pub(crate) fn quoted(&self, table: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(table)),
            None => quote(table),
        }
    }

    /// `sql`, written for the default names, for these ones. It names tables and indexes in
    /// double quotes only.
    pub(crate) fn apply(&self, sql: &str) -> String {
        let default = Self::default();
        let mut sql = sql.to_owned();
        // The names of indexes first: they begin as the names of tables do, and stand without a
        // schema, since an index lives where its table does.
        for (column, from, to) in [
            ("user_id", &default.key, &self.key),
            ("user_id", &default.session, &self.session),
            ("idle_expires", &default.session, &self.session),
        ] {
            sql = sql.replace(
                &quote(&index_name(from, column)),
                &quote(&index_name(to, column)),
            );
        }
        // By way of marks, so that a table may be called as another one is by default.
        for (mark, from) in [
            ("\u{1}", &default.user),
            ("\u{2}", &default.key),
            ("\u{3}", &default.session),
        ] {
            sql = sql.replace(&quote(from), mark);
        }
        for (mark, to) in [
            ("\u{1}", &self.user),
            ("\u{2}", &self.key),
            ("\u{3}", &self.session),
        ] {
            sql = sql.replace(mark, &self.quoted(to));
        }
        sql
    }
}

/// The name of the index of a table over a column, after so much of the table's name as there is
/// room for.
pub(crate) fn index_name(table: &str, column: &str) -> String {
    let room = MAX_NAME - "__idx".len() - column.len();
    let end = (0..=room.min(table.len()))
        .rev()
        .find(|end| table.is_char_boundary(*end));
    format!("{}_{column}_idx", &table[..end.unwrap_or(0)])
}

/// A column of the application's own in the table of sessions.
#[derive(Clone, Debug)]
pub(crate) struct SessionColumn {
    pub(crate) name: String,
    /// How to make it, if the application said so.
    pub(crate) definition: Option<String>,
}

impl SessionColumn {
    /// Reads a name alone, or a definition such as `country TEXT`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for what is neither, and for a column of lucia's own.
    pub(crate) fn parse(text: &str, fold: fn(&str) -> String) -> Result<Self> {
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
            Some(own) => Err(Error::setting(
                SETTING,
                format!("`{own}` is a column of lucia's"),
            )),
            None => Ok(column),
        }
    }
}

/// A name as SQL writes it, whatever is in it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Refuses what cannot be the name of a table or column.
///
/// # Errors
///
/// [`Error::Setting`] under the name of `setting`.
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

/// The name of the column that `definition`, such as `username TEXT NOT NULL UNIQUE`, defines, as
/// the database will call it: `fold` is what the database does with an unquoted name.
///
/// # Errors
///
/// [`Error::Misuse`] when the definition has no name or no type.
pub(crate) fn column_name(definition: &str, fold: fn(&str) -> String) -> Result<String> {
    let refuse = || {
        Err(Error::Misuse(format!(
            "`{definition}` defines no column; write a name and a type, such as \
             `username TEXT NOT NULL UNIQUE`"
        )))
    };
    let definition_text = definition.trim();
    let (name, rest) = match definition_text.strip_prefix('"') {
        Some(quoted) => {
            // A quote inside of the name is doubled.
            let mut end = None;
            let mut letters = quoted.char_indices().peekable();
            while let Some((at, letter)) = letters.next() {
                if letter == '"' && letters.next_if(|(_, next)| *next == '"').is_none() {
                    end = Some(at);
                    break;
                }
            }
            let Some(end) = end else { return refuse() };
            (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
        }
        None => {
            let end = definition_text
                .find(char::is_whitespace)
                .unwrap_or(definition_text.len());
            let (name, rest) = definition_text.split_at(end);
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
            if !name.chars().all(is_word) {
                return refuse();
            }
            (fold(name), rest)
        }
    };
    if name.is_empty() || rest.trim().is_empty() || definition.contains('\0') {
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
        let names = TableNames {
            user: "user_key".to_owned(),
            ..TableNames::default()
        };
        assert!(names.check().is_err());
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
        };
        assert_eq!(
            names.apply(sql),
            r#"CREATE INDEX "auth_user_user_id_idx" ON "app"."auth_user" ("user_id"); "app"."user_key""#
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
    }

    #[test]
    fn the_name_of_a_column_is_found_in_its_definition() {
        let name = |definition| column_name(definition, |name| name.to_lowercase()).unwrap();
        assert_eq!(name("username TEXT NOT NULL UNIQUE"), "username");
        assert_eq!(name("  userName\tTEXT"), "username");
        assert_eq!(name("\"userName\" TEXT"), "userName");
        assert_eq!(name("\"a \"\"b\" TEXT"), "a \"b");
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
