//! Sessions.

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Written;
use super::{Params, PgStore, StoredIds, attributes_json, unreadable, user_row};
use crate::store::{
    Expiries, NewSessionRow, PasswordChange, Rotation, SESSION_COLUMNS, SessionRow, SessionStore,
    Store, UnixMillis, UserRow,
};
use crate::token::SessionId;
use crate::user::UserId;
use crate::{Error, Result};

#[async_trait]
impl SessionStore for PgStore {
    fn session_table(&self) -> &str {
        &self.0.tables.session
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<SessionRow> {
        let attributes = attributes_json(&session.attributes, &SESSION_COLUMNS)?;
        let replaced = session.replaces.as_ref().map(SessionId::as_str);
        let sql = self.0.statements.insert_session(
            &self.0.tables,
            &session.attributes,
            replaced.is_some(),
        );
        let id = self.0.ids.stored(&session.token);
        let user_id = session.user_id.as_str();
        let authenticated_at = session.authenticated_at.map(|moment| moment.0);
        let expiries = session.expiries;
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![
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
        ];
        params.extend(replaced.iter().map(|id| id as &(dyn ToSql + Sync)));
        let written = Written::Session(&session.attributes);
        let rows = self.write(&sql, &params, written).await?;
        match rows.first() {
            Some(row) => session_row(row),
            None => Err(self.kept_out(&self.0.tables.session)),
        }
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let rows = self
            .query(&self.0.statements.get_session, &[&id.as_str()])
            .await?;
        rows.first().map(session_row).transpose()
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let rows = self
            .query(&self.0.statements.user_sessions, &[&user_id.as_str()])
            .await?;
        rows.iter().map(session_row).collect()
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
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
        let json = attributes_json(&attributes, &SESSION_COLUMNS)?;
        let sql = self
            .0
            .statements
            .update_session(&self.0.tables, &attributes);
        let written = Written::Session(&attributes);
        let rows = self.write(&sql, &[&id.as_str(), &json], written).await?;
        rows.first().map(session_row).transpose()
    }

    async fn delete_session(&self, id: &SessionId, owner: Option<&UserId>) -> Result<bool> {
        let params: Params<'_> = &[&id.as_str(), &owner.map(UserId::as_str)];
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
        let params: Params<'_> = &[&user_id.as_str(), &except.map(SessionId::as_str)];
        self.query(&self.0.statements.delete_user_sessions, params)
            .await
            .map(drop)
    }

    async fn delete_excess_sessions(
        &self,
        user_id: &UserId,
        newest: &SessionId,
        keep: u32,
        now: UnixMillis,
    ) -> Result<()> {
        let params: Params<'_> = &[
            &user_id.as_str(),
            &newest.as_str(),
            &i64::from(keep),
            &now.0,
        ];
        self.query(&self.0.statements.delete_excess_sessions, params)
            .await
            .map(drop)
    }

    async fn delete_dead_sessions(
        &self,
        now: UnixMillis,
        user_id: Option<&UserId>,
        limit: u32,
    ) -> Result<u64> {
        let params: Params<'_> = &[&now.0, &i64::from(limit), &user_id.map(UserId::as_str)];
        let rows = self
            .query(&self.0.statements.delete_dead_sessions, params)
            .await?;
        let deleted: i64 = rows
            .first()
            .map_or(Ok(0), |row| row.try_get(0))
            .map_err(unreadable)?;
        Ok(u64::try_from(deleted).unwrap_or(0))
    }
}

#[async_trait]
impl Store for PgStore {
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let rows = self
            .query(&self.0.statements.session_and_user, &[&id.as_str()])
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let stored: &str = row.try_get(SESSION_WIDTH).map_err(unreadable)?;
        if self.0.ids == StoredIds::LuciaTokensAdopted && stored != id.as_str() {
            let params: Params<'_> = &[&stored, &id.as_str()];
            self.query(&self.0.statements.adopt_session, params).await?;
        }
        Ok(Some((session_row(row)?, user_row(row, SESSION_WIDTH + 1)?)))
    }

    async fn change_password(&self, change: PasswordChange) -> Result<bool> {
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
        let sql = &self.0.statements.change_password;
        Ok(!self.query(sql, params).await?.is_empty())
    }
}

/// How many columns [`session_row`] reads.
const SESSION_WIDTH: usize = 10;

fn session_row(row: &Row) -> Result<SessionRow> {
    let millis = |column| row.try_get(column).map(UnixMillis).map_err(unreadable);
    let id: &str = row.try_get(0).map_err(unreadable)?;
    let authenticated_at: Option<i64> = row.try_get(3).map_err(unreadable)?;
    Ok(SessionRow {
        id: id.parse().map_err(Error::internal)?,
        user_id: UserId::from(row.try_get::<_, &str>(1).map_err(unreadable)?),
        created_at: millis(2)?,
        authenticated_at: authenticated_at.map(UnixMillis),
        renewed_at: millis(4)?,
        active_expires: millis(5)?,
        idle_expires: millis(6)?,
        device: row.try_get(7).map_err(unreadable)?,
        address: row.try_get(8).map_err(unreadable)?,
        attributes: row.try_get(9).map_err(unreadable)?,
    })
}
