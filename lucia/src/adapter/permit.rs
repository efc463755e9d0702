//! Functions for `permit`, which say what a user may do. `#[authenticated(permit = ..)]`,
//! `AuthMiddleware::permit` and `AuthLayer::permit` take one.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use crate::error::chain;
use crate::event::AccessDenial;
use crate::request::guard::denied;
use crate::{AuthRequest, BoxError, Error, Result};

/// The kinds of results that a function for `permit` can return. They distinguish the implementations of
/// [`Decision`], and have no other meaning.
#[doc(hidden)]
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
impl<E: Into<BoxError>> Decision<kind::Fallible> for Result<bool, E> {
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

/// A function that says whether a signed-in user may proceed. It takes [`User<A>`](crate::User),
/// [`Session<A>`](crate::Session) and extractors that do not read the body, up to four in all.
//
// Any function of one to four arguments is one. What these and its answer may be is asked of each by
// itself, so that the compiler says which of them is wrong.
#[diagnostic::on_unimplemented(
    message = "this is not a function for `permit`",
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

/// A function for `permit`, with the types that are inferred for it.
pub(crate) struct Function<F, Arguments, Kind> {
    pub(crate) function: F,
    types: PhantomData<fn() -> (Arguments, Kind)>,
}

impl<F, Arguments, Kind> Function<F, Arguments, Kind> {
    pub(crate) const fn new(function: F) -> Self {
        let types = PhantomData;
        Self { function, types }
    }
}

/// Decides by the answer of a function for `permit`.
pub(crate) fn settle(request: &AuthRequest, answer: Result<bool>) -> Result<()> {
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(denied(request, AccessDenial::Forbidden)),
        Err(error) => {
            // The client learns only that there is no answer now.
            if let Error::Unavailable(source) = &error {
                let error = chain(source.as_ref());
                tracing::error!(%error, "a function for `permit` failed");
            }
            Err(error)
        }
    }
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

/// Defines `Permitted` for the requests and responses of a framework, and `admit`, which decides about a
/// request. Expects `PermitArgument`, and of `response.rs` `respond`, which makes the default response to
/// an error, and `target_of`. With `Send`, all futures are `Send`. What the compiler shows of it in a message stands
/// outside.
macro_rules! permits {
    ($request:ty => $response:ty $(, $send:ident)?) => {
        use $crate::adapter::permit::settle;

        /// A function for `permit`. It is one type for all functions, so that the compiler reports a wrong
        /// function once, at its name.
        pub struct Permitted(Box<dyn Ask>);

        type Answer<'a> =
            std::pin::Pin<Box<dyn Future<Output = Result<(), $response>> $(+ $send)? + 'a>>;

        trait Ask: Send + Sync {
            /// `Err` is the response to a request that is not permitted, or that an argument cannot
            /// be extracted from.
            fn ask<'a>(
                &'a self,
                request: &'a mut $request,
                auth_request: &'a $crate::AuthRequest,
            ) -> Answer<'a>;
        }

        impl<F, A, K> Ask for Function<F, A, K>
        where
            F: Permit<A>,
            F::First: PermitArgument,
            F::Second: PermitArgument,
            F::Third: PermitArgument,
            F::Fourth: PermitArgument,
            F::Answer: Decision<K>,
            $(<F::Answer as Decision<K>>::Future: $send,)?
        {
            fn ask<'a>(
                &'a self,
                request: &'a mut $request,
                auth_request: &'a $crate::AuthRequest,
            ) -> Answer<'a> {
                Box::pin(async move {
                    let first = F::First::extract(request).await?;
                    let second = F::Second::extract(request).await?;
                    let third = F::Third::extract(request).await?;
                    let fourth = F::Fourth::extract(request).await?;
                    let answer = self.function.call(first, second, third, fourth);
                    let answer = F::Answer::settle(answer.into_future().await);
                    settle(auth_request, answer).map_err(respond)
                })
            }
        }

        impl std::fmt::Debug for Permitted {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("Permitted")
            }
        }

        /// Decides by `guard` and all `permits` whether a request may go on. `Err` is the response to one
        /// that may not, before `finish`.
        pub(super) async fn admit<'a>(
            guard: &$crate::Guard,
            permits: impl IntoIterator<Item = &'a Permitted>,
            request: &mut $request,
            auth_request: &$crate::AuthRequest,
        ) -> Result<(), $response> {
            let admission = async {
                guard.check(auth_request).await.map_err(respond)?;
                for Permitted(permit) in permits {
                    permit.ask(request, auth_request).await?;
                }
                Ok(())
            };
            admission.await.map_err(|response| {
                let target = target_of(request);
                $crate::adapter::decide(response, guard, auth_request, &target)
            })
        }
    };
}
pub(crate) use permits;

