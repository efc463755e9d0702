//! [`RequestContext`]: what a web framework has to provide so that a request can be authenticated.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::AuthRequest;
use crate::auth::Auth;
use crate::headers::RequestInfo;

/// A request: its head, and the place where it keeps its [`AuthRequest`].
///
/// An adapter for a framework implements this and [`RequestInfo`] for its request type, and puts
/// [`response_headers`](crate::adapter::response_headers) on the response. lucia implements both for the requests of
/// actix-web, axum and the crate `http`.
pub trait RequestContext: RequestInfo {
    /// The slot that is kept with this request, in its extensions or the equivalent. All parts of an
    /// application have to get the same slot. If the framework cannot add anything to a shared request, the
    /// adapter adds a slot before the first lookup. For a request that did not pass the adapter, this
    /// returns an empty slot.
    fn slot(&self) -> RequestSlot;
}

/// The place where a request keeps its [`AuthRequest`], so that all callers share one. A clone is another
/// handle to the same slot.
#[derive(Clone, Debug, Default)]
pub struct RequestSlot(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    first: Option<AuthRequest>,
    /// Those of further [`Auth`]s, which few applications have.
    others: Vec<AuthRequest>,
    /// That of the middleware or handler that the request has come to last, and whether it is the handler.
    #[cfg(feature = "actix")]
    nearest: Option<(AuthRequest, bool)>,
}

impl RequestSlot {
    /// The `AuthRequest` of this request, if one has been asked for before. `None` where several
    /// [`Auth`]s have been asked: which of them a handler belongs to is not known here.
    #[cfg(feature = "actix")]
    pub(crate) fn only(&self) -> Option<AuthRequest> {
        let kept = self.lock();
        kept.first.clone().filter(|_| kept.others.is_empty())
    }

    /// The `AuthRequest` that is here for `auth`, after keeping the one of `new` if there is none.
    pub(crate) fn get_or_keep(
        &self,
        auth: &Auth,
        new: impl FnOnce() -> AuthRequest,
    ) -> AuthRequest {
        let mut kept = self.lock();
        let mut all = kept.first.iter().chain(&kept.others);
        if let Some(found) = all.find(|auth_request| auth_request.base_auth().is(auth)) {
            return found.clone();
        }
        let new = new();
        match kept.first {
            None => kept.first = Some(new.clone()),
            Some(_) => kept.others.push(new.clone()),
        }
        new
    }

    /// Notes that the request has come to the middleware of an `Auth`, or to a handler: `is_final` says that
    /// nothing which is found later is nearer.
    #[cfg(feature = "actix")]
    pub(crate) fn note(&self, auth_request: &AuthRequest, is_final: bool) {
        self.lock().nearest = Some((auth_request.clone(), is_final));
    }

    /// The `AuthRequest` that was noted last, and whether it is final.
    #[cfg(feature = "actix")]
    pub(crate) fn nearest(&self) -> Option<(AuthRequest, bool)> {
        self.lock().nearest.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
