//! What SQLite's errors mean, by its extended result codes.

use std::path::Path;

use rusqlite::{Connection, ffi};

use super::tables::{self, Tables};
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::StoreError;
use crate::{Error, Source};

/// The result of work on a connection.
pub(super) type Outcome<T> = Result<T, Failure>;

/// What went wrong on a connection.
pub(super) enum Failure {
    /// SQLite said so; what it means depends on the table.
    Sqlite(Subject, rusqlite::Error),
    /// It is clear already.
    Told(StoreError),
}

/// Whose row was being read or written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    User,
    Key,
    Session,
    Attempt,
    /// More than one.
    Several,
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
pub(super) fn explain(failure: Failure, connection: &Connection, tables: &Tables) -> StoreError {
    let (subject, error) = match failure {
        Failure::Told(error) => return error,
        Failure::Sqlite(subject, error) => (subject, error),
    };
    let Some(code) = extended_code(&error) else {
        return unreadable(subject, &error, tables)
            .unwrap_or_else(|| StoreError::internal(source(&error)));
    };
    // Whether the application has columns of its own in the table, with rules of their own.
    let (table, with_rules) = match subject {
        Subject::User | Subject::Several => (&tables.names.user, true),
        Subject::Key => (&tables.names.key, false),
        Subject::Session => (&tables.names.session, true),
        Subject::Attempt => (&tables.names.attempt, false),
    };
    let at = Place::find(&error, connection, table);
    let violation = |kind| {
        let violation = ConstraintViolation::new(kind, table.clone());
        let violation = violation.column(at.column.clone());
        StoreError::Constraint(violation.constraint(at.constraint.clone()))
    };
    match code {
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            let is_id =
                code == ffi::SQLITE_CONSTRAINT_PRIMARYKEY || at.column.as_deref() == Some("id");
            match subject {
                Subject::User if is_id => StoreError::DuplicateUser,
                Subject::Key if is_id => StoreError::DuplicateKey,
                Subject::Session if is_id => StoreError::internal(source(&error)),
                Subject::Key | Subject::Attempt => StoreError::internal(source(&error)),
                Subject::User | Subject::Session | Subject::Several => {
                    violation(ConstraintKind::Unique)
                }
            }
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY if with_rules => violation(ConstraintKind::ForeignKey),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => StoreError::UnknownUser,
        ffi::SQLITE_CONSTRAINT_NOTNULL if with_rules => violation(ConstraintKind::NotNull),
        ffi::SQLITE_CONSTRAINT_NOTNULL => StoreError::Schema {
            table: table.clone(),
            column: at.column,
            reason: "it needs a default, since lucia does not know it".to_owned(),
        },
        ffi::SQLITE_CONSTRAINT_CHECK if with_rules => violation(ConstraintKind::Check),
        ffi::SQLITE_CONSTRAINT_DATATYPE => StoreError::InvalidAttribute {
            table: table.clone(),
            column: at.column,
            reason: "the value is of another type than the column".to_owned(),
        },
        ffi::SQLITE_MISMATCH => StoreError::Schema {
            table: table.clone(),
            column: Some("id".to_owned()),
            reason: "its type is a number, ids are TEXT".to_owned(),
        },
        ffi::SQLITE_TOOBIG => StoreError::InvalidAttribute {
            table: table.clone(),
            column: None,
            reason: "the value is longer than SQLite allows".to_owned(),
        },
        _ => match code & 0xff {
            ffi::SQLITE_CONSTRAINT if with_rules => violation(ConstraintKind::Other),
            // A statement that does not fit the tables is an error without a code of its own.
            ffi::SQLITE_ERROR => match tables
                .check(connection)
                .and_then(|()| tables.check_attempts(connection))
            {
                Err(Failure::Told(misfit)) => misfit,
                _ => StoreError::internal(source(&error)),
            },
            _ => by_code(code, &error),
        },
    }
}

/// An error that is about no row.
pub(super) fn plain(error: &rusqlite::Error) -> StoreError {
    by_code(extended_code(error).unwrap_or(ffi::SQLITE_ERROR), error)
}

/// Whether a row refers to one that is not there, or would; or a trigger said no.
pub(super) fn is_broken_reference(error: &rusqlite::Error) -> bool {
    matches!(
        extended_code(error),
        // `RESTRICT` fails as a trigger of SQLite's own would.
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER)
    )
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
    let code = extended_code(error).map(|code| code & 0xff);
    let reason = match code {
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

fn by_code(code: i32, error: &rusqlite::Error) -> StoreError {
    match code & 0xff {
        ffi::SQLITE_BUSY
        | ffi::SQLITE_LOCKED
        | ffi::SQLITE_IOERR
        | ffi::SQLITE_FULL
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_PROTOCOL
        | ffi::SQLITE_INTERRUPT
        | ffi::SQLITE_NOMEM => StoreError::unavailable(source(error)),
        _ => StoreError::internal(source(error)),
    }
}

/// A value of one of lucia's own columns that is of another type than it has to be.
fn unreadable(subject: Subject, error: &rusqlite::Error, tables: &Tables) -> Option<StoreError> {
    let rusqlite::Error::InvalidColumnType(_, column, kind) = error else {
        return None;
    };
    let table = match subject {
        Subject::User => &tables.names.user,
        Subject::Key => &tables.names.key,
        Subject::Session => &tables.names.session,
        Subject::Attempt => &tables.names.attempt,
        Subject::Several => return None,
    };
    Some(StoreError::Schema {
        table: table.clone(),
        column: Some(column.clone()),
        reason: format!("a row holds a value of type {kind} in it"),
    })
}

/// Which part of a table an error is about.
struct Place {
    column: Option<String>,
    constraint: Option<String>,
}

impl Place {
    /// SQLite tells it in its message alone: `UNIQUE constraint failed: auth_user.username`. What
    /// is found there counts only if the table has it.
    fn find(error: &rusqlite::Error, connection: &Connection, table: &str) -> Self {
        let mut place = Self {
            column: None,
            constraint: None,
        };
        let rusqlite::Error::SqliteFailure(code, Some(message)) = error else {
            return place;
        };
        let columns = || tables::columns(connection, table).unwrap_or_default();
        let named = |column: &str| format!("{table}.{column}").to_lowercase();
        match code.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_NOTNULL => {
                let Some((_, at)) = message.split_once(": ") else {
                    return place;
                };
                let index = at.strip_prefix("index '");
                place.constraint = index
                    .and_then(|name| name.strip_suffix('\''))
                    .map(str::to_owned);
                let at = at.to_lowercase();
                let found = columns()
                    .into_iter()
                    .find(|column| at == named(&column.name));
                place.column = found.map(|column| column.name);
            }
            ffi::SQLITE_CONSTRAINT_CHECK => {
                // Its name, or the text of the check where it has none.
                let check = message.split_once(": ");
                place.constraint = check.map(|(_, check)| check.to_owned());
            }
            ffi::SQLITE_CONSTRAINT_DATATYPE => {
                let message = message.to_lowercase();
                let ends = |column: &tables::Column| {
                    message.ends_with(&format!(" {}", named(&column.name)))
                };
                let found = columns().into_iter().find(ends);
                place.column = found.map(|column| column.name);
            }
            _ => {}
        }
        place
    }
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error.extended_code)
        }
        _ => None,
    }
}

/// What SQLite said, without the messages that a statement's values can get into.
#[derive(Debug, thiserror::Error)]
#[error("SQLite: {what}")]
struct SqliteError {
    what: String,
}

fn source(error: &rusqlite::Error) -> Source {
    Box::new(SqliteError { what: what(error) })
}

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
