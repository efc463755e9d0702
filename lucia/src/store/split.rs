//! Users in one store, sessions in another.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{
    Expiries, KeyRow, NewUserRow, SessionRow, SessionStore, Store, UnixMillis, UserRow, UserStore,
    UserTable,
};
use crate::token::SessionId;
use crate::user::UserId;
use crate::{Error, Result};

/// A store put together from two. A lookup asks one after the other.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) users: Arc<dyn Store>,
    pub(crate) sessions: Arc<dyn SessionStore>,
}

#[async_trait]
impl Store for Split {
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let Some(session) = self.sessions.session(id).await? else {
            return Ok(None);
        };
        let user = self.users.user(&session.user_id).await?;
        Ok(user.map(|user| (session, user)))
    }
}

#[async_trait]
impl UserStore for Split {
    fn user_table(&self) -> &str {
        self.users.user_table()
    }

    async fn describe_users(&self) -> Result<UserTable> {
        self.users.describe_users().await
    }

    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow> {
        self.users.insert_user(user, key).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        self.users.user(id).await
    }

    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>> {
        self.users.update_user(id, attributes).await
    }

    /// The user goes first: a session without a user authenticates nobody, while a user without
    /// sessions could sign in again between the two.
    async fn delete_user(&self, id: &UserId) -> Result<()> {
        self.users.delete_user(id).await?;
        self.sessions.delete_user_sessions(id, None).await
    }

    async fn insert_key(&self, key: KeyRow) -> Result<()> {
        self.users.insert_key(key).await
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRow>> {
        self.users.key(id).await
    }

    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>> {
        self.users.user_keys(user_id).await
    }

    async fn update_key_password(
        &self,
        id: &str,
        hashed_password: Option<&str>,
        only_if: Option<&str>,
    ) -> Result<bool> {
        let users = &self.users;
        users
            .update_key_password(id, hashed_password, only_if)
            .await
    }

    async fn delete_key(&self, id: &str) -> Result<()> {
        self.users.delete_key(id).await
    }

    async fn delete_user_keys(&self, user_id: &UserId) -> Result<()> {
        self.users.delete_user_keys(user_id).await
    }
}

#[async_trait]
impl SessionStore for Split {
    /// Asks for the user first, since no foreign key spans two stores.
    async fn insert_session(&self, session: SessionRow) -> Result<()> {
        match self.users.user(&session.user_id).await? {
            Some(_) => self.sessions.insert_session(session).await,
            None => Err(Error::UnknownUser),
        }
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        self.sessions.session(id).await
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        self.sessions.user_sessions(user_id).await
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        self.sessions.renew_session(id, expiries).await
    }

    async fn delete_session(&self, id: &SessionId, owner: Option<&UserId>) -> Result<bool> {
        self.sessions.delete_session(id, owner).await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        self.sessions.delete_user_sessions(user_id, except).await
    }

    async fn delete_dead_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.sessions.delete_dead_sessions(now, limit).await
    }
}
