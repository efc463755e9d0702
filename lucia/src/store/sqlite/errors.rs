//! What SQLite's errors mean, by its extended result codes.

use std::path::Path;

use rusqlite::ffi;

use super::database::Database;
use super::tables::Column;
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::StoreError;
use crate::store::tables::TableNames;
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
    /// More than one.
    Several,
}

impl Subject {
    /// Its table, and whether the application has columns of its own there, with rules of their own.
    fn table(self, names: &TableNames) -> (&str, bool) {
        match self {
            Self::User | Self::Several => (&names.user, true),
            Self::Key => (&names.key, false),
            Self::Session => (&names.session, true),
            Self::Attempt => (&names.attempt, false),
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
    let (table, with_rules) = subject.table(&db.tables.names);
    let Some(code) = extended_code(&error) else {
        return match &error {
            // A value of one of lucia's own columns that is of another type than it has to be.
            rusqlite::Error::InvalidColumnType(_, column, kind) if subject != Subject::Several => {
                let reason = format!("a row holds a value of type {kind} in it");
                StoreError::schema(table, Some(column), reason)
            }
            _ => StoreError::internal(source(&error)),
        };
    };
    let at = Place::find(&error, db, table);
    let column = at.column.as_deref();
    let violation = |kind| {
        let violation = ConstraintViolation::new(kind, table);
        let violation = violation.column(at.column.clone());
        StoreError::Constraint(violation.constraint(at.constraint.clone()))
    };
    match code {
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            let is_id = code == ffi::SQLITE_CONSTRAINT_PRIMARYKEY || column == Some("id");
            match subject {
                Subject::User if is_id => StoreError::DuplicateUser,
                Subject::Key if is_id => StoreError::DuplicateKey,
                _ if !with_rules || is_id && subject == Subject::Session => {
                    StoreError::internal(source(&error))
                }
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
            // A statement that does not fit the tables is an error without a code of its own.
            ffi::SQLITE_ERROR => match db.check().and_then(|()| db.check_attempts()) {
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

/// Which part of a table an error is about.
#[derive(Default)]
struct Place {
    column: Option<String>,
    constraint: Option<String>,
}

impl Place {
    /// SQLite tells it in its message alone: `UNIQUE constraint failed: auth_user.username`. What
    /// is found there counts only if the table has it.
    fn find(error: &rusqlite::Error, db: Database<'_>, table: &str) -> Self {
        let mut place = Self::default();
        let rusqlite::Error::SqliteFailure(code, Some(message)) = error else {
            return place;
        };
        let column = |is_it: &dyn Fn(&str) -> bool| {
            let is_it = |column: &Column| is_it(&format!("{table}.{}", column.name).to_lowercase());
            let columns = db.columns(table).unwrap_or_default();
            columns.into_iter().find(is_it).map(|column| column.name)
        };
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
                place.column = column(&|named| at == named);
            }
            ffi::SQLITE_CONSTRAINT_CHECK => {
                // Its name, or the text of the check where it has none.
                let check = message.split_once(": ");
                place.constraint = check.map(|(_, check)| check.to_owned());
            }
            ffi::SQLITE_CONSTRAINT_DATATYPE => {
                let message = message.to_lowercase();
                place.column = column(&|named| message.ends_with(&format!(" {named}")));
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
