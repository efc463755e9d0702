//! [`Permit`]: functions that say what somebody may do.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::session::Session;
use crate::store::UserRow;
use crate::user::User;
use crate::{Error, Result, Source};

/// Who was let in so far.
#[derive(Debug)]
pub struct Admitted<'a> {
    pub(super) user_table: &'a str,
    pub(super) session: &'a Session,
    pub(super) row: &'a UserRow,
}

/// What a function for `permit` can take.
#[diagnostic::on_unimplemented(
    message = "a function for `permit` cannot take `{Self}`",
    label = "takes neither a `User<A>` nor a `Session<A>` where `A` implements `serde::Deserialize`",
    note = "write `fn is_admin(user: User<Profile>) -> bool` with `#[derive(serde::Deserialize)] struct Profile`"
)]
pub trait PermitArgument: Sized {
    #[doc(hidden)]
    fn of(admitted: &Admitted<'_>) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<A: DeserializeOwned> PermitArgument for User<A> {
    fn of(admitted: &Admitted<'_>) -> Result<Self> {
        User::from_row(admitted.row, admitted.user_table)
    }
}

#[diagnostic::do_not_recommend]
impl<A: DeserializeOwned> PermitArgument for Session<A> {
    fn of(admitted: &Admitted<'_>) -> Result<Self> {
        let session = admitted.session;
        Ok(Session::with_attributes(session, session.attributes_as()?))
    }
}

/// The second argument of a function of one.
#[diagnostic::do_not_recommend]
impl PermitArgument for () {
    fn of(_: &Admitted<'_>) -> Result<Self> {
        Ok(())
    }
}

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
    note = "write `fn is_admin(user: User<Profile>) -> bool`, or `async fn` with a future that is `Send`; what can fail returns `Result<bool, E>`, where `E` implements `std::error::Error + Send + Sync`"
)]
pub trait Decision<Kind> {
    #[doc(hidden)]
    fn decide(self) -> impl Future<Output = Result<bool>> + Send;
}

#[diagnostic::do_not_recommend]
impl Decision<kind::Plain> for bool {
    async fn decide(self) -> Result<bool> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Source> + Send> Decision<kind::Fallible> for Result<bool, E> {
    async fn decide(self) -> Result<bool> {
        // What lucia says itself is known to be an outage or a mistake.
        self.map_err(|error| match error.into().downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::unavailable(error),
        })
    }
}

#[diagnostic::do_not_recommend]
impl<F, O, K> Decision<kind::Later<K>> for F
where
    F: Future<Output = O> + Send,
    O: Decision<K> + Send,
{
    async fn decide(self) -> Result<bool> {
        self.await.decide().await
    }
}

/// A function that says whether somebody who is signed in may go on: of [`User<A>`](crate::User),
/// of [`Session<A>`](crate::Session), or of both in this order.
//
// Any function of one or two arguments is one. What these and its answer may be is asked of each by
// itself, so that the compiler says which of them is wrong.
#[diagnostic::on_unimplemented(
    message = "this is no function for `permit`",
    label = "not a function of one or two arguments",
    note = "write `fn is_admin(user: User<Profile>) -> bool`, `fn is_recent(session: Session) -> bool` or `fn may_edit(user: User<Profile>, session: Session) -> bool`"
)]
pub trait Permit<Arguments>: Send + Sync + 'static {
    /// What it takes.
    type First;
    /// What it takes besides, `()` for nothing.
    type Second;
    /// What it returns.
    type Answer;

    #[doc(hidden)]
    fn ask(&self, first: Self::First, second: Self::Second) -> Self::Answer;
}

#[diagnostic::do_not_recommend]
impl<F, A, D> Permit<(A,)> for F
where
    F: Fn(A) -> D + Send + Sync + 'static,
{
    type First = A;
    type Second = ();
    type Answer = D;

    fn ask(&self, first: A, (): ()) -> D {
        self(first)
    }
}

#[diagnostic::do_not_recommend]
impl<F, A, B, D> Permit<(A, B)> for F
where
    F: Fn(A, B) -> D + Send + Sync + 'static,
{
    type First = A;
    type Second = B;
    type Answer = D;

    fn ask(&self, first: A, second: B) -> D {
        self(first, second)
    }
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<bool>> + Send + 'a>>;

/// A [`Permit`] whose types are forgotten.
pub(super) trait BoxedPermit: Send + Sync {
    fn check(&self, admitted: &Admitted<'_>) -> Result<Asked<'_>>;
}

struct Typed<P, Arguments, Kind>(P, PhantomData<fn() -> (Arguments, Kind)>);

impl<P, Arguments, Kind> BoxedPermit for Typed<P, Arguments, Kind>
where
    P: Permit<Arguments>,
    P::First: PermitArgument,
    P::Second: PermitArgument,
    P::Answer: Decision<Kind>,
{
    fn check(&self, admitted: &Admitted<'_>) -> Result<Asked<'_>> {
        let (first, second) = (P::First::of(admitted)?, P::Second::of(admitted)?);
        Ok(Box::pin(self.0.ask(first, second).decide()))
    }
}

pub(super) fn boxed<P, Arguments, Kind>(permit: P) -> Arc<dyn BoxedPermit>
where
    P: Permit<Arguments>,
    P::First: PermitArgument,
    P::Second: PermitArgument,
    P::Answer: Decision<Kind>,
    Arguments: 'static,
    Kind: 'static,
{
    Arc::new(Typed(permit, PhantomData))
}
