//! [`Permit`]: functions that say what a user may do.

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::session::Session;
use crate::user::User;
use crate::{AuthRequest, Error, Result, Source};

/// The kinds of answers that a function for `permit` can give. They tell the implementations of
/// [`Decision`] apart, and mean nothing else.
pub mod kind {
    /// `bool`.
    #[derive(Debug)]
    pub struct Plain;
    /// `Result<bool, E>`.
    #[derive(Debug)]
    pub struct Fallible;
    /// A future of one of the others.
    #[derive(Debug)]
    pub struct Later<K>(std::marker::PhantomData<K>);
}

/// What a function for `permit` can return: a `bool`, a `Result<bool, _>`, or a future of these.
#[diagnostic::on_unimplemented(
    message = "a function for `permit` cannot return `{Self}`",
    label = "returns neither `bool` nor a `Result<bool, E>` with an error `E`",
    note = "write `fn is_admin(user: User<Profile>) -> bool`, or an `async fn`; what can fail returns `Result<bool, E>`, where `E` implements `std::error::Error + Send + Sync`"
)]
pub trait Decision<Kind> {
    #[doc(hidden)]
    type Future: Future;

    #[doc(hidden)]
    fn into_future(self) -> Self::Future;

    #[doc(hidden)]
    fn settle(output: <Self::Future as Future>::Output) -> Result<bool>;
}

#[diagnostic::do_not_recommend]
impl Decision<kind::Plain> for bool {
    type Future = Ready<bool>;

    fn into_future(self) -> Ready<bool> {
        ready(self)
    }

    fn settle(output: bool) -> Result<bool> {
        Ok(output)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Source>> Decision<kind::Fallible> for Result<bool, E> {
    type Future = Ready<Self>;

    fn into_future(self) -> Ready<Self> {
        ready(self)
    }

    fn settle(output: Self) -> Result<bool> {
        // An error of lucia says by itself whether it is an outage or a mistake.
        output.map_err(|error| match error.into().downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::unavailable(error),
        })
    }
}

#[diagnostic::do_not_recommend]
impl<F, O, K> Decision<kind::Later<K>> for F
where
    F: Future<Output = O>,
    O: Decision<K, Future = Ready<O>>,
{
    type Future = F;

    fn into_future(self) -> F {
        self
    }

    fn settle(output: O) -> Result<bool> {
        O::settle(output)
    }
}

/// A function that says whether a signed-in user may go on: of [`User<A>`](crate::User),
/// [`Session<A>`](crate::Session) and up to four extractors in all that leave the body alone.
//
// Any function of one to four arguments is one. What these and its answer may be is asked of each by
// itself, so that the compiler says which of them is wrong.
#[diagnostic::on_unimplemented(
    message = "this is no function for `permit`",
    label = "not a function of one to four arguments",
    note = "write `fn is_admin(user: User<Profile>) -> bool`, `fn is_recent(session: Session) -> bool` or `fn may_edit(user: User<Profile>, document: web::Path<u64>) -> bool`"
)]
pub trait Permit<Arguments>: Send + Sync + 'static {
    /// Its first argument.
    type First;
    /// Its second argument, or `()` if it takes one.
    type Second;
    /// Its third argument, or `()` if it takes fewer.
    type Third;
    /// Its fourth argument, or `()` if it takes fewer.
    type Fourth;
    /// What it returns.
    type Answer;

    #[doc(hidden)]
    fn call(
        &self,
        first: Self::First,
        second: Self::Second,
        third: Self::Third,
        fourth: Self::Fourth,
    ) -> Self::Answer;
}

/// A guard's function, with the types that are inferred of it.
#[doc(hidden)]
pub struct Permitted<F, Arguments, Kind> {
    pub(crate) function: F,
    types: PhantomData<fn() -> (Arguments, Kind)>,
}

impl<F: Clone, Arguments, Kind> Clone for Permitted<F, Arguments, Kind> {
    fn clone(&self) -> Self {
        Self {
            function: self.function.clone(),
            types: PhantomData,
        }
    }
}

impl<F, Arguments, Kind> fmt::Debug for Permitted<F, Arguments, Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permitted")
    }
}

/// See [`Guard::permit`](super::Guard::permit).
#[doc(hidden)]
pub const fn permitted<F, Arguments, Kind>(function: F) -> Permitted<F, Arguments, Kind>
where
    F: Permit<Arguments>,
    F::Answer: Decision<Kind>,
{
    Permitted {
        function,
        types: PhantomData,
    }
}

/// What a function for `permit` says of a request.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // A rejection may have none.
pub enum Asked<R> {
    /// The function has been called.
    Answered(Result<bool>),
    /// One of its arguments cannot be had from the request, and says so in its own way.
    Rejected(R),
}

