//! [`StoreError`]: the errors of a store.

use crate::error::{BoxError, ConstraintViolation, Error, place};

/// The result of a store's methods.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An error of a store. Each kind becomes the [`Error`] of the same name.
///
/// Neither the error nor its source contains values, because errors are logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A key with this id already exists.
    #[error("the key is taken")]
    DuplicateKey,
    /// A user with this id already exists.
    #[error("the user id is taken")]
    DuplicateUser,
    /// The key is the last one of its user and was not deleted.
    #[error("the last key of a user is not deleted unless asked for")]
    LastKey,
    /// A key or session belongs to a user who does not exist.
    #[error("there is no such user")]
    UnknownUser,
    /// The application's columns break a constraint of their table, or a row to be deleted is still
    /// [referenced](crate::ConstraintKind::Referenced).
    #[error("{0}")]
    Constraint(ConstraintViolation),
    /// A value does not fit its column, or the column does not exist.
    #[error("a value does not fit {}: {reason}", place(table, column.as_deref()))]
    InvalidAttribute {
        /// The table.
        table: String,
        /// The column, if the database reports it.
        column: Option<String>,
        /// The reason, without the value.
        reason: String,
    },
    /// A table or one of lucia's columns is missing or has another type.
    #[error("{} does not fit: {reason}", place(table, column.as_deref()))]
    Schema {
        /// The table.
        table: String,
        /// The column, or `None` if the table itself is at fault.
        column: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// The store is used in a way that cannot work.
    #[error("{0}")]
    Misuse(String),
    /// The database is unreachable, slow, or out of connections.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// Anything else.
    #[error("internal error")]
    Internal(#[source] BoxError),
}

impl StoreError {
    /// A [`StoreError::Internal`] with this source.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::Internal(source.into())
    }

    /// A [`StoreError::Unavailable`] with this source.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }

    /// A [`StoreError::Schema`] for this column of a table, or for the table itself.
    pub fn schema(table: &str, column: Option<&str>, reason: impl Into<String>) -> Self {
        Self::Schema {
            table: table.to_owned(),
            column: column.map(str::to_owned),
            reason: reason.into(),
        }
    }

    /// A [`StoreError::InvalidAttribute`] for this table, and for this column if it is known.
    pub fn invalid_attribute(table: &str, column: Option<&str>, reason: impl Into<String>) -> Self {
        Self::InvalidAttribute {
            table: table.to_owned(),
            column: column.map(str::to_owned),
            reason: reason.into(),
        }
    }

    /// An error of the same kind for each of those who share it.
    pub(crate) fn shared(error: &std::sync::Arc<Self>) -> Self {
        match &**error {
            Self::Unavailable(_) => Self::unavailable(error.clone()),
            Self::Schema {
                table,
                column,
                reason,
            } => Self::schema(table, column.as_deref(), reason),
            _ => Self::internal(error.clone()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DuplicateKey => Self::DuplicateKey,
            StoreError::DuplicateUser => Self::DuplicateUser,
            StoreError::LastKey => Self::LastKey,
            StoreError::UnknownUser => Self::UnknownUser,
            StoreError::Constraint(violation) => Self::Constraint(violation),
            StoreError::InvalidAttribute {
                table,
                column,
                reason,
            } => Self::InvalidAttribute {
                table,
                column,
                reason,
            },
            StoreError::Schema {
                table,
                column,
                reason,
            } => Self::Schema {
                table,
                column,
                reason,
            },
            StoreError::Misuse(what) => Self::Misuse(what),
            StoreError::Unavailable(source) => Self::Unavailable(source),
            StoreError::Internal(source) => Self::Internal(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::ConstraintKind;

    #[test]
    fn an_error_of_a_store_reads_the_same_as_the_error_that_it_becomes() {
        let (table, column, reason) = ("auth_user", Some("age"), "of another type");
        let violation = ConstraintViolation::new(ConstraintKind::Unique, "auth_user");
        for (error, code) in [
            (StoreError::DuplicateKey, "duplicate_key"),
            (StoreError::DuplicateUser, "duplicate_user"),
            (StoreError::LastKey, "last_key"),
            (StoreError::UnknownUser, "unknown_user"),
            (StoreError::Constraint(violation), "duplicate_value"),
            (
                StoreError::invalid_attribute(table, column, reason),
                "invalid_attribute",
            ),
            (StoreError::schema(table, column, reason), "internal"),
            (StoreError::Misuse("write `x`".to_owned()), "internal"),
            (StoreError::unavailable("away"), "unavailable"),
            (StoreError::internal("broken"), "internal"),
        ] {
            let said = format!("{error:?} {error} {:?}", error.source());
            let becomes = Error::from(error);
            assert_eq!(
                said,
                format!("{becomes:?} {becomes} {:?}", becomes.source())
            );
            assert_eq!(becomes.code(), code);
        }
    }
}
