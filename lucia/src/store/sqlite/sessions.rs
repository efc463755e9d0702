//! Sessions.

use async_trait::async_trait;
use rusqlite::Row;
use rusqlite::types::ToSql;
use serde_json::{Map, Value};

use super::SqliteStore;
use super::database::Database;
use super::errors::{About as _, Outcome, Subject};
use super::tables::Tables;
use super::values::{Attributes, object, user_row};
use super::{health, key_writes, references};
use crate::session::token::SessionId;
use crate::store::{
    AttemptStore, ClaimOutcome, CredentialStore, Expiries, InsertedSession, KeyClaim, KeyRow,
    KeyWrite, MailStore, NewSessionRow, Owner, PasswordChange, Result, Rotation, SESSION_COLUMNS,
    SessionRow, SessionStore, Store, StoreError, StoreHealth, TokenStore, UnixMillis, UserRow,
    WrittenBy,
};
use crate::user::UserId;

#[async_trait]
impl SessionStore for SqliteStore {
    fn session_table(&self) -> &str {
        &self.0.tables.names.session
    }

    fn store_name(&self) -> &str {
        health::NAME
    }

    async fn health(&self) -> Result<StoreHealth> {
        self.ask_health().await
    }

    #[cfg(feature = "metrics")]
    fn record_metrics(&self) {
        self.0.record_metrics();
    }

    fn may_share_lookups(&self) -> bool {
        true
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession> {
        self.transact(Subject::Session, move |db| insert(db, &session))
            .await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let id = id.clone();
        self.read(move |db| stored_session(db, &id)).await
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let ids = json_array(ids);
        self.read(move |db| stored_sessions(db, &db.tables.sql.sessions, &ids))
            .await
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let user_id = user_id.clone();
        self.read(move |db| {
            let sql = &db.tables.sql.user_sessions;
            stored_sessions(db, sql, user_id.as_str())
        })
        .await
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        let id = id.clone();
        self.write(move |db| {
            let params = (
                id.as_str(),
                expiries.renewed_at.0,
                expiries.active_expires.0,
                expiries.idle_expires.0,
            );
            let sql = &db.tables.sql.renew_session;
            Ok(db.execute(Subject::Session, sql, params)? > 0)
        })
        .await
    }

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        let id = id.clone();
        self.write(move |db| rotate(db, &id, &rotation, None)).await
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
        self.transact(Subject::Session, move |db| {
            Attributes::new(db, Subject::Session, attributes)?.update(db, id.as_str())?;
            stored_session(db, &id)
        })
        .await
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        let (id, owner) = (id.clone(), owner.user_id().cloned());
        self.write(move |db| {
            let sql = &db.tables.sql.delete_session;
            let params = (id.as_str(), owner.as_ref().map(UserId::as_str));
            let deleted = db.execute(Subject::Several, sql, params);
            let doomed = [(&*db.tables.names.session, "id")];
            let explain = |failure| references::explain(db, failure, &doomed, id.as_str());
            Ok(deleted.map_err(explain)? > 0)
        })
        .await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        let (user_id, except) = (user_id.clone(), except.cloned());
        self.write(move |db| delete_sessions(db, &user_id, except.as_ref()))
            .await
    }

    async fn delete_expired_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.write(move |db| {
            let sql = &db.tables.sql.delete_expired_sessions;
            let params: &[&dyn ToSql] = &[&now.0, &limit];
            match db.execute(Subject::Several, sql, params) {
                // One session that is referred to shall not keep all others for ever.
                Err(failure) if failure.is_broken_reference() => {
                    references::delete_unreferenced_sessions(db, params)
                }
                deleted => deleted,
            }
        })
        .await
    }
}

