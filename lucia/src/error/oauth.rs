//! [`OAuthError`]: a failed sign-in with a provider.

use std::fmt;

/// A sign-in with a provider failed, or a use of its stored tokens. `Display` and `Debug` are for logs:
/// they say what is wrong and what to do about it, and contain neither codes nor tokens.
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
    /// The person refused the sign-in, or the provider's rules did (`error=access_denied`).
    ///
    /// Status 403, code `oauth_denied`.
    Denied,
    /// The callback does not belong to a sign-in that this browser began with this provider, or the sign-in
    /// was already finished, or it began too long ago. The person has to begin again.
    ///
    /// Status 400, code `oauth_state`.
    InvalidState,
    /// The provider's answer cannot be accepted. The log says why.
    ///
    /// Status 502, code `oauth_answer`.
    InvalidAnswer,
    /// The provider did not answer in time, or not at all.
    ///
    /// Status 503, code `oauth_unreachable`.
    Unreachable,
    /// The provider no longer accepts the refresh token, or it gave none and the access token has expired.
    /// The person has withdrawn the permission, or the permission has expired. They have to sign in with
    /// the provider again.
    ///
    /// Status 403, code `oauth_revoked`.
    Revoked,
    /// Stored tokens cannot be decrypted: their key is not among
    /// [`encryption_keys`](crate::AuthBuilder::encryption_keys), or the row was changed. The log says
    /// which. When the person signs in with the provider again, the tokens are replaced.
    ///
    /// Status 403, code `oauth_unreadable`.
    Unreadable,
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
            OAuthErrorKind::Revoked => (
                403,
                "oauth_revoked",
                "The other site does not permit this any more. Sign in with that site again.",
            ),
            OAuthErrorKind::Unreadable => (
                403,
                "oauth_unreadable",
                "What connects you to the other site cannot be used. Sign in with that site again.",
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
