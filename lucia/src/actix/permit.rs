//! What functions for `permit` can take.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};

use super::response::{respond, target_of};
use crate::Error;
use crate::adapter::permit::{Decision, Function, Permit, permits};

/// What a function for `permit` can take: an extractor that does not read the body.
///
/// Whether an extractor reads the body is known only when it does. The response is then 500, and the log
/// says so.
#[diagnostic::on_unimplemented(
    message = "a function for `permit` cannot take `{Self}`: it takes extractors by value",
    label = "takes something that is not an extractor",
    note = "write `fn is_admin(user: User<Profile>) -> bool` with `#[derive(serde::Deserialize)] struct Profile`",
    note = "an argument implements `actix_web::FromRequest` and leaves the body alone: `User<..>`, `Session`, `web::Path<..>`, `web::Data<..>`, `web::Query<..>`, `HttpRequest`, ..."
)]
pub trait PermitArgument: Sized {
    #[doc(hidden)]
    fn extract(request: &HttpRequest) -> impl Future<Output = Result<Self, HttpResponse>>;
}

#[diagnostic::do_not_recommend]
impl<T: FromRequest> PermitArgument for T {
    async fn extract(request: &HttpRequest) -> Result<Self, HttpResponse> {
        // It is empty, and not `None`, so that it shows who takes it: an extractor gets hold of a body
        // only by taking it, at once, for its future cannot borrow it.
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
            return Err(respond(mistake));
        }
        extraction
            .await
            .map_err(|error| HttpResponse::from_error(error.into()))
    }
}

permits!(HttpRequest => HttpResponse);

/// Makes a function for `permit` a [`Permitted`].
pub fn permit<F, A, K>(function: F) -> Permitted
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
    Permitted(Box::new(Function::new(function)))
}
