//! Sessions.

use async_trait::async_trait;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, TransactionBehavior};
use serde_json::{Map, Value};

use super::SqliteStore;
use super::errors::{self, About as _, Outcome, Subject};
use super::references;
use super::tables::Tables;
use super::values::{self, Attributes};
use crate::session::token::SessionId;
use crate::store::{
    AttemptStore, Expiries, KeyRow, NewSessionRow, Owner, PasswordChange, Result, Rotation,
    SESSION_COLUMNS, SessionRow, SessionStore, Store, StoreError, UnixMillis, UserRow,
};
use crate::user::UserId;

#[async_trait]
impl SessionStore for SqliteStore {
    fn session_table(&self) -> &str {
        &self.0.tables.names.session
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<SessionRow> {
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let stored = insert(&transaction, tables, &session)?;
            transaction.commit().about(Subject::Session)?;
            Ok(stored)
        })
        .await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let id = id.clone();
        self.read(move |connection, tables| stored_session(connection, tables, &id))
            .await
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let ids = json_array(ids);
        self.read(move |connection, tables| {
            stored_sessions(connection, tables, &tables.sql.sessions, &ids)
        })
        .await
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let user_id = user_id.clone();
        self.read(move |connection, tables| {
            let sql = &tables.sql.user_sessions;
            stored_sessions(connection, tables, sql, user_id.as_str())
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

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        let id = id.clone();
        self.write(move |connection, tables| rotate(connection, tables, &id, &rotation, None))
            .await
    }

    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        if attributes.is_empty() {
            return self.session(id).await;
        }
        let id = id.clone();
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let attributes = session_attributes(&transaction, tables, attributes)?;
            let updated = attributes.update(&transaction, &tables.names.session, id.as_str());
            updated.about(Subject::Session)?;
            let stored = stored_session(&transaction, tables, &id)?;
            transaction.commit().about(Subject::Session)?;
            Ok(stored)
        })
        .await
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        let id = id.clone();
        let owner = owner.user_id().cloned();
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.delete_session)?;
            let owner = owner.as_ref().map(UserId::as_str);
            let deleted = statement.execute((id.as_str(), owner));
            let doomed: &dyn ToSql = &id.as_str();
            let doomed = [(tables.names.session.as_str(), "id", doomed)];
            let explain = |error| references::explain(connection, tables, error, &doomed);
            Ok(deleted.map_err(explain)? > 0)
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
            delete_sessions(connection, tables, &user_id, except.as_ref())
        })
        .await
    }

    async fn delete_expired_sessions(
        &self,
        now: UnixMillis,
        owner: Owner<'_>,
        limit: u32,
    ) -> Result<u64> {
        let user_id = owner.user_id().cloned();
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.delete_expired_sessions)?;
            let user_id = user_id.as_ref().map(UserId::as_str);
            let params: [&dyn ToSql; 3] = [&now.0, &user_id, &limit];
            let deleted = match statement.execute(&params[..]) {
                // One session that is referred to shall not keep all others for ever.
                Err(error) if errors::is_broken_reference(&error) => {
                    references::delete_unreferenced_sessions(connection, tables, &params)?
                }
                deleted => deleted?,
            };
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        })
        .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn attempts(&self) -> Option<&dyn AttemptStore> {
        Some(self)
    }

    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let id = id.clone();
        self.read(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.session_and_user)?;
            let mut rows = statement.query([id.as_str()])?;
            match rows.next()? {
                Some(row) => session_and_user_row(row, tables),
                None => Ok(None),
            }
        })
        .await
    }

    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
        let ids = json_array(ids);
        self.read(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.sessions_and_users)?;
            let mut rows = statement.query([ids])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.extend(session_and_user_row(row, tables)?);
            }
            Ok(found)
        })
        .await
    }

    async fn insert_session_by_key(
        &self,
        session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<SessionRow>> {
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Nobody else writes now: what opened the key opens it until this is done.
            let is_as_opened = transaction
                .prepare_cached(&tables.sql.key_as_opened)?
                .exists((&key.id, session.user_id.as_str(), &key.hashed_password));
            if key.user_id != session.user_id || !is_as_opened.about(Subject::Key)? {
                return Ok(None);
            }
            let stored = insert(&transaction, tables, &session)?;
            transaction.commit().about(Subject::Session)?;
            Ok(Some(stored))
        })
        .await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<bool> {
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let user_id = &change.user_id;
            let changed = transaction
                .prepare_cached(&tables.sql.change_password)?
                .execute((&change.key_id, user_id.as_str(), &change.hashed_password));
            // What has happened is undone where the transaction is dropped.
            if changed.about(Subject::Key)? == 0 {
                return Ok(false);
            }
            let mut kept = None;
            if let Some((id, rotation)) = &change.kept {
                if !rotate(&transaction, tables, id, rotation, Some(user_id))? {
                    return Ok(false);
                }
                kept = Some(rotation.token.session_id());
            }
            delete_sessions(&transaction, tables, user_id, kept.as_ref())?;
            transaction.commit()?;
            Ok(true)
        })
        .await
    }
}

