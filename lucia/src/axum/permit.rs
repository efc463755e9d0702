//! What functions for `permit` can take.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::AuthLayer;
use super::response::{respond, target_of};
use crate::adapter::permit::{Decision, Function, Permit, permits};

/// What a function for `permit` can take: an extractor that reads neither the body nor the router's state.
///
/// A guard does not have the state of the router. Use `Extension` instead of `State`.
#[diagnostic::on_unimplemented(
    message = "a function for `permit` cannot take `{Self}`: it takes extractors by value",
    label = "takes something that is not an extractor, or one that needs the body or the router's state",
    note = "write `fn is_admin(user: User<Profile>) -> bool` with `#[derive(serde::Deserialize)] struct Profile`",
    note = "an argument implements `axum::extract::FromRequestParts<()>`: `User<..>`, `Session`, `Path<..>`, `Query<..>`, `HeaderMap`, or `Extension<..>` in place of `State<..>`, ..."
)]
pub trait PermitArgument: Sized + Send {
    #[doc(hidden)]
    fn extract(parts: &mut Parts) -> impl Future<Output = Result<Self, Response>> + Send;
}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts<()> + Send> PermitArgument for T {
    async fn extract(parts: &mut Parts) -> Result<Self, Response> {
        let extraction = T::from_request_parts(parts, &());
        extraction.await.map_err(IntoResponse::into_response)
    }
}

permits!(Parts => Response, Send);

/// Makes a function for `permit` a [`Permitted`].
pub fn permit<F, A, K>(function: F) -> Permitted
where
    F: Permit<A>,
    F::First: PermitArgument,
    F::Second: PermitArgument,
    F::Third: PermitArgument,
    F::Fourth: PermitArgument,
    F::Answer: Decision<K>,
    <F::Answer as Decision<K>>::Future: Send,
    A: 'static,
    K: 'static,
{
    Permitted(Box::new(Function::new(function)))
}

impl AuthLayer {
    /// Admits only requests with a valid session that `function` permits, and decides before the body is
    /// read: `auth.layer().permit(is_admin)`. Where it is called
    /// several times, all functions have to permit the request.
    ///
    /// The function takes the user, the session, and any other [extractor](PermitArgument) that does not
    /// read the body, up to four in all. It may be `async`, and may return a `Result`: an error is logged
    /// and answered with 503. If an argument cannot be extracted, the extractor's rejection is the
    /// response.
    ///
    /// The state of the router is not available here: use `Extension` instead of `State`. With `Path`, use
    /// `.route_layer(..)`, or take an `Option<Path<..>>`: with `.layer(..)`, an unknown path comes here as well. It
    /// has no parameters, and axum answers with 500.
    pub fn permit<F, A, K>(mut self, function: F) -> Self
    where
        F: Permit<A>,
        F::First: PermitArgument,
        F::Second: PermitArgument,
        F::Third: PermitArgument,
        F::Fourth: PermitArgument,
        F::Answer: Decision<K>,
        <F::Answer as Decision<K>>::Future: Send,
        A: 'static,
        K: 'static,
    {
        self.guard = self.guard.signed_in();
        let permit = permit(function);
        self.permit = Some(Arc::new(match self.permit {
            Some(earlier) => earlier.and(permit),
            None => permit,
        }));
        self
    }
}
