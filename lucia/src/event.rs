//! [`Event`]: what happens to users, keys and sessions, reported to the log, to metrics and to the hooks of
//! the application. Does not know [`Auth`](crate::Auth) or stores.

mod kind;
mod log;
mod reason;

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

pub use kind::EventKind;
pub use reason::{AccessDenial, InvalidationCause, SignInFailure};

/// A security event, for [`AuthBuilder::on_event`](crate::AuthBuilder::on_event).
///
/// An event contains ids, but no secret: no password, token, hash or code. Nor does it contain the second
/// half of a [`KeyId`](crate::KeyId), such as a username or an e-mail address. That half is personal data,
/// and people type their passwords into it by mistake. A key is named by its provider and its user.
///
/// ```
/// use lucia::{Event, EventKind};
///
/// fn alarm(event: &Event) {
///     match &event.kind {
///         EventKind::PasswordReset { user_id, .. } => notify(user_id),
///         EventKind::SignInFailed { reason, .. } => eprintln!("{reason:?} from {:?}", event.address),
///         _ => {}
///     }
/// }
/// # fn notify(_: &lucia::UserId) {}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When it happened, by [`AuthBuilder::clock`](crate::AuthBuilder::clock).
    pub time: SystemTime,
    /// The address of the client: [`client_address`](crate::AuthRequest::client_address). `None` if it is
    /// unknown, and for a call of [`Auth`](crate::Auth) without a request.
    ///
    /// Calls of an [`AuthRequest`](crate::AuthRequest) have an address, and so do calls through
    /// [`auth_request.auth()`](crate::AuthRequest::auth). Only a renewal has none. An address is personal
    /// data.
    pub address: Option<IpAddr>,
    /// The `User-Agent` of the request, up to 255 characters and without control characters, if the event
    /// has an `address`. It is kept for unsafe requests and for requests without a token, because copying
    /// it would slow down lookups of sessions. A client can send any text.
    pub user_agent: Option<Arc<str>>,
    /// What has happened.
    pub kind: EventKind,
}

/// The client that a call is made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventClient {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<Arc<str>>,
}

type Hook = dyn Fn(&Event) + Send + Sync;

/// All that events are told to.
#[derive(Default)]
pub(crate) struct Listeners(Vec<Box<Hook>>);

impl Listeners {
    pub(crate) fn add(&mut self, hook: impl Fn(&Event) + Send + Sync + 'static) {
        self.0.push(Box::new(hook));
    }

    /// Whether the application has a hook.
    pub(crate) fn has_hooks(&self) -> bool {
        !self.0.is_empty()
    }

    /// Tells all of them, the log first. A hook that panics is logged: the event has happened, and
    /// the call that it happened in goes on.
    pub(crate) fn tell(&self, event: &Event) {
        log::log(&event.kind);
        #[cfg(feature = "metrics")]
        count(&event.kind);
        for hook in &self.0 {
            if catch_unwind(AssertUnwindSafe(|| hook(event))).is_err() {
                tracing::error!(event = event.kind.name(), "a hook of `on_event` panicked");
            }
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners")
            .field("hooks", &self.0.len())
            .finish()
    }
}

/// Counts an event by the facade `metrics`.
#[cfg(feature = "metrics")]
fn count(kind: &EventKind) {
    metrics::counter!("lucia_events_total", "event" => kind.name()).increment(1);
    if let EventKind::SignInFailed { reason, .. } = kind {
        metrics::counter!("lucia_sign_in_failures_total", "reason" => reason.name()).increment(1);
    }
}

#[cfg(test)]
mod tests;
