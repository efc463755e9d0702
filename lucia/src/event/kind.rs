//! [`EventKind`]: the kinds of events.

use serde::Serialize;

use super::reason::{AccessDenial, InvalidationCause, SignInFailure};
use crate::session::token::SessionId;
use crate::user::UserId;
use crate::user::key::SignInMethod;

/// What has happened.
///
/// As JSON (`serde_json::to_value(&event.kind)`), a kind is an object of its fields, with its
/// [name](Self::name) as `event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    // Users and keys ----------------------------------------------------------------------------
    /// A user was created. [`sign_up`](crate::AuthRequest::sign_up) reports this, and then
    /// [`SignedIn`](Self::SignedIn).
    #[non_exhaustive]
    UserCreated {
        /// The user.
        user_id: UserId,
        /// The provider of the user's first key, if they have one.
        provider_id: Option<String>,
        /// Whether the user was created in a transaction of the application: [`CreateUser::transaction`].
        /// If the application rolls it back, the user does not exist.
        ///
        /// [`CreateUser::transaction`]: https://docs.rs/lucia/latest/lucia/struct.CreateUser.html#method.transaction
        in_transaction: bool,
    },
    /// Attributes of a user were set.
    #[non_exhaustive]
    UserUpdated {
        /// The user.
        user_id: UserId,
        /// The columns that were set.
        columns: Vec<String>,
    },
    /// A user was deleted with their keys, sessions and one-time tokens, or did not exist.
    #[non_exhaustive]
    UserDeleted {
        /// The user.
        user_id: UserId,
    },
    /// A user got another key.
    #[non_exhaustive]
    KeyCreated {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
        /// Whether the key was created in a transaction of the application, as in
        /// [`UserCreated`](Self::UserCreated).
        in_transaction: bool,
    },
    /// A key was deleted.
    #[non_exhaustive]
    KeyDeleted {
        /// The user of the key. `None` only in [`Interrupted`](Self::Interrupted).
        user_id: Option<UserId>,
        /// The provider of the key.
        provider_id: String,
    },

    /// The address of a key was [verified](crate::UserKey::verified_at) by its user, and nothing else
    /// changed.
    #[non_exhaustive]
    EmailVerified {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },
    /// The owner of an address got the account: all sessions and one-time tokens of the user ended, the
    /// passwords of their keys were removed, and the key of the address was verified.
    /// [`KeyDeleted`](Self::KeyDeleted) follows for each key that this deleted.
    #[non_exhaustive]
    EmailClaimed {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },
    /// A key got another address, which is now verified:
    /// [`change_email`](crate::AuthRequest::change_email).
    #[non_exhaustive]
    EmailChanged {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },
    /// A key got its former address back. [`undo_email_change`](crate::AuthRequest::undo_email_change)
    /// reports this, and then [`EmailClaimed`](Self::EmailClaimed).
    #[non_exhaustive]
    EmailChangeUndone {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },

    // Passwords ---------------------------------------------------------------------------------
    /// A key got a password, and no session ended:
    /// [`update_key_password`](crate::Auth::update_key_password) and
    /// [`set_password`](crate::AuthRequest::set_password).
    #[non_exhaustive]
    PasswordSet {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },
    /// The password of a key was removed, and no session ended:
    /// [`remove_key_password`](crate::Auth::remove_key_password).
    #[non_exhaustive]
    PasswordRemoved {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },
    /// A user changed their password. All their other sessions ended, and their open links and codes were
    /// invalidated.
    #[non_exhaustive]
    PasswordChanged {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
        /// The new id of the session that remains.
        session_id: SessionId,
        /// The former id of that session.
        former_session_id: SessionId,
    },
    /// A forgotten password was reset. All sessions of the user ended, and their open links and codes were
    /// invalidated, except links that undo a change of an address.
    #[non_exhaustive]
    PasswordReset {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },
    /// An outdated hash was replaced at a sign-in. The password did not change.
    #[non_exhaustive]
    HashUpgraded {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
    },

    // Signing in --------------------------------------------------------------------------------
    /// A password was right, or the application vouched for a key. [`sign_in`](crate::AuthRequest::sign_in)
    /// with a password reports this, and then [`SignedIn`](Self::SignedIn).
    #[non_exhaustive]
    KeyVerified {
        /// The user.
        user_id: UserId,
        /// The provider of the key.
        provider_id: String,
        /// [`Password`](SignInMethod::Password), or [`Application`](SignInMethod::Application) if the
        /// application vouched for the key with [`trusted_key`](crate::Auth::trusted_key).
        method: SignInMethod,
    },
    /// A proof of who a user is was refused, at a sign-in or when a signed-in user authenticated again.
    #[non_exhaustive]
    SignInFailed {
        /// The reason. The client does not learn it.
        reason: SignInFailure,
        /// What kind of proof was refused.
        method: SignInMethod,
        /// The provider of the key, if there was one.
        provider_id: Option<String>,
        /// The user of the key, if lucia knows them.
        user_id: Option<UserId>,
    },
    /// A session began.
    #[non_exhaustive]
    SignedIn {
        /// The user.
        user_id: UserId,
        /// The session.
        session_id: SessionId,
        /// How the user signed in.
        method: SignInMethod,
        /// The provider of the key. `None` if the application vouched for a user id.
        provider_id: Option<String>,
        /// Whether the sign-in counts as an authentication. [`unproven`](crate::CreateSession::unproven)
        /// sessions do not.
        proven: bool,
        /// The previous session of the browser, which ended in the same transaction.
        replaced_session_id: Option<SessionId>,
    },
    /// A signed-in user authenticated again.
    #[non_exhaustive]
    Reauthenticated {
        /// The user.
        user_id: UserId,
        /// The new id of the session.
        session_id: SessionId,
        /// The former id of the session.
        former_session_id: SessionId,
        /// How the user authenticated.
        method: SignInMethod,
        /// The provider of the key.
        provider_id: String,
    },

    // Sessions ----------------------------------------------------------------------------------
    /// A session ended by [`sign_out`](crate::AuthRequest::sign_out).
    #[non_exhaustive]
    SignedOut {
        /// The session.
        session_id: SessionId,
        /// The user, if the request had looked them up.
        user_id: Option<UserId>,
    },
    /// Another call ended a session.
    #[non_exhaustive]
    SessionInvalidated {
        /// The session.
        session_id: SessionId,
        /// The user, if the call knows them.
        user_id: Option<UserId>,
        /// The call.
        cause: InvalidationCause,
    },
    /// All sessions of a user ended, except `kept_session_id` if it is set.
    #[non_exhaustive]
    SessionsInvalidated {
        /// The user.
        user_id: UserId,
        /// The session that remains.
        kept_session_id: Option<SessionId>,
        /// The call.
        cause: InvalidationCause,
    },
    /// A session was renewed, because it was used after its active period.
    #[non_exhaustive]
    SessionRenewed {
        /// The user.
        user_id: UserId,
        /// The session.
        session_id: SessionId,
    },
    /// A session got a new token: [`rotate_session`](crate::Auth::rotate_session).
    #[non_exhaustive]
    SessionRotated {
        /// The user.
        user_id: UserId,
        /// The new id of the session.
        session_id: SessionId,
        /// The former id of the session.
        former_session_id: SessionId,
    },

    // One-time tokens ---------------------------------------------------------------------------
    /// A link was created.
    #[non_exhaustive]
    OneTimeTokenCreated {
        /// The purpose of the link.
        purpose: String,
        /// The user of the link, if it has one.
        user_id: Option<UserId>,
    },
    /// A link was used.
    #[non_exhaustive]
    OneTimeTokenUsed {
        /// The purpose of the link.
        purpose: String,
        /// The user of the link, if it has one.
        user_id: Option<UserId>,
    },
    /// A link was refused when it was used or checked: it is wrong, used or expired.
    #[non_exhaustive]
    OneTimeTokenRefused {
        /// The purpose for which it was presented.
        purpose: String,
    },
    /// A code was created.
    #[non_exhaustive]
    OneTimeCodeCreated {
        /// The purpose of the code.
        purpose: String,
        /// The user of the code, if it has one.
        user_id: Option<UserId>,
    },
    /// A code was used.
    #[non_exhaustive]
    OneTimeCodeUsed {
        /// The purpose of the code.
        purpose: String,
        /// The user of the code, if it has one.
        user_id: Option<UserId>,
    },
    /// A code was refused: it is wrong, used or expired, or was tried too often.
    #[non_exhaustive]
    OneTimeCodeRefused {
        /// The purpose for which it was presented.
        purpose: String,
        /// The user of the code that was tried, if that code exists and has a user.
        user_id: Option<UserId>,
        /// How many more times the code can be tried. `None` if there is no code to try.
        tries_left: Option<u32>,
    },
    /// All open links and codes of a user were invalidated.
    #[non_exhaustive]
    OneTimeTokensInvalidated {
        /// The user.
        user_id: UserId,
    },

    // Requests ----------------------------------------------------------------------------------
    /// An unsafe request was refused because of its origin. This is reported once per request.
    #[non_exhaustive]
    OriginRefused {
        /// What the headers of the request say, and what to set if it should be admitted.
        reason: String,
    },
    /// `permit` or `recent` denied access to a signed-in user.
    #[non_exhaustive]
    AccessDenied {
        /// The user.
        user_id: Option<UserId>,
        /// The session.
        session_id: Option<SessionId>,
        /// The reason.
        reason: AccessDenial,
    },

    // Not known ---------------------------------------------------------------------------------
    /// lucia does not know the outcome of a change, because its future was dropped, or the store failed,
    /// during the change. The change happened completely or not at all.
    #[non_exhaustive]
    Interrupted {
        /// The change that may have happened.
        change: Box<EventKind>,
    },
}

