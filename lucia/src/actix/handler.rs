//! What handlers with `#[auth_request]` and `#[authenticated]` are made of. Public for the code
//! that the attributes generate, and for nobody else.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, ResponseError};

use super::auth_request;
use super::response::{next, put_headers, see_other};
use crate::redirect::LocalPath;
use crate::{AuthRequest, Error, Result};

/// What a generated handler returns.
pub type Response = HttpResponse;

/// A request whose body nobody has read.
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
    /// Decides by `guard` whether the request may go on. `Err` is the response to one that may
    /// not. Nothing of its body is read.
    pub async fn admit(self, guard: Guard) -> Result<Admitted, Response> {
        let Self { request, payload } = self;
        let auth_request = auth_request(&request).map_err(|error| error.error_response())?;
        let admitted = Admitted {
            request,
            payload,
            auth_request,
        };
        match guard.check(&admitted.auth_request).await {
            Ok(()) => Ok(admitted),
            Err(denial) => {
                let response = guard.deny(&admitted.request, &denial);
                Err(admitted.finish(response))
            }
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

    fn finish(&self, mut response: HttpResponse) -> HttpResponse {
        put_headers(response.headers_mut(), &self.auth_request);
        response
    }
}

/// The next parameter of a handler. `Err` is the response to a request that it cannot be had from.
///
/// Boxed, so that the type of the future asks nothing of `T`: the compiler would complain about a
/// `T` that is no extractor once more where it is awaited.
pub fn extract<'a, T: Extractor + 'a>(
    admitted: &'a mut Admitted,
) -> Pin<Box<dyn Future<Output = Result<T, Response>> + 'a>> {
    Box::pin(async {
        let extracted = T::extract(&admitted.request, &mut admitted.payload).await;
        extracted.map_err(|error| admitted.finish(HttpResponse::from_error(error)))
    })
}

/// The response that `reply` makes, with the cookie changes of the request on it.
pub fn respond<R: Reply>(admitted: &Admitted, reply: R) -> Response {
    admitted.finish(reply.into_response(&admitted.request))
}

/// Whom a handler lets in.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Everybody.
    Anyone,
    /// Who is signed in.
    Authenticated,
    /// Who is signed in; others are sent to this page.
    AuthenticatedOrRedirect(&'static str),
}

impl Guard {
    pub(super) async fn check(&self, auth_request: &AuthRequest) -> Result<()> {
        match self {
            Self::Anyone => Ok(()),
            Self::Authenticated | Self::AuthenticatedOrRedirect(_) => {
                auth_request.authenticate().await.map(drop)
            }
        }
    }

    /// The response to a request that `check` refused.
    pub(super) fn deny(&self, request: &HttpRequest, denial: &Error) -> HttpResponse {
        match (self, denial) {
            (Self::AuthenticatedOrRedirect(login), Error::Unauthenticated) => {
                let location = match (LocalPath::parse(login), next(request)) {
                    (Some(login), Some(next)) => login.with_next(&next),
                    _ => (*login).to_owned(),
                };
                see_other(&location)
            }
            _ => denial.error_response(),
        }
    }
}

/// What a parameter of a handler can be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a handler",
    label = "not an extractor",
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
