//! Sessions.

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio_postgres::Row;

use super::error::Written;
use super::lookups::look_up;
use super::rows::{inserted_session, session_row};
use super::run::Statement;
use super::statements::Insertion;
use super::{Param, Params, Parts, PgStore, attributes_json, health};
use crate::session::token::SessionId;
use crate::store::batch::Source as _;
use crate::store::{
    AttemptStore, ClaimOutcome, CredentialStore, Expiries, InsertedSession, KeyClaim, KeyRow,
    KeyWrite, MailStore, NewSessionRow, Owner, PasswordChange, Result, Rotation, SESSION_COLUMNS,
    SessionRow, SessionStore, Store, StoreHealth, TokenStore, TransactionStore, UnixMillis,
    UserRow, UserStore, WrittenBy,
};
use crate::user::UserId;

#[async_trait]
impl Store for PgStore {
    fn attempts(&self) -> Option<&dyn AttemptStore> {
        Some(self)
    }

    fn tokens(&self) -> Option<&dyn TokenStore> {
        Some(self)
    }

    fn mails(&self) -> Option<&dyn MailStore> {
        Some(self)
    }

    fn credentials(&self) -> Option<&dyn CredentialStore> {
        Some(self)
    }

    fn transactions(&self) -> Option<&dyn TransactionStore> {
        Some(self)
    }

    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        if let Some(found) = self.0.cache.find(id) {
            return Ok(Some(found));
        }
        // Before the lookup is sent: what changes from here on may not be in it.
        let begun = self.0.cache.begin(&self.0, 1);
        let found = look_up(&self.0, id).await?;
        if let Some((session, user)) = &found {
            self.0.cache.put(begun, session, &user.id, user);
        }
        Ok(found)
    }

    fn lookups_may_lag(&self) -> bool {
        self.0.replicas.are_on()
    }

    /// Past the queue, the cache and replicas: a request with several session cookies is rare.
    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
        let ids: Vec<_> = ids.iter().collect();
        let mut used = Vec::with_capacity(ids.len());
        for found in self.0.find_all(&mut None, &ids).await? {
            used.extend(self.0.used(found).await?);
        }
        Ok(used)
    }

    async fn insert_session_by_key(
        &self,
        session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<InsertedSession>> {
        if key.user_id != session.user_id {
            return Ok(None);
        }
        self.0.insert_session(&session, Some(&key)).await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<bool> {
        let changing = self.0.user_changes(&change.user_id);
        let kept = change.kept.as_ref();
        let rotation = kept.map(|(_, rotation)| rotation);
        let expiries = rotation.map(|rotation| rotation.expiries);
        let params: Params<'_> = &[
            &change.key_id,
            &change.user_id.as_str(),
            &change.hashed_password,
            &kept.map(|(id, _)| id.as_str()),
            &rotation.map(|rotation| self.0.ids.stored(&rotation.token)),
            &expiries.map(|expiries| expiries.renewed_at.0),
            &expiries.map(|expiries| expiries.active_expires.0),
            &expiries.map(|expiries| expiries.idle_expires.0),
            &rotation.and_then(|rotation| Some(rotation.authenticated_at?.0)),
            &change.old.is_any(),
            &change.old.hash(),
        ];
        // A sign-in by the old password may hold the key. Its session is to be seen, and end.
        let lock_params: Params<'_> = &[&change.key_id, &change.user_id.as_str()];
        let lock = Statement::new(&self.0.statements.lock_key, lock_params);
        let statement = Statement {
            lock: Some(&lock),
            ..Statement::new(&self.0.statements.change_password, params)
        };
        let read = |row: &Row| {
            Ok(Some(
                row.try_get::<_, Option<&str>>(0)?.map(UserId::from_stored),
            ))
        };
        let changed = self.0.row(&statement, read).await?;
        // The database may know the user by another spelling (`citext`).
        if let Some(Some(user_id)) = &changed {
            changing.user_changed(user_id);
        }
        Ok(changed.is_some())
    }

    async fn write_key(&self, write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> Result<bool> {
        self.0.write_key(&write, by, at).await
    }

    async fn claim_key(&self, claim: KeyClaim) -> Result<ClaimOutcome> {
        self.0.claim_key(&claim).await
    }
}

#[async_trait]
impl SessionStore for PgStore {
    fn session_table(&self) -> &str {
        &self.0.tables.session
    }

    fn store_name(&self) -> &str {
        health::NAME
    }

    async fn health(&self) -> Result<StoreHealth> {
        Ok(self.ask_health().await)
    }

    #[cfg(feature = "metrics")]
    fn record_metrics(&self) {
        self.record();
    }

    fn unsupported_for_sessions_alone(&self) -> Option<&'static str> {
        let cache = self.0.cache.is_on().then_some("cache");
        cache.or_else(|| self.unsupported_for_users_alone())
    }

    fn may_share_lookups(&self) -> bool {
        self.0.batched
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession> {
        let inserted = self.0.insert_session(&session, None).await?;
        inserted.ok_or_else(|| self.0.kept_out(&self.0.tables.session))
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let sql = &self.0.statements.get_session;
        self.0
            .row(&Statement::lookup(sql, &[&id.as_str()]), session_row)
            .await
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let ids: Vec<_> = ids.iter().map(SessionId::as_str).collect();
        let sql = &self.0.statements.get_sessions;
        self.0
            .rows(&Statement::lookup(sql, &[&ids.as_slice()]), session_row)
            .await
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let sql = &self.0.statements.user_sessions;
        self.0
            .rows(&Statement::lookup(sql, &[&user_id.as_str()]), session_row)
            .await
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        let _changing = self.0.session_changes(id);
        let params: Params<'_> = &[
            &id.as_str(),
            &expiries.renewed_at.0,
            &expiries.active_expires.0,
            &expiries.idle_expires.0,
        ];
        let sql = &self.0.statements.renew_session;
        self.0.returns_row(&Statement::new(sql, params)).await
    }

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        let _changing = self.0.session_changes(id);
        let params: Params<'_> = &[
            &id.as_str(),
            &self.0.ids.stored(&rotation.token),
            &rotation.expiries.renewed_at.0,
            &rotation.expiries.active_expires.0,
            &rotation.expiries.idle_expires.0,
            &rotation.authenticated_at.map(|moment| moment.0),
        ];
        let sql = &self.0.statements.rotate_session;
        self.0.returns_row(&Statement::new(sql, params)).await
    }

    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        if attributes.is_empty() {
            return self.session(id).await;
        }
        let _changing = self.0.session_changes(id);
        let json = attributes_json(self.session_table(), &attributes, &SESSION_COLUMNS)?;
        let sql = self.0.statements.update_session(&attributes);
        let params: Params<'_> = &[&id.as_str(), &json];
        let statement = Statement::new(&sql, params).writing(Written::Session(&attributes));
        self.0.row(&statement, session_row).await
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        let _changing = self.0.session_changes(id);
        let params: Params<'_> = &[&id.as_str(), &owner.user_id().map(UserId::as_str)];
        let sql = &self.0.statements.delete_session;
        self.0.returns_row(&Statement::new(sql, params)).await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        let changing = self.0.user_changes(user_id);
        let params: Params<'_> = &[&user_id.as_str(), &except.map(SessionId::as_str)];
        let sql = &self.0.statements.delete_user_sessions;
        let read = |row: &Row| Ok(row.try_get::<_, Option<String>>(0)?);
        // By name, too: the database may know the user by another spelling (`citext`).
        for id in self.0.rows(&Statement::new(sql, params), read).await? {
            changing.session_ended(&id);
        }
        Ok(())
    }

    async fn delete_expired_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        // The cache keeps what it has: these sessions are past their expiry, which is judged at
        // each use, and so they are expired in there, too. Their notifications remove them.
        let params: Params<'_> = &[&now.0, &i64::from(limit)];
        let statements = &self.0.statements;
        let statement = Statement::new(&statements.delete_expired_sessions, params);
        let deleted = self.0.run(&statement).await;
        if !matches!(&deleted, Err(failure) if failure.is_broken_reference()) {
            return self.0.counted(deleted).await;
        }
        // One session that is referred to shall not keep all others for ever.
        let references = self.0.references_to_sessions().await?;
        Parts::warn_of(&references);
        let sql = statements.delete_unreferenced_sessions(&references);
        let deleted = self.0.run(&Statement::new(&sql, params)).await;
        self.0.counted(deleted).await
    }
}

