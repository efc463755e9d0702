//! The table in SQLite or Postgres.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lucia::deadpool_postgres::{Pool, tokio_postgres};
use lucia::{BoxError, Error};
use rusqlite::{Connection, params};

use super::{DELETED, Row};

/// Both databases use it. It has no foreign key: a row can be written after its user was deleted.
const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS activity (
        happened_at BIGINT NOT NULL, -- Unix milliseconds
        user_id TEXT NOT NULL,
        event TEXT NOT NULL,
        how TEXT NOT NULL,
        device TEXT NOT NULL,
        address TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS activity_user ON activity (user_id, happened_at);
    CREATE INDEX IF NOT EXISTS activity_time ON activity (happened_at);";
const INSERT: &str = "INSERT INTO activity
    (happened_at, user_id, event, how, device, address) VALUES ($1, $2, $3, $4, $5, $6)";
/// Strangers can fail to sign in as often as they like. A few failures are enough to see, and do not push out what
/// the user has done.
const LATEST: &str = "SELECT happened_at, user_id, event, how, device, address
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY event = 'sign_in_failed' ORDER BY happened_at DESC
        ) AS place
        FROM activity WHERE user_id = $1
    ) AS ranked
    WHERE event <> 'sign_in_failed' OR place <= 5
    ORDER BY happened_at DESC LIMIT $2";
const FORGET: &str = "DELETE FROM activity WHERE user_id = $1";
const SWEEP: &str = "DELETE FROM activity WHERE happened_at < $1";

/// How long a statement waits while lucia writes into the same file.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub enum Table {
    Sqlite(Arc<Mutex<Connection>>),
    Postgres(Pool),
}

impl Table {
    /// In this file, or in memory.
    pub fn sqlite(file: Option<&str>) -> lucia::Result<Self> {
        let open = || {
            let connection = match file {
                Some(file) => Connection::open(file)?,
                None => Connection::open_in_memory()?,
            };
            connection.busy_timeout(PATIENCE)?;
            connection.execute_batch(CREATE)?;
            Ok::<_, rusqlite::Error>(connection)
        };
        let connection = open().map_err(Error::unavailable)?;
        Ok(Self::Sqlite(Arc::new(Mutex::new(connection))))
    }

    pub async fn postgres(pool: Pool) -> lucia::Result<Self> {
        let client = pool.get().await.map_err(Error::unavailable)?;
        client
            .batch_execute(CREATE)
            .await
            .map_err(Error::internal)?;
        drop(client);
        Ok(Self::Postgres(pool))
    }

    /// Writes the rows, and deletes those from before `oldest` and of users who were deleted.
    pub async fn write(&self, rows: &[Row], oldest: SystemTime) -> Result<(), BoxError> {
        let oldest = millis(oldest);
        match self {
            Self::Sqlite(connection) => {
                let (connection, rows) = (connection.clone(), rows.to_vec());
                let write = move || write_sqlite(&mut lock(&connection), &rows, oldest);
                Ok(tokio::task::spawn_blocking(write).await??)
            }
            Self::Postgres(pool) => {
                let mut client = pool.get().await?;
                let transaction = client.transaction().await?;
                for row in rows {
                    let Row {
                        user_id,
                        event,
                        how,
                        device,
                        address,
                        ..
                    } = row;
                    if event == DELETED {
                        transaction.execute(FORGET, &[user_id]).await?;
                        continue;
                    }
                    let at = millis(row.at);
                    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                        [&at, user_id, event, how, device, address];
                    transaction.execute(INSERT, &values).await?;
                }
                transaction.execute(SWEEP, &[&oldest]).await?;
                Ok(transaction.commit().await?)
            }
        }
    }

    pub async fn latest(&self, user_id: &str, count: u32) -> lucia::Result<Vec<Row>> {
        match self {
            Self::Sqlite(connection) => {
                let (connection, user_id) = (connection.clone(), user_id.to_owned());
                let read = move || latest_sqlite(&lock(&connection), &user_id, count);
                let read = tokio::task::spawn_blocking(read).await;
                read.map_err(Error::internal)?.map_err(Error::unavailable)
            }
            Self::Postgres(pool) => {
                let client = pool.get().await.map_err(Error::unavailable)?;
                let rows = client.query(LATEST, &[&user_id, &i64::from(count)]).await;
                let rows = rows.map_err(Error::unavailable)?;
                let rows = rows.iter().map(|row| Row {
                    at: moment(row.get(0)),
                    user_id: row.get(1),
                    event: row.get(2),
                    how: row.get(3),
                    device: row.get(4),
                    address: row.get(5),
                });
                Ok(rows.collect())
            }
        }
    }
}

fn write_sqlite(connection: &mut Connection, rows: &[Row], oldest: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for row in rows {
        let Row {
            user_id,
            event,
            how,
            device,
            address,
            ..
        } = row;
        if event == DELETED {
            transaction.execute(FORGET, [user_id])?;
            continue;
        }
        let values = params![millis(row.at), user_id, event, how, device, address];
        transaction.execute(INSERT, values)?;
    }
    transaction.execute(SWEEP, [oldest])?;
    transaction.commit()
}

fn latest_sqlite(connection: &Connection, user_id: &str, count: u32) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(LATEST)?;
    let rows = statement.query_map(params![user_id, count], |row| {
        Ok(Row {
            at: moment(row.get(0)?),
            user_id: row.get(1)?,
            event: row.get(2)?,
            how: row.get(3)?,
            device: row.get(4)?,
            address: row.get(5)?,
        })
    })?;
    rows.collect()
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn moment(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failures_of_strangers_leave_what_the_user_has_done() -> Result<(), BoxError> {
        let table = Table::sqlite(None)?;
        let row = |at, event: &str| Row {
            at: moment(at),
            user_id: "ada".to_owned(),
            event: event.to_owned(),
            how: "password".to_owned(),
            device: String::new(),
            address: String::new(),
        };
        let failures = (1..100).map(|at| row(at, "sign_in_failed"));
        let rows: Vec<_> = [row(0, "user_created")]
            .into_iter()
            .chain(failures)
            .collect();
        table.write(&rows, moment(0)).await?;
        let latest = table.latest("ada", 20).await?;
        let expected: Vec<_> = rows[95..].iter().rev().chain(&rows[..1]).cloned().collect();
        assert_eq!(latest, expected);
        Ok(())
    }
}
