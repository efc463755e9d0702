//! What a session is.

mod lifetime;
pub(crate) mod token;

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::Result;
use crate::clock::UnixMillis;
use crate::session::token::{SessionId, SessionToken};
use crate::user::{NoAttributes, UserId, read_columns};

pub(crate) use lifetime::Lifetime;
pub use lifetime::{Expiries, Rotation};

/// A user's session, with its secret token.
///
/// Only the calls that create, validate or rotate a session return a `Session`, so a cookie can be set for
/// no other session. The part that the application may show is its [`SessionInfo`], to which a session
/// dereferences: `session.id`, `session.user_id`, ...
///
/// A `Session<Device>` has your columns of the session table in `attributes`, as any `serde` type. Handlers
/// take it as a parameter. [`typed`](Self::typed) converts a `Session` into it, and
/// [`untyped`](Self::untyped) converts it back.
///
/// ```
/// use lucia::{Auth, Session};
///
/// /// "You are signed in on 2 devices, here since .."
/// async fn summary(auth: &Auth, session: &Session) -> lucia::Result<String> {
///     let sessions = auth.user_sessions(&session.user_id).await?;
///     let since = session.created_at;
///     Ok(format!("You are signed in on {} devices, here since {since:?}.", sessions.len()))
/// }
/// ```
#[derive(Clone)]
pub struct Session<A = NoAttributes> {
    /// Shared by all who ask who sent a request.
    known: Arc<Known>,
    /// The application's own columns.
    pub attributes: A,
}

struct Known {
    info: SessionInfo,
    token: SessionToken,
    confirmed_at: UnixMillis,
}

impl Session {
    /// A session that the store has just answered for, at `confirmed_at`.
    #[inline]
    pub(crate) fn new(info: SessionInfo, token: SessionToken, confirmed_at: UnixMillis) -> Self {
        let known = Known {
            info,
            token,
            confirmed_at,
        };
        Self {
            known: Arc::new(known),
            attributes: NoAttributes::default(),
        }
    }

    /// When the store had this session for the last time, as far as is known.
    pub(crate) fn confirmed_at(&self) -> UnixMillis {
        self.known.confirmed_at
    }

    /// This session with the application's own columns as an `A`.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`](crate::Error::Schema) if the columns do not fit `A`.
    pub fn typed<A: DeserializeOwned>(&self) -> Result<Session<A>> {
        Ok(Session::with_attributes(self, self.attributes_as()?))
    }
}

/// The session of the user who sent a request, or `None` for an anonymous request. Use it as a parameter of
/// a handler that admits both.
///
/// If the store is unavailable, extraction fails; the result is not `None`. In actix-web,
/// `Option<Session<A>>` would be `None` in that case. In axum, it means the same as `MaybeSession<A>`.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs)]
pub struct MaybeSession<A = NoAttributes>(pub Option<Session<A>>);

impl<A> MaybeSession<A> {
    /// The session, if there is one.
    #[must_use]
    pub fn into_inner(self) -> Option<Session<A>> {
        self.0
    }
}

impl<A> Session<A> {
    /// The public part of this session.
    #[must_use]
    pub fn info(&self) -> &SessionInfo {
        &self.known.info
    }

    /// The secret that authenticates with this session.
    #[must_use]
    pub fn token(&self) -> &SessionToken {
        &self.known.token
    }

    pub(crate) fn with_attributes(session: &Session, attributes: A) -> Self {
        Self {
            known: session.known.clone(),
            attributes,
        }
    }

    /// This session, for functions that take a session without attributes.
    #[must_use]
    pub fn untyped(&self) -> Session {
        Session {
            known: self.known.clone(),
            attributes: NoAttributes::default(),
        }
    }
}

impl<A> Deref for Session<A> {
    type Target = SessionInfo;

    fn deref(&self) -> &SessionInfo {
        self.info()
    }
}

/// Shows no token, and none of the application's columns.
impl<A> fmt::Debug for Session<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("info", self.info())
            .field("token", self.token())
            .finish_non_exhaustive()
    }
}

