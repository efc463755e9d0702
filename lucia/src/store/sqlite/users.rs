//! Users and keys.

use async_trait::async_trait;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior};
use serde_json::{Map, Value};

use super::SqliteStore;
use super::errors::{About as _, Outcome, Subject};
use super::references;
use super::tables::{self, Tables};
use super::values::{self, Attributes};
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
        self.read(|connection, tables| {
            // One transaction, so that all is as of one moment.
            let connection = connection.transaction()?;
            tables.check(&connection)?;
            let columns = match &tables.user_columns {
                None => tables::columns(&connection, &tables.names.user)?
                    .into_iter()
                    .map(|column| column.name)
                    .collect(),
                Some(columns) => {
                    let others = columns.iter().filter(|column| *column != "id");
                    std::iter::once("id".to_owned())
                        .chain(others.cloned())
                        .collect()
                }
            };
            let mut statement = connection.prepare_cached(&tables.sql.any_user)?;
            let mut rows = statement.query([])?;
            let sample = first_user(&mut rows, tables)?;
            Ok(UserTable { columns, sample })
        })
        .await
    }

    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow> {
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let table = &tables.names.user;
            let attributes =
                Attributes::new(&transaction, user.attributes, tables, table, &["id"])?;
            // Asked first, since a taken key goes before a taken name. Nobody else writes now.
            if let Some(key) = &key
                && is_taken(&transaction, tables, &key.id)?
            {
                return Err(StoreError::DuplicateKey.into());
            }
            let id = user.id.as_str();
            let inserted = attributes.insert(&transaction, table, &[("id", &id)]);
            inserted.about(Subject::User)?;
            if let Some(key) = &key {
                insert_key(&transaction, tables, key)?;
            }
            let stored = stored_user(&transaction, tables, &user.id)?;
            // It was inserted a moment ago: only a trigger can have taken it away.
            let stored = stored.ok_or(StoreError::UnknownUser)?;
            transaction.commit().about(Subject::User)?;
            Ok(stored)
        })
        .await
    }

    async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        let id = id.clone();
        self.read(move |connection, tables| stored_user(connection, tables, &id))
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
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let table = &tables.names.user;
            let attributes = Attributes::new(&transaction, attributes, tables, table, &["id"])?;
            let updated = attributes.update(&transaction, table, id.as_str());
            updated.about(Subject::User)?;
            let stored = stored_user(&transaction, tables, &id)?;
            transaction.commit().about(Subject::User)?;
            Ok(stored)
        })
        .await
    }

    async fn delete_user(&self, id: &UserId) -> Result<()> {
        let id = id.clone();
        self.write(move |connection, tables| {
            delete_user(connection, tables, id.as_str()).map_err(|error| {
                let names = &tables.names;
                let id: &dyn ToSql = &id.as_str();
                let doomed = [
                    (names.user.as_str(), "id", id),
                    (&names.key, "user_id", id),
                    (&names.session, "user_id", id),
                ];
                references::explain(connection, tables, error, &doomed)
            })
        })
        .await
    }

    async fn insert_key(&self, key: KeyRow) -> Result<()> {
        self.write(move |connection, tables| insert_key(connection, tables, &key))
            .await
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRow>> {
        let id = id.to_owned();
        self.read(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.key)?;
            statement
                .query_row([&id], key_row)
                .optional()
                .about(Subject::Key)
        })
        .await
    }

    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>> {
        let user_id = user_id.clone();
        self.read(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.user_keys)?;
            let keys = statement.query_map([user_id.as_str()], key_row)?;
            keys.collect::<Result<_, _>>().about(Subject::Key)
        })
        .await
    }

    async fn update_key_password(
        &self,
        id: &str,
        user_id: &UserId,
        hashed_password: Option<&str>,
        old: OldHash<'_>,
    ) -> Result<bool> {
        let (id, user_id) = (id.to_owned(), user_id.clone());
        let hashed_password = hashed_password.map(str::to_owned);
        let old = old.required().map(str::to_owned);
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.update_key_password)?;
            let updated = statement.execute((&id, user_id.as_str(), &hashed_password, &old));
            Ok(updated.about(Subject::Key)? > 0)
        })
        .await
    }

    async fn delete_key(&self, id: &str, last: LastKey) -> Result<KeyDeletion> {
        let id = id.to_owned();
        self.write(move |connection, tables| {
            let doomed = [(tables.names.key.as_str(), "id", &id as &dyn ToSql)];
            delete_key(connection, tables, &id, last)
                .map_err(|error| references::explain(connection, tables, error, &doomed))
        })
        .await
    }
}

#[async_trait]
impl AttemptStore for SqliteStore {
    async fn check_attempts(&self) -> Result<()> {
        self.read(|connection, tables| tables.check_attempts(connection))
            .await
    }

