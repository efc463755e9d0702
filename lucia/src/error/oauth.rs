//! [`OAuthError`]: a sign-in by a provider that failed.

use std::fmt;

/// A sign-in by a provider that failed. `Display` and `Debug` are for logs: they say what is wrong and
/// what to do about it, and show neither codes nor tokens.
#[derive(Debug)]
pub struct OAuthError {
    kind: OAuthErrorKind,
    provider: String,
    reason: String,
}

/// What a client can do about an [`OAuthError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthErrorKind {
    /// The person, or the provider's rules, refused the sign-in (`error=access_denied`).
    ///
    /// Status 403, code `oauth_denied`.
    Denied,
    /// The callback does not belong to a sign-in that this browser began with this provider, or the
    /// sign-in was finished before, or began too long ago. The person begins again.
    ///
    /// Status 400, code `oauth_state`.
    InvalidState,
    /// The provider answered something that cannot be accepted. The log says what.
    ///
    /// Status 502, code `oauth_answer`.
    InvalidAnswer,
    /// The provider did not answer in time, or not at all.
    ///
    /// Status 503, code `oauth_unreachable`.
    Unreachable,
}

impl OAuthError {
    /// The `reason` says what is wrong, and holds nothing that a provider wrote.
    pub(crate) fn new(kind: OAuthErrorKind, provider: &str, reason: String) -> Self {
        let provider = provider.to_owned();
        Self {
            kind,
            provider,
            reason,
        }
    }

    /// What a client can do about it.
    #[must_use]
    pub fn kind(&self) -> OAuthErrorKind {
        self.kind
    }

    /// The [id](crate::oauth::OAuthProvider::id) of the provider.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The status, the code and the message for clients.
    pub(crate) fn meaning(&self) -> (u16, &'static str, &'static str) {
        match self.kind {
            OAuthErrorKind::Denied => (403, "oauth_denied", "The sign-in was cancelled."),
            OAuthErrorKind::InvalidState => (
                400,
                "oauth_state",
                "This sign-in has expired, or was begun elsewhere. Begin again.",
            ),
            OAuthErrorKind::InvalidAnswer => (
                502,
                "oauth_answer",
                "The other site gave an answer that cannot be used. Try again, or sign in another way.",
            ),
            OAuthErrorKind::Unreachable => (
                503,
                "oauth_unreachable",
                "The other site does not answer. Try again in a moment, or sign in another way.",
            ),
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider `{}`: {}", self.provider, self.reason)
    }
}

impl std::error::Error for OAuthError {}
