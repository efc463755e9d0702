//! [`RequestContext`]: what a web framework must give so that a request can be authenticated.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::AuthRequest;
use crate::auth::Auth;
use crate::headers::RequestInfo;

/// A request: what it says, and where it keeps its [`AuthRequest`].
///
/// An adapter for a framework implements this and [`RequestInfo`] for its request type, and puts
/// [`response_headers`](crate::adapter::response_headers) on the response. lucia implements both for the requests of
/// actix-web, axum and the crate `http`.
pub trait RequestContext: RequestInfo {
    /// The slot that is kept with this request, in its extensions or what the framework calls
    /// them: all parts of an application get the same one. Where nothing can be added to a
    /// request by a shared reference, the adapter puts a slot there before the first lookup, and
    /// this answers with an empty one for a request that did not pass it.
    fn slot(&self) -> RequestSlot;
}

/// Where a request keeps its [`AuthRequest`], so that all who ask share one. A clone is another
/// handle to the same slot.
#[derive(Clone, Debug, Default)]
pub struct RequestSlot(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    first: OnceLock<AuthRequest>,
    /// Those of further [`Auth`]s, which few applications have.
    others: Mutex<Vec<AuthRequest>>,
}

impl RequestSlot {
    /// The `AuthRequest` of this request, if one has been asked for before. `None` where several
    /// [`Auth`]s have been asked: which of them a handler belongs to is not known here.
    #[must_use]
    pub fn only(&self) -> Option<AuthRequest> {
        let others = self.0.others.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.first.get().filter(|_| others.is_empty()).cloned()
    }

    /// The `AuthRequest` that is here for `auth`, after keeping the one of `new` if there is none.
    pub(crate) fn get_or_keep(&self, auth: &Auth, new: impl Fn() -> AuthRequest) -> AuthRequest {
        let first = self.0.first.get_or_init(&new);
        if first.auth().is(auth) {
            return first.clone();
        }
        let mut others = self.0.others.lock().unwrap_or_else(PoisonError::into_inner);
        match others.iter().find(|other| other.auth().is(auth)) {
            Some(other) => other.clone(),
            None => {
                let new = new();
                others.push(new.clone());
                new
            }
        }
    }
}
