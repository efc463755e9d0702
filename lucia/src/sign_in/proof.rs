//! [`Proof`]: what shows who a user is.

use std::fmt;

use crate::user::key::{KeyId, VerifiedKey};

pub(crate) use sealed::Evidence;

/// What shows who a user is, for [`AuthRequest::sign_in`](crate::AuthRequest::sign_in) and
/// [`AuthRequest::reauthenticate`](crate::AuthRequest::reauthenticate): a [`Password`], or a
/// [`VerifiedKey`] that another call has verified.
///
/// A [`UserKey`](crate::UserKey) that was only looked up proves nothing, and neither does the id of a
/// user.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not prove who a user is",
    label = "neither a `Password` nor a `VerifiedKey`",
    note = "for a key and a password, write \
            `auth_request.sign_in(Password::new((\"username\", name), password))`",
    note = "a `UserKey` was only looked up: where the application vouches for the user of a key \
            without a password, write `auth_request.sign_in(auth.trusted_key(&key.id).await?)`",
    note = "for the id of a user that the application vouches for, write \
            `auth.create_session(&user_id)` and `auth_request.set_session(Some(&session))`"
)]
pub trait Proof: sealed::Sealed {}

impl Proof for Password<'_> {}

impl Proof for VerifiedKey {}

impl Proof for &VerifiedKey {}

/// A key and its password, not checked yet, for
/// [`AuthRequest::sign_in`](crate::AuthRequest::sign_in),
/// [`change_password`](crate::AuthRequest::change_password) and
/// [`reauthenticate`](crate::AuthRequest::reauthenticate).
#[derive(Clone)]
pub struct Password<'a> {
    pub(crate) key: KeyId,
    pub(crate) password: &'a str,
}

impl<'a> Password<'a> {
    /// `Password::new(("username", &form.username), &form.password)`
    #[must_use]
    pub fn new(key: impl Into<KeyId>, password: &'a str) -> Self {
        Self {
            key: key.into(),
            password,
        }
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

mod sealed {
    use std::borrow::Cow;
    use std::net::IpAddr;

    use super::{Password, VerifiedKey};
    use crate::Result;
    use crate::auth::Auth;
    use crate::user::UserId;

    pub trait Sealed {
        fn evidence<'a>(self) -> Evidence<'a>
        where
            Self: 'a;
    }

    /// All kinds of proofs as one type, so that what comes after is compiled once.
    #[derive(Debug)]
    pub enum Evidence<'a> {
        Password(Password<'a>),
        Key(Cow<'a, VerifiedKey>),
    }

    impl<'a> Evidence<'a> {
        /// Counts the attempt where there is something to guess, and checks the proof, which has to be
        /// that of the `owner` where there is one.
        pub(crate) async fn verify(
            self,
            auth: &Auth,
            address: impl FnOnce() -> Option<IpAddr>,
            owner: Option<&UserId>,
        ) -> Result<Cow<'a, VerifiedKey>> {
            match self {
                Self::Password(Password { key, password }) => {
                    let check = auth.verify_password(key, password);
                    let check = check.limit_by(address()).of(owner);
                    check.await.map(Cow::Owned)
                }
                Self::Key(key) => {
                    owner.map_or(Ok(()), |owner| auth.check_owner(&key, owner))?;
                    Ok(key)
                }
            }
        }
    }

    impl Sealed for Password<'_> {
        fn evidence<'a>(self) -> Evidence<'a>
        where
            Self: 'a,
        {
            Evidence::Password(self)
        }
    }

    impl Sealed for VerifiedKey {
        fn evidence<'a>(self) -> Evidence<'a>
        where
            Self: 'a,
        {
            Evidence::Key(Cow::Owned(self))
        }
    }

    impl Sealed for &VerifiedKey {
        fn evidence<'a>(self) -> Evidence<'a>
        where
            Self: 'a,
        {
            Evidence::Key(Cow::Borrowed(self))
        }
    }
}
