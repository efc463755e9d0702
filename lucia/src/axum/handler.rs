//! What handlers with `#[auth_request]` and `#[authenticated]` are made of. Public only for the
//! code that the attributes generate.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;

use axum::extract::{FromRequest, Request};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

use super::auth_request;
use super::permit::{Permitted, admit};
use crate::MaybeSession;
use crate::adapter::Admission;
use crate::request::guard::Guard;
use crate::session::Session;
use crate::user::{MaybeUser, User};
use crate::{AuthRequest, Result};

/// What a generated handler returns.
pub type Response = axum::response::Response;

/// The parameters of a handler, not extracted yet: a tuple of them.
///
/// Only axum knows how they come from the request and the state of the router, and only when it
/// calls. So a function that knows both is kept until the guard has decided.
#[allow(missing_debug_implementations)] // A function has none.
pub struct Parameters<T> {
    request: Request,
    extract: Extract<T>,
}

type Extract<T> = Box<dyn FnOnce(Request) -> Extraction<T> + Send>;
type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Response>> + Send>>;

/// An unread request.
#[allow(missing_debug_implementations)] // A function has none.
pub struct Incoming<T>(Parameters<T>);

/// Tells the extraction of [`Incoming`] apart from others; `M` is that of its parameters.
#[derive(Debug)]
pub struct Later<M>(PhantomData<M>);

impl<S, M, T> FromRequest<S, Later<M>> for Incoming<T>
where
    T: FromRequest<S, M> + 'static,
    S: Clone + Send + Sync + 'static,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let state = state.clone();
        let extract = |request| -> Extraction<T> {
            Box::pin(async move {
                let extracted = T::from_request(request, &state).await;
                extracted.map_err(IntoResponse::into_response)
            })
        };
        Ok(Self(Parameters {
            request,
            extract: Box::new(extract),
        }))
    }
}

impl<T> Incoming<T> {
    /// Decides by `guard` and `permit` whether the request may go on. `Err` is the response to one
    /// that may not, which the layer completes. Nothing of its body is read before.
    pub async fn admit(
        self,
        guard: &'static Guard,
        permit: Option<Permitted>,
    ) -> Result<(Admitted, Parameters<T>), Response> {
        let Parameters { request, extract } = self.0;
        let (admitted, request) = admit_request(request, guard, permit).await?;
        Ok((admitted, Parameters { request, extract }))
    }
}

/// Boxed, so that the compiler does not prove for each handler again that all futures in here are `Send`,
/// which took most of the time that a handler takes to compile.
fn admit_request(
    request: Request,
    guard: &'static Guard,
    permit: Option<Permitted>,
) -> Extraction<(Admitted, Request)> {
    Box::pin(async move {
        let (mut parts, body) = request.into_parts();
        let auth_request = auth_request(&parts).map_err(IntoResponse::into_response)?;
        admit(guard, &permit, &mut parts, &auth_request).await?;
        let request = Request::from_parts(parts, body);
        Ok((Admitted(auth_request), request))
    })
}

/// A request that was let in, and whose answer is still to be written.
#[derive(Debug)]
pub struct Admitted(AuthRequest);

impl Admitted {
    /// Who sent the request.
    pub fn auth_request(&self) -> AuthRequest {
        self.0.clone()
    }

    /// What the function behind the guard takes.
    pub fn admission(&self) -> Admission {
        Admission(())
    }

    /// The parameters. `Err` is the response to a request that they cannot be had from.
    pub fn extract<T>(&self, parameters: Parameters<T>) -> Extraction<T> {
        (parameters.extract)(parameters.request)
    }

    /// The layer completes the response.
    pub fn finish(&self, response: Response) -> Ready<Response> {
        ready(response)
    }
}

/// The response that `reply` makes, for [`Admitted::finish`].
pub fn respond<R: Reply>(_: &Admitted, reply: R) -> Response {
    reply.into_response()
}

/// The future of a handler, which axum sends from thread to thread.
pub fn sent<F: Future + Send>(future: F) -> F {
    future
}

/// A parameter, to be checked where the handler is defined. axum would say no more than that the
/// handler is none, where it is registered; whether other types are extractors depends on the type
/// of the state, which only axum knows.
#[derive(Debug)]
pub struct Parameter<T>(PhantomData<fn() -> T>);

impl<T> Parameter<T> {
    /// Of the type of a parameter.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<A> Parameter<User<A>> {
    /// Whether it has attributes that can be read.
    pub fn check(self)
    where
        A: Attributes,
    {
    }
}

impl<A> Parameter<MaybeUser<A>> {
    /// Whether it has attributes that can be read.
    pub fn check(self)
    where
        A: Attributes,
    {
    }
}

impl<A> Parameter<MaybeSession<A>> {
    /// Whether it has attributes that can be read.
    pub fn check(self)
    where
        A: Attributes,
    {
    }
}

impl<A> Parameter<Session<A>> {
    /// Whether it has attributes that can be read.
    pub fn check(self)
    where
        A: Attributes,
    {
    }
}

/// What a `User`, a `Session`, a `MaybeUser` or a `MaybeSession` can have for attributes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the database",
    label = "its `{Self}` does not implement `serde::Deserialize`",
    note = "write `#[derive(serde::Deserialize)]` above `{Self}`"
)]
pub trait Attributes {}

#[diagnostic::do_not_recommend]
impl<A: DeserializeOwned> Attributes for A {}

/// Of all other types: a method of the type itself comes before that of a trait.
pub trait Fallback: Sized {
    /// Nothing is known of it.
    fn check(self) {}
}

impl<T> Fallback for Parameter<T> {}

/// What a handler can return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from a handler",
    label = "not a response",
    note = "return something that implements `axum::response::IntoResponse`: `impl IntoResponse`, `Response`, `String`, `StatusCode`, `Json<..>`, `Html<..>`, or a `Result` of these with an error that implements `IntoResponse`"
)]
pub trait Reply {
    #[doc(hidden)]
    fn into_response(self) -> Response;
}

#[diagnostic::do_not_recommend]
impl<R: IntoResponse> Reply for R {
    fn into_response(self) -> Response {
        IntoResponse::into_response(self)
    }
}