/// Defines the methods that set which requests a middleware or layer admits. The type has the fields `guard` and
/// `permits`; `$of` is the call that creates it. With `Send`, the futures of functions for `permit` must be
/// `Send`. The caller passes the documentation of `protect` and the last paragraph of that of `permit`.
macro_rules! guard_settings {
    (
        $type:ident, $of:literal $(, $send:ident)?;
        $(#[$protect:meta])* protect;
        $(#[$permit:meta])* permit;
    ) => {
        impl $type {
            $(#[$protect])*
            pub fn protect(mut self) -> Self {
                self.guard = self.guard.signed_in();
                self
            }

            /// Like [`protect`](Self::protect), but redirects unauthenticated requests to the page `login`
            /// (303), with the requested page as `next=`, a [`LocalPath`](crate::LocalPath). The login page
            /// has to be outside what is protected. Inside, it gets a 401, and lucia logs this once.
            ///
            /// # Panics
            ///
            /// Like [`Guard::redirect`](crate::Guard::redirect).
            pub fn protect_or_redirect(
                mut self,
                login: impl Into<std::borrow::Cow<'static, str>>,
            ) -> Self {
                self.guard = self.guard.redirect(login);
                self
            }

            /// Also checks this guard, and decides before the body is read:
            #[doc = concat!("`", $of, ".guard(Guard::authenticated().recent(Duration::from_secs(600)))`.")]
            ///
            /// `protect`, `protect_or_redirect`, `guard` and `permit` add up, in any order: a request must
            /// meet the conditions of all of them. Of several login pages, the last one counts.
            ///
            /// # Panics
            ///
            /// If one guard accepts only cookies and another one only bearer tokens.
            pub fn guard(mut self, guard: $crate::Guard) -> Self {
                self.guard = self.guard.and(guard);
                self
            }

            /// Admits only requests with a valid session that `function` permits, and decides before the
            #[doc = concat!("body is read: `", $of, ".permit(is_admin)`. If you call it several times,")]
            /// all functions have to permit the request.
            ///
            /// The function takes the user, the session, and any other [extractor](super::PermitArgument)
            /// that does not read the body, up to four in all. It may be `async`, and may return a `Result`:
            /// an error is logged and answered with 503. If an argument cannot be extracted, the extractor's
            /// rejection is the response.
            ///
            $(#[$permit])*
            pub fn permit<F, A, K>(mut self, function: F) -> Self
            where
                F: $crate::adapter::permit::Permit<A>,
                F::First: super::PermitArgument,
                F::Second: super::PermitArgument,
                F::Third: super::PermitArgument,
                F::Fourth: super::PermitArgument,
                F::Answer: $crate::adapter::permit::Decision<K>,
                $(<F::Answer as $crate::adapter::permit::Decision<K>>::Future: $send,)?
                A: 'static,
                K: 'static,
            {
                self.guard = self.guard.signed_in();
                self.permits.push(std::sync::Arc::new(super::permit::permit(function)));
                self
            }
        }
    };
}
pub(crate) use guard_settings;
