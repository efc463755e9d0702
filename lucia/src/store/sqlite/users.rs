//! Users, keys, and attempts to open the keys.

use async_trait::async_trait;
use rusqlite::Row;
use serde_json::{Map, Value};

use super::SqliteStore;
use super::database::Database;
use super::errors::{About as _, Outcome, Subject};
use super::references;
use super::values::{Attributes, user_row};
use crate::store::{
    AttemptStore, CountedAttempt, CountedPlace, KeyDeletion, KeyRow, LastKey, NewAttempt,
    NewUserRow, OldHash, Result, StoreError, UnixMillis, UserRow, UserStore, UserTable,
};
use crate::user::UserId;

#[async_trait]
impl UserStore for SqliteStore {
    fn user_table(&self) -> &str {
        &self.0.tables.names.user
    }

    async fn describe_users(&self) -> Result<UserTable> {
        self.read(|db| {
            // One transaction, so that all is as of one moment.
            let _moment = db.connection.unchecked_transaction()?;
            db.check()?;
            let tables = db.tables;
            let columns = match &tables.user_columns {
                None => db
                    .columns(&tables.names.user)?
                    .into_iter()
                    .map(|column| column.name)
                    .collect(),
                Some(columns) => [&["id".to_owned()], &columns[..]].concat(),
            };
            let read = |row: &Row<'_>| user_row(db, row, 0);
            let sample = db.first(Subject::User, &tables.sql.any_user, [], read)?;
            Ok(UserTable { columns, sample })
        })
        .await
    }

    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow> {
        self.transact(Subject::User, move |db| {
            let attributes = Attributes::new(db, Subject::User, user.attributes)?;
            // Asked first, since a taken key goes before a taken name. No other connection writes now.
            if let Some(key) = &key
                && db.exists(&db.tables.sql.key, [&key.id])?
            {
                return Err(StoreError::DuplicateKey.into());
            }
            let id = user.id.as_str();
            attributes.insert(db, &[("id", &id)])?;
            if let Some(key) = &key {
                insert_key(db, key)?;
            }
            let stored = stored_user(db, &user.id)?;
            // It was inserted a moment ago: only a trigger can have taken it away.
            Ok(stored.ok_or(StoreError::UnknownUser)?)
        })
        .await
    }

