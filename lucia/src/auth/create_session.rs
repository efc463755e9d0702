//! [`CreateSession`]: the options of a session that is about to be created.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Auth, awaited};
use crate::event::{EventKind, InvalidationCause, SignInFailure};
use crate::session::token::{SessionId, SessionToken};
use crate::session::{Session, SessionInfo, SessionState};
use crate::store::NewSessionRow;
use crate::user::key::{SignInMethod, VerifiedKey};
use crate::user::{UserId, refused};
use crate::{Error, Result};

/// The longest name of a device that is kept, in characters.
const DEVICE_LENGTH: usize = 255;

impl Auth {
    /// Creates a session for the user of a verified key: `auth.create_session(&key).await?` after
    /// [`verify_password`](Self::verify_password). A user who has just signed up has no verified key yet:
    /// `auth.create_session(&user.id).await?`. In a handler,
    /// [`auth_request.sign_in(..)`](crate::AuthRequest::sign_in) does all of this.
    ///
    /// Between the check of a password and the creation of its session, another call can replace the
    /// password and end all sessions of the user. So with a key, the session is stored only if the key has
    /// not changed since it was verified, checked in the same transaction. Whichever call comes first, no
    /// session remains that began with the old password. Nor does a session remain that began with a key
    /// without a password before the owner of its address got the account. A session that is created with a
    /// user id has no such protection.
    ///
    /// If [`max_sessions_per_user`](crate::AuthBuilder::max_sessions_per_user) is set, the sessions that
    /// exceed it end in the same transaction.
    ///
    /// With a separate store for sessions ([`AuthBuilder::sessions`](crate::AuthBuilder::sessions)), the
    /// key is checked before and after the session is stored. If the key has changed, the new session is
    /// deleted and no client gets it, but the session that it [replaced](CreateSession::replace) has ended.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`] if the key has changed since it was verified; [`Error::UnknownUser`]
    /// if the user does not exist; [`Error::Constraint`] and the other errors of
    /// [`update_session_attributes`](Self::update_session_attributes) for
    /// [attributes](CreateSession::attributes) that do not fit; [`Error::Unavailable`] if the store is
    /// unavailable.
    pub fn create_session<'a>(&'a self, who: &'a impl SignsIn) -> CreateSession<'a> {
        CreateSession {
            auth: self,
            user_id: who.user_id(),
            key: who.key(),
            options: SessionOptions::default(),
            replaces: None,
            proven: true,
        }
    }
}

/// The user for whom [`create_session`](Auth::create_session) creates a session: the [`VerifiedKey`] of a
/// sign-in, or the [`UserId`] of a user for whom the application vouches.
///
/// A [`UserKey`](crate::UserKey) that was only looked up does not implement this trait, because it has not
/// been verified. To sign its user in anyway, pass `&key.user_id`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot start a session",
    label = "neither a `VerifiedKey` nor a `UserId`",
    note = "`verify_password` returns a `VerifiedKey`: write `auth.create_session(&key)` after a sign-in",
    note = "write `auth.create_session(&user.id)` where the application vouches for the user"
)]
pub trait SignsIn: sealed::Sealed + Sync {}

impl SignsIn for VerifiedKey {}

impl SignsIn for UserId {}

mod sealed {
    use super::{UserId, VerifiedKey};

    pub trait Sealed {
        fn user_id(&self) -> &UserId;

        fn key(&self) -> Option<&VerifiedKey>;
    }

    impl Sealed for VerifiedKey {
        fn user_id(&self) -> &UserId {
            &self.user_id
        }

        fn key(&self) -> Option<&VerifiedKey> {
            Some(self)
        }
    }

    impl Sealed for UserId {
        fn user_id(&self) -> &UserId {
            self
        }

        fn key(&self) -> Option<&VerifiedKey> {
            None
        }
    }
}