impl EventKind {
    /// The name of the kind, which never changes, for a table or for metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserCreated { .. } => "user_created",
            Self::UserUpdated { .. } => "user_updated",
            Self::UserDeleted { .. } => "user_deleted",
            Self::KeyCreated { .. } => "key_created",
            Self::KeyDeleted { .. } => "key_deleted",
            Self::EmailVerified { .. } => "email_verified",
            Self::EmailClaimed { .. } => "email_claimed",
            Self::EmailChanged { .. } => "email_changed",
            Self::EmailChangeUndone { .. } => "email_change_undone",
            Self::PasswordSet { .. } => "password_set",
            Self::PasswordRemoved { .. } => "password_removed",
            Self::PasswordChanged { .. } => "password_changed",
            Self::PasswordReset { .. } => "password_reset",
            Self::HashUpgraded { .. } => "hash_upgraded",
            Self::KeyVerified { .. } => "key_verified",
            Self::SignInFailed { .. } => "sign_in_failed",
            Self::SignedIn { .. } => "signed_in",
            Self::Reauthenticated { .. } => "reauthenticated",
            Self::SignedOut { .. } => "signed_out",
            Self::SessionInvalidated { .. } => "session_invalidated",
            Self::SessionsInvalidated { .. } => "sessions_invalidated",
            Self::SessionRenewed { .. } => "session_renewed",
            Self::SessionRotated { .. } => "session_rotated",
            Self::OneTimeTokenCreated { .. } => "one_time_token_created",
            Self::OneTimeTokenUsed { .. } => "one_time_token_used",
            Self::OneTimeTokenRefused { .. } => "one_time_token_refused",
            Self::OneTimeCodeCreated { .. } => "one_time_code_created",
            Self::OneTimeCodeUsed { .. } => "one_time_code_used",
            Self::OneTimeCodeRefused { .. } => "one_time_code_refused",
            Self::OneTimeTokensInvalidated { .. } => "one_time_tokens_invalidated",
            Self::OriginRefused { .. } => "origin_refused",
            Self::AccessDenied { .. } => "access_denied",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// The user whom the event concerns, if lucia knows them.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::UserCreated { user_id, .. }
            | Self::UserUpdated { user_id, .. }
            | Self::UserDeleted { user_id }
            | Self::KeyCreated { user_id, .. }
            | Self::EmailVerified { user_id, .. }
            | Self::EmailClaimed { user_id, .. }
            | Self::EmailChanged { user_id, .. }
            | Self::EmailChangeUndone { user_id, .. }
            | Self::PasswordSet { user_id, .. }
            | Self::PasswordRemoved { user_id, .. }
            | Self::PasswordChanged { user_id, .. }
            | Self::PasswordReset { user_id, .. }
            | Self::HashUpgraded { user_id, .. }
            | Self::KeyVerified { user_id, .. }
            | Self::SignedIn { user_id, .. }
            | Self::Reauthenticated { user_id, .. }
            | Self::SessionsInvalidated { user_id, .. }
            | Self::SessionRenewed { user_id, .. }
            | Self::SessionRotated { user_id, .. }
            | Self::OneTimeTokensInvalidated { user_id } => Some(user_id),
            Self::KeyDeleted { user_id, .. }
            | Self::SignInFailed { user_id, .. }
            | Self::SignedOut { user_id, .. }
            | Self::SessionInvalidated { user_id, .. }
            | Self::OneTimeTokenCreated { user_id, .. }
            | Self::OneTimeTokenUsed { user_id, .. }
            | Self::OneTimeCodeCreated { user_id, .. }
            | Self::OneTimeCodeUsed { user_id, .. }
            | Self::OneTimeCodeRefused { user_id, .. }
            | Self::AccessDenied { user_id, .. } => user_id.as_ref(),
            Self::OneTimeTokenRefused { .. } | Self::OriginRefused { .. } => None,
            Self::Interrupted { change } => change.user_id(),
        }
    }

    /// The public id of the session that the event concerns.
    #[must_use]
    pub fn session_id(&self) -> Option<&SessionId> {
        match self {
            Self::PasswordChanged { session_id, .. }
            | Self::SignedIn { session_id, .. }
            | Self::Reauthenticated { session_id, .. }
            | Self::SignedOut { session_id, .. }
            | Self::SessionInvalidated { session_id, .. }
            | Self::SessionRenewed { session_id, .. }
            | Self::SessionRotated { session_id, .. } => Some(session_id),
            Self::AccessDenied { session_id, .. } => session_id.as_ref(),
            Self::Interrupted { change } => change.session_id(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
