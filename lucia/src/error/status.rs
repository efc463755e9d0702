//! What an [`Error`] means to a client: status, code, message, and when to try again.

use std::time::Duration;

use super::{ConstraintKind, Error};

impl Error {
    /// The HTTP status of the response to this error.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.meaning().0
    }

    /// A code for API clients, which is the same in all versions: see the table above. An error that a
    /// client cannot cause has the code `internal`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.meaning().1
    }

    /// A message for the client: one sentence, the same for all errors of a kind.
    #[must_use]
    pub fn public_message(&self) -> &'static str {
        self.meaning().2
    }

    /// The status, the code and the message.
    fn meaning(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidPassword(_) => (400, "invalid_password", "The password was refused."),
            Self::InvalidUserId(_) => (400, "invalid_user_id", "A value was refused."),
            Self::InvalidKey { .. } => (400, "invalid_key", "A value was refused."),
            Self::InvalidAddress { .. } => {
                (400, "invalid_address", "This is not an e-mail address.")
            }
            Self::InvalidAttribute { .. } => (400, "invalid_attribute", "A value was refused."),
            Self::InvalidOneTimeToken => (
                400,
                "invalid_one_time_token",
                "This link or code is wrong, used or expired. Ask for another one.",
            ),
            Self::InvalidCredentials => (401, "invalid_credentials", "Wrong credentials."),
            Self::Unauthenticated => (401, "unauthenticated", "Not signed in."),
            Self::ReauthenticationRequired => (401, "reauthentication_required", "Sign in again."),
            Self::CrossOrigin => (
                403,
                "cross_origin",
                "The origin of this request is missing or not allowed.",
            ),
            Self::Forbidden => (403, "forbidden", "Not permitted."),
            Self::UnknownUser => (404, "unknown_user", "Not found."),
            Self::UnknownKey => (404, "unknown_key", "Not found."),
            Self::UnknownSession => (404, "unknown_session", "Not found."),
            Self::DuplicateKey => (409, "duplicate_key", "Already taken."),
            Self::DuplicateUser => (409, "duplicate_user", "Already taken."),
            Self::LastKey => (409, "last_key", "This is the only way to sign in."),
            Self::Constraint(violation) => match violation.kind {
                ConstraintKind::Unique => (409, "duplicate_value", "Already taken."),
                ConstraintKind::Referenced => (409, "still_referenced", "Still in use."),
                _ => (400, "invalid_value", "A value was refused."),
            },
            #[cfg(feature = "oauth")]
            Self::OAuth(error) => error.meaning(),
            Self::TooManyAttempts { .. } => (429, "too_many_attempts", "Too many attempts."),
            Self::Busy => (503, "busy", "Try again in a moment."),
            Self::Unavailable(_) => (503, "unavailable", "Try again in a moment."),
            Self::Setting { .. } | Self::Schema { .. } | Self::Misuse(_) | Self::Internal(_) => {
                (500, "internal", "Internal error.")
            }
        }
    }

    /// How long the client should wait before it tries again, for `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyAttempts { retry_after } => Some(*retry_after),
            Self::Busy | Self::Unavailable(_) => Some(Duration::from_secs(1)),
            #[cfg(feature = "oauth")]
            Self::OAuth(error) if error.kind() == super::OAuthErrorKind::Unreachable => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }
}

/// How long to wait in whole seconds, and never too short: what `Retry-After` can say.
pub(crate) fn whole_seconds(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(1000).max(1)
}
