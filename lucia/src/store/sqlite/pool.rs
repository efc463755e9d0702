//! A pool of connections. SQLite blocks, so each connection works on threads for blocking work.

use std::path::PathBuf;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_sync::SyncWrapper;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::store::{Result, StoreError};

pub(super) type Pool = managed::Pool<Manager>;
pub(super) type PoolError = managed::PoolError<rusqlite::Error>;

/// How many prepared statements a connection keeps: all fixed ones, and some for the sets of
/// attributes that the application writes.
const STATEMENTS: usize = 64;

/// A pool of at most `size` connections to the database at `path`.
///
/// # Errors
///
/// [`StoreError::Internal`], which the settings here do not cause.
pub(super) fn open(path: PathBuf, size: usize) -> Result<Pool> {
    Pool::builder(Manager { path })
        .max_size(size)
        .build()
        .map_err(StoreError::internal)
}

/// Opens connections.
#[derive(Debug)]
pub(super) struct Manager {
    path: PathBuf,
}

impl managed::Manager for Manager {
    type Type = SyncWrapper<Connection>;
    type Error = rusqlite::Error;

    async fn create(&self) -> rusqlite::Result<Self::Type> {
        let path = self.path.clone();
        SyncWrapper::new(Runtime::Tokio1, move || {
            let connection = Connection::open(path)?;
            configure(&connection)?;
            Ok(connection)
        })
        .await
    }

    /// A connection on which work panicked may be in the middle of a transaction, so it is not used
    /// again. No other connection needs a look: there is no network that could have cut it.
    async fn recycle(
        &self,
        connection: &mut Self::Type,
        _: &Metrics,
    ) -> RecycleResult<rusqlite::Error> {
        match connection.is_mutex_poisoned() {
            true => Err(RecycleError::message("work on the connection panicked")),
            false => Ok(()),
        }
    }
}

/// What every connection has in common.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without this a quoted name of no column is a text, and not an error.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // With write-ahead logging, the database stays sound without waiting for each commit.
    connection.pragma_update(None, "synchronous", "NORMAL")
}
