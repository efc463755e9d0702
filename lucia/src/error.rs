//! [`Error`]: everything that can go wrong.

mod constraint;
#[cfg(feature = "oauth")]
mod oauth;
mod status;

use std::error::Error as StdError;
use std::time::Duration;

pub use constraint::{ConstraintKind, ConstraintViolation};
#[cfg(feature = "oauth")]
pub use oauth::{OAuthError, OAuthErrorKind};
pub(crate) use status::whole_seconds;

/// The result of lucia's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where an error came from, kept for logs.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// Everything that can go wrong, grouped by what a caller can do about it.
///
/// If a handler returns an error, it becomes a response with the status of [`Error::status`] and a body
/// that says no more than [`Error::public_message`]. `Display` and [`source`](StdError::source) are for
/// logs. Neither they nor `Debug` show passwords, tokens or hashes.
/// [`denials`](crate::AuthBuilder::denials) changes how such responses look.
///
/// | error | status | code |
/// |---|---|---|
/// | [`InvalidPassword`](Self::InvalidPassword) | 400 | `invalid_password` |
/// | [`InvalidUserId`](Self::InvalidUserId) | 400 | `invalid_user_id` |
/// | [`InvalidKey`](Self::InvalidKey) | 400 | `invalid_key` |
/// | [`InvalidAddress`](Self::InvalidAddress) | 400 | `invalid_address` |
/// | [`InvalidAttribute`](Self::InvalidAttribute) | 400 | `invalid_attribute` |
/// | [`InvalidOneTimeToken`](Self::InvalidOneTimeToken) | 400 | `invalid_one_time_token` |
/// | [`InvalidCredentials`](Self::InvalidCredentials) | 401 | `invalid_credentials` |
/// | [`Unauthenticated`](Self::Unauthenticated) | 401 | `unauthenticated` |
/// | [`ReauthenticationRequired`](Self::ReauthenticationRequired) | 401 | `reauthentication_required` |
/// | [`CrossOrigin`](Self::CrossOrigin) | 403 | `cross_origin` |
/// | [`Forbidden`](Self::Forbidden) | 403 | `forbidden` |
/// | [`UnknownUser`](Self::UnknownUser) | 404 | `unknown_user` |
/// | [`UnknownKey`](Self::UnknownKey) | 404 | `unknown_key` |
/// | [`UnknownSession`](Self::UnknownSession) | 404 | `unknown_session` |
/// | [`DuplicateKey`](Self::DuplicateKey) | 409 | `duplicate_key` |
/// | [`DuplicateUser`](Self::DuplicateUser) | 409 | `duplicate_user` |
/// | [`LastKey`](Self::LastKey) | 409 | `last_key` |
/// | [`Constraint`](Self::Constraint), [`Unique`](ConstraintKind::Unique) | 409 | `duplicate_value` |
/// | [`Constraint`](Self::Constraint), [`Referenced`](ConstraintKind::Referenced) | 409 | `still_referenced` |
/// | [`Constraint`](Self::Constraint), any other | 400 | `invalid_value` |
/// | [`OAuth`](Self::OAuth), [`InvalidState`](OAuthErrorKind::InvalidState) | 400 | `oauth_state` |
/// | [`OAuth`](Self::OAuth), [`Denied`](OAuthErrorKind::Denied) | 403 | `oauth_denied` |
/// | [`OAuth`](Self::OAuth), [`Revoked`](OAuthErrorKind::Revoked) | 403 | `oauth_revoked` |
/// | [`OAuth`](Self::OAuth), [`Unreadable`](OAuthErrorKind::Unreadable) | 403 | `oauth_unreadable` |
/// | [`OAuth`](Self::OAuth), [`InvalidAnswer`](OAuthErrorKind::InvalidAnswer) | 502 | `oauth_answer` |
/// | [`OAuth`](Self::OAuth), [`Unreachable`](OAuthErrorKind::Unreachable) | 503 | `oauth_unreachable` |
/// | [`TooManyAttempts`](Self::TooManyAttempts) | 429 | `too_many_attempts` |
/// | [`Busy`](Self::Busy) | 503 | `busy` |
/// | [`Unavailable`](Self::Unavailable) | 503 | `unavailable` |
/// | [`Setting`](Self::Setting) | 500 | `internal` |
/// | [`Schema`](Self::Schema) | 500 | `internal` |
/// | [`Misuse`](Self::Misuse) | 500 | `internal` |
/// | [`Internal`](Self::Internal) | 500 | `internal` |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // Wrong credentials ------------------------------------------------------------------------
    /// The key does not exist, the password is wrong, or the key has no password. The error does not say
    /// which, so that clients cannot find out which accounts exist (OWASP ASVS 5.0, 6.3.8).
    ///
    /// Status 401, code `invalid_credentials`.
    #[error("wrong credentials")]
    InvalidCredentials,

    /// The one-time link or code is wrong, was used before, has expired, or is for another purpose, or too
    /// many wrong codes were tried. The error does not say which, so that clients learn nothing about other
    /// people's links and codes. The message can be shown to users.
    ///
    /// Status 400, code `invalid_one_time_token`.
    #[error("the link or code is wrong, used or expired")]
    InvalidOneTimeToken,

    // Not signed in, or not permitted --------------------------------------------------------------
    /// The request has no valid session.
    ///
    /// Status 401, code `unauthenticated`.
    #[error("not signed in")]
    Unauthenticated,
    /// An unsafe request that does not come from this site or from an allowed origin.
    ///
    /// Status 403, code `cross_origin`.
    #[error("a cross-origin request was refused")]
    CrossOrigin,
    /// The session is valid, but its user has to authenticate again.
    ///
    /// Status 401, code `reauthentication_required`.
    #[error("the sign-in is too long ago")]
    ReauthenticationRequired,
    /// The user is signed in but may not do this.
    ///
    /// Status 403, code `forbidden`.
    #[error("not permitted")]
    Forbidden,

    // Not there ----------------------------------------------------------------------------------
    /// The user does not exist, or no longer exists.
    ///
    /// Status 404, code `unknown_user`.
    #[error("there is no such user")]
    UnknownUser,
    /// The key does not exist, or no longer exists.
    ///
    /// Status 404, code `unknown_key`.
    #[error("there is no such key")]
    UnknownKey,
    /// The session has expired, or does not exist.
    ///
    /// Status 404, code `unknown_session`.
    #[error("there is no such session")]
    UnknownSession,

    // What the client sent -----------------------------------------------------------------------
    /// A new password breaks the policy.
    ///
    /// Status 400, code `invalid_password`.
    #[error("the password was refused: {0}")]
    InvalidPassword(PasswordProblem),
    /// The text cannot be the id of a user.
    ///
    /// Status 400, code `invalid_user_id`.
    #[error(transparent)]
    InvalidUserId(#[from] InvalidUserId),
    /// The provider id or provider user id is not allowed.
    ///
    /// Status 400, code `invalid_key`.
    #[error("the key was refused: {reason}")]
    InvalidKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is not an e-mail address.
    ///
    /// Status 400, code `invalid_address`.
    #[error("the e-mail address was refused: {reason}")]
    InvalidAddress {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The attribute cannot be written: its value does not fit the column (not a number, too long, out of
    /// range, not a member of the enum), or its column is unknown or lucia's own. Such column names can
    /// come from clients if an application passes on what they send.
    ///
    /// Status 400, code `invalid_attribute`.
    #[error("a value does not fit {}: {reason}", place(table, column.as_deref()))]
    InvalidAttribute {
        /// The table.
        table: String,
        /// The column, if the database reports it.
        column: Option<String>,
        /// The reason, without the value.
        reason: String,
    },

    // Conflict -----------------------------------------------------------------------------------
    /// The key is taken: for example, another user already has this username.
    ///
    /// Status 409, code `duplicate_key`.
    #[error("the key is taken")]
    DuplicateKey,
    /// The user id is taken.
    ///
    /// Status 409, code `duplicate_user`.
    #[error("the user id is taken")]
    DuplicateUser,
    /// The key is the last one of its user, who could not sign in without it.
    ///
    /// Status 409, code `last_key`.
    #[error("the last key of a user is not deleted unless asked for")]
    LastKey,
    /// A write or deletion broke a constraint of one of your tables.
    ///
    /// The status and the code depend on the kind of rule: see the table above.
    #[error("{0}")]
    Constraint(ConstraintViolation),

    // A provider ---------------------------------------------------------------------------------
    /// A sign-in with an OAuth 2 or OpenID Connect provider failed.
    ///
    /// The status and the code depend on the kind: see the table above.
    #[cfg(feature = "oauth")]
    #[cfg_attr(docsrs, doc(cfg(feature = "oauth")))]
    #[error(transparent)]
    OAuth(OAuthError),

    // Later ----------------------------------------------------------------------------------------
    /// Too many sign-in attempts have failed ([`sign_in_limit`](crate::AuthBuilder::sign_in_limit)), and
    /// the password was not checked; a client has [asked for too many](crate::KeyLink#limits) links and
    /// codes, or tried [too many codes](crate::AuthRequest::create_sign_in_code); or the address of a key
    /// was [changed](crate::AuthRequest::change_email) less than 7 days ago.
    ///
    /// Status 429, code `too_many_attempts`.
    #[error("too many attempts; again in {} s", whole_seconds(*retry_after))]
    TooManyAttempts {
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// The maximum number of passwords is being hashed, and the maximum number is waiting.
    ///
    /// Status 503, code `busy`.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The store cannot answer now: it is unreachable, too slow, or out of connections. The sender of the
    /// request is unknown.
    ///
    /// Status 503, code `unavailable`.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),

    // Programmer's and operator's mistakes ---------------------------------------------------------
    /// A setting is invalid.
    ///
    /// Status 500, code `internal`.
    #[error("setting `{setting}`: {reason}")]
    Setting {
        /// The name of the setting's method. An option of another setting follows that setting, as in
        /// `cache.max_age`.
        setting: &'static str,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// The tables are not as lucia or the application expects them.
    ///
    /// Status 500, code `internal`.
    #[error("{} does not fit: {reason}", place(table, column.as_deref()))]
    Schema {
        /// The table.
        table: String,
        /// The column, or `None` if the table itself is at fault.
        column: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// lucia is used in a way that cannot work.
    ///
    /// Status 500, code `internal`.
    #[error("{0}")]
    Misuse(String),
    /// An error that should not happen.
    ///
    /// Status 500, code `internal`.
    #[error("internal error")]
    Internal(#[source] BoxError),
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
        /// The maximum number of characters.
        max: usize,
    },
    /// It contains the character U+0000, which Postgres cannot store in text.
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
    /// It has too few characters.
    #[error("it has fewer than {min} characters")]
    TooShort {
        /// The minimum number of characters.
        min: usize,
    },
    /// It has too many characters.
    #[error("it has more than {max} characters")]
    TooLong {
        /// The maximum number of characters.
        max: usize,
    },
    /// [`refuse_when`](crate::PasswordOptions::refuse_when) refuses it: it is common, or was in a breach.
    #[error("it is banned")]
    Banned,
}

impl Error {
    /// An [`Error::Internal`] of this source.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::Internal(source.into())
    }

    /// An [`Error::Unavailable`] of this source.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }

    pub(crate) fn setting(setting: &'static str, reason: impl Into<String>) -> Self {
        Self::Setting {
            setting,
            reason: reason.into(),
        }
    }
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

pub(crate) fn place(table: &str, column: Option<&str>) -> String {
    match column {
        Some(column) => format!("column `{column}` of table `{table}`"),
        None => format!("table `{table}`"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
