//! What functions for `permit` can take.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

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
