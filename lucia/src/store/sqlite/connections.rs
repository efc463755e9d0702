//! Opening a database, and doing work on one of its connections within the time allowed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::Semaphore;

use super::database::Database;
use super::errors::{self, Failure, Outcome};
use super::tables::Tables;
use crate::Error;
use crate::store::{Result, StoreError};

/// How many connections read a file at once. One of them writes.
const CONNECTIONS: usize = 8;

/// How many prepared statements a connection keeps: all fixed ones, and some for the sets of
/// attributes that the application writes.
const STATEMENTS: usize = 64;

/// How long to wait before asking again for what SQLite itself does not wait for.
const PAUSE: Duration = Duration::from_millis(5);

/// Where a database is.
#[derive(Clone, Debug)]
pub(super) enum Location {
    File(PathBuf),
    Memory,
}

impl Location {
    /// A file. Refuses what SQLite would take for something else than a file's path.
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

    /// How many connections may be in use.
    fn connections(&self) -> usize {
        match self {
            Self::File(_) => CONNECTIONS,
            // Connections to memory cannot read beside a writer, so that more would only wait.
            Self::Memory => 1,
        }
    }
}

/// What work does with a database.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// It reads, beside other readers and the writer.
    Read,
    /// It writes, alone.
    Write,
}

/// The connections to a database. SQLite blocks, so they work on threads for blocking work.
pub(super) struct Connections {
    pub(super) location: Location,
    pub(super) tables: Tables,
    path: PathBuf,
    timeout: Duration,
    /// One permit for each connection that may be in use.
    permits: Arc<Semaphore>,
    /// The open connections that are not in use.
    idle: Mutex<Vec<Connection>>,
    /// Writers queue here instead of asking for the database's lock in turns: the first to come is
    /// the first to write.
    writer: Arc<tokio::sync::Mutex<()>>,
    /// How many callers wait for a connection, or for their turn to write.
    waiting: AtomicUsize,
    /// Never used: a database in memory lives as long as one connection does, and `idle` can be empty.
    _memory: Option<Mutex<Connection>>,
}

impl Connections {
    /// Opens a database, unless its file cannot be one or stays locked.
    pub(super) async fn open(
        location: Location,
        tables: Tables,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let path = match &location {
            Location::File(path) => path.clone(),
            Location::Memory => memory_name(),
        };
        let (idle, memory) = match &location {
            Location::File(path) => {
                let (path, deadline) = (path.clone(), Instant::now() + timeout);
                let opening = blocking(move || open_file(&path, deadline));
                let opened = tokio::time::timeout(timeout, opening).await;
                (vec![opened.map_err(Error::unavailable)???], None)
            }
            Location::Memory => {
                let opened = connect(&path).map_err(|error| errors::plain(&error))?;
                (Vec::new(), Some(Mutex::new(opened)))
            }
        };
        Ok(Self {
            permits: Arc::new(Semaphore::new(location.connections())),
            location,
            tables,
            path,
            timeout,
            idle: Mutex::new(idle),
            writer: Arc::default(),
            waiting: AtomicUsize::new(0),
            _memory: memory,
        })
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self) {
        let max = self.location.connections();
        let in_use = max - self.permits.available_permits();
        let waiting = self.waiting.load(Ordering::Relaxed);
        crate::measure::pool(super::health::NAME, max, in_use, waiting);
    }

    /// Does `work` on a connection. It goes on to its end when its future is dropped.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        access: Access,
        work: impl FnOnce(Database<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        let done = async {
            let waiting = Waiting::new(&self.waiting);
            let turn = match access {
                Access::Read => None,
                Access::Write => Some(self.writer.clone().lock_owned().await),
            };
            let permit = self.permits.clone().acquire_owned().await;
            let permit = permit.map_err(StoreError::internal)?;
            drop(waiting);
            let connections = self.clone();
            blocking(move || {
                // Held until the work is done, however long the caller waits.
                let _held = (turn, permit);
                connections.on_connection(deadline, work)
            })
            .await?
        };
        match tokio::time::timeout(self.timeout, done).await {
            Ok(done) => done,
            Err(elapsed) => Err(StoreError::unavailable(elapsed)),
        }
    }

    fn on_connection<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(Database<'_>) -> Outcome<T>,
    ) -> Result<T> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // The caller has been told that it did not happen.
            return Err(StoreError::unavailable(
                "the time was over before the work began",
            ));
        }
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| connect(&self.path), Ok);
        let connection = connection.map_err(|error| errors::plain(&error))?;
        let db = Database {
            connection: &connection,
            tables: &self.tables,
        };
        let waits = connection.busy_timeout(left).map_err(Failure::from);
        let done = waits.and_then(|()| work(db));
        let done = done.map_err(|failure| errors::explain(failure, db));
        // After a panic it does not come back: it may be in the middle of a transaction.
        self.idle().push(connection);
        done
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does work that blocks on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    // What a panic says may hold values.
    done.map_err(|error| match error.is_panic() {
        true => StoreError::internal("the work on a connection panicked"),
        false => StoreError::unavailable("the runtime is shutting down"),
    })
}

/// A name for a database in memory that all connections of this process can open by it.
fn memory_name() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(format!("file:/lucia-{number}?vfs=memdb"))
}

/// Opens a file for the first time, and finds out whether it can be a database that we write to.
fn open_file(path: &Path, deadline: Instant) -> Result<Connection, Error> {
    create_private(path);
    let opened = connect(path).and_then(|connection| {
        write_ahead(&connection, deadline)?;
        Ok(connection)
    });
    opened.map_err(|error| errors::of_opening(path, &error))
}

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

/// Opens a connection, which has the settings of all.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without this a quoted name of no column is a text, and not an error.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // With write-ahead logging, the database stays sound without waiting for each commit.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
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
