//! A store with one user, who is signed in.

use std::time::SystemTime;

use async_trait::async_trait;
use lucia::store::{
    ClaimOutcome, Expiries, InsertedSession, KeyClaim, KeyDeletion, KeyRow, KeyWrite, LastKey,
    NewSessionRow, NewUserRow, OldHash, Owner, PasswordChange, Result, Rotation, SessionRow,
    SessionStore, Store, StoreError, UnixMillis, UserRow, UserStore, UserTable, WrittenBy,
};
use lucia::{SessionId, SessionToken, UserId};
use serde_json::{Map, Value};

/// The store.
#[derive(Debug)]
pub struct Fixed {
    session: SessionRow,
    user: UserRow,
}

/// The token of the session.
pub const TOKEN: &str = "0123456789abcdefghijklmnopqrstuvwxyz0123";

impl Fixed {
    /// The user and the session, of now.
    ///
    /// # Panics
    ///
    /// Never: [`TOKEN`] has the form of a token.
    pub fn with_one_user() -> Self {
        let token = SessionToken::parse(TOKEN).expect("a token");
        let now = UnixMillis::from(SystemTime::now());
        let day = 24 * 60 * 60 * 1000;
        let id = UserId::from_stored("u00000000000001");
        let expiries = Expiries::new(now, UnixMillis(now.0 + day), UnixMillis(now.0 + 15 * day));
        let mut session = SessionRow::new(token.session_id(), id.clone(), now, expiries);
        session.authenticated_at = Some(now);
        Self {
            session,
            user: UserRow::new(id, r#"{"id":"u00000000000001","username":"ada"}"#),
        }
    }
}

fn unavailable<T>() -> Result<T> {
    Err(StoreError::unavailable("nobody is here"))
}

#[async_trait]
impl UserStore for Fixed {
    fn user_table(&self) -> &str {
        "auth_user"
    }

    async fn describe_users(&self) -> Result<UserTable> {
        unavailable()
    }

    async fn insert_user(&self, _: NewUserRow, _: Option<KeyRow>) -> Result<UserRow> {
        unavailable()
    }

    async fn user(&self, _: &UserId) -> Result<Option<UserRow>> {
        Ok(None)
    }

    async fn update_user(&self, _: &UserId, _: Map<String, Value>) -> Result<Option<UserRow>> {
        Ok(None)
    }

    async fn delete_user(&self, _: &UserId) -> Result<()> {
        Ok(())
    }

    async fn insert_key(&self, _: KeyRow) -> Result<()> {
        unavailable()
    }

    async fn key(&self, _: &str) -> Result<Option<KeyRow>> {
        Ok(None)
    }

    async fn user_keys(&self, _: &UserId) -> Result<Vec<KeyRow>> {
        Ok(Vec::new())
    }

    async fn update_key_password(
        &self,
        _: &str,
        _: &UserId,
        _: Option<&str>,
        _: OldHash,
    ) -> Result<bool> {
        Ok(false)
    }

    async fn delete_key(&self, _: &str, _: LastKey) -> Result<KeyDeletion> {
        Ok(KeyDeletion::Unknown)
    }
}

#[async_trait]
impl SessionStore for Fixed {
    fn session_table(&self) -> &str {
        "user_session"
    }

    async fn insert_session(&self, _: NewSessionRow) -> Result<InsertedSession> {
        unavailable()
    }

    async fn session(&self, _: &SessionId) -> Result<Option<SessionRow>> {
        Ok(None)
    }

    async fn sessions(&self, _: &[SessionId]) -> Result<Vec<SessionRow>> {
        Ok(Vec::new())
    }

    async fn user_sessions(&self, _: &UserId) -> Result<Vec<SessionRow>> {
        Ok(Vec::new())
    }

    async fn renew_session(&self, _: &SessionId, _: Expiries) -> Result<bool> {
        Ok(false)
    }

    async fn rotate_session(&self, _: &SessionId, _: Rotation) -> Result<bool> {
        Ok(false)
    }

    async fn update_session(
        &self,
        _: &SessionId,
        _: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        Ok(None)
    }

    async fn delete_session(&self, _: &SessionId, _: Owner<'_>) -> Result<bool> {
        Ok(false)
    }

    async fn delete_user_sessions(&self, _: &UserId, _: Option<&SessionId>) -> Result<()> {
        Ok(())
    }

    async fn delete_expired_sessions(&self, _: UnixMillis, _: u32) -> Result<u64> {
        Ok(0)
    }
}

#[async_trait]
impl Store for Fixed {
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let found = *id == self.session.id;
        Ok(found.then(|| (self.session.clone(), self.user.clone())))
    }

    async fn sessions_and_users(&self, _: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
        Ok(Vec::new())
    }

    async fn insert_session_by_key(
        &self,
        _: NewSessionRow,
        _: KeyRow,
    ) -> Result<Option<InsertedSession>> {
        Ok(None)
    }

    async fn write_key(&self, _: KeyWrite, _: WrittenBy<'_>, _: UnixMillis) -> Result<bool> {
        Ok(false)
    }

    async fn claim_key(&self, _: KeyClaim) -> Result<ClaimOutcome> {
        Ok(ClaimOutcome::Unknown)
    }

    async fn change_password(&self, _: PasswordChange) -> Result<bool> {
        Ok(false)
    }
}