    async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        let id = id.clone();
        self.read(move |db| stored_user(db, &id)).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let ids = ids.to_vec();
        self.read(move |db| {
            let users = ids.iter().map(|id| stored_user(db, id));
            users.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>> {
        if attributes.is_empty() {
            return self.user(id).await;
        }
        let id = id.clone();
        self.transact(Subject::User, move |db| {
            Attributes::new(db, Subject::User, attributes)?.update(db, id.as_str())?;
            stored_user(db, &id)
        })
        .await
    }

    async fn delete_user(&self, id: &UserId) -> Result<()> {
        let id = id.clone();
        self.write(move |db| {
            let (id, sql) = (id.as_str(), &db.tables.sql);
            let deleted = db.transact(Subject::Several, |db| {
                let all_sessions = (id, None::<&str>);
                db.execute(Subject::Several, &sql.delete_user_sessions, all_sessions)?;
                db.execute(Subject::Several, &sql.delete_user_keys, [id])?;
                db.execute(Subject::Several, &sql.delete_user, [id])
            });
            let names = &db.tables.names;
            let doomed = [
                (&*names.user, "id"),
                (&names.key, "user_id"),
                (&names.session, "user_id"),
            ];
            deleted
                .map(drop)
                .map_err(|failure| references::explain(db, failure, &doomed, id))
        })
        .await
    }

    async fn insert_key(&self, key: KeyRow) -> Result<()> {
        self.write(move |db| insert_key(db, &key)).await
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRow>> {
        let id = id.to_owned();
        self.read(move |db| stored_key(db, Some(&id))).await
    }

    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>> {
        let user_id = user_id.clone();
        self.read(move |db| {
            let sql = &db.tables.sql.user_keys;
            db.all(sql, [user_id.as_str()], key_row)
        })
        .await
    }

    async fn update_key_password(
        &self,
        id: &str,
        user_id: &UserId,
        hashed_password: Option<&str>,
        old: OldHash,
    ) -> Result<bool> {
        let (id, user_id) = (id.to_owned(), user_id.clone());
        let hashed_password = hashed_password.map(str::to_owned);
        self.write(move |db| {
            let sql = &db.tables.sql.update_key_password;
            let params = (
                &id,
                user_id.as_str(),
                &hashed_password,
                old.is_any(),
                old.hash(),
            );
            Ok(db.execute(Subject::Key, sql, params)? > 0)
        })
        .await
    }

    async fn delete_key(&self, id: &str, last: LastKey) -> Result<KeyDeletion> {
        let id = id.to_owned();
        self.write(move |db| {
            let id = &*id;
            let deleted = db.transact(Subject::Several, |db| {
                let Some(key) = stored_key(db, Some(id))? else {
                    return Ok(KeyDeletion::Unknown);
                };
                Ok(match delete_key(db, id, last)? {
                    false => KeyDeletion::Last,
                    true => KeyDeletion::Deleted(key.user_id),
                })
            });
            let doomed = [(&*db.tables.names.key, "id")];
            deleted.map_err(|failure| references::explain(db, failure, &doomed, id))
        })
        .await
    }
}

#[async_trait]
impl AttemptStore for SqliteStore {
    async fn check_attempts(&self) -> Result<()> {
        self.read(|db| db.check_table(&db.tables.names.attempt, []))
            .await
    }

    async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
        self.transact(Subject::Attempt, move |db| count_attempt(db, &attempt))
            .await
    }

    async fn uncount_attempt(&self, places: &[CountedPlace]) -> Result<()> {
        let places = places.to_vec();
        self.transact(Subject::Attempt, move |db| {
            let sql = &db.tables.sql;
            for CountedPlace { place, started_at } in &places {
                let params = (place, started_at.0);
                if db.execute(Subject::Attempt, &sql.uncount_attempt, params)? == 0 {
                    db.execute(Subject::Attempt, &sql.uncount_last_attempt, params)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.write(move |db| {
            let sql = &db.tables.sql.delete_old_attempts;
            db.execute(Subject::Attempt, sql, (now.0, limit))
        })
        .await
    }
}

fn count_attempt(db: Database<'_>, attempt: &NewAttempt) -> Outcome<CountedAttempt> {
    let first = (&attempt.place, attempt.limit);
    let known = attempt.client.iter().map(|(place, limit)| (place, *limit));
    let (mut places, mut ends) = (Vec::new(), attempt.expires);
    for (place, limit) in known.chain([first]) {
        let Some((counted, expires)) = count_place(db, attempt, place, limit)? else {
            let sql = &db.tables.sql.attempt_end;
            let expires = db.first(Subject::Attempt, sql, [place], |row| Ok(row.get(0)?))?;
            return Ok(CountedAttempt::refused(
                expires.map_or(attempt.expires, UnixMillis),
            ));
        };
        places.push(counted);
        ends = expires;
    }
    let key = stored_key(db, attempt.key_id.as_deref())?;
    let stored = attempt.stored_place(key.as_ref().map(|key| &*key.id));
    let second = count_place(db, attempt, &stored, attempt.stored_limit)?;
    places.extend(second.map(|(second, _)| second));
    Ok(CountedAttempt::new(places, ends, key))
}

/// Counts an attempt in one place, and says when that count ends; `None` when it is full.
fn count_place(
    db: Database<'_>,
    attempt: &NewAttempt,
    place: &str,
    limit: u32,
) -> Outcome<Option<(CountedPlace, UnixMillis)>> {
    let params = (place, attempt.now.0, attempt.expires.0, limit);
    let sql = &db.tables.sql.count_attempt;
    db.first(Subject::Attempt, sql, params, |row| {
        let millis = |index| row.get(index).map(UnixMillis).about(Subject::Attempt);
        Ok((CountedPlace::new(place, millis(0)?), millis(1)?))
    })
}

fn stored_user(db: Database<'_>, id: &UserId) -> Outcome<Option<UserRow>> {
    let tables = db.tables;
    db.first(Subject::User, &tables.sql.user, [id.as_str()], |row| {
        user_row(db, row, 0)
    })
}

pub(super) fn stored_key(db: Database<'_>, id: Option<&str>) -> Outcome<Option<KeyRow>> {
    db.first(Subject::Key, &db.tables.sql.key, [id], key_row)
}

pub(super) fn insert_key(db: Database<'_>, key: &KeyRow) -> Outcome<()> {
    let verified_at = key.verified_at.map(|moment| moment.0);
    let params = (
        &key.id,
        key.user_id.as_str(),
        &key.hashed_password,
        verified_at,
    );
    db.execute(Subject::Key, &db.tables.sql.insert_key, params)
        .map(drop)
}

/// Deletes a key that is there. Returns whether it did: the last one of its user may have to stay.
pub(super) fn delete_key(db: Database<'_>, id: &str, last: LastKey) -> Outcome<bool> {
    let params = (id, last == LastKey::Delete);
    let deleted = db.execute(Subject::Several, &db.tables.sql.delete_key, params)?;
    Ok(deleted > 0)
}

pub(super) fn key_row(row: &Row<'_>) -> Outcome<KeyRow> {
    let user_id: String = row.get(1).about(Subject::Key)?;
    let verified_at: Option<i64> = row.get(3).about(Subject::Key)?;
    Ok(KeyRow {
        id: row.get(0).about(Subject::Key)?,
        user_id: UserId::from_stored(user_id),
        hashed_password: row.get(2).about(Subject::Key)?,
        verified_at: verified_at.map(UnixMillis),
    })
}
