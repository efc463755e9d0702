//! What SQLite's errors mean, by its extended result codes.

use std::path::Path;

use rusqlite::ffi;

use super::database::Database;
use super::tables::Column;
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::StoreError;
use crate::store::tables::TableNames;
use crate::{BoxError, Error};

/// The result of work on a connection.
pub(super) type Outcome<T> = Result<T, Failure>;

/// What went wrong on a connection.
pub(super) enum Failure {
    /// SQLite said so; what it means depends on the table.
    Sqlite(Subject, rusqlite::Error),
    /// It is clear already.
    Told(StoreError),
}

impl Failure {
    /// Whether a row refers to one that is not there, or would; or a trigger said no.
    pub(super) fn is_broken_reference(&self) -> bool {
        let Self::Sqlite(_, error) = self else {
            return false;
        };
        matches!(
            extended_code(error),
            // `RESTRICT` fails as a trigger of SQLite's own would.
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER)
        )
    }
}

/// Whose row was being read or written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    User,
    Key,
    Session,
    Attempt,
    Token,
    Mail,
    Credential,
    /// More than one.
    Several,
}

impl Subject {
    /// Its table, and whether the application has columns there, with rules for them.
    pub(super) fn table(self, names: &TableNames) -> (&str, bool) {
        match self {
            Self::User | Self::Several => (&names.user, true),
            Self::Key => (&names.key, false),
            Self::Session => (&names.session, true),
            Self::Attempt => (&names.attempt, false),
            Self::Token => (&names.token, false),
            Self::Mail => (&names.mail, false),
            Self::Credential => (&names.credential, false),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Subject::Several, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Told(error)
    }
}

/// Says whose row it was about when SQLite failed.
pub(super) trait About<T> {
    fn about(self, subject: Subject) -> Outcome<T>;
}

impl<T> About<T> for rusqlite::Result<T> {
    fn about(self, subject: Subject) -> Outcome<T> {
        self.map_err(|error| Failure::Sqlite(subject, error))
    }
}

/// The error that a failure is to the caller. Asks the database for names where SQLite's message
/// would be the only source.
pub(super) fn explain(failure: Failure, db: Database<'_>) -> StoreError {
    let (subject, error) = match failure {
        Failure::Told(error) => return error,
        Failure::Sqlite(subject, error) => (subject, error),
    };
    let names = &db.tables.names;
    let (table, with_rules) = subject.table(names);
    let Some(code) = extended_code(&error) else {
        return match &error {
            // A value of one of lucia's own columns that is of another type than it has to be.
            rusqlite::Error::InvalidColumnType(_, column, kind) if subject != Subject::Several => {
                let reason = format!("a row holds a value of type {kind} in it");
                StoreError::schema(table, Some(column), reason)
            }
            _ => plain(&error),
        };
    };
    let (column, constraint) = place(&error, db, table);
    let violation = |kind| {
        let violation = ConstraintViolation::new(kind, table).column(column.clone());
        StoreError::Constraint(violation.constraint(constraint.clone()))
    };
    let column = column.as_deref();
    match code {
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            let is_id = code == ffi::SQLITE_CONSTRAINT_PRIMARYKEY || column == Some("id");
            match subject {
                Subject::User if is_id => StoreError::DuplicateUser,
                Subject::Key if is_id => StoreError::DuplicateKey,
                _ if !with_rules || is_id && subject == Subject::Session => plain(&error),
                _ => violation(ConstraintKind::Unique),
            }
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY if with_rules => violation(ConstraintKind::ForeignKey),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => StoreError::UnknownUser,
        ffi::SQLITE_CONSTRAINT_NOTNULL if with_rules => violation(ConstraintKind::NotNull),
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let reason = "it needs a default, since lucia does not know it";
            StoreError::schema(table, column, reason)
        }
        ffi::SQLITE_CONSTRAINT_CHECK if with_rules => violation(ConstraintKind::Check),
        ffi::SQLITE_CONSTRAINT_DATATYPE => {
            let reason = "the value is of another type than the column";
            StoreError::invalid_attribute(table, column, reason)
        }
        ffi::SQLITE_MISMATCH => {
            StoreError::schema(table, Some("id"), "its type is a number, ids are TEXT")
        }
        ffi::SQLITE_TOOBIG => {
            let reason = "the value is longer than SQLite allows";
            StoreError::invalid_attribute(table, None, reason)
        }
        _ => match code & 0xff {
            ffi::SQLITE_CONSTRAINT if with_rules => violation(ConstraintKind::Other),
            // A statement that does not fit the tables is an error without a special code.
            ffi::SQLITE_ERROR => {
                let checked = match subject {
                    Subject::Token | Subject::Mail | Subject::Credential => {
                        db.check_table(table, [])
                    }
                    _ => db.check().and_then(|()| db.check_table(&names.attempt, [])),
                };
                match checked {
                    Err(Failure::Told(misfit)) => misfit,
                    _ => StoreError::internal(source(&error)),
                }
            }
            _ => plain(&error),
        },
    }
}

