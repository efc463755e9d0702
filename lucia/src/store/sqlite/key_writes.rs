//! Keys that are written together with sessions and one-time tokens.

use serde_json::Value;

use super::SqliteStore;
use super::database::Database;
use super::errors::Subject;
use super::sessions::delete_sessions;
use super::users::{delete_key, insert_key, key_row, stored_key};
use super::{references, tokens};
use crate::session::token::SessionId;
use crate::store::{
    ClaimOutcome, ClaimedBy, KeyClaim, KeyRow, KeyWrite, LastKey, Result, StoreError, UnixMillis,
    WrittenBy,
};

pub(super) async fn write_key(
    store: &SqliteStore,
    write: KeyWrite,
    by: WrittenBy<'_>,
    at: UnixMillis,
) -> Result<bool> {
    let (session, id) = match by {
        WrittenBy::Session(id) => (true, SessionId::as_str(id).to_owned()),
        WrittenBy::Token(id) => (false, id.to_owned()),
    };
    let about = Subject::Key;
    let work = move |db: Database<'_>| {
        let (sql, user_id) = (&db.tables.sql, write.user_id().as_str());
        let held = match session {
            true => &sql.session_of_user,
            false => &sql.token_of_user,
        };
        // No other connection writes now: what is there stays until this is done.
        if !db.exists(held, (&id, user_id))? {
            return Ok(false);
        }
        let written = match &write {
            KeyWrite::Insert(key) => {
                insert_key(db, key)?;
                1
            }
            KeyWrite::SetPassword {
                id,
                hashed_password,
                ..
            } => db.execute(about, &sql.set_password, (id, user_id, hashed_password))?,
            KeyWrite::Verify { id, .. } => {
                db.execute(about, &sql.verify_key, (id, user_id, at.0))?
            }
            KeyWrite::Rename {
                id, new_id, note, ..
            } => {
                if let Some(note) = note
                    && db.exists(&sql.unexpired_token, (&note.id, at.0))?
                {
                    return Ok(false);
                }
                let renamed = db.execute(about, &sql.rename_key, (id, user_id, new_id, at.0))?;
                if let (1.., Some(note)) = (renamed, note) {
                    tokens::insert(db, note)?;
                }
                renamed
            }
            KeyWrite::Delete { id, .. } => {
                if !db.exists(&sql.key_of_user, (id, user_id, true, None::<&str>))? {
                    return Ok(false);
                }
                let doomed = [(&*db.tables.names.key, "id")];
                let deleted = delete_key(db, id, LastKey::Keep)
                    .map_err(|failure| references::explain(db, failure, &doomed, id))?;
                if !deleted {
                    return Err(StoreError::LastKey.into());
                }
                1
            }
        };
        Ok(written > 0)
    };
    store.transact(about, work).await
}

pub(super) async fn claim_key(store: &SqliteStore, claim: KeyClaim) -> Result<ClaimOutcome> {
    let work = move |db: Database<'_>| {
        let (sql, names) = (&db.tables.sql, &db.tables.names);
        let (id, user_id) = (&*claim.key_id, claim.user_id.as_str());
        if let Some(token) = claim.by.token()
            && !db.exists(&sql.token, [token])?
        {
            return Ok(ClaimOutcome::Unknown);
        }
        let mut deleted = Vec::new();
        let verified = match &claim.by {
            ClaimedBy::Message { .. } => {
                if !db.exists(&sql.key_of_user, (id, user_id, true, None::<&str>))? {
                    return Ok(ClaimOutcome::Unknown);
                }
                if db.exists(&sql.other_way_in, (user_id, id, claim.at.0))? {
                    return Ok(ClaimOutcome::Kept);
                }
                Value::Array(Vec::new())
            }
            ClaimedBy::Note {
                others, verified, ..
            } => {
                let key = stored_key(db, Some(id))?;
                let foreign = key.filter(|key| key.user_id != claim.user_id);
                let is_verified = |key: &KeyRow| key.verified_at.is_some();
                if foreign.as_ref().is_some_and(is_verified) || !db.exists(&sql.user, [user_id])? {
                    return Ok(ClaimOutcome::Unknown);
                }
                db.execute(Subject::Key, &sql.give_key, (id, user_id, claim.at.0))?;
                deleted.extend(foreign);
                let doomed = [(&*names.key, "user_id")];
                let params = (user_id, id, Value::from(others.as_slice()).to_string());
                let others = db
                    .returned(Subject::Several, &sql.delete_other_keys, params, key_row)
                    .map_err(|failure| references::explain(db, failure, &doomed, user_id))?;
                deleted.extend(others);
                Value::from(verified.as_slice())
            }
        };
        let params = (user_id, id, verified.to_string(), claim.at.0);
        db.execute(Subject::Key, &sql.close_keys, params)?;
        if let Some(token) = claim.by.token() {
            db.execute(Subject::Token, &sql.delete_token, [token])?;
        }
        db.execute(Subject::Token, &sql.delete_user_tokens, [user_id])?;
        delete_sessions(db, &claim.user_id, None)?;
        Ok(ClaimOutcome::Claimed { deleted })
    };
    store.transact(Subject::Several, work).await
}
