//! Why a sign-in by a link or code is refused, which events tell and clients are not told.

use crate::auth::Auth;
use crate::event::{EventKind, SignInFailure};
use crate::session::SessionInfo;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{SignInMethod, VerifiedKey};
use crate::{Error, Result};

/// A refusal, with what is known of the key.
pub(super) struct Refusal {
    pub(super) error: Error,
    reason: SignInFailure,
    user_id: Option<UserId>,
    provider_id: Option<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = match error {
            Error::InvalidOneTimeToken => SignInFailure::InvalidOneTimeToken,
            Error::Unauthenticated => SignInFailure::UnverifiedAddress,
            Error::TooManyAttempts { .. } => SignInFailure::Throttled,
            Error::Busy => SignInFailure::Busy,
            _ => SignInFailure::Unavailable,
        };
        Self {
            error,
            reason,
            user_id: None,
            provider_id: None,
        }
    }
}

impl Refusal {
    /// Makes refusals out of errors at this key. `signed_in` is the session of the browser.
    pub(super) fn at(
        row: &KeyRow,
        signed_in: Option<&SessionInfo>,
    ) -> impl Fn(Error) -> Self + use<> {
        let (user_id, provider_id) = (row.user_id.clone(), row.provider_id());
        let is_users = signed_in.is_some_and(|session| session.user_id == row.user_id);
        move |error| {
            let has_ended = is_users && matches!(error, Error::Unauthenticated);
            let refusal = Self {
                user_id: Some(user_id.clone()),
                provider_id: Some(provider_id.clone()),
                ..Self::from(error)
            };
            match has_ended {
                true => refusal.because(SignInFailure::SessionEnded),
                false => refusal,
            }
        }
    }

    pub(super) fn because(self, reason: SignInFailure) -> Self {
        Self { reason, ..self }
    }
}

impl Auth {
    /// Tells of a sign-in that is refused or given up. One that succeeds is told when its session begins.
    pub(super) async fn telling_refusal(
        &self,
        method: SignInMethod,
        provider_id: Option<&str>,
        opening: impl Future<Output = Result<VerifiedKey, Refusal>>,
    ) -> Result<VerifiedKey> {
        let provider_id = provider_id.map(str::to_owned);
        let given_up = EventKind::SignInFailed {
            reason: SignInFailure::Cancelled,
            method,
            provider_id: provider_id.clone(),
            user_id: None,
        };
        let pending = self.telling_if_dropped(given_up);
        match opening.await {
            Ok(key) => pending.settle(Ok(key), |_| false),
            Err(refusal) => {
                pending.tell(EventKind::SignInFailed {
                    reason: refusal.reason,
                    method,
                    provider_id: refusal.provider_id.or(provider_id),
                    user_id: refusal.user_id,
                });
                Err(refusal.error)
            }
        }
    }
}
