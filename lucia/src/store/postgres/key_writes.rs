//! Keys that are written together with sessions and one-time tokens.

use tokio_postgres::Row;

use super::error::Written;
use super::rows::key_row;
use super::run::Statement;
use super::{Params, Parts};
use crate::store::{
    ClaimOutcome, ClaimedBy, KeyClaim, KeyDeletion, KeyRow, KeyWrite, Result, StoreError,
    UnixMillis, WrittenBy,
};
use crate::user::UserId;

impl Parts {
    pub(super) async fn write_key(
        &self,
        write: &KeyWrite,
        by: WrittenBy<'_>,
        at: UnixMillis,
    ) -> Result<bool> {
        let (statements, by) = match by {
            WrittenBy::Session(id) => (&self.key_writes_by_session, id.as_str()),
            WrittenBy::Token(id) => (&self.key_writes_by_token, id),
        };
        let user_id = write.user_id().as_str();
        match write {
            KeyWrite::Insert(key) => {
                let verified_at = key.verified_at.map(|moment| moment.0);
                let params: Params<'_> =
                    &[&key.id, &user_id, &key.hashed_password, &verified_at, &by];
                self.writes_key(&statements.insert, params).await
            }
            KeyWrite::SetPassword {
                id,
                hashed_password,
                ..
            } => {
                let params: Params<'_> = &[id, &user_id, hashed_password, &by];
                self.writes_key(&statements.set_password, params).await
            }
            KeyWrite::Verify { id, .. } => {
                let params: Params<'_> = &[id, &user_id, &at.0, &by];
                self.writes_key(&statements.verify, params).await
            }
            KeyWrite::Rename {
                id, new_id, note, ..
            } => {
                let note = note.as_ref();
                let params: Params<'_> = &[
                    id,
                    &user_id,
                    new_id,
                    &at.0,
                    &by,
                    &note.map(|note| &*note.id),
                    &note.map(|note| &*note.purpose),
                    &note.map(|note| &*note.data),
                    &note.map(|note| note.created_at.0),
                    &note.map(|note| note.expires.0),
                ];
                self.writes_key(&statements.rename, params).await
            }
            KeyWrite::Delete { id, .. } => {
                let params: Params<'_> = &[id, &user_id, &by];
                let statement = Statement::new(&statements.delete, params);
                match self.deletes_key(&statement).await? {
                    KeyDeletion::Deleted(_) => Ok(true),
                    KeyDeletion::Unknown => Ok(false),
                    KeyDeletion::Last => Err(StoreError::LastKey),
                }
            }
        }
    }

    async fn writes_key(&self, sql: &str, params: Params<'_>) -> Result<bool> {
        let statement = Statement::new(sql, params).writing(Written::Key);
        self.returns_row(&statement).await
    }

    /// Deletes a key by a statement that says whether it was there, and whose it was.
    pub(super) async fn deletes_key(&self, statement: &Statement<'_>) -> Result<KeyDeletion> {
        let read = |row: &Row| {
            let owner: Option<&str> = row.try_get(1)?;
            Ok(Some((row.try_get(0)?, owner.map(UserId::from_stored))))
        };
        Ok(match self.row(statement, read).await? {
            Some((_, Some(owner))) => KeyDeletion::Deleted(owner),
            Some((true, None)) => KeyDeletion::Last,
            Some((false, None)) | None => KeyDeletion::Unknown,
        })
    }

    pub(super) async fn claim_key(&self, claim: &KeyClaim) -> Result<ClaimOutcome> {
        let changing = self.user_changes(&claim.user_id);
        let user_id = claim.user_id.as_str();
        let (is_by_note, others, verified): (_, &[String], &[String]) = match &claim.by {
            ClaimedBy::Message { .. } => (false, &[], &[]),
            ClaimedBy::Note {
                others, verified, ..
            } => (true, others, verified),
        };
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        let verified: Vec<_> = verified.iter().map(String::as_str).collect();
        let params: Params<'_> = &[
            &claim.key_id,
            &user_id,
            &claim.at.0,
            &claim.by.token(),
            &is_by_note,
            &others.as_slice(),
            &verified.as_slice(),
        ];
        let of_user: Params<'_> = &[&user_id];
        let lock = Statement::new(&self.statements.lock_user, of_user);
        let statement = Statement {
            lock: Some(&lock),
            ..Statement::new(&self.claim_key.0, params)
        };
        let read = |row: &Row| {
            let session_id: Option<String> = row.try_get(4)?;
            Ok(Some((
                key_row(row)?,
                session_id,
                row.try_get::<_, bool>(5)?,
            )))
        };
        let gone: Vec<(Option<KeyRow>, Option<String>, bool)> = self.rows(&statement, read).await?;
        match gone.first() {
            None => return Ok(ClaimOutcome::Unknown),
            Some((_, _, false)) => return Ok(ClaimOutcome::Kept),
            Some((_, _, true)) => {}
        }
        let mut deleted = Vec::new();
        for (key, session_id, _) in gone {
            // By name, too: the database may know the user by another spelling (`citext`).
            if let Some(id) = session_id {
                changing.session_ended(&id);
            }
            deleted.extend(key);
        }
        Ok(ClaimOutcome::Claimed { deleted })
    }
}