/// What every way to create a session takes: [`CreateSession`], and the sign-ins of a request.
pub(crate) struct SessionOptions {
    pub(crate) device: Option<String>,
    pub(crate) address: Option<IpAddr>,
    attributes: Result<Map<String, Value>>,
    persistent: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            device: None,
            address: None,
            attributes: Ok(Map::new()),
            persistent: true,
        }
    }
}

impl SessionOptions {
    pub(crate) fn set_device(&mut self, device: &str) {
        let printable = device.chars().filter(|letter| !letter.is_control());
        self.device = Some(printable.take(DEVICE_LENGTH).collect());
    }

    pub(crate) fn set_attributes(&mut self, auth: &Auth, attributes: &(impl Serialize + ?Sized)) {
        self.attributes = auth.session_columns(attributes);
    }

    pub(crate) fn set_persistent(&mut self, persistent: bool) {
        self.persistent = persistent;
    }

    /// Refuses attributes that cannot be columns, before anything is done.
    pub(crate) fn check(self) -> Result<Self> {
        Ok(Self {
            attributes: Ok(self.attributes?),
            ..self
        })
    }
}

/// The options that all ways to create a session share, for a call that keeps them in its `options`
/// and has this `Auth`.
macro_rules! session_options {
    ($self:ident => $auth:expr) => {
        /// Stores a name with the session by which the user recognises the device, for a page of "your
        /// sessions". At most 255 characters are stored, without control characters.
        pub fn device(mut $self, device: &str) -> Self {
            $self.options.set_device(device);
            $self
        }

        /// Sets your own columns in the row of the session. `attributes` is a struct or map whose fields
        /// are columns. A column that you leave out gets its database default.
        ///
        /// The store has to be told about the columns: see [`PgStoreBuilder::session_columns`]. Handlers
        /// read them with a parameter `Session<Device>`.
        ///
        /// [`PgStoreBuilder::session_columns`]: https://docs.rs/lucia/latest/lucia/struct.PgStoreBuilder.html#method.session_columns
        pub fn attributes(mut $self, attributes: &(impl serde::Serialize + ?Sized)) -> Self {
            $self.options.set_attributes($auth, attributes);
            $self
        }

        /// Sets whether the user stays signed in when they close the browser, as for a "remember me"
        /// checkbox: `.remember(form.remember_me)`. The default is `true`.
        ///
        /// With `false`, the cookie never has `Max-Age` or `Expires`, not even after a renewal or rotation,
        /// so the browser removes it when the browser session ends. Some browsers restore such cookies with
        /// their tabs, and the server does not notice when a browser is closed. So the session itself has a
        /// shorter idle period:
        /// [`browser_session_idle_period`](crate::AuthBuilder::browser_session_idle_period).
        pub fn remember(mut $self, remember: bool) -> Self {
            $self.options.set_persistent(remember);
            $self
        }
    };
}
pub(crate) use session_options;

/// A session that is about to be created; `.await` creates it.
///
/// ```
/// use lucia::{Auth, AuthRequest, VerifiedKey};
///
/// async fn sign_in(auth: &Auth, request: &AuthRequest, key: &VerifiedKey) -> lucia::Result<()> {
///     let before = request.validate().await?;
///     let session = auth
///         .create_session(key)
///         .device("Firefox on Linux")
///         .replace(before.as_deref())
///         .await?;
///     request.set_session(Some(&session));
///     Ok(())
/// }
/// ```
#[must_use = "a session is created by `.await`"]
pub struct CreateSession<'a> {
    auth: &'a Auth,
    user_id: &'a UserId,
    key: Option<&'a VerifiedKey>,
    options: SessionOptions,
    replaces: Option<SessionId>,
    proven: bool,
}