impl Parts {
    /// Stores a session. `None` when the key is not as it was opened, and nothing has happened.
    async fn insert_session(
        &self,
        session: &NewSessionRow,
        key: Option<&KeyRow>,
    ) -> Result<Option<InsertedSession>> {
        // What it may end: sessions of the user in excess, and the one that it replaces.
        let changing = self.insertion_changes(session);
        let table = &self.tables.session;
        let attributes = attributes_json(table, &session.attributes, &SESSION_COLUMNS)?;
        let insertion = Insertion {
            replaces: session.replaces.is_some(),
            by_key: key.is_some(),
            limited: session.limit.is_some(),
        };
        let sql = self
            .statements
            .insert_session(&session.attributes, insertion);
        let id = self.ids.stored(&session.token);
        let user_id = session.user_id.as_str();
        let authenticated_at = session.authenticated_at.map(|moment| moment.0);
        let expiries = session.expiries;
        let mut params: Vec<&(dyn Param + Sync)> = vec![
            &id,
            &user_id,
            &session.created_at.0,
            &authenticated_at,
            &expiries.renewed_at.0,
            &expiries.active_expires.0,
            &expiries.idle_expires.0,
            &session.device,
            &attributes,
            &session.address,
            &session.persistent,
        ];
        let replaced = session.replaces.as_ref().map(SessionId::as_str);
        params.extend(replaced.iter().map(|id| id as &(dyn Param + Sync)));
        let verified_at = key.and_then(|key| Some(key.verified_at?.0));
        if let Some(key) = key {
            params.extend([
                &key.id as &(dyn Param + Sync),
                &key.hashed_password,
                &verified_at,
            ]);
        }
        let limit = session.limit.map(i64::from);
        params.extend(limit.iter().map(|limit| limit as &(dyn Param + Sync)));
        let lock_params: Params<'_> = &[&user_id];
        let lock = Statement::new(&self.statements.lock_sign_ins, lock_params);
        let statement = Statement {
            written: Some(Written::Session(&session.attributes)),
            lock: limit.map(|_| &lock),
            ..Statement::new(&sql, &params)
        };
        let inserted = self.row(&statement, |row| inserted_session(row).map(Some));
        match inserted.await? {
            Some(None) => Err(self.kept_out(&self.tables.session)),
            begun => {
                let begun = begun.flatten();
                // By name, too: the database may know the user by another spelling (`citext`).
                for ended in begun.iter().flat_map(|begun| &begun.in_excess) {
                    changing.session_ended(ended.as_str());
                }
                Ok(begun)
            }
        }
    }
}