#[async_trait]
impl Store for SqliteStore {
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

    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        let id = id.clone();
        self.read(move |db| {
            let sql = &db.tables.sql.session_and_user;
            let found = db.first(Subject::Several, sql, [id.as_str()], |row| {
                session_and_user_row(db, row)
            })?;
            Ok(found.flatten())
        })
        .await
    }

    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
        let ids = json_array(ids);
        self.read(move |db| {
            let sql = &db.tables.sql.sessions_and_users;
            let found = db.all(sql, [ids], |row| session_and_user_row(db, row))?;
            Ok(found.into_iter().flatten().collect())
        })
        .await
    }

    async fn insert_session_by_key(
        &self,
        session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<InsertedSession>> {
        self.transact(Subject::Session, move |db| {
            // No other connection writes now: what opened the key opens it until this is done.
            let params = (
                &key.id,
                session.user_id.as_str(),
                &key.hashed_password,
                key.verified_at.map(|moment| moment.0),
            );
            if key.user_id != session.user_id || !db.exists(&db.tables.sql.opened_key, params)? {
                return Ok(None);
            }
            insert(db, &session).map(Some)
        })
        .await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<bool> {
        self.transact(Subject::Several, move |db| {
            let sql = &db.tables.sql;
            let (key_id, user_id) = (&change.key_id, change.user_id.as_str());
            let (any, old) = (change.old.is_any(), change.old.hash());
            if !db.exists(&sql.key_of_user, (key_id, user_id, any, old))? {
                return Ok(false);
            }
            let mut kept = None;
            if let Some((id, rotation)) = &change.kept {
                if !rotate(db, id, rotation, Some(&change.user_id))? {
                    return Ok(false);
                }
                kept = Some(rotation.token.session_id());
            }
            let params = (key_id, user_id, &change.hashed_password, any, old);
            if db.execute(Subject::Key, &sql.update_key_password, params)? == 0 {
                // What was done before is undone with it.
                let table = &db.tables.names.key;
                return Err(StoreError::Misuse(format!(
                    "table `{table}` has a trigger that keeps rows from being updated"
                ))
                .into());
            }
            delete_sessions(db, &change.user_id, kept.as_ref())?;
            Ok(true)
        })
        .await
    }

    async fn write_key(&self, write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> Result<bool> {
        key_writes::write_key(self, write, by, at).await
    }

    async fn claim_key(&self, claim: KeyClaim) -> Result<ClaimOutcome> {
        key_writes::claim_key(self, claim).await
    }
}

/// Stores a session, and removes those that end with it. It is to be one transaction.
fn insert(db: Database<'_>, session: &NewSessionRow) -> Outcome<InsertedSession> {
    let Tables { names, sql, .. } = db.tables;
    if let Some(replaced) = &session.replaces {
        let params = (replaced.as_str(), None::<&str>);
        db.execute(Subject::Several, &sql.delete_session, params)?;
    }
    insert_row(db, session)?;
    let id = session.token.session_id();
    let Some(row) = stored_session(db, &id)? else {
        let table = &names.session;
        return Err(StoreError::Misuse(format!(
            "table `{table}` has a trigger that keeps rows from being inserted"
        ))
        .into());
    };
    let mut inserted = InsertedSession::new(row);
    if let Some(limit) = session.limit {
        let params = (
            session.user_id.as_str(),
            id.as_str(),
            limit,
            session.created_at.0,
        );
        let ended = db.returned(
            Subject::Several,
            &sql.delete_excess_sessions,
            params,
            |row| row.get::<_, String>(0).about(Subject::Several),
        )?;
        inserted.in_excess = ended.iter().flat_map(|id| id.parse()).collect();
    }
    Ok(inserted)
}

fn insert_row(db: Database<'_>, session: &NewSessionRow) -> Outcome<()> {
    let attributes = Attributes::new(db, Subject::Session, session.attributes.clone())?;
    let id = session.token.session_id();
    let authenticated_at = session.authenticated_at.map(|moment| moment.0);
    let own = [
        ("id", &id.as_str() as &dyn ToSql),
        ("user_id", &session.user_id.as_str()),
        ("created_at", &session.created_at.0),
        ("authenticated_at", &authenticated_at),
        ("renewed_at", &session.expiries.renewed_at.0),
        ("active_expires", &session.expiries.active_expires.0),
        ("idle_expires", &session.expiries.idle_expires.0),
        ("device", &session.device),
        ("address", &session.address),
        ("persistent", &session.persistent),
    ];
    match attributes.insert(db, &own) {
        // SQLite does not say which reference it is that leads nowhere.
        Err(failure)
            if failure.is_broken_reference()
                && !db.exists(&db.tables.sql.user, [session.user_id.as_str()])? =>
        {
            Err(StoreError::UnknownUser.into())
        }
        inserted => inserted.map(drop),
    }
}

/// Gives a session another token, if `owner` is `None` or its user. Returns whether it did.
fn rotate(
    db: Database<'_>,
    id: &SessionId,
    rotation: &Rotation,
    owner: Option<&UserId>,
) -> Outcome<bool> {
    let rotated = rotation.token.session_id();
    let params = (
        id.as_str(),
        rotated.as_str(),
        rotation.expiries.renewed_at.0,
        rotation.expiries.active_expires.0,
        rotation.expiries.idle_expires.0,
        rotation.authenticated_at.map(|moment| moment.0),
        owner.map(UserId::as_str),
    );
    let sql = &db.tables.sql.rotate_session;
    Ok(db.execute(Subject::Session, sql, params)? > 0)
}

pub(super) fn delete_sessions(
    db: Database<'_>,
    user_id: &UserId,
    except: Option<&SessionId>,
) -> Outcome<()> {
    let sql = &db.tables.sql.delete_user_sessions;
    let params = (user_id.as_str(), except.map(SessionId::as_str));
    let deleted = db.execute(Subject::Several, sql, params);
    let doomed = [(&*db.tables.names.session, "user_id")];
    deleted
        .map(drop)
        .map_err(|failure| references::explain(db, failure, &doomed, user_id.as_str()))
}

fn stored_session(db: Database<'_>, id: &SessionId) -> Outcome<Option<SessionRow>> {
    let sql = &db.tables.sql.session;
    let found = db.first(Subject::Session, sql, [id.as_str()], |row| {
        session_row(db, row)
    })?;
    Ok(found.flatten())
}

/// The sessions that `sql` finds by its one parameter.
fn stored_sessions(db: Database<'_>, sql: &str, parameter: &str) -> Outcome<Vec<SessionRow>> {
    let found = db.all(sql, [parameter], |row| session_row(db, row))?;
    Ok(found.into_iter().flatten().collect())
}

/// Ids as the one parameter of a statement. They are hexadecimal digits.
fn json_array(ids: &[SessionId]) -> String {
    let ids: Vec<_> = ids.iter().map(SessionId::as_str).collect();
    Value::from(ids).to_string()
}

/// How many columns of a session stand before those of its user.
fn session_width(db: Database<'_>) -> usize {
    SESSION_COLUMNS.len() + db.tables.session_columns.len()
}

/// A session with its user.
fn session_and_user_row(db: Database<'_>, row: &Row<'_>) -> Outcome<Option<(SessionRow, UserRow)>> {
    let session = session_row(db, row)?;
    let user = user_row(db, row, session_width(db))?;
    Ok(session.map(|session| (session, user)))
}

/// A session, unless it is one of Lucia's own beside which we live: the id of such a session is
/// its token, and no SHA-256.
fn session_row(db: Database<'_>, row: &Row<'_>) -> Outcome<Option<SessionRow>> {
    let text = |index| row.get::<_, String>(index).about(Subject::Session);
    let optional_text = |index| row.get::<_, Option<String>>(index).about(Subject::Session);
    let millis = |index| row.get(index).map(UnixMillis).about(Subject::Session);
    let Ok(id) = text(0)?.parse() else {
        return Ok(None);
    };
    let authenticated_at: Option<i64> = row.get(3).about(Subject::Session)?;
    let attributes = SESSION_COLUMNS.len()..session_width(db);
    Ok(Some(SessionRow {
        id,
        user_id: UserId::from_stored(text(1)?),
        created_at: millis(2)?,
        authenticated_at: authenticated_at.map(UnixMillis),
        expiries: Expiries::new(millis(4)?, millis(5)?, millis(6)?),
        device: optional_text(7)?,
        address: optional_text(8)?,
        persistent: row.get(9).about(Subject::Session)?,
        attributes: object(db, row, attributes, Subject::Session)?,
    }))
}
