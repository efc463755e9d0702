//! Events as lines of the log.

use super::{AccessDenial, EventKind, SignInFailure};
use crate::Error;
use crate::session::token::SessionId;
use crate::user::UserId;

/// Tells `tracing` of an event.
pub(super) fn log(kind: &EventKind) {
    match kind {
        EventKind::UserCreated {
            user_id,
            in_transaction: true,
            ..
        } => tracing::info!(%user_id, "user created, once the transaction is committed"),
        EventKind::UserCreated { user_id, .. } => tracing::info!(%user_id, "user created"),
        EventKind::UserUpdated { user_id, columns } => {
            tracing::debug!(%user_id, ?columns, "user updated");
        }
        EventKind::UserDeleted { user_id } => tracing::info!(%user_id, "user deleted"),
        EventKind::KeyCreated {
            user_id,
            in_transaction: true,
            ..
        } => tracing::info!(%user_id, "key created, once the transaction is committed"),
        EventKind::KeyCreated {
            user_id,
            provider_id,
            ..
        } => tracing::info!(%user_id, provider_id, "key created"),
        EventKind::KeyDeleted { provider_id, .. } => tracing::info!(provider_id, "key deleted"),

        EventKind::EmailVerified {
            user_id,
            provider_id,
        } => tracing::info!(%user_id, provider_id, "address verified"),
        EventKind::EmailClaimed {
            user_id,
            provider_id,
        } => tracing::info!(
            %user_id,
            provider_id,
            "address verified by its owner, all former access ended"
        ),
        EventKind::EmailChanged {
            user_id,
            provider_id,
        } => tracing::info!(%user_id, provider_id, "address changed"),
        EventKind::EmailChangeUndone {
            user_id,
            provider_id,
        } => tracing::info!(%user_id, provider_id, "change of an address undone"),

        EventKind::PasswordSet {
            user_id,
            provider_id,
        } => tracing::info!(%user_id, provider_id, removed = false, "password changed"),
        EventKind::PasswordRemoved {
            user_id,
            provider_id,
        } => tracing::info!(%user_id, provider_id, removed = true, "password changed"),
        EventKind::PasswordChanged {
            user_id,
            provider_id,
            ..
        } => tracing::info!(%user_id, provider_id, "password changed, other sessions ended"),
        EventKind::PasswordReset {
            user_id,
            provider_id,
        } => tracing::info!(%user_id, provider_id, "password reset, sessions ended"),
        EventKind::HashUpgraded { user_id, .. } => {
            tracing::debug!(%user_id, "password hash upgraded");
        }

        EventKind::KeyVerified {
            user_id,
            provider_id,
            ..
        } => tracing::debug!(%user_id, provider_id, "key accepted"),
        EventKind::SignInFailed {
            reason,
            provider_id,
            user_id,
            ..
        } => log_failure(*reason, provider_id.as_deref(), user_id.as_ref()),
        EventKind::SignedIn {
            user_id,
            session_id,
            ..
        } => tracing::info!(%user_id, %session_id, "signed in"),

        EventKind::SignedOut {
            session_id,
            user_id,
        }
        | EventKind::SessionInvalidated {
            session_id,
            user_id,
            ..
        } => {
            let user_id = user_id.as_ref().map(UserId::as_str);
            tracing::info!(user_id, %session_id, "session ended");
        }
        EventKind::SessionsInvalidated {
            user_id,
            kept_session_id,
            ..
        } => {
            let kept = kept_session_id.as_ref().map(SessionId::as_str);
            tracing::info!(%user_id, kept, "sessions ended");
        }
        EventKind::SessionRenewed {
            user_id,
            session_id,
        } => tracing::debug!(%user_id, %session_id, "session renewed"),
        EventKind::SessionRotated {
            user_id,
            session_id,
            ..
        }
        | EventKind::Reauthenticated {
            user_id,
            session_id,
            ..
        } => tracing::info!(%user_id, %session_id, "session rotated"),

        EventKind::OneTimeTokenCreated { purpose, user_id } => {
            tracing::info!(purpose, user_id = text(user_id), "one-time token created");
        }
        EventKind::OneTimeTokenUsed { purpose, user_id } => {
            tracing::info!(purpose, user_id = text(user_id), "one-time token used");
        }
        EventKind::OneTimeTokenRefused { purpose } => {
            tracing::info!(purpose, "one-time token refused");
        }
        EventKind::OneTimeCodeCreated { purpose, user_id } => {
            tracing::info!(purpose, user_id = text(user_id), "one-time code created");
        }
        EventKind::OneTimeCodeUsed { purpose, user_id } => {
            tracing::info!(purpose, user_id = text(user_id), "one-time code used");
        }
        EventKind::OneTimeCodeRefused {
            purpose,
            tries_left,
            ..
        } => tracing::info!(purpose, ?tries_left, "one-time code refused"),
        EventKind::OneTimeTokensInvalidated { user_id } => {
            tracing::info!(%user_id, "one-time tokens invalidated");
        }

        EventKind::OriginRefused { reason } => {
            tracing::warn!(reason, "a cross-origin request was refused");
        }
        EventKind::AccessDenied {
            user_id, reason, ..
        } => {
            let reason = match reason {
                AccessDenial::Forbidden => Error::Forbidden,
                AccessDenial::ReauthenticationRequired => Error::ReauthenticationRequired,
            };
            tracing::info!(user_id = text(user_id), %reason, "request denied");
        }

        EventKind::Interrupted { change } => tracing::warn!(
            event = change.name(),
            user_id = change.user_id().map(UserId::as_str),
            session_id = change.session_id().map(SessionId::as_str),
            "a change was interrupted, and may have happened or not"
        ),
    }
}

fn log_failure(reason: SignInFailure, provider_id: Option<&str>, user_id: Option<&UserId>) {
    let user_id = user_id.map(UserId::as_str);
    match reason {
        SignInFailure::UnknownKey
        | SignInFailure::WrongPassword
        | SignInFailure::NoPassword
        | SignInFailure::UnreadableHash
        | SignInFailure::HasPassword
        | SignInFailure::InvalidOneTimeToken
        | SignInFailure::OtherUser => {
            tracing::info!(
                user_id,
                provider_id,
                reason = reason.name(),
                "sign-in failed"
            );
        }
        SignInFailure::KeyChanged => {
            tracing::info!(user_id, "key changed after it was verified");
        }
        SignInFailure::Throttled => tracing::warn!(provider_id, "too many attempts to sign in"),
        SignInFailure::ThrottledByClient => tracing::warn!("too many wrong codes by one client"),
        SignInFailure::ThrottledBySpellings => tracing::warn!(
            provider_id,
            "too many attempts to sign in, by several spellings"
        ),
        // Where another call or an error is the reason, it is logged where it arises.
        SignInFailure::UnverifiedAddress
        | SignInFailure::SessionEnded
        | SignInFailure::UnknownUser
        | SignInFailure::Busy
        | SignInFailure::Unavailable
        | SignInFailure::Cancelled => {
            tracing::debug!(
                user_id,
                provider_id,
                reason = reason.name(),
                "sign-in failed"
            );
        }
    }
}

fn text(user_id: &Option<UserId>) -> Option<&str> {
    user_id.as_ref().map(UserId::as_str)
}
