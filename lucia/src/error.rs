//! [`Error`]: all that can go wrong, and what each kind means to a client.

use std::error::Error as StdError;
use std::time::Duration;

/// The result of lucia's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where an error came from, kept for logs.
pub type Source = Box<dyn StdError + Send + Sync + 'static>;

/// All that can go wrong, in groups of what a caller does about it.
///
/// Returned from a handler it becomes a response with the status of [`Error::status`] and a body
/// that says no more than [`Error::public_message`]. `Display` and [`source`](StdError::source)
/// are for logs; neither they nor `Debug` show passwords, tokens or hashes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // Wrong credentials ------------------------------------------------------------------------
    /// There is no such key, or it does not open with this password, or with any. Which of these
    /// it was is not told, so that nobody can find out who has an account (OWASP ASVS 5.0, 6.3.8).
    #[error("wrong credentials")]
    InvalidCredentials,

    // Nobody, or nobody we may believe -----------------------------------------------------------
    /// The request carries no living session.
    #[error("not signed in")]
    Unauthenticated,
    /// An unsafe request that does not come from this site or from an allowed origin.
    #[error("a cross-origin request was refused")]
    CrossOrigin,
    /// The session is good, and its user has to prove again who they are.
    #[error("the sign-in is too long ago")]
    ReauthenticationRequired,
    /// Somebody known, who may not do this.
    #[error("not permitted")]
    Forbidden,

    // Not there ----------------------------------------------------------------------------------
    /// There is no user of this id (any more).
    #[error("there is no such user")]
    UnknownUser,
    /// There is no such key (any more).
    #[error("there is no such key")]
    UnknownKey,
    /// There is no living session of this id (any more).
    #[error("there is no such session")]
    UnknownSession,

    // What the client sent -----------------------------------------------------------------------
    /// A new password that breaks the policy.
    #[error("the password was refused: {0}")]
    InvalidPassword(PasswordProblem),
    /// A text that no user can have as an id.
    #[error(transparent)]
    InvalidUserId(#[from] InvalidUserId),
    /// A provider id or provider user id that is not allowed.
    #[error("the key was refused: {reason}")]
    InvalidKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An attribute that cannot be written: a value that its column cannot hold (no number, too
    /// long, out of range, of no such enum), no column of this name, or one of lucia's own. Such
    /// names come from clients where an application passes on what they send.
    #[error("a value does not fit {}: {reason}", place(table, column.as_deref()))]
    InvalidAttribute {
        /// The table.
        table: String,
        /// The column, where the database tells.
        column: Option<String>,
        /// Why, without the value.
        reason: String,
    },

    // Conflict -----------------------------------------------------------------------------------
    /// The key is taken: someone has signed up with this username already.
    #[error("the key is taken")]
    DuplicateKey,
    /// The user id is taken.
    #[error("the user id is taken")]
    DuplicateUser,
    /// The last key of a user, who could not sign in without it.
    #[error("the last key of a user is not deleted unless asked for")]
    LastKey,
    /// What was written, or deleted, broke a rule of one of your tables.
    #[error("{0}")]
    Constraint(ConstraintViolation),

    // Later ----------------------------------------------------------------------------------------
    /// As many attempts to sign in have failed as
    /// [`sign_in_limit`](crate::AuthBuilder::sign_in_limit) allows: the password was not looked
    /// at.
    #[error("too many attempts; again in {} s", whole_seconds(*retry_after))]
    TooManyAttempts {
        /// How long to wait before the next attempt is looked at.
        retry_after: Duration,
    },
    /// As many passwords are being hashed, and as many wait for it, as the settings allow.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The store cannot answer now: away, too slow, or out of connections. Who the client is
    /// remains unknown.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),

    // Programmer's and operator's mistakes ---------------------------------------------------------
    /// A setting that makes no sense.
    #[error("setting `{setting}`: {reason}")]
    Setting {
        /// The setting, as its method is called; one of the options of another setting stands behind
        /// that, as in `cache.max_age`.
        setting: &'static str,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// The tables are not as the code expects them.
    #[error("{} does not fit: {reason}", place(table, column.as_deref()))]
    Schema {
        /// The table.
        table: String,
        /// The column; `None` when it is about the table itself.
        column: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// lucia is used in a way that cannot work.
    #[error("{0}")]
    Misuse(String),
    /// What should not happen.
    #[error("internal error")]
    Internal(#[source] Source),
}

/// Why a text cannot be the id of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUserId {
    /// It is empty.
    #[error("the user id is empty")]
    Empty,
    /// It has more characters than an id may have.
    #[error("the user id has more than {max} characters")]
    TooLong {
        /// The largest number of characters.
        max: usize,
    },
    /// It holds the character U+0000, which Postgres does not store in text.
    #[error("the user id holds the character U+0000")]
    Nul,
}

/// Why a new password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordProblem {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It has fewer characters than asked.
    #[error("it has fewer than {min} characters")]
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// It has more characters than allowed.
    #[error("it has more than {max} characters")]
    TooLong {
        /// The largest number of characters.
        max: usize,
    },
    /// [`refuse_when`](crate::PasswordOptions::refuse_when) says that it is: it is common, or was
    /// in a breach.
    #[error("it is banned")]
    Banned,
}

/// A rule of your own table that a write broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("{kind} {} {}{}", kind.preposition(), place(table, column.as_deref()), named(constraint.as_deref()))]
pub struct ConstraintViolation {
    /// The kind of rule.
    pub kind: ConstraintKind,
    /// The table.
    pub table: String,
    /// The column, where the database tells.
    pub column: Option<String>,
    /// The name of the rule, where it has one.
    pub constraint: Option<String>,
}

impl ConstraintViolation {
    /// A rule of `kind` in `table` was broken.
    #[must_use]
    pub fn new(kind: ConstraintKind, table: impl Into<String>) -> Self {
        Self {
            kind,
            table: table.into(),
            column: None,
            constraint: None,
        }
    }

    /// Names the column at fault.
    #[must_use]
    pub fn column(mut self, column: Option<String>) -> Self {
        self.column = column;
        self
    }

    /// Names the broken rule.
    #[must_use]
    pub fn constraint(mut self, constraint: Option<String>) -> Self {
        self.constraint = constraint;
        self
    }
}

/// The kinds of rules that a table can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintKind {
    /// Another row has this value.
    #[error("a value is taken")]
    Unique,
    /// The column has to have a value.
    #[error("a value is missing")]
    NotNull,
    /// A `CHECK` said no.
    #[error("a check failed")]
    Check,
    /// It refers to a row that is not there.
    #[error("a reference leads nowhere")]
    ForeignKey,
    /// A row that is to be deleted, or to get another id, is still referenced. The table, column
    /// and constraint are those of the reference. Declare it `ON DELETE CASCADE` or
    /// `ON DELETE SET NULL`, or delete the row that refers to it first.
    #[error("the row is still referenced")]
    Referenced,
    /// Any other rule.
    #[error("a rule was broken")]
    Other,
}

impl ConstraintKind {
    fn preposition(self) -> &'static str {
        match self {
            Self::Referenced => "by",
            _ => "in",
        }
    }
}

