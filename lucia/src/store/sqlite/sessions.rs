//! Sessions.

use async_trait::async_trait;
use rusqlite::Row;

use super::SqliteStore;
use super::errors::{About as _, Outcome, Subject};
use super::values;
use crate::Result;
use crate::store::{Expiries, SessionRow, SessionStore, Store, UnixMillis, UserRow};
use crate::token::SessionId;
use crate::user::UserId;

/// How many columns of a session stand before those of its user.
const SESSION_WIDTH: usize = 7;

#[async_trait]
impl SessionStore for SqliteStore {
    async fn insert_session(&self, session: SessionRow) -> Result<()> {
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.insert_session)?;
            let inserted = statement.execute((
                session.id.as_str(),
                session.user_id.as_str(),
                session.active_expires.0,
                session.idle_expires.0,
                session.created_at.0,
                session.renewed_at.0,
                &session.device,
            ));
            inserted.about(Subject::Session)?;
            Ok(())
        })
        .await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let id = id.clone();
        self.read(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.session)?;
            let mut rows = statement.query([id.as_str()])?;
            let found = rows.next()?.map(session_row).transpose()?;
            Ok(found.flatten())
        })
        .await
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let user_id = user_id.clone();
        self.read(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.user_sessions)?;
            let mut rows = statement.query([user_id.as_str()])?;
            let mut sessions = Vec::new();
            while let Some(row) = rows.next()? {
                sessions.extend(session_row(row)?);
            }
            Ok(sessions)
        })
        .await
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        let id = id.clone();
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.renew_session)?;
            let renewed = statement.execute((
                id.as_str(),
                expiries.renewed_at.0,
                expiries.active_expires.0,
                expiries.idle_expires.0,
            ));
            Ok(renewed.about(Subject::Session)? > 0)
        })
        .await
    }

    async fn delete_session(&self, id: &SessionId, owner: Option<&UserId>) -> Result<bool> {
        let id = id.clone();
        let owner = owner.cloned();
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.delete_session)?;
            let owner = owner.as_ref().map(UserId::as_str);
            Ok(statement.execute((id.as_str(), owner))? > 0)
        })
        .await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        let user_id = user_id.clone();
        let except = except.cloned();
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.delete_user_sessions)?;
            statement.execute((user_id.as_str(), except.as_ref().map(SessionId::as_str)))?;
            Ok(())
        })
        .await
    }

    async fn delete_dead_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.delete_dead_sessions)?;
            let deleted = statement.execute((now.0, limit))?;
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        })
        .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let id = id.clone();
        self.read(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.session_and_user)?;
            let mut rows = statement.query([id.as_str()])?;
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let session = session_row(row)?;
            let user = values::user(row, SESSION_WIDTH, &tables.names.user)?;
            Ok(session.map(|session| (session, user)))
        })
        .await
    }
}

/// A session, unless it is one of Lucia's own beside which we live: the id of such a session is
/// its token, and no SHA-256.
fn session_row(row: &Row<'_>) -> Outcome<Option<SessionRow>> {
    let text = |index| row.get::<_, String>(index).about(Subject::Session);
    let millis = |index| row.get(index).map(UnixMillis).about(Subject::Session);
    let Ok(id) = text(0)?.parse() else {
        return Ok(None);
    };
    Ok(Some(SessionRow {
        id,
        user_id: text(1)?.into(),
        active_expires: millis(2)?,
        idle_expires: millis(3)?,
        created_at: millis(4)?,
        renewed_at: millis(5)?,
        device: row.get(6).about(Subject::Session)?,
    }))
}
