//! What can go wrong with a provider, on its way to an [`OAuthError`].

use super::fetch::FetchError;
use crate::error::chain;
use crate::error::{OAuthError, OAuthErrorKind};

/// An [`OAuthError`] that does not know its provider yet.
#[derive(Debug)]
pub(super) struct Failure {
    kind: OAuthErrorKind,
    reason: String,
}

impl Failure {
    fn new(kind: OAuthErrorKind, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { kind, reason }
    }

    pub(super) fn denied() -> Self {
        Self::new(OAuthErrorKind::Denied, "the person refused the sign-in")
    }

    pub(super) fn state(reason: impl Into<String>) -> Self {
        Self::new(OAuthErrorKind::InvalidState, reason)
    }

    pub(super) fn answer(reason: impl Into<String>) -> Self {
        Self::new(OAuthErrorKind::InvalidAnswer, reason)
    }

    pub(super) fn unreachable(reason: impl Into<String>) -> Self {
        Self::new(OAuthErrorKind::Unreachable, reason)
    }

    pub(super) fn of(self, provider: &str) -> OAuthError {
        OAuthError::new(self.kind, provider, self.reason)
    }

    /// The error, after a line in the log: what a client is told says nothing.
    pub(super) fn logged(self, provider: &str) -> crate::Error {
        let error = self.of(provider);
        match error.kind() {
            OAuthErrorKind::Denied | OAuthErrorKind::InvalidState => {
                tracing::info!(%error, "sign-in by a provider refused");
            }
            OAuthErrorKind::InvalidAnswer | OAuthErrorKind::Unreachable => {
                tracing::warn!(%error, "sign-in by a provider failed");
            }
        }
        crate::Error::OAuth(error)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let reason = chain(&error);
        match error {
            FetchError::Unreachable { .. } => Self::unreachable(reason),
            FetchError::Status { status, .. } if status.is_server_error() => {
                Self::unreachable(reason)
            }
            _ => Self::answer(reason),
        }
    }
}

/// A word that a provider chose, such as an error code, for a log line. Text that is no word may hold
/// anything, a code or token too, and is left out.
pub(super) fn word(text: &str) -> &str {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if !text.is_empty() && text.len() <= 40 && text.bytes().all(is_allowed) {
        text
    } else {
        "(no word)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_a_provider_are_logged() {
        assert_eq!(word("invalid_grant"), "invalid_grant");
        for text in ["", "a b", "line\nbreak", "Xy7", "é", &"a".repeat(41)] {
            assert_eq!(word(text), "(no word)", "{text:?}");
        }
    }
}
