//! A store whose lookups are answered by its cache passes the suite of all stores.

use async_trait::async_trait;
use lucia::store::conformance::SessionCase;
use lucia::store::{
    Expiries, InsertedSession, NewSessionRow, Owner, Result, Rotation, SessionRow, SessionStore,
    UnixMillis,
};
use lucia::{CacheOptions, RedisStore, SessionId, UserId};
use lucia_tests::RedisServer;
use serde_json::{Map, Value, json};

use super::answering;
use crate::support::builder;

/// Asks the cache first, and twice, so that what the first lookup has left is found.
#[derive(Debug)]
struct LookedUp(RedisStore);

#[async_trait]
impl SessionStore for LookedUp {
    fn session_table(&self) -> &str {
        self.0.session_table()
    }

    fn removes_expired_sessions(&self) -> bool {
        self.0.removes_expired_sessions()
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        if let Some(session) = self.0.cached_session(id) {
            return Ok(Some(session));
        }
        let session = self.0.session(id).await?;
        Ok(self.0.cached_session(id).or(session))
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        self.0.sessions(ids).await
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession> {
        self.0.insert_session(session).await
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        self.0.user_sessions(user_id).await
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        self.0.renew_session(id, expiries).await
    }

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        self.0.rotate_session(id, rotation).await
    }

    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        self.0.update_session(id, attributes).await
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        self.0.delete_session(id, owner).await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        self.0.delete_user_sessions(user_id, except).await
    }

    async fn delete_expired_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.0.delete_expired_sessions(now, limit).await
    }
}

async fn on_a_fresh_store(case: SessionCase) {
    let Some(server) = RedisServer::shared().await else {
        return;
    };
    let builder = builder()
        .cache(CacheOptions::new())
        .session_attributes(json!({ "country": null, "visits": 1 }));
    let store = answering(builder.connect(&server.url()).await.unwrap()).await;
    case.run(&LookedUp(store)).await;
}

lucia::session_store_conformance!(
    #[tokio::test]
    on_a_fresh_store
);