    async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let counted = count_attempt(&transaction, tables, &attempt)?;
            transaction.commit()?;
            Ok(counted)
        })
        .await
    }

    async fn uncount_attempt(&self, places: &[CountedPlace]) -> Result<()> {
        let places = places.to_vec();
        self.write(move |connection, tables| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for CountedPlace { place, started_at } in &places {
                let uncounted = transaction
                    .prepare_cached(&tables.sql.uncount_attempt)?
                    .execute((place, started_at.0))?;
                if uncounted == 0 {
                    transaction
                        .prepare_cached(&tables.sql.uncount_last_attempt)?
                        .execute((place, started_at.0))?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        self.write(move |connection, tables| {
            let mut statement = connection.prepare_cached(&tables.sql.delete_old_attempts)?;
            let deleted = statement.execute((now.0, limit))?;
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn count_attempt(
    transaction: &Transaction<'_>,
    tables: &Tables,
    attempt: &NewAttempt,
) -> Outcome<CountedAttempt> {
    let Some((first, expires)) = count_place(transaction, tables, attempt, &attempt.place)? else {
        let expires = transaction
            .prepare_cached(&tables.sql.attempt_end)?
            .query_row([&attempt.place], |row| row.get(0))
            .about(Subject::Attempt)?;
        return Ok(CountedAttempt::refused(UnixMillis(expires)));
    };
    let key = transaction
        .prepare_cached(&tables.sql.key)?
        .query_row([&attempt.key_id], key_row)
        .optional()?;
    let stored = attempt.stored_place(key.as_ref().map(|key| &*key.id));
    let mut places = vec![first];
    let second = count_place(transaction, tables, attempt, &stored)?;
    places.extend(second.map(|(second, _)| second));
    Ok(CountedAttempt::new(places, expires, key))
}

/// Counts an attempt in one place, and says when that count ends; `None` when it is full.
fn count_place(
    transaction: &Transaction<'_>,
    tables: &Tables,
    attempt: &NewAttempt,
    place: &str,
) -> Outcome<Option<(CountedPlace, UnixMillis)>> {
    let params = (place, attempt.now.0, attempt.expires.0, attempt.limit);
    transaction
        .prepare_cached(&tables.sql.count_attempt)?
        .query_row(params, |row| {
            let started_at = UnixMillis(row.get(0)?);
            Ok((
                CountedPlace::new(place, started_at),
                UnixMillis(row.get(1)?),
            ))
        })
        .optional()
        .about(Subject::Attempt)
}

fn delete_user(connection: &mut Connection, tables: &Tables, id: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = &tables.sql;
    transaction
        .prepare_cached(&sql.delete_user_sessions)?
        .execute((id, None::<&str>))?;
    transaction
        .prepare_cached(&sql.delete_user_keys)?
        .execute([id])?;
    transaction
        .prepare_cached(&sql.delete_user)?
        .execute([id])?;
    transaction.commit()
}

fn delete_key(
    connection: &mut Connection,
    tables: &Tables,
    id: &str,
    last: LastKey,
) -> rusqlite::Result<KeyDeletion> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let deleted = transaction
        .prepare_cached(&tables.sql.delete_key)?
        .execute((id, last == LastKey::Delete))?;
    let is_there = transaction.prepare_cached(&tables.sql.key)?.exists([id])?;
    transaction.commit()?;
    Ok(match (deleted > 0, is_there) {
        (true, _) => KeyDeletion::Deleted,
        (false, true) => KeyDeletion::Last,
        (false, false) => KeyDeletion::Unknown,
    })
}

fn stored_user(connection: &Connection, tables: &Tables, id: &UserId) -> Outcome<Option<UserRow>> {
    let mut statement = connection.prepare_cached(&tables.sql.user)?;
    let mut rows = statement.query([id.as_str()])?;
    first_user(&mut rows, tables)
}

fn first_user(rows: &mut rusqlite::Rows<'_>, tables: &Tables) -> Outcome<Option<UserRow>> {
    match rows.next()? {
        Some(row) => values::user(row, 0, &tables.names.user).map(Some),
        None => Ok(None),
    }
}

fn is_taken(connection: &Connection, tables: &Tables, key_id: &str) -> Outcome<bool> {
    let mut statement = connection.prepare_cached(&tables.sql.key)?;
    Ok(statement.exists([key_id])?)
}

fn insert_key(connection: &Connection, tables: &Tables, key: &KeyRow) -> Outcome<()> {
    let mut statement = connection.prepare_cached(&tables.sql.insert_key)?;
    let inserted = statement.execute((&key.id, key.user_id.as_str(), &key.hashed_password));
    inserted.about(Subject::Key)?;
    Ok(())
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        id: row.get(0)?,
        user_id: UserId::from_stored(row.get::<_, String>(1)?),
        hashed_password: row.get(2)?,
    })
}
