//! What functions for `permit` can take.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::Error;
use crate::request::guard::permit::permits;

/// What a function for `permit` can take: an extractor that leaves the body alone.
///
/// Whether an extractor takes the body is known only when it does: then the answer is 500, and the
/// log says so.
#[diagnostic::on_unimplemented(
    message = "a function for `permit` cannot take `{Self}`: it takes extractors by value",
    label = "takes something that is not an extractor",
    note = "write `fn is_admin(user: User<Profile>) -> bool` with `#[derive(serde::Deserialize)] struct Profile`",
    note = "an argument implements `actix_web::FromRequest` and leaves the body alone: `User<..>`, `Session`, `web::Path<..>`, `web::Data<..>`, `web::Query<..>`, `HttpRequest`, ..."
)]
pub trait PermitArgument: Sized {
    #[doc(hidden)]
    fn extract(request: &mut HttpRequest) -> impl Future<Output = Result<Self, actix_web::Error>>;
}

#[diagnostic::do_not_recommend]
impl<T: FromRequest> PermitArgument for T {
    async fn extract(request: &mut HttpRequest) -> Result<Self, actix_web::Error> {
        // It is empty, and another than none, so that it shows who takes it: an extractor gets hold
        // of a body only by taking it, at once, for its future cannot borrow it.
        let none: Payload = Payload::None;
        let mut body: Payload = Payload::Stream {
            payload: Box::pin(none),
        };
        let extraction = T::from_request(request, &mut body);
        if !matches!(body, Payload::Stream { .. }) {
            let mistake = Error::Misuse(format!(
                "a function for `permit` takes `{}`, which reads the body of the request, and `permit` \
                 decides before that: take `web::Path`, `web::Query` or headers there, or take the \
                 body in the handler and check it there",
                std::any::type_name::<T>(),
            ));
            return Err(mistake.into());
        }
        extraction.await.map_err(Into::into)
    }
}

permits!(HttpRequest => actix_web::Error);

#[cfg(feature = "macros")]
mod named {
    use super::*;
    use crate::request::guard::permit::named;
    use crate::request::guard::{Decision, Permit, permitted};

    named!(HttpRequest => actix_web::Error);

    /// See [`Guard::permit`](crate::Guard::permit).
    pub fn permit<F, A, K>(function: F) -> Named
    where
        F: Permit<A>,
        F::First: PermitArgument,
        F::Second: PermitArgument,
        F::Third: PermitArgument,
        F::Fourth: PermitArgument,
        F::Answer: Decision<K>,
        A: 'static,
        K: 'static,
    {
        Named(Box::new(permitted(function)))
    }
}

#[cfg(feature = "macros")]
pub use named::permit;
