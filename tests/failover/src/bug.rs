//! Bugs to seed, so that it shows whether the campaign finds them.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lucia::store::{
    Expiries, InsertedSession, NewSessionRow, Owner, Result, Rotation, SessionRow, SessionStore,
    UnixMillis,
};
use lucia::{PgStore, SessionId, UserId};
use serde_json::{Map, Value};

use crate::Check;

/// What one of the two web servers does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A session that could not be looked up is none.
    TakesErrorsForSignedOut,
    /// Some log-ins are acknowledged, and not stored.
    LosesLogIns,
    /// Some revocations are acknowledged, and not done.
    IgnoresRevocations,
    /// It stays at the server that was the primary, though that is read-only now.
    StaysAtTheOldPrimary,
    /// It stays there and writes, though the server is to be read-only.
    WritesToTheOldPrimary,
}

/// One log-in or revocation of so many is not done.
const ONE_OF: usize = 4;

impl Bug {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::TakesErrorsForSignedOut,
        Self::LosesLogIns,
        Self::IgnoresRevocations,
        Self::StaysAtTheOldPrimary,
        Self::WritesToTheOldPrimary,
    ];

    /// The check that has to find it.
    #[must_use]
    pub fn found_by(self) -> Check {
        match self {
            Self::TakesErrorsForSignedOut => Check::WrongLogOut,
            Self::LosesLogIns => Check::LostLogIn,
            Self::IgnoresRevocations => Check::LostRevocation,
            Self::StaysAtTheOldPrimary => Check::NotRecovered,
            Self::WritesToTheOldPrimary => Check::OldPrimaryWrote,
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TakesErrorsForSignedOut => "errors-are-signed-out",
            Self::LosesLogIns => "loses-log-ins",
            Self::IgnoresRevocations => "ignores-revocations",
            Self::StaysAtTheOldPrimary => "stays-at-the-old-primary",
            Self::WritesToTheOldPrimary => "writes-to-the-old-primary",
        }
    }

    /// What is added to the address of the primary alone, for a bug of connections.
    pub(crate) fn options(self) -> Option<&'static str> {
        match self {
            Self::StaysAtTheOldPrimary => Some(""),
            Self::WritesToTheOldPrimary => {
                Some("?options=-c%20default_transaction_read_only%3Doff")
            }
            _ => None,
        }
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let named = Self::ALL.into_iter().find(|bug| bug.name() == name);
        named.ok_or_else(|| format!("there is no bug `{name}`"))
    }
}

/// Sessions in Postgres, with a bug.
pub(crate) struct Faulty {
    sessions: PgStore,
    bug: Bug,
    calls: AtomicUsize,
}

impl Faulty {
    pub(crate) fn new(sessions: PgStore, bug: Bug) -> Self {
        Self {
            sessions,
            bug,
            calls: AtomicUsize::new(0),
        }
    }

    /// Whether a call is not to be done, by this bug.
    fn omits(&self, bug: Bug) -> bool {
        self.bug == bug && self.calls.fetch_add(1, Ordering::Relaxed) % ONE_OF == ONE_OF - 1
    }

    fn found<T>(&self, found: Result<T>, none: T) -> Result<T> {
        match (self.bug, found) {
            (Bug::TakesErrorsForSignedOut, Err(_)) => Ok(none),
            (_, found) => found,
        }
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("bug", &self.bug).finish()
    }
}

#[async_trait]
impl SessionStore for Faulty {
    fn session_table(&self) -> &str {
        self.sessions.session_table()
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession> {
        if self.omits(Bug::LosesLogIns) {
            let id = session.token.session_id();
            let row = SessionRow::new(id, session.user_id, session.created_at, session.expiries);
            return Ok(InsertedSession::new(row));
        }
        self.sessions.insert_session(session).await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        self.found(self.sessions.session(id).await, None)
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        self.found(self.sessions.sessions(ids).await, Vec::new())
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        self.sessions.user_sessions(user_id).await
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        self.sessions.renew_session(id, expiries).await
    }

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        self.sessions.rotate_session(id, rotation).await
    }

    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        self.sessions.update_session(id, attributes).await
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        if self.omits(Bug::IgnoresRevocations) {
            return Ok(true);
        }
        self.sessions.delete_session(id, owner).await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        if self.omits(Bug::IgnoresRevocations) {
            return Ok(());
        }
        self.sessions.delete_user_sessions(user_id, except).await
    }

    async fn delete_expired_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.sessions.delete_expired_sessions(now, limit).await
    }
}