/// What SQLite has against the text of a statement; `None` when it failed for another reason.
pub(super) fn refused_sql(error: &rusqlite::Error) -> Option<&str> {
    match error {
        rusqlite::Error::SqlInputError { error, msg, .. }
        | rusqlite::Error::SqliteFailure(error, Some(msg))
            if error.extended_code & 0xff == ffi::SQLITE_ERROR =>
        {
            Some(msg)
        }
        _ => None,
    }
}

/// The error of opening the database in the file `path` for the first time.
pub(super) fn of_opening(path: &Path, error: &rusqlite::Error) -> Error {
    let reason = match extended_code(error).map(|code| code & 0xff) {
        Some(ffi::SQLITE_NOTADB) => "it is no SQLite database".to_owned(),
        Some(ffi::SQLITE_CORRUPT) => "the database in it is damaged".to_owned(),
        Some(ffi::SQLITE_READONLY) => "it may not be written by this process".to_owned(),
        Some(ffi::SQLITE_PERM | ffi::SQLITE_AUTH) => "access is denied".to_owned(),
        Some(ffi::SQLITE_CANTOPEN) => why_not_opened(path),
        None => what(error),
        Some(_) => return plain(error).into(),
    };
    Error::setting("path", format!("`{}`: {reason}", path.display()))
}

/// SQLite does not say why it cannot open a file. Nothing is opened here to find out, since
/// closing a file takes away the locks that other connections of this process hold on it.
fn why_not_opened(path: &Path) -> String {
    let directory = path.parent().unwrap_or(path);
    if path.is_dir() {
        "it is a directory".to_owned()
    } else if !directory.exists() {
        format!("the directory `{}` does not exist", directory.display())
    } else if !directory.is_dir() {
        format!("`{}` is no directory", directory.display())
    } else if path.exists() {
        "this process may not read and write it, or create files beside it".to_owned()
    } else {
        format!(
            "this process may not create files in `{}`",
            directory.display()
        )
    }
}

/// What an error means by itself.
pub(super) fn plain(error: &rusqlite::Error) -> StoreError {
    match extended_code(error).map(|code| code & 0xff) {
        Some(
            ffi::SQLITE_BUSY
            | ffi::SQLITE_LOCKED
            | ffi::SQLITE_IOERR
            | ffi::SQLITE_FULL
            | ffi::SQLITE_CANTOPEN
            | ffi::SQLITE_READONLY
            | ffi::SQLITE_PROTOCOL
            | ffi::SQLITE_INTERRUPT
            | ffi::SQLITE_NOMEM,
        ) => StoreError::unavailable(source(error)),
        _ => StoreError::internal(source(error)),
    }
}

/// The column and the rule that an error is about. SQLite tells them in its message alone: `UNIQUE
/// constraint failed: auth_user.username`. A column that is found there counts only if the table has it.
fn place(
    error: &rusqlite::Error,
    db: Database<'_>,
    table: &str,
) -> (Option<String>, Option<String>) {
    let rusqlite::Error::SqliteFailure(code, Some(message)) = error else {
        return (None, None);
    };
    let told = match code.extended_code {
        ffi::SQLITE_CONSTRAINT_DATATYPE => message.split_once(" column "),
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_NOTNULL
        | ffi::SQLITE_CONSTRAINT_CHECK => message.split_once(": "),
        _ => None,
    };
    let Some((_, told)) = told else {
        return (None, None);
    };
    if code.extended_code == ffi::SQLITE_CONSTRAINT_CHECK {
        // Its name, or the text of the check where it has none.
        return (None, Some(told.to_owned()));
    }
    let index = told.strip_prefix("index '");
    let index = index.and_then(|name| name.strip_suffix('\''));
    let is_told =
        |column: &Column| format!("{table}.{}", column.name).to_lowercase() == told.to_lowercase();
    let columns = db.columns(table).unwrap_or_default();
    let column = columns.into_iter().find(is_told);
    (column.map(|column| column.name), index.map(str::to_owned))
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error.extended_code)
        }
        _ => None,
    }
}

fn source(error: &rusqlite::Error) -> BoxError {
    format!("SQLite: {}", what(error)).into()
}

/// What SQLite said, without the messages that a statement's values can get into.
fn what(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => {
            let text = ffi::code_to_str(code.extended_code);
            format!("{text} (code {})", code.extended_code)
        }
        // About the text of a statement, which holds no values.
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::NulError(_) => error.to_string(),
        _ => "the driver refused a value".to_owned(),
    }
}
