//! What the errors of Postgres mean, by SQLSTATE and never by text, which is translated.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::PoolError;
use serde_json::{Map, Value};
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::WrongType;

use crate::error::{ConstraintKind, ConstraintViolation, chain};
use crate::store::tables::TableNames;
use crate::store::{Result, StoreError};
use crate::time_limit;

/// Why a statement has no answer. It holds no values: neither `Debug` nor `Display` shows any.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("no connection: {0}")]
    Connection(String),
    #[error(transparent)]
    Server(Box<ServerError>),
    /// A column is of another type than lucia reads or writes.
    #[error("{0}")]
    Unfit(String),
    #[error("{0}")]
    Driver(String),
}

/// The answer, if it comes within the time-out.
pub(super) async fn within<T, E: Into<Failure>>(
    limit: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match time_limit::within(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Failure::TimedOut(limit)),
    }
}

/// What a failure says of the connection, and of what the statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may be that a table has changed since the statement was prepared, or that the server has
    /// forgotten it. Nothing was done.
    Preparation,
    /// It met another transaction, and was undone.
    Conflict,
    /// It and another transaction waited for each other, and it was undone.
    Deadlock,
    /// The server refuses to write, as standbys do. Nothing was done.
    ReadOnly,
    /// A failed transaction was left open on the connection. Nothing was done.
    Aborted,
    /// The connection is of no more use, and the statement may have been done.
    Connection,
    Other,
}

/// The row that a statement was to write, with the columns of the application's own.
#[derive(Clone, Copy)]
pub(super) enum Written<'a> {
    User(&'a Map<String, Value>),
    Session(&'a Map<String, Value>),
    /// A key, which has no columns of the application's own.
    Key,
    /// A one-time token, which has none either.
    Token,
    /// A mail, which has none either.
    Mail,
    /// A credential, which has none either.
    Credential,
}

impl<'a> Written<'a> {
    /// The columns, with the name of their table.
    pub(super) fn columns(self, tables: &TableNames) -> Option<(&str, &'a Map<String, Value>)> {
        match self {
            Self::User(attributes) => Some((&tables.user, attributes)),
            Self::Session(attributes) => Some((&tables.session, attributes)),
            Self::Key | Self::Token | Self::Mail | Self::Credential => None,
        }
    }
}

/// What the server said, without the parts that quote rows and values.
#[derive(Debug)]
pub(super) struct ServerError {
    pub(super) code: SqlState,
    /// Whether the server has closed the connection by it.
    is_fatal: bool,
    message: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) table: Option<String>,
    pub(super) column: Option<String>,
    pub(super) constraint: Option<String>,
}

impl ServerError {
    fn new(error: &DbError) -> Self {
        // Data exceptions quote the data. What has a context comes from a function, which raises
        // what it likes.
        let quotes_values =
            matches!(error.code().code().get(..2), Some("22" | "P0")) || error.where_().is_some();
        let message = match error.code().code() {
            // These name the account.
            code if code.starts_with("28") => Some(
                "the server does not let this account in: its password is wrong, there is no such role, or \
                 `pg_hba.conf` has no rule for it; the log of the server says which",
            ),
            "53300" => Some("there are too many connections"),
            // What PgBouncer says of `BEGIN` in statement mode.
            "08P01" => Some(
                "the server, or a pooler before it, refuses a message; one in statement mode refuses \
                 transactions",
            ),
            code if quotes_values || code.starts_with("08") => None,
            _ => Some(error.message()),
        };
        Self {
            code: error.code().clone(),
            is_fatal: matches!(
                error.parsed_severity(),
                Some(Severity::Fatal | Severity::Panic)
            ),
            message: message.map(str::to_owned),
            schema: error.schema().map(str::to_owned),
            table: error.table().map(str::to_owned),
            column: error.column().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
        }
    }

    /// What it means that a rule of `table` was broken.
    pub(super) fn violation(
        &self,
        kind: ConstraintKind,
        table: &str,
        tables: &TableNames,
    ) -> StoreError {
        let mut own = tables.by_setting().into_iter();
        let is_own = table != tables.user && own.any(|(_, name, _)| name == table);
        match kind {
            ConstraintKind::Unique if table == tables.key => StoreError::DuplicateKey,
            ConstraintKind::NotNull if is_own => StoreError::schema(
                table,
                self.column.as_deref(),
                "it needs a default, since lucia does not know it",
            ),
            _ => self.broken(kind, table, self.column.as_deref()),
        }
    }

    /// That this rule of `table` was broken.
    pub(super) fn broken(
        &self,
        kind: ConstraintKind,
        table: &str,
        column: Option<&str>,
    ) -> StoreError {
        let column = column.map(str::to_owned);
        let violation = ConstraintViolation::new(kind, table).column(column);
        StoreError::Constraint(violation.constraint(self.constraint.clone()))
    }