impl Error {
    /// An [`Error::Internal`] of this source.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }

    /// An [`Error::Unavailable`] of this source.
    pub fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }

    /// An error of the same kind for each of those who share it.
    #[cfg(feature = "postgres")]
    pub(crate) fn shared(error: &std::sync::Arc<Self>) -> Self {
        match &**error {
            Self::Unavailable(_) => Self::unavailable(error.clone()),
            Self::Schema {
                table,
                column,
                reason,
            } => Self::Schema {
                table: table.clone(),
                column: column.clone(),
                reason: reason.clone(),
            },
            _ => Self::internal(error.clone()),
        }
    }

    pub(crate) fn setting(setting: &'static str, reason: impl Into<String>) -> Self {
        Self::Setting {
            setting,
            reason: reason.into(),
        }
    }

    /// The HTTP status of a response to a client who ran into this.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidPassword(_)
            | Self::InvalidUserId(_)
            | Self::InvalidKey { .. }
            | Self::InvalidAttribute { .. } => 400,
            Self::InvalidCredentials | Self::Unauthenticated | Self::ReauthenticationRequired => {
                401
            }
            Self::CrossOrigin | Self::Forbidden => 403,
            Self::UnknownUser | Self::UnknownKey | Self::UnknownSession => 404,
            Self::DuplicateKey | Self::DuplicateUser | Self::LastKey => 409,
            Self::Constraint(violation) => match violation.kind {
                ConstraintKind::Unique | ConstraintKind::Referenced => 409,
                _ => 400,
            },
            Self::TooManyAttempts { .. } => 429,
            Self::Busy | Self::Unavailable(_) => 503,
            Self::Setting { .. } | Self::Schema { .. } | Self::Misuse(_) | Self::Internal(_) => 500,
        }
    }

    /// What a client may read of this: one sentence, the same for all errors of a kind.
    #[must_use]
    pub fn public_message(&self) -> &'static str {
        match self {
            Self::InvalidPassword(_) => "The password was refused.",
            Self::InvalidUserId(_) | Self::InvalidKey { .. } | Self::InvalidAttribute { .. } => {
                "A value was refused."
            }
            Self::InvalidCredentials => "Wrong credentials.",
            Self::UnknownUser | Self::UnknownKey | Self::UnknownSession => "Not found.",
            Self::Unauthenticated => "Not signed in.",
            Self::ReauthenticationRequired => "Sign in again.",
            Self::CrossOrigin => "Cross-origin request refused.",
            Self::Forbidden => "Not permitted.",
            Self::LastKey => "This is the only way to sign in.",
            Self::DuplicateKey | Self::DuplicateUser => "Already taken.",
            Self::Constraint(violation) => match violation.kind {
                ConstraintKind::Unique => "Already taken.",
                ConstraintKind::Referenced => "Still in use.",
                _ => "A value was refused.",
            },
            Self::TooManyAttempts { .. } => "Too many attempts.",
            Self::Busy | Self::Unavailable(_) => "Try again in a moment.",
            Self::Setting { .. } | Self::Schema { .. } | Self::Misuse(_) | Self::Internal(_) => {
                "Internal error."
            }
        }
    }

    /// How long the client shall wait before it asks again, for `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyAttempts { retry_after } => Some(*retry_after),
            Self::Busy | Self::Unavailable(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

/// How long to wait in whole seconds, and never too short: what `Retry-After` can say.
pub(crate) fn whole_seconds(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(1000).max(1)
}

/// An error with all that it came from, for a log line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn place(table: &str, column: Option<&str>) -> String {
    match column {
        Some(column) => format!("column `{column}` of table `{table}`"),
        None => format!("table `{table}`"),
    }
}

fn named(constraint: Option<&str>) -> String {
    constraint
        .map(|name| format!(" (`{name}`)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_table_column_and_constraint() {
        let violation = ConstraintViolation::new(ConstraintKind::Unique, "auth_user")
            .column(Some("email".into()))
            .constraint(Some("auth_user_email_key".into()));
        assert_eq!(
            Error::Constraint(violation).to_string(),
            "a value is taken in column `email` of table `auth_user` (`auth_user_email_key`)"
        );
    }

    #[test]
    fn an_outage_is_503_and_never_401() {
        assert_eq!(Error::unavailable("gone").status(), 503);
        assert_eq!(Error::Busy.status(), 503);
        assert_eq!(Error::Unauthenticated.status(), 401);
    }

    #[test]
    fn the_store_and_the_schema_are_not_told_to_clients() {
        let schema = Error::Schema {
            table: "auth_user".into(),
            column: Some("age".into()),
            reason: "it is missing".into(),
        };
        assert_eq!(schema.public_message(), "Internal error.");
        assert_eq!(
            schema.to_string(),
            "column `age` of table `auth_user` does not fit: it is missing"
        );
    }
}