/// Stores a session, and removes those that end with it. It is to be one transaction.
fn insert(
    connection: &Connection,
    tables: &Tables,
    session: &NewSessionRow,
) -> Outcome<SessionRow> {
    if let Some(replaced) = &session.replaces {
        connection
            .prepare_cached(&tables.sql.delete_session)?
            .execute((replaced.as_str(), None::<&str>))?;
    }
    insert_row(connection, tables, session)?;
    let id = session.token.session_id();
    let Some(stored) = stored_session(connection, tables, &id)? else {
        let table = &tables.names.session;
        return Err(StoreError::Misuse(format!(
            "table `{table}` has a trigger that keeps rows from being inserted"
        ))
        .into());
    };
    if let Some(limit) = session.limit {
        let now = session.created_at.0;
        connection
            .prepare_cached(&tables.sql.delete_excess_sessions)?
            .execute((session.user_id.as_str(), id.as_str(), limit, now))?;
    }
    Ok(stored)
}

fn insert_row(connection: &Connection, tables: &Tables, session: &NewSessionRow) -> Outcome<()> {
    let attributes = session_attributes(connection, tables, session.attributes.clone())?;
    let id = session.token.session_id();
    let own = [
        ("id", &id.as_str() as &dyn ToSql),
        ("user_id", &session.user_id.as_str()),
        ("created_at", &session.created_at.0),
        (
            "authenticated_at",
            &session.authenticated_at.map(|moment| moment.0),
        ),
        ("renewed_at", &session.expiries.renewed_at.0),
        ("active_expires", &session.expiries.active_expires.0),
        ("idle_expires", &session.expiries.idle_expires.0),
        ("device", &session.device),
        ("address", &session.address),
        ("persistent", &session.persistent),
    ];
    match attributes.insert(connection, &tables.names.session, &own) {
        // SQLite does not say which reference it is that leads nowhere.
        Err(error)
            if errors::is_broken_reference(&error)
                && !connection
                    .prepare_cached(&tables.sql.user)?
                    .exists([session.user_id.as_str()])? =>
        {
            Err(StoreError::UnknownUser.into())
        }
        inserted => inserted.about(Subject::Session).map(drop),
    }
}

/// Gives a session another token, if `owner` is `None` or its user. Returns whether it did.
fn rotate(
    connection: &Connection,
    tables: &Tables,
    id: &SessionId,
    rotation: &Rotation,
    owner: Option<&UserId>,
) -> Outcome<bool> {
    let mut statement = connection.prepare_cached(&tables.sql.rotate_session)?;
    let rotated = statement.execute((
        id.as_str(),
        rotation.token.session_id().as_str(),
        rotation.expiries.renewed_at.0,
        rotation.expiries.active_expires.0,
        rotation.expiries.idle_expires.0,
        rotation.authenticated_at.map(|moment| moment.0),
        owner.map(UserId::as_str),
    ));
    Ok(rotated.about(Subject::Session)? > 0)
}

