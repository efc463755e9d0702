//! [`CreateSession`]: what is said of a session before it is created.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Auth;
use crate::error::chain;
use crate::session::{Session, SessionInfo, SessionState};
use crate::store::NewSessionRow;
use crate::token::{SessionId, SessionToken};
use crate::user::UserId;
use crate::{Error, Result};

/// The longest name of a device that is kept, in characters.
const DEVICE_LENGTH: usize = 255;

impl Auth {
    /// Creates a session for a user: `auth.create_session(&user.id).await?`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownUser`](crate::Error::UnknownUser) when there is no such user,
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the store is.
    pub fn create_session<'a>(&'a self, user_id: &'a UserId) -> CreateSession<'a> {
        CreateSession {
            auth: self,
            user_id,
            device: None,
            address: None,
            attributes: Ok(Map::new()),
            replaces: None,
            proven: true,
        }
    }
}

/// A session about to be created; `.await` creates it.
///
/// ```
/// use lucia::{Auth, AuthRequest, UserId};
///
/// async fn sign_in(auth: &Auth, request: &AuthRequest, user_id: &UserId) -> lucia::Result<()> {
///     let before = request.validate().await?;
///     let session = auth
///         .create_session(user_id)
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
    device: Option<String>,
    address: Option<IpAddr>,
    attributes: Result<Map<String, Value>>,
    replaces: Option<SessionId>,
    proven: bool,
}

impl CreateSession<'_> {
    /// Keeps with the session what the user may recognise the device by, for a page of "your
    /// sessions". The first 255 characters are kept, without control characters.
    pub fn device(mut self, device: &str) -> Self {
        let printable = device.chars().filter(|letter| !letter.is_control());
        self.device = Some(printable.take(DEVICE_LENGTH).collect());
        self
    }

    /// Keeps with the session the address that the user signed in from, for the same page. Behind
    /// a proxy, that is for the application to find out. An address is personal data.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The columns of your own in the session's row: a struct or map whose fields are columns. A
    /// column that is left out gets the default of the database.
    ///
    /// The store has to know of them: see [`PgStoreBuilder::session_columns`]. Handlers read them
    /// by a parameter `Session<Device>`.
    ///
    /// [`PgStoreBuilder::session_columns`]: https://docs.rs/lucia/latest/lucia/struct.PgStoreBuilder.html#method.session_columns
    pub fn attributes(mut self, attributes: &(impl Serialize + ?Sized)) -> Self {
        self.attributes = self.auth.session_columns(attributes);
        self
    }

    /// Ends the session that the browser had before, whosever it was, in the same statement: after
    /// a sign-in nothing is worth anything that was known before it (OWASP ASVS 5.0, 7.2.4).
    ///
    /// ```no_run
    /// # async fn f(auth: lucia::Auth, user: lucia::User, auth_request: lucia::AuthRequest) -> lucia::Result<()> {
    /// let before = auth_request.validate().await?;
    /// let session = auth.create_session(&user.id).replace(before.as_deref()).await?;
    /// # Ok(()) }
    /// ```
    pub fn replace(mut self, session: Option<&SessionInfo>) -> Self {
        self.replaces = session.map(|session| session.id.clone());
        self
    }

    /// Says that nobody has proved just now to be this user, as when an administrator looks at
    /// the site as somebody else: `#[authenticated(fresh = "..")]` does not let the session pass
    /// before [`reauthenticate`](Auth::reauthenticate).
    pub fn unproven(mut self) -> Self {
        self.proven = false;
        self
    }

    async fn create(self) -> Result<Session> {
        let Self { auth, user_id, .. } = self;
        let attributes = self.attributes?;
        if user_id.cannot_be_stored() {
            return Err(Error::UnknownUser);
        }
        let token = SessionToken::generate(&*auth.0.random)?;
        let now = auth.now();
        let new = NewSessionRow {
            token: token.clone(),
            user_id: user_id.clone(),
            created_at: now,
            authenticated_at: self.proven.then_some(now),
            expiries: auth.0.lifetime.expiries(now, now),
            device: self.device,
            address: self.address.map(|address| address.to_string()),
            attributes,
            replaces: self.replaces,
        };
        let row = auth.ask(auth.store().insert_session(new)).await?;
        tracing::info!(%user_id, session_id = %row.id, "signed in");
        let table = &auth.0.session_table;
        let info = SessionInfo::new(row, table, SessionState::Active, true);
        if let Some(limit) = auth.0.max_sessions {
            let excess = auth
                .store()
                .delete_excess_sessions(user_id, &info.id, limit, now);
            // The session is there. One that is too many goes at the next sign-in.
            if let Err(error) = auth.ask(excess).await {
                tracing::warn!(%user_id, error = %chain(&error), "too many sessions were left");
            }
        }
        Ok(Session::new(info, token))
    }
}

impl<'a> IntoFuture for CreateSession<'a> {
    type Output = Result<Session>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.create())
    }
}

impl fmt::Debug for CreateSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSession")
            .field("user_id", &self.user_id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
