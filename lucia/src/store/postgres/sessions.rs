//! Sessions.

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio_postgres::Row;

use super::batch::Source as _;
use super::error::Written;
use super::lookups::look_up;
use super::rows::{inserted_row, session_row};
use super::run::Statement;
use super::statements::Insertion;
use super::{Param, Params, Parts, PgStore, attributes_json};
use crate::session::token::SessionId;
use crate::store::{
    AttemptStore, Expiries, KeyRow, NewSessionRow, Owner, PasswordChange, Result, Rotation,
    SESSION_COLUMNS, SessionRow, SessionStore, Store, TransactionStore, UnixMillis, UserRow,
};
use crate::user::UserId;

#[async_trait]
impl Store for PgStore {
    fn attempts(&self) -> Option<&dyn AttemptStore> {
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
        let begun = self.0.cache.begin(&self.0);
        let found = look_up(&self.0, id).await?;
        if let Some(found) = &found {
            self.0.cache.put(begun, found);
        }
        Ok(found)
    }

    /// Past the queue and the cache: a request with several session cookies is rare.
    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
        let ids: Vec<_> = ids.iter().collect();
        let mut found = Vec::with_capacity(ids.len());
        for row in self.0.find_all(&mut None, &ids).await? {
            let row = if row.is_to_be_hashed {
                let id = row.session.id.clone();
                self.0.hashed(&id, Some(row)).await?
            } else {
                Some(row)
            };
            found.extend(row.map(|row| (row.session, row.user)));
        }
        Ok(found)
    }

    async fn insert_session_by_key(
        &self,
        session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<SessionRow>> {
        if key.user_id != session.user_id {
            return Ok(None);
        }
        self.0.insert_session(&session, Some(&key)).await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<bool> {
        let _changing = self.0.cache.user_changes(&change.user_id);
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
        ];
        // A sign-in by the old password may hold the key. Its session is to be seen, and end.
        let lock_params: Params<'_> = &[&change.key_id, &change.user_id.as_str()];
        let lock = Statement::new(&self.0.statements.lock_key, lock_params);
        let statement = Statement::new(&self.0.statements.change_password, params);
        let changed = self
            .0
            .read_behind(lock, statement, None, |_| Ok(()))
            .await?;
        Ok(!changed.is_empty())
    }
}

#[async_trait]
impl SessionStore for PgStore {
    fn session_table(&self) -> &str {
        &self.0.tables.session
    }

