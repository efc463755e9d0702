//! What the errors of Postgres mean, by SQLSTATE and never by text, which is translated.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::PoolError;
use serde_json::{Map, Value};
use tokio_postgres::error::{DbError, SqlState};

use crate::error::{ConstraintKind, ConstraintViolation, chain};
use crate::store::tables::TableNames;
use crate::{Error, Result};

/// Why a statement has no answer. It holds no values: neither `Debug` nor `Display` shows any.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("no connection: {0}")]
    Connection(String),
    #[error(transparent)]
    Server(Box<ServerError>),
    #[error("{0}")]
    Driver(String),
}

/// The columns of the application's own that a statement was to write.
#[derive(Clone, Copy)]
pub(super) enum Written<'a> {
    User(&'a Map<String, Value>),
    Session(&'a Map<String, Value>),
}

impl<'a> Written<'a> {
    pub(super) fn attributes(self) -> &'a Map<String, Value> {
        match self {
            Self::User(attributes) | Self::Session(attributes) => attributes,
        }
    }

    pub(super) fn table(self, tables: &TableNames) -> &str {
        match self {
            Self::User(_) => &tables.user,
            Self::Session(_) => &tables.session,
        }
    }
}

/// What the server said, without the parts that quote rows and values.
#[derive(Debug)]
pub(super) struct ServerError {
    pub(super) code: SqlState,
    message: Option<String>,
    pub(super) table: Option<String>,
    pub(super) column: Option<String>,
    pub(super) constraint: Option<String>,
}

impl ServerError {
    fn new(error: &DbError) -> Self {
        // Data exceptions quote the data, and functions raise what they like.
        let quotes_values = matches!(error.code().code().get(..2), Some("22" | "P0"));
        Self {
            code: error.code().clone(),
            message: (!quotes_values).then(|| error.message().to_owned()),
            table: error.table().map(str::to_owned),
            column: error.column().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
        }
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
            None if is_about_the_connection(&error) => Self::Connection(chain(&error)),
            None => Self::Driver(chain(&error)),
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => match Self::from(error) {
                // Whatever it was, we are not connected.
                Self::Driver(text) => Self::Connection(text),
                failure => failure,
            },
            error => Self::Connection(chain(&error)),
        }
    }
}

fn is_about_the_connection(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    error.is_closed() || source.is_some_and(|source| source.is::<std::io::Error>())
}

impl Failure {
    /// Whether a key or session came in the way of deleting its user.
    pub(super) fn is_own_reference(&self, tables: &TableNames) -> bool {
        let Self::Server(error) = self else {
            return false;
        };
        error.code == SqlState::FOREIGN_KEY_VIOLATION
            && error
                .table
                .as_ref()
                .is_some_and(|table| *table == tables.key || *table == tables.session)
    }

    /// What it means, as far as it says so itself. `Err` gives the failure back if the database
    /// has to be asked for the rest.
    pub(super) fn meaning(self, tables: &TableNames) -> Result<Error, Self> {
        let error = match self {
            Self::TimedOut(_) | Self::Connection(_) => return Ok(Error::unavailable(self)),
            Self::Driver(_) => return Err(self),
            Self::Server(error) => error,
        };
        let table = error.table.clone().unwrap_or_default();
        let violation = |kind| {
            Error::Constraint(
                ConstraintViolation::new(kind, table.clone())
                    .column(error.column.clone())
                    .constraint(error.constraint.clone()),
            )
        };
        Ok(match error.code {
            SqlState::UNIQUE_VIOLATION if table == tables.key => Error::DuplicateKey,
            SqlState::UNIQUE_VIOLATION if table == tables.user || table == tables.session => {
                return Err(Self::Server(error));
            }
            SqlState::UNIQUE_VIOLATION => violation(ConstraintKind::Unique),
            SqlState::FOREIGN_KEY_VIOLATION if table == tables.key => Error::UnknownUser,
            SqlState::FOREIGN_KEY_VIOLATION if table == tables.session => {
                return Err(Self::Server(error));
            }
            SqlState::FOREIGN_KEY_VIOLATION => violation(ConstraintKind::ForeignKey),
            SqlState::NOT_NULL_VIOLATION => violation(ConstraintKind::NotNull),
            SqlState::CHECK_VIOLATION => violation(ConstraintKind::Check),
            SqlState::PROGRAM_LIMIT_EXCEEDED => Error::InvalidAttribute {
                table: tables.user.clone(),
                column: None,
                reason: "a value is too long for an index".to_owned(),
            },
            _ => match error.class() {
                "23" => violation(ConstraintKind::Other),
                // No connection, wrong login, no such database, read-only after a failover,
                // conflict, out of resources, canceled or shut down.
                "08" | "28" | "3D" | "25" | "40" | "53" | "55" | "57" | "58" => {
                    Error::unavailable(error)
                }
                _ => return Err(Self::Server(error)),
            },
        })
    }
}
