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
    message = "`{Self}` cannot be a parameter of a function for `permit`",
    label = "neither `User<..>` nor `Session`",
    note = "write `fn permit(user: User<Profile>) -> bool`, or with `Session` as its only or second parameter"
)]
pub trait PermitArgument: Sized {
    #[doc(hidden)]
    fn of(admitted: &Admitted<'_>) -> Result<Self>;
}

impl<A: DeserializeOwned> PermitArgument for User<A> {
    fn of(admitted: &Admitted<'_>) -> Result<Self> {
        User::from_row(admitted.row, admitted.user_table)
    }
}

impl<A: DeserializeOwned> PermitArgument for Session<A> {
    fn of(admitted: &Admitted<'_>) -> Result<Self> {
        let session = admitted.session;
        Ok(Session::with_attributes(session, session.attributes_as()?))
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
    message = "`{Self}` is no answer of a function for `permit`",
    label = "neither `bool` nor `Result<bool, _>`",
    note = "write `fn permit(user: User<Profile>) -> bool`, or return `Result<bool, E>` where the function may fail, or make it `async`"
)]
pub trait Decision<Kind> {
    #[doc(hidden)]
    fn decide(self) -> impl Future<Output = Result<bool>> + Send;
}

impl Decision<kind::Plain> for bool {
    async fn decide(self) -> Result<bool> {
        Ok(self)
    }
}

impl<E: Into<Source> + Send> Decision<kind::Fallible> for Result<bool, E> {
    async fn decide(self) -> Result<bool> {
        self.map_err(Error::unavailable)
    }
}

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
#[diagnostic::on_unimplemented(
    message = "this is no function for `permit`",
    label = "not a function of a `User<..>`, a `Session` or both that returns `bool`",
    note = "write `fn permit(user: User<Profile>) -> bool`, `fn permit(session: Session) -> bool` or `fn permit(user: User<Profile>, session: Session) -> bool`; it may be `async`, and may return `Result<bool, E>`"
)]
pub trait Permit<Arguments, Kind>: Send + Sync + 'static {
    #[doc(hidden)]
    fn ask(
        &self,
        admitted: &Admitted<'_>,
    ) -> Result<impl Future<Output = Result<bool>> + Send + use<Self, Arguments, Kind>>;
}

impl<F, A, D, K> Permit<(A,), K> for F
where
    F: Fn(A) -> D + Send + Sync + 'static,
    A: PermitArgument,
    D: Decision<K>,
{
    fn ask(
        &self,
        admitted: &Admitted<'_>,
    ) -> Result<impl Future<Output = Result<bool>> + Send + use<F, A, D, K>> {
        Ok(self(A::of(admitted)?).decide())
    }
}

impl<F, A, B, D, K> Permit<(A, B), K> for F
where
    F: Fn(A, B) -> D + Send + Sync + 'static,
    A: PermitArgument,
    B: PermitArgument,
    D: Decision<K>,
{
    fn ask(
        &self,
        admitted: &Admitted<'_>,
    ) -> Result<impl Future<Output = Result<bool>> + Send + use<F, A, B, D, K>> {
        Ok(self(A::of(admitted)?, B::of(admitted)?).decide())
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
    P: Permit<Arguments, Kind>,
{
    fn check(&self, admitted: &Admitted<'_>) -> Result<Asked<'_>> {
        Ok(Box::pin(self.0.ask(admitted)?))
    }
}

pub(super) fn boxed<P, Arguments, Kind>(permit: P) -> Arc<dyn BoxedPermit>
where
    P: Permit<Arguments, Kind>,
    Arguments: 'static,
    Kind: 'static,
{
    Arc::new(Typed(permit, PhantomData))
}