impl CreateSession<'_> {
    session_options!(self => self.auth);

    /// Stores the address from which the user signed in with the session, for the same page:
    /// `.store_address(auth_request.client_address())`. An address is personal data.
    pub fn store_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.options.address = address.into();
        self
    }

    /// Ends the session that the browser had before, whichever user it belongs to, in the same transaction.
    /// No token from before the sign-in stays valid in this browser (OWASP ASVS 5.0, 7.2.4).
    ///
    /// ```no_run
    /// # async fn f(auth: lucia::Auth, key: lucia::VerifiedKey, auth_request: lucia::AuthRequest) -> lucia::Result<()> {
    /// let before = auth_request.validate().await?;
    /// let session = auth.create_session(&key).replace(before.as_deref()).await?;
    /// # Ok(()) }
    /// ```
    pub fn replace(mut self, session: Option<&SessionInfo>) -> Self {
        self.replaces = session.map(|session| session.id.clone());
        self
    }

    /// As [`replace`](Self::replace), for a session of which only the id is known.
    pub(crate) fn replace_id(mut self, id: Option<SessionId>) -> Self {
        self.replaces = id;
        self
    }

    /// Sets all that [`SessionOptions`] holds.
    pub(crate) fn options(mut self, options: SessionOptions) -> Self {
        self.options = options;
        self
    }

    /// Creates the session without a time of authentication, for example when an administrator views the
    /// site as another user. `#[authenticated(recent = "..")]` denies the session until
    /// [`reauthenticate`](Auth::reauthenticate) is called.
    pub fn unproven(mut self) -> Self {
        self.proven = false;
        self
    }

    async fn create(self) -> Result<Session> {
        let Self {
            auth,
            user_id,
            key,
            options,
            ..
        } = self;
        let attributes = options.attributes?;
        let token = SessionToken::generate()?;
        let now = auth.now();
        let new = NewSessionRow {
            token: token.clone(),
            user_id: user_id.clone(),
            created_at: now,
            authenticated_at: self.proven.then_some(now),
            expiries: auth.0.lifetime.expiries(now, options.persistent, now),
            device: options.device,
            address: options.address.map(|address| address.to_string()),
            persistent: options.persistent,
            attributes,
            replaces: self.replaces,
            limit: auth.0.max_sessions,
        };
        let provider_id = key.map(|key| key.id.provider_id().to_owned());
        let method = key.map_or(SignInMethod::Application, |key| key.method);
        let pending = auth.pending(EventKind::SignedIn {
            user_id: user_id.clone(),
            session_id: token.session_id(),
            method,
            provider_id: provider_id.clone(),
            proven: self.proven,
            replaced_session_id: new.replaces.clone(),
        });
        let store = auth.store();
        let inserted = match key {
            None => auth.ask(store.insert_session(new)).await.map(Some),
            Some(key) => auth.ask(store.insert_session_by_key(new, key.row())).await,
        };
        let inserted = pending.settle(inserted, Option::is_some);
        let failure = match &inserted {
            Ok(None) => Some(SignInFailure::KeyChanged),
            Err(Error::UnknownUser) => Some(SignInFailure::UnknownUser),
            Ok(Some(_)) | Err(_) => None,
        };
        if let Some(reason) = failure {
            auth.tell(EventKind::SignInFailed {
                reason,
                method,
                provider_id,
                user_id: Some(user_id.clone()),
            });
        }
        let inserted = inserted.map_err(refused)?;
        let inserted = inserted.ok_or(Error::InvalidCredentials)?;
        for session_id in inserted.in_excess {
            auth.tell(EventKind::SessionInvalidated {
                session_id,
                user_id: Some(user_id.clone()),
                cause: InvalidationCause::SessionLimit,
            });
        }
        let table = &auth.0.session_table;
        let info = SessionInfo::from_row(inserted.row, table, SessionState::Active, true);
        Ok(Session::new(info, token, auth.now()))
    }
}

awaited!(CreateSession::create -> Session);

impl fmt::Debug for CreateSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSession")
            .field("user_id", &self.user_id)
            .field("device", &self.options.device)
            .field("remember", &self.options.persistent)
            .finish_non_exhaustive()
    }
}
