//! What a handler can take of the sender, as both adapters extract it.

use serde::de::DeserializeOwned;

use super::AuthRequest;
use super::sender::{Found, Sender};
use crate::Result;
use crate::session::{MaybeSession, Session};
use crate::user::{MaybeUser, User};

/// A parameter of a handler that is read from what is known of the sender.
pub(crate) trait OfSender: Sized {
    /// Whether it is read from the row of the user. For a session that the application has set, the row
    /// costs a query.
    const WITH_USER: bool;

    /// Reads it from what was found. For an anonymous request, nothing was.
    fn of(auth_request: &AuthRequest, found: Option<Found<'_>>) -> Result<Self>;
}

impl<A: DeserializeOwned> OfSender for Option<Session<A>> {
    const WITH_USER: bool = false;

    fn of(_: &AuthRequest, found: Option<Found<'_>>) -> Result<Self> {
        found.map(|(session, _)| session.typed()).transpose()
    }
}

impl<A: DeserializeOwned> OfSender for Option<User<A>> {
    const WITH_USER: bool = true;

    fn of(auth_request: &AuthRequest, found: Option<Found<'_>>) -> Result<Self> {
        let row = found.and_then(|(_, row)| row);
        row.map(|row| User::from_row(row, auth_request.base_auth().user_table()))
            .transpose()
    }
}

/// The parameters that refuse an anonymous request, and those that wrap an `Option`.
macro_rules! of_sender {
    ($($required:ident, $maybe:ident;)*) => {$(
        impl<A: DeserializeOwned> OfSender for $required<A> {
            const WITH_USER: bool = Option::<Self>::WITH_USER;

            fn of(auth_request: &AuthRequest, found: Option<Found<'_>>) -> Result<Self> {
                auth_request.admit(OfSender::of(auth_request, found))
            }
        }

        impl<A: DeserializeOwned> OfSender for $maybe<A> {
            const WITH_USER: bool = Option::<$required<A>>::WITH_USER;

            fn of(auth_request: &AuthRequest, found: Option<Found<'_>>) -> Result<Self> {
                OfSender::of(auth_request, found).map(Self)
            }
        }
    )*};
}

of_sender! {
    Session, MaybeSession;
    User, MaybeUser;
}

impl AuthRequest {
    /// What [`ask`](Self::ask) says, if the sender has been looked up before and nothing has changed since.
    pub(crate) fn known<T: OfSender>(&self) -> Option<Result<T>> {
        if self.is_by_bearer() {
            return Some(T::of(self, Some(self.0.bearer.found()?)));
        }
        let sender = self.credible_sender()?;
        let found = sender.found()?;
        let is_enough = found.1.is_some() || !T::WITH_USER;
        is_enough.then(|| T::of(self, Some(found)))
    }

    /// Looks up the sender, and reads a parameter from what is found.
    pub(crate) async fn ask<T: OfSender>(&self) -> Result<T> {
        if self.is_by_bearer() {
            return T::of(self, self.0.bearer.look_up(&self.0.auth).await?);
        }
        let sender = self.looked_up(T::WITH_USER).await?;
        T::of(self, sender.as_deref().and_then(Sender::found))
    }
}

#[cfg(test)]
#[cfg(all(feature = "http", feature = "sqlite", feature = "test-support"))]
mod tests;
