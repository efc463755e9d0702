//! Opening a database, and doing work on one of its connections within the time allowed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadpool_sync::InteractError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::errors::{self, Outcome};
use super::pool::{self, Pool, PoolError};
use super::tables::Tables;
use crate::Error;
use crate::store::{Result, StoreError};

/// How many connections read a file at once. One of them writes.
const CONNECTIONS: usize = 8;

/// How long to wait before asking again for what SQLite itself does not wait for.
const PAUSE: Duration = Duration::from_millis(5);

/// Creates the file where it is missing, for the user of this process alone: there are password
/// hashes in it. SQLite gives the files beside it the same permissions. What goes wrong here goes
/// wrong once more when SQLite opens the file, which says why.
fn create_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}

/// Where a database is.
#[derive(Clone, Debug)]
pub(super) enum Location {
    File(PathBuf),
    Memory,
}

impl Location {
    /// A file.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for what SQLite would take for something else than a file's path.
    pub(super) fn file(path: &Path) -> Result<Self, Error> {
        if path == Path::new(":memory:") {
            let reason = "a database in memory is made by `in_memory()`";
            return Err(Error::setting("path", reason));
        }
        // Errors name the path, and a URL has a password in it.
        if path.to_str().is_some_and(|path| path.contains("://")) {
            let reason = "this is a URL, and it has to be the path of a file; for Postgres, use \
                          `PgStore::connect(url)`";
            return Err(Error::setting("path", reason));
        }
        // An absolute path never looks like one of SQLite's URIs, and keeps its meaning when the
        // process changes its directory.
        std::path::absolute(path)
            .map(Self::File)
            .map_err(|error| Error::setting("path", format!("{path:?}: {error}")))
    }
}

/// The connections to a database.
pub(super) struct Connections {
    location: Location,
    timeout: Duration,
    pool: Pool,
    /// Writers queue here instead of asking for the database's lock in turns: whoever came first
    /// writes first.
    writer: Arc<Semaphore>,
    /// A database in memory lives as long as one connection does, and the pool may replace its.
    _keeps_memory: Option<Mutex<Connection>>,
    runtime: tokio::runtime::Handle,
}

impl Connections {
    /// Opens a database.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when the file cannot be one, [`Error::Unavailable`] when it is locked.
    pub(super) async fn open(location: Location, timeout: Duration) -> Result<Self, Error> {
        let (path, size) = match &location {
            Location::File(path) => {
                create_private(path);
                (path.clone(), CONNECTIONS)
            }
            // Connections to memory cannot read beside a writer, so that more would only wait.
            Location::Memory => (memory_name(), 1),
        };
        let keeps_memory = match &location {
            Location::File(_) => None,
            Location::Memory => Some(Mutex::new(
                Connection::open(&path).map_err(|error| errors::plain(&error))?,
            )),
        };
        let connections = Self {
            location,
            timeout,
            pool: pool::open(path, size)?,
            writer: Arc::new(Semaphore::new(1)),
            _keeps_memory: keeps_memory,
            runtime: tokio::runtime::Handle::current(),
        };
        if let Location::File(path) = &connections.location {
            connections.first_contact(path).await?;
        }
        Ok(connections)
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Finds out whether the file can be a database that we write to.
    async fn first_contact(&self, path: &Path) -> Result<(), Error> {
        let timeout = self.timeout;
        let contact = async {
            let connection = match self.pool.get().await {
                Ok(connection) => connection,
                Err(PoolError::Backend(error)) => return Ok(Err(error)),
                Err(other) => return Err(of_pool(other)),
            };
            let deadline = Instant::now() + timeout;
            connection
                .interact(move |connection| write_ahead(connection, deadline))
                .await
                .map_err(of_interact)
        };
        match tokio::time::timeout(timeout, contact).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(errors::of_opening(path, &error)),
            Ok(Err(error)) => Err(error.into()),
            Err(elapsed) => Err(Error::unavailable(elapsed)),
        }
    }

    /// Reads, beside other readers and the writer.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        tables: &Arc<Tables>,
        work: impl FnOnce(&mut Connection, &Tables) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.within_time(self.on_connection(tables, None, work))
            .await
    }

    /// Writes, one at a time. `work` is one statement or one transaction, for it goes on to its
    /// end when nobody waits for it any more.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        tables: &Arc<Tables>,
        work: impl FnOnce(&mut Connection, &Tables) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.within_time(async {
            let turn = self.writer.clone().acquire_owned().await;
            self.on_connection(tables, Some(turn.map_err(StoreError::internal)?), work)
                .await
        })
        .await
    }

    async fn within_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(StoreError::unavailable(elapsed)),
        }
    }

    async fn on_connection<T: Send + 'static>(
        &self,
        tables: &Arc<Tables>,
        turn: Option<tokio::sync::OwnedSemaphorePermit>,
        work: impl FnOnce(&mut Connection, &Tables) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        let connection = self.pool.get().await.map_err(of_pool)?;
        let tables = tables.clone();
        connection
            .interact(move |connection| {
                // Held until the work is done, however long the caller waits.
                let _turn = turn;
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // The caller has been told that it did not happen.
                    return Err(StoreError::unavailable(
                        "the time was over before the work began",
                    ));
                }
                let done = connection.busy_timeout(left).map_err(Into::into);
                done.and_then(|()| work(connection, &tables))
                    .map_err(|failure| errors::explain(failure, connection, &tables))
            })
            .await
            .map_err(of_interact)?
    }
}

impl Drop for Connections {
    /// The pool closes its connections on a thread of the runtime, and would panic where there
    /// is none, as when the store outlives it.
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        self.pool.close();
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

/// A name for a database in memory that all connections of this process can open by it.
fn memory_name() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(format!("file:/lucia-{number}?vfs=memdb"))
}

/// Turns write-ahead logging on, which a file remembers.
fn write_ahead(connection: &Connection, deadline: Instant) -> rusqlite::Result<()> {
    connection.busy_timeout(deadline.saturating_duration_since(Instant::now()))?;
    if connection.is_readonly("main")? {
        let read_only = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(read_only, None));
    }
    loop {
        let turned_on = connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
        match turned_on {
            // SQLite does not wait when two connections turn it on at once.
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

fn of_pool(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => errors::plain(&error),
        _ => StoreError::internal("the pool of connections failed"),
    }
}

fn of_interact(error: InteractError) -> StoreError {
    // What a panic says may hold values.
    match error {
        InteractError::Panic(_) => StoreError::internal("the work on a connection panicked"),
        InteractError::Cancelled => StoreError::unavailable("the runtime is shutting down"),
    }
}
