//! Why something was refused, and by which call something ended.

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
    /// The key has no password, and a password was given.
    NoPassword,
    /// The key has a password, and [`trusted_key`](crate::Auth::trusted_key) opens none that has.
    HasPassword,
    /// The stored hash cannot be verified. The log says why.
    UnreadableHash,
    /// The link or code is wrong, used, replaced or expired, or was tried too often.
    InvalidOneTimeToken,
    /// The link or code would be the first proof of an address, and its user has another way to sign in: they
    /// have to sign in by that first.
    UnverifiedAddress,
    /// The key is another user's than the one who is signed in.
    OtherUser,
    /// The key was changed or deleted after it was verified, and before its session was stored.
    KeyChanged,
    /// The user was deleted before the session was stored.
    UnknownUser,
    /// Too many attempts at this key from this address have failed. The password or code was not looked at.
    Throttled,
    /// Too many attempts from this address have failed at other spellings of this key. The password
    /// or code was not looked at.
    ThrottledBySpellings,
    /// Too many codes from this address were wrong, for whatever keys. The code was not looked at.
    ThrottledByClient,
    /// Too many passwords and codes are being hashed.
    Busy,
    /// The store did not answer, or another error than these.
    Unavailable,
    /// The future was dropped before the proof was judged. The attempt counts as one that failed.
    Cancelled,
}

/// By which call sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RevocationCause {
    /// By a call of the application: [`invalidate_session`](crate::Auth::invalidate_session) and those
    /// like it.
    Application,
    /// By [`sign_out_everywhere`](crate::AuthRequest::sign_out_everywhere).
    SignOutEverywhere,
    /// By [`sign_out_others`](crate::AuthRequest::sign_out_others).
    SignOutOthers,
    /// By a sign-in, as one more session of the same browser.
    SignIn,
    /// By [`set_session`](crate::AuthRequest::set_session), in a request with several session cookies.
    SetSession,
    /// By a sign-in of the user elsewhere, as one session more than
    /// [`max_sessions_per_user`](crate::AuthBuilder::max_sessions_per_user) allows.
    SessionLimit,
}

/// Why a signed-in user was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessDenial {
    /// A function for `permit` said no.
    Forbidden,
    /// The authentication is longer ago than `recent` allows.
    ReauthenticationRequired,
}

impl SignInFailure {
    /// Its name, as in the JSON of an event.
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