    fn unsupported_when_split(&self) -> Option<&'static str> {
        // It holds sessions with their users.
        self.0.cache.is_on().then_some("cache")
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<SessionRow> {
        let inserted = self.0.insert_session(&session, None).await?;
        inserted.ok_or_else(|| self.0.kept_out(&self.0.tables.session))
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let sql = &self.0.statements.get_session;
        let sessions = self.look(sql, &[&id.as_str()], session_row).await?;
        Ok(sessions.into_iter().flatten().next())
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let ids: Vec<_> = ids.iter().map(SessionId::as_str).collect();
        let sql = &self.0.statements.get_sessions;
        let sessions = self.look(sql, &[&ids.as_slice()], session_row).await?;
        Ok(sessions.into_iter().flatten().collect())
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let sql = &self.0.statements.user_sessions;
        let sessions = self.look(sql, &[&user_id.as_str()], session_row).await?;
        Ok(sessions.into_iter().flatten().collect())
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        let _changing = self.0.cache.session_changes(id);
        let params: Params<'_> = &[
            &id.as_str(),
            &expiries.renewed_at.0,
            &expiries.active_expires.0,
            &expiries.idle_expires.0,
        ];
        let rows = self.query(&self.0.statements.renew_session, params).await?;
        Ok(!rows.is_empty())
    }

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        let _changing = self.0.cache.session_changes(id);
        let params: Params<'_> = &[
            &id.as_str(),
            &self.0.ids.stored(&rotation.token),
            &rotation.expiries.renewed_at.0,
            &rotation.expiries.active_expires.0,
            &rotation.expiries.idle_expires.0,
            &rotation.authenticated_at.map(|moment| moment.0),
        ];
        let sql = &self.0.statements.rotate_session;
        Ok(!self.query(sql, params).await?.is_empty())
    }

    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        if attributes.is_empty() {
            return self.session(id).await;
        }
        let _changing = self.0.cache.session_changes(id);
        let json = attributes_json(self.session_table(), &attributes, &SESSION_COLUMNS)?;
        let sql = self
            .0
            .statements
            .update_session(&self.0.tables, &attributes);
        let written = Written::Session(&attributes);
        let updated = self
            .write(&sql, &[&id.as_str(), &json], written, session_row)
            .await?;
        Ok(updated.flatten())
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        let _changing = self.0.cache.session_changes(id);
        let params: Params<'_> = &[&id.as_str(), &owner.user_id().map(UserId::as_str)];
        let rows = self
            .query(&self.0.statements.delete_session, params)
            .await?;
        Ok(!rows.is_empty())
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        let changing = self.0.cache.user_changes(user_id);
        let params: Params<'_> = &[&user_id.as_str(), &except.map(SessionId::as_str)];
        let sql = &self.0.statements.delete_user_sessions;
        let ended: Vec<String> = self.read(sql, params, |row| Ok(row.try_get(0)?)).await?;
        // By name, too: the database may know the user by another spelling (`citext`).
        for id in &ended {
            changing.session_ended(id);
        }
        Ok(())
    }

    async fn delete_expired_sessions(
        &self,
        now: UnixMillis,
        owner: Owner<'_>,
        limit: u32,
    ) -> Result<u64> {
        // The cache keeps what it has: these sessions are past their expiry, which is judged at
        // each use, and so they are expired in there, too. Their notifications remove them.
        let user_id = owner.user_id().map(UserId::as_str);
        let params: Params<'_> = &[&now.0, &i64::from(limit), &user_id];
        let mut deleted = self
            .0
            .run(&self.0.statements.delete_expired_sessions, params)
            .await;
        if let Err(failure) = &deleted
            && failure.is_broken_reference()
        {
            // One session that is referred to shall not keep all others for ever.
            let references = self.0.references_to_sessions().await;
            let references = self.0.explained(references, None).await?;
            Parts::warn_of(&references);
            let statements = &self.0.statements;
            let sql = statements.delete_unreferenced_sessions(&self.0.tables, &references);
            deleted = self.0.run(&sql, params).await;
        }
        let count = |row: &Row| Ok(row.try_get::<_, i64>(0)?.unsigned_abs());
        let counts = self.0.understand(deleted, None, count).await?;
        Ok(counts.first().copied().unwrap_or(0))
    }
}

impl Parts {
    /// Stores a session. `None` when the key is not as it was opened, and nothing has happened.
    async fn insert_session(
        &self,
        session: &NewSessionRow,
        key: Option<&KeyRow>,
    ) -> Result<Option<SessionRow>> {
        // What it may end: sessions of the user in excess, and the one that it replaces.
        let _changing = self.cache.insertion_changes(session);
        let table = &self.tables.session;
        let attributes = attributes_json(table, &session.attributes, &SESSION_COLUMNS)?;
        let insertion = Insertion {
            replaces: session.replaces.is_some(),
            by_key: key.is_some(),
            limited: session.limit.is_some(),
        };
        let sql = self
            .statements
            .insert_session(&self.tables, &session.attributes, insertion);
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
        if let Some(key) = key {
            params.extend([&key.id as &(dyn Param + Sync), &key.hashed_password]);
        }
        let limit = session.limit.map(i64::from);
        params.extend(limit.iter().map(|limit| limit as &(dyn Param + Sync)));
        let written = Some(Written::Session(&session.attributes));
        let inserted = match limit {
            None => self.read(&sql, &params, written, inserted_row).await?,
            Some(_) => {
                let lock_params: Params<'_> = &[&user_id];
                let lock = Statement::new(&self.statements.lock_sign_ins, lock_params);
                let statement = Statement::new(&sql, &params);
                self.read_behind(lock, statement, written, inserted_row)
                    .await?
            }
        };
        match inserted.into_iter().next() {
            Some(None) => Err(self.kept_out(&self.tables.session)),
            begun => Ok(begun.flatten()),
        }
    }
}
