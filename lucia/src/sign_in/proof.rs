//! [`Proof`]: a proof of who a user is.

use crate::user::key::{KeyId, VerifiedKey};

pub(crate) use sealed::Evidence;

/// A proof of who a user is, for [`AuthRequest::sign_in`](crate::AuthRequest::sign_in) and
/// [`AuthRequest::reauthenticate`](crate::AuthRequest::reauthenticate): a [`Password`], a [`SignInLink`], a
/// [`SignInCode`], or a [`VerifiedKey`] that another call has verified.
///
/// A [`UserKey`](crate::UserKey) that was only looked up is not a proof, and neither is the id of a user.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not prove who a user is",
    label = "no `Password`, `SignInLink`, `SignInCode` or `VerifiedKey`",
    note = "for a key and a password, write \
            `auth_request.sign_in(Password::new((\"username\", name), password))`",
    note = "a `UserKey` was only looked up: where the application vouches for the user of a key \
            without a password, write `auth_request.sign_in(auth.trusted_key(&key.id).await?)`",
    note = "for the id of a user that the application vouches for, write \
            `auth.create_session(&user_id)` and `auth_request.set_session(Some(&session))`"
)]
pub trait Proof: sealed::Sealed {}

impl Proof for Password<'_> {}

impl Proof for SignInLink<'_> {}

impl Proof for SignInCode<'_> {}

impl Proof for VerifiedKey {}

impl Proof for &VerifiedKey {}

/// A key and its password, not yet checked, for [`AuthRequest::sign_in`](crate::AuthRequest::sign_in),
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

debug_of!(Password<'_>: key);

/// The token of a sign-in link from [`create_sign_in_link`](crate::AuthRequest::create_sign_in_link), not
/// yet used. Use it in the POST of the page that the link opens, not when the page is opened, because mail
/// scanners also open links.
///
/// If the key was not [verified](crate::UserKey::verified_at), this verifies it. If the browser is also not
/// signed in as the user, everything that could open the account ends first, as in
/// [`verify_email`](crate::AuthRequest::verify_email).
///
/// A link that is wrong, used or expired is refused with
/// [`Error::InvalidOneTimeToken`](crate::Error::InvalidOneTimeToken).
#[derive(Clone)]
pub struct SignInLink<'a> {
    pub(crate) token: &'a str,
}

impl<'a> SignInLink<'a> {
    /// `SignInLink::new(&form.token)`
    #[must_use]
    pub fn new(token: &'a str) -> Self {
        Self { token }
    }
}

debug_of!(SignInLink<'_>);

/// A key and a code from [`create_sign_in_code`](crate::AuthRequest::create_sign_in_code) that was sent to
/// its address, not yet checked.
///
/// The code works only in the browser that asked for it. It verifies a key as a [`SignInLink`] does. A code
/// that is wrong, used, replaced or expired is refused with
/// [`Error::InvalidOneTimeToken`](crate::Error::InvalidOneTimeToken) and counted as a failed sign-in
/// attempt.
#[derive(Clone)]
pub struct SignInCode<'a> {
    pub(crate) key: KeyId,
    pub(crate) code: &'a str,
}

impl<'a> SignInCode<'a> {
    /// `SignInCode::new(KeyId::email(&form.address), &form.code)`
    #[must_use]
    pub fn new(key: impl Into<KeyId>, code: &'a str) -> Self {
        Self {
            key: key.into(),
            code,
        }
    }
}

debug_of!(SignInCode<'_>: key);

mod sealed {
    use std::borrow::Cow;
    use std::fmt;
    use std::net::IpAddr;

    use super::{Password, SignInCode, SignInLink, VerifiedKey};
    use crate::Result;
    use crate::auth::Auth;
    use crate::session::SessionInfo;
    use crate::user::UserId;

    pub trait Sealed {
        fn evidence<'a>(self) -> Evidence<'a>
        where
            Self: 'a;
    }

    /// All kinds of proofs as one type, so that what comes after is compiled once.
    pub enum Evidence<'a> {
        Password(Password<'a>),
        Link(SignInLink<'a>),
        Code(SignInCode<'a>),
        Key(Cow<'a, VerifiedKey>),
        PasswordReset { token: &'a str, new: &'a str },
        EmailUndo { token: &'a str },
    }

    impl fmt::Debug for Evidence<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Password(password) => password.fmt(f),
                Self::Link(link) => link.fmt(f),
                Self::Code(code) => code.fmt(f),
                Self::Key(key) => key.fmt(f),
                Self::PasswordReset { .. } => f.write_str("PasswordReset"),
                Self::EmailUndo { .. } => f.write_str("EmailUndo"),
            }
        }
    }

    impl<'a> Evidence<'a> {
        /// Whether it was sent to an address, and so can be the first proof of who reads the mailbox. Whether the
        /// browser is signed in then matters.
        pub(crate) fn is_mailed(&self) -> bool {
            matches!(
                self,
                Self::Link(_) | Self::Code(_) | Self::PasswordReset { .. }
            )
        }

        /// Counts the attempt where there is something to guess, and checks the proof, which has to be
        /// that of the `owner` where there is one. `binding` is what codes of the request are bound to, and
        /// `signed_in` the session of the browser.
        pub(crate) async fn verify(
            self,
            auth: &Auth,
            address: impl FnOnce() -> Option<IpAddr>,
            binding: impl FnOnce() -> Option<String>,
            signed_in: Option<&SessionInfo>,
            owner: Option<&UserId>,
        ) -> Result<Cow<'a, VerifiedKey>> {
            match self {
                Self::Password(Password { key, password }) => {
                    let check = auth.verify_password(key, password);
                    let check = check.limit_by(address()).of(owner);
                    check.await.map(Cow::Owned)
                }
                Self::Link(SignInLink { token }) => {
                    let opened = auth.open_by_link(token, signed_in, owner);
                    opened.await.map(Cow::Owned)
                }
                Self::Code(SignInCode { key, code }) => {
                    let (binding, typed) = (binding(), (&key, code));
                    let binding = binding.as_deref();
                    let opened = auth.open_by_code(typed, binding, address(), signed_in, owner);
                    opened.await.map(Cow::Owned)
                }
                Self::Key(key) => {
                    owner.map_or(Ok(()), |owner| auth.check_owner(&key, owner))?;
                    Ok(key)
                }
                // Boxed, since they are rare: no sign-in is larger by them.
                Self::PasswordReset { token, new } => {
                    let reset = auth.use_password_reset(token, new, signed_in);
                    Box::pin(reset).await.map(Cow::Owned)
                }
                Self::EmailUndo { token } => {
                    let key = Box::pin(auth.undo_address_change(token)).await?;
                    Ok(Cow::Owned(key))
                }
            }
        }
    }

    macro_rules! sealed {
        ($proof:ty, $this:ident => $evidence:expr) => {
            impl Sealed for $proof {
                fn evidence<'a>($this) -> Evidence<'a>
                where
                    Self: 'a,
                {
                    $evidence
                }
            }
        };
    }

    sealed!(Password<'_>, self => Evidence::Password(self));
    sealed!(SignInLink<'_>, self => Evidence::Link(self));
    sealed!(SignInCode<'_>, self => Evidence::Code(self));
    sealed!(VerifiedKey, self => Evidence::Key(Cow::Owned(self)));
    sealed!(&VerifiedKey, self => Evidence::Key(Cow::Borrowed(self)));
}