/// A session without its token, for a page of "your sessions".
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The public id. It is useless as a credential.
    pub id: SessionId,
    /// The user of the session.
    pub user_id: UserId,
    /// When the user signed in.
    pub created_at: SystemTime,
    /// When the user last authenticated: at the sign-in, or later with
    /// [`reauthenticate`](crate::Auth::reauthenticate). A renewal does not count. `None` if the session was
    /// created [`unproven`](crate::CreateSession::unproven), or before lucia recorded this.
    pub authenticated_at: Option<SystemTime>,
    /// When the session was last renewed, or created if it was never renewed.
    pub renewed_at: SystemTime,
    /// The end of the active period. After this moment, the next request renews the session.
    pub active_expires: SystemTime,
    /// The end of the idle period. Until this moment, a request can renew the session; after it, the
    /// session has expired.
    pub idle_expires: SystemTime,
    /// The application's name for the device on which the session was created.
    pub device: Option<String>,
    /// The address from which the session was created, if the application stored it.
    pub address: Option<IpAddr>,
    /// Whether the cookie outlives the browser: `true` unless the session was created with
    /// [`remember(false)`](crate::CreateSession::remember).
    pub persistent: bool,
    /// Whether the session is in its active or its idle period.
    pub state: SessionState,
    /// Whether this request created or renewed the session, so that the response has to set its cookie.
    pub fresh: bool,
    pub(crate) attributes: RowAttributes,
}

/// The application's own columns of a session, as they came from the store.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RowAttributes {
    /// The text of a JSON object.
    pub(crate) json: String,
    /// The table of sessions, for messages.
    pub(crate) table: Arc<str>,
}

/// What a page of "your sessions" needs. Moments are in milliseconds since the Unix epoch.
impl Serialize for SessionInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let millis = |time: SystemTime| UnixMillis::from(time).0;
        let mut object = serializer.serialize_struct("SessionInfo", 10)?;
        object.serialize_field("id", &self.id)?;
        object.serialize_field("user_id", &self.user_id)?;
        object.serialize_field("created_at", &millis(self.created_at))?;
        object.serialize_field("authenticated_at", &self.authenticated_at.map(millis))?;
        object.serialize_field("renewed_at", &millis(self.renewed_at))?;
        object.serialize_field("active_expires", &millis(self.active_expires))?;
        object.serialize_field("idle_expires", &millis(self.idle_expires))?;
        object.serialize_field("device", &self.device)?;
        object.serialize_field("address", &self.address)?;
        object.serialize_field("persistent", &self.persistent)?;
        object.end()
    }
}

debug_of! {
    SessionInfo: id, user_id, created_at, authenticated_at, renewed_at, active_expires, idle_expires, device,
        persistent, state, fresh;
}

/// The period in which an unexpired session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// In the active period. A request does not change the session.
    Active,
    /// After the active period: the next request renews the session. A request gets a session in this state
    /// only if the store could not renew it.
    Idle,
}

impl SessionInfo {
    /// The application's own columns of this session as an `A`.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`](crate::Error::Schema) if the columns do not fit `A`.
    pub fn attributes_as<A: DeserializeOwned>(&self) -> Result<A> {
        let RowAttributes { json, table } = &self.attributes;
        read_columns(json, table, "the store's `session_columns` do not list it")
    }

    /// Moves it to the times of a renewal or rotation.
    pub(crate) fn renewed(&mut self, expiries: Expiries) {
        self.renewed_at = expiries.renewed_at.into();
        self.active_expires = expiries.active_expires.into();
        self.idle_expires = expiries.idle_expires.into();
        self.state = SessionState::Active;
        self.fresh = true;
    }

    /// This session under another token, which the store has had since `now`.
    pub(crate) fn rotated(mut self, rotation: &Rotation, now: UnixMillis) -> Session {
        self.renewed(rotation.expiries);
        self.id = rotation.token.session_id();
        if let Some(moment) = rotation.authenticated_at {
            self.authenticated_at = Some(moment.into());
        }
        Session::new(self, rotation.token.clone(), now)
    }
}