macro_rules! functions {
    ($($argument:ident)+, $($none:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<F, D, $($argument),+> Permit<($($argument,)+)> for F
        where
            F: Fn($($argument),+) -> D + Send + Sync + 'static,
        {
            $(type $argument = $argument;)+
            $(type $none = ();)*
            type Answer = D;

            #[allow(non_snake_case)] // Named as their types.
            fn call(&self, $($argument: $argument,)+ $($none: (),)*) -> D {
                $(let () = $none;)*
                self($($argument),+)
            }
        }
    };
}

functions!(First, Second Third Fourth);
functions!(First Second, Third Fourth);
functions!(First Second Third, Fourth);
functions!(First Second Third Fourth,);

/// Defines `Asks` for one kind of request, whose extraction is `PermitArgument`. With `Send`, all
/// futures are.
macro_rules! permits {
    ($request:ty => $rejection:ty $(, $send:ident)?) => {
        /// What a [`Guard`](crate::Guard) asks of a request once its sender is known: nothing, or the
        /// function of [`Guard::permit`](crate::Guard::permit).
        pub trait Asks: Send + Sync + 'static {
            #[doc(hidden)]
            fn ask(
                &self,
                request: &mut $request,
            ) -> impl Future<Output = $crate::request::guard::Asked<$rejection>> $(+ $send)?;
        }

        #[diagnostic::do_not_recommend]
        impl Asks for () {
            async fn ask(&self, _: &mut $request) -> $crate::request::guard::Asked<$rejection> {
                $crate::request::guard::Asked::Answered(Ok(true))
            }
        }

        #[diagnostic::do_not_recommend]
        impl<F, A, K> Asks for $crate::request::guard::Permitted<F, A, K>
        where
            F: $crate::request::guard::Permit<A>,
            F::First: PermitArgument,
            F::Second: PermitArgument,
            F::Third: PermitArgument,
            F::Fourth: PermitArgument,
            F::Answer: $crate::request::guard::Decision<K>,
            $(<F::Answer as $crate::request::guard::Decision<K>>::Future: $send,)?
            A: 'static,
            K: 'static,
        {
            async fn ask(
                &self,
                request: &mut $request,
            ) -> $crate::request::guard::Asked<$rejection> {
                use $crate::request::guard::{Asked, Decision};

                let extracted = async {
                    Ok((
                        F::First::extract(request).await?,
                        F::Second::extract(request).await?,
                        F::Third::extract(request).await?,
                        F::Fourth::extract(request).await?,
                    ))
                };
                let future = match extracted.await {
                    Ok((first, second, third, fourth)) => {
                        self.function.call(first, second, third, fourth).into_future()
                    }
                    Err(rejection) => return Asked::Rejected(rejection),
                };
                Asked::Answered(F::Answer::settle(future.await))
            }
        }
    };
}

/// Defines `Named`, a function for `permit` that an attribute names. It is one type for all functions,
/// so that the compiler complains about a wrong one where it is named, and not once more where it is
/// called. Only its future is allocated: a function that is named has no size.
#[cfg(all(feature = "macros", any(feature = "actix", feature = "axum")))]
macro_rules! named {
    ($request:ty => $rejection:ty $(, $send:ident)?) => {
        #[allow(missing_debug_implementations)] // A function has none.
        pub struct Named(Box<dyn Boxed>);

        type Answer<'a> = std::pin::Pin<
            Box<dyn Future<Output = $crate::request::guard::Asked<$rejection>> $(+ $send)? + 'a>,
        >;

        trait Boxed: Send + Sync {
            fn ask<'a>(&'a self, request: &'a mut $request) -> Answer<'a>;
        }

        impl<P: Asks> Boxed for P {
            fn ask<'a>(&'a self, request: &'a mut $request) -> Answer<'a> {
                Box::pin(Asks::ask(self, request))
            }
        }

        impl Asks for Named {
            async fn ask(&self, request: &mut $request) -> $crate::request::guard::Asked<$rejection> {
                Boxed::ask(&*self.0, request).await
            }
        }
    };
}

#[cfg(all(feature = "macros", any(feature = "actix", feature = "axum")))]
pub(crate) use named;
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) use permits;

/// What a function for `permit` can take where no framework is known, in
/// [`Guard::check`](super::Guard::check).
#[diagnostic::on_unimplemented(
    message = "a function for `permit` cannot take `{Self}` here: it takes what is asked of an `AuthRequest`, by value",
    label = "takes neither `User<A>`, `Session<A>` nor `AuthRequest`",
    note = "`A` implements `serde::Deserialize`; other extractors are known to the attributes, `auth.middleware()` and `auth.layer()` alone"
)]
pub trait PermitArgument: Sized + Send {
    #[doc(hidden)]
    fn extract(request: &mut AuthRequest) -> impl Future<Output = Result<Self>> + Send;
}

#[diagnostic::do_not_recommend]
impl PermitArgument for () {
    async fn extract(_: &mut AuthRequest) -> Result<Self> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl PermitArgument for AuthRequest {
    async fn extract(request: &mut AuthRequest) -> Result<Self> {
        Ok(request.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<A: DeserializeOwned + Send> PermitArgument for User<A> {
    async fn extract(request: &mut AuthRequest) -> Result<Self> {
        request.require_user().await.map(|(user, _)| user)
    }
}

#[diagnostic::do_not_recommend]
impl<A: DeserializeOwned + Send> PermitArgument for Session<A> {
    async fn extract(request: &mut AuthRequest) -> Result<Self> {
        request.require().await?.typed()
    }
}

permits!(AuthRequest => Error, Send);
