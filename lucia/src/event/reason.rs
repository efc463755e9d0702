//! Why a sign-in or access was refused, and which call ended sessions.

use serde::Serialize;

/// Why a proof of who a user is was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignInFailure {
    /// No user has this key.
    UnknownKey,
    /// The password is wrong.
    WrongPassword,
    /// A password was given, but the key has none.
    NoPassword,
    /// The key has a password, so [`trusted_key`](crate::Auth::trusted_key) does not open it.
    HasPassword,
    /// The stored hash cannot be verified. The log says why.
    UnreadableHash,
    /// The link or code is wrong, used, replaced or expired, or too many codes were tried.
    InvalidOneTimeToken,
    /// The link or code would be the first proof of an address. The user has another way to sign in, or a
    /// change of the user's address can still be undone. The user has to sign in first.
    UnverifiedAddress,
    /// The link or code would verify a key of the signed-in user, but the session has ended in the meantime.
    /// A link still works. A code is used up.
    SessionEnded,
    /// The key belongs to another user than the one who is signed in.
    OtherUser,
    /// The key was changed or deleted after it was verified and before its session was stored.
    KeyChanged,
    /// The user was deleted before the session was stored.
    UnknownUser,
    /// Too many attempts at this key from this address have failed. The password or code was not checked.
    Throttled,
    /// Too many attempts at other spellings of this key from this address have failed. The password or code
    /// was not checked.
    ThrottledBySpellings,
    /// Too many wrong codes came from this address, for any keys. The code was not checked.
    ThrottledByClient,
    /// Too many passwords and codes are being hashed.
    Busy,
    /// The store did not answer, or another error occurred.
    Unavailable,
    /// The future was dropped before the proof was checked. The attempt counts as a failure.
    Cancelled,
}

/// The call that ended sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InvalidationCause {
    /// A call of the application, such as [`invalidate_session`](crate::Auth::invalidate_session).
    Application,
    /// [`sign_out_everywhere`](crate::AuthRequest::sign_out_everywhere).
    SignOutEverywhere,
    /// [`sign_out_others`](crate::AuthRequest::sign_out_others).
    SignOutOthers,
    /// A sign-in, which ended further sessions of the same browser.
    SignIn,
    /// [`set_session`](crate::AuthRequest::set_session), in a request with several session cookies.
    SetSession,
    /// A sign-in of the user elsewhere, which exceeded
    /// [`max_sessions_per_user`](crate::AuthBuilder::max_sessions_per_user).
    SessionLimit,
}

/// Why a signed-in user was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessDenial {
    /// A function for `permit` denied the request.
    Forbidden,
    /// The authentication is older than `recent` allows.
    ReauthenticationRequired,
}

impl SignInFailure {
    /// The name, as in the JSON of an event.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::WrongPassword => "wrong_password",
            Self::NoPassword => "no_password",
            Self::HasPassword => "has_password",
            Self::UnreadableHash => "unreadable_hash",
            Self::InvalidOneTimeToken => "invalid_one_time_token",
            Self::UnverifiedAddress => "unverified_address",
            Self::SessionEnded => "session_ended",
            Self::OtherUser => "other_user",
            Self::KeyChanged => "key_changed",
            Self::UnknownUser => "unknown_user",
            Self::Throttled => "throttled",
            Self::ThrottledBySpellings => "throttled_by_spellings",
            Self::ThrottledByClient => "throttled_by_client",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
        }
    }
}
