//! What handlers with `#[auth_request]` and `#[authenticated]` are made of. Public only for the
//! code that the attributes generate.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};

use super::nearest;
use super::permit::{Permitted, admit};
use crate::adapter::{self, Admission};
use crate::request::guard::Guard;
use crate::{AuthRequest, Result};

/// What a generated handler returns.
pub type Response = HttpResponse;

/// A request with an unread body.
#[allow(missing_debug_implementations)] // A payload has none.
pub struct Incoming {
    request: HttpRequest,
    payload: Payload,
}

impl FromRequest for Incoming {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            request: request.clone(),
            payload: payload.take(),
        }))
    }
}

impl Incoming {
    /// Decides by `guard` and `permit` whether the request may go on. `Err` is the response to one
    /// that may not. Nothing of its body is read.
    pub async fn admit(
        self,
        guard: &Guard,
        permit: Option<Permitted>,
    ) -> Result<Admitted, Response> {
        let Self {
            mut request,
            payload,
        } = self;
        let auth_request = nearest::arrive(&request).map_err(HttpResponse::from_error)?;
        auth_request.adopt();
        match admit(guard, &permit, &mut request, &auth_request).await {
            Ok(()) => Ok(Admitted {
                request,
                payload,
                auth_request,
            }),
            Err(response) => Err(adapter::finish(response, &auth_request, &request).await),
        }
    }
}

/// A request that was let in, and whose answer is still to be written.
#[allow(missing_debug_implementations)] // A payload has none.
pub struct Admitted {
    request: HttpRequest,
    payload: Payload,
    auth_request: AuthRequest,
}

impl Admitted {
    /// Who sent the request.
    pub fn auth_request(&self) -> AuthRequest {
        self.auth_request.clone()
    }

    /// What the function behind the guard takes.
    pub fn admission(&self) -> Admission {
        Admission(())
    }

    /// Puts the cookie changes of the request on its response.
    pub async fn finish(&self, response: Response) -> Response {
        adapter::finish(response, &self.auth_request, &self.request).await
    }
}

/// Never the case. It is here for its message: without it, the compiler would list all extractors,
/// although the user wrote none.
#[diagnostic::on_unimplemented(
    message = "an attribute below `#[authenticated]` or `#[auth_request]` registers the function past it",
    label = "registers the function that is behind the guard",
    note = "move the attribute that registers the function above `#[authenticated]` or `#[auth_request]`"
)]
pub trait MayBeRegistered<'a> {}

// `for<'a>`, because the compiler refuses bounds that are never met where it sees them at once.
impl FromRequest for Admission
where
    for<'a> Admission: MayBeRegistered<'a>,
{
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        unreachable!("no `Admission` may be registered")
    }
}

/// The next parameter of a handler. `Err` is the response to a request that it cannot be had from.
///
/// Boxed, so that the type of the future asks nothing of `T`: the compiler would complain about a
/// `T` that is not an extractor once more where it is awaited.
pub fn extract<'a, T: Extractor + 'a>(
    admitted: &'a mut Admitted,
) -> Pin<Box<dyn Future<Output = Result<T, Response>> + 'a>> {
    Box::pin(async {
        let extracted = T::extract(&admitted.request, &mut admitted.payload).await;
        match extracted {
            Ok(extracted) => Ok(extracted),
            Err(error) => Err(admitted.finish(HttpResponse::from_error(error)).await),
        }
    })
}

/// The response that `reply` makes, for [`Admitted::finish`].
pub fn respond<R: Reply>(admitted: &Admitted, reply: R) -> Response {
    reply.into_response(&admitted.request)
}

/// What a parameter of a handler can be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a handler",
    label = "not an extractor",
    note = "`User<A>`, `MaybeUser<A>` and `Session<A>` are extractors if `A` implements `serde::Deserialize`: write `#[derive(serde::Deserialize)]` on it",
    note = "take something that implements `actix_web::FromRequest`: `User<..>`, `Session`, `AuthRequest`, `web::Json<..>`, `web::Path<..>`, `web::Data<..>`, ..."
)]
pub trait Extractor: Sized {
    #[doc(hidden)]
    fn extract(
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> impl Future<Output = Result<Self, actix_web::Error>>;
}

#[diagnostic::do_not_recommend]
impl<T: FromRequest> Extractor for T {
    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<T, actix_web::Error> {
        T::from_request(request, payload).await.map_err(Into::into)
    }
}

/// What a handler can return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from a handler",
    label = "not a response",
    note = "return something that implements `actix_web::Responder`: `impl Responder`, `HttpResponse`, `String`, `web::Json<..>`, or a `Result` of these with an error that implements `ResponseError`"
)]
pub trait Reply {
    #[doc(hidden)]
    fn into_response(self, request: &HttpRequest) -> HttpResponse;
}

#[diagnostic::do_not_recommend]
impl<R: Responder> Reply for R {
    fn into_response(self, request: &HttpRequest) -> HttpResponse {
        self.respond_to(request).map_into_boxed_body()
    }
}