    /// The rule that was broken, if one was.
    pub(super) fn broken_rule(&self) -> Option<ConstraintKind> {
        Some(match self.code {
            SqlState::UNIQUE_VIOLATION => ConstraintKind::Unique,
            SqlState::FOREIGN_KEY_VIOLATION | SqlState::RESTRICT_VIOLATION => {
                ConstraintKind::ForeignKey
            }
            SqlState::NOT_NULL_VIOLATION => ConstraintKind::NotNull,
            SqlState::CHECK_VIOLATION => ConstraintKind::Check,
            _ if self.class() == "23" => ConstraintKind::Other,
            _ => return None,
        })
    }

    /// The first two characters of the SQLSTATE, which name its class.
    pub(super) fn class(&self) -> &str {
        self.code.code().get(..2).unwrap_or_default()
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLSTATE {}", self.code.code())?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServerError {}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(server) => Self::Server(Box::new(ServerError::new(server))),
            None if error.is_closed() || source_is::<std::io::Error>(&error) => {
                Self::Connection(chain(&error))
            }
            None if source_is::<WrongType>(&error) => Self::Unfit(chain(&error)),
            None => Self::Driver(chain(&error)),
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => match Self::from(error) {
                // Whatever it was, there is no connection.
                Self::Driver(text) => Self::Connection(text),
                failure => failure,
            },
            error => Self::Connection(chain(&error)),
        }
    }
}

fn source_is<E: std::error::Error + 'static>(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<E>())
}

impl Failure {
    /// Whether a row refers to nothing, or would after a deletion.
    pub(super) fn is_broken_reference(&self) -> bool {
        matches!(self, Self::Server(error) if error.broken_rule() == Some(ConstraintKind::ForeignKey))
    }

    /// What it says of the connection, and of what the statement did.
    pub(super) fn fault(&self) -> Fault {
        let error = match self {
            Self::Server(error) => error,
            Self::Unfit(_) => return Fault::Preparation,
            // What the driver does not understand may be the answer to something else.
            Self::TimedOut(_) | Self::Connection(_) | Self::Driver(_) => return Fault::Connection,
        };
        match error.code {
            SqlState::READ_ONLY_SQL_TRANSACTION => Fault::ReadOnly,
            SqlState::IN_FAILED_SQL_TRANSACTION => Fault::Aborted,
            _ if error.is_fatal
                || error.class() == "08"
                || error.code.code().starts_with("57P") =>
            {
                Fault::Connection
            }
            SqlState::T_R_SERIALIZATION_FAILURE => Fault::Conflict,
            SqlState::T_R_DEADLOCK_DETECTED => Fault::Deadlock,
            SqlState::FEATURE_NOT_SUPPORTED | SqlState::INVALID_SQL_STATEMENT_NAME => {
                Fault::Preparation
            }
            // A pooler that ends the transaction of a failed statement can send the rest of the next one to
            // another server, which has not bound it.
            SqlState::INVALID_CURSOR_NAME => Fault::Preparation,
            _ => Fault::Other,
        }
    }

    /// What it means, as far as it says so itself. `Err` gives the failure back if the database
    /// has to be asked for the rest.
    pub(super) fn meaning(self, tables: &TableNames) -> Result<StoreError, Self> {
        let error = match self {
            Self::TimedOut(_) | Self::Connection(_) => return Ok(StoreError::unavailable(self)),
            Self::Unfit(_) | Self::Driver(_) => return Err(self),
            Self::Server(error) => error,
        };
        if let Some(kind) = error.broken_rule() {
            let is_to_be_asked = |table: &String| match kind {
                // What refers to what is not said.
                ConstraintKind::ForeignKey => true,
                // Whether it is lucia's rule or the application's is not said.
                ConstraintKind::Unique if *table == tables.user => true,
                _ => *table == tables.session,
            };
            return match &error.table {
                Some(table) if !is_to_be_asked(table) => Ok(error.violation(kind, table, tables)),
                // Without a table, it is the rule of a domain or trigger.
                _ => Err(Self::Server(error)),
            };
        }
        Ok(match error.code {
            SqlState::PROGRAM_LIMIT_EXCEEDED => StoreError::invalid_attribute(
                &tables.user,
                None,
                "a value is too long for an index",
            ),
            _ => match error.class() {
                // No connection, wrong login, no such database, read-only after a failover,
                // conflict, out of resources, canceled or shut down.
                "08" | "28" | "3D" | "25" | "40" | "53" | "55" | "57" | "58" => {
                    StoreError::unavailable(error)
                }
                _ => return Err(Self::Server(error)),
            },
        })
    }
}