fn delete_sessions(
    connection: &Connection,
    tables: &Tables,
    user_id: &UserId,
    except: Option<&SessionId>,
) -> Outcome<()> {
    let mut statement = connection.prepare_cached(&tables.sql.delete_user_sessions)?;
    let deleted = statement.execute((user_id.as_str(), except.map(SessionId::as_str)));
    let doomed: &dyn ToSql = &user_id.as_str();
    let doomed = [(tables.names.session.as_str(), "user_id", doomed)];
    deleted.map_err(|error| references::explain(connection, tables, error, &doomed))?;
    Ok(())
}

fn session_attributes(
    connection: &Connection,
    tables: &Tables,
    attributes: Map<String, Value>,
) -> Outcome<Attributes> {
    let table = &tables.names.session;
    Attributes::new(connection, attributes, tables, table, &SESSION_COLUMNS)
}

fn stored_session(
    connection: &Connection,
    tables: &Tables,
    id: &SessionId,
) -> Outcome<Option<SessionRow>> {
    let mut statement = connection.prepare_cached(&tables.sql.session)?;
    let mut rows = statement.query([id.as_str()])?;
    let found = rows
        .next()?
        .map(|row| session_row(row, tables))
        .transpose()?;
    Ok(found.flatten())
}

/// The sessions that `sql` finds by its one parameter.
fn stored_sessions(
    connection: &Connection,
    tables: &Tables,
    sql: &str,
    parameter: &str,
) -> Outcome<Vec<SessionRow>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([parameter])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        sessions.extend(session_row(row, tables)?);
    }
    Ok(sessions)
}

/// Ids as the one parameter of a statement. They are hexadecimal digits.
fn json_array(ids: &[SessionId]) -> String {
    let ids: Vec<_> = ids.iter().map(SessionId::as_str).collect();
    Value::from(ids).to_string()
}

/// How many columns of a session stand before those of its user.
fn session_width(tables: &Tables) -> usize {
    SESSION_COLUMNS.len() + tables.session_columns.len()
}

/// A session with its user.
fn session_and_user_row(row: &Row<'_>, tables: &Tables) -> Outcome<Option<(SessionRow, UserRow)>> {
    let session = session_row(row, tables)?;
    let user = values::user(row, session_width(tables), &tables.names.user)?;
    Ok(session.map(|session| (session, user)))
}

/// A session, unless it is one of Lucia's own beside which we live: the id of such a session is
/// its token, and no SHA-256.
fn session_row(row: &Row<'_>, tables: &Tables) -> Outcome<Option<SessionRow>> {
    let table = &tables.names.session;
    let text = |index| row.get::<_, String>(index).about(Subject::Session);
    let optional_text = |index| row.get::<_, Option<String>>(index).about(Subject::Session);
    let millis = |index| row.get(index).map(UnixMillis).about(Subject::Session);
    let Ok(id) = text(0)?.parse() else {
        return Ok(None);
    };
    let authenticated_at: Option<i64> = row.get(3).about(Subject::Session)?;
    let attributes = SESSION_COLUMNS.len()..session_width(tables);
    Ok(Some(SessionRow {
        id,
        user_id: UserId::from_stored(text(1)?),
        created_at: millis(2)?,
        authenticated_at: authenticated_at.map(UnixMillis),
        renewed_at: millis(4)?,
        active_expires: millis(5)?,
        idle_expires: millis(6)?,
        device: optional_text(7)?,
        address: optional_text(8)?,
        persistent: row.get(9).about(Subject::Session)?,
        attributes: values::object(row, attributes, Subject::Session, table)?,
    }))
}
