//! SQLite.

mod connections;
mod credentials;
mod database;
mod errors;
mod health;
mod key_writes;
mod mails;
mod migrate;
mod references;
mod sessions;
mod tables;
mod tokens;
mod users;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connections::{Access, Connections, Location};
use database::Database;
use errors::{Outcome, Subject};
use tables::Tables;

use super::StoreError;
use super::migrations::SQLITE_FILES;
use super::tables::{TableNames, defined_columns, fetched_columns, table_setters};
use crate::{Error, Result};

/// The longest time-out that makes sense: more is a mistake in the unit.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Users, keys and sessions in SQLite, in a file or in memory.
///
/// It is for sites on one machine, examples and tests, because it needs no server. SQLite itself is
/// compiled in.
///
/// ```
/// # async fn example() -> lucia::Result<()> {
/// use lucia::{Auth, SqliteStore};
///
/// let store = SqliteStore::in_memory().await?; // or SqliteStore::open("site.db")
/// store.migrate(&["username TEXT NOT NULL UNIQUE"]).await?;
/// let auth = Auth::builder(store).build()?;
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
/// ```
///
/// A clone is another handle to the same connections. They run on the caller's Tokio runtime, whose time
/// driver has to be enabled.
///
/// # Columns of users and sessions
///
/// SQLite stores a value mostly as it is given, whatever the type of the column. Only a `STRICT` table
/// refuses a value that does not fit. When a value is read, the declared type decides if the stored value
/// is ambiguous:
///
/// | the column is declared | and holds | an attribute reads |
/// |---|---|---|
/// | with `BOOL` in its type | a whole number | `true`, or `false` for 0 |
/// | with `JSON` in its type | JSON text | the JSON in it |
/// | in any way | a whole number, a number, text, `NULL` | the same |
/// | in any way | a blob | its bytes as lower-case hexadecimal text |
///
/// When a value is written, `true` and `false` become 1 and 0, and arrays and objects become JSON text. In
/// a column declared as JSON, everything except `null` becomes JSON text.
#[derive(Clone)]
pub struct SqliteStore(Arc<Connections>);

impl SqliteStore {
    /// Opens the database in a file, and creates the file if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] says why the file cannot be used as a database: its directory is missing, it is
    /// not writable, or it is not a database. [`Error::Unavailable`] if another connection keeps it locked.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder().open(path).await
    }

    /// Creates a new, empty database in memory. It is lost with the last clone of the store.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if SQLite cannot create it.
    pub async fn in_memory() -> Result<Self> {
        Self::builder().in_memory().await
    }

    /// Starts the settings of a store.
    pub fn builder() -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            names: TableNames::default(),
            user_columns: None,
            session_columns: Vec::new(),
            timeout: Duration::from_secs(5),
        }
    }

    /// Creates what is missing: the tables, their indexes, the columns of
    /// [`session_columns`](SqliteStoreBuilder::session_columns), and these columns of the user table, each
    /// written as SQL defines it: `username TEXT NOT NULL UNIQUE`.
    ///
    /// Existing columns are not changed. It can run at every start, and in several processes at once. It
    /// happens completely or not at all.
    ///
    /// lucia's own tables come from numbered files, each of which runs once. The table `lucia_migration`
    /// records the files that have run. Tables that exist without a record, from another tool or an earlier
    /// version, are completed.
    ///
    /// SQLite cannot add a `UNIQUE` column to an existing table. Nor can it add a `NOT NULL` column without
    /// a default if the table has rows. Write such a step with SQLite's own statements.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a definition without a name or a type; [`Error::Schema`] names the table and
    /// column that SQLite cannot create and says why, and is also returned for a database that a newer
    /// version of lucia has migrated, and for a file that was changed after it ran; [`Error::Unavailable`]
    /// if the database is locked for longer than the time-out.
    pub async fn migrate(&self, definitions: &[&str]) -> Result<()> {
        let columns = defined_columns(definitions, str::to_owned)?;
        let migrated = self.transact(Subject::Several, move |db| {
            migrate::migrate(db, &columns, &SQLITE_FILES)
        });
        Ok(migrated.await?)
    }

    /// Reads, beside other readers and the writer.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(Database<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.run(Access::Read, work).await
    }

    /// Writes by one statement or one transaction.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(Database<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.run(Access::Write, work).await
    }

    /// Writes in one transaction, which is undone where `work` fails.
    async fn transact<T: Send + 'static>(
        &self,
        subject: Subject,
        work: impl FnOnce(Database<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(move |db| db.transact(subject, work)).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("location", &self.0.location)
            .field("tables", &self.0.tables.names)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`SqliteStore`].
#[derive(Clone, Debug)]
#[must_use = "settings take effect by `open(..)` or `in_memory()`"]
pub struct SqliteStoreBuilder {
    names: TableNames,
    user_columns: Option<Vec<String>>,
    session_columns: Vec<String>,
    timeout: Duration,
}

impl SqliteStoreBuilder {
    table_setters!(names);

    /// The columns of a user to fetch, besides `id`; all by default. Other columns can still be written.
    pub fn fetched_user_columns<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.user_columns = Some(fetched_columns(columns));
        self
    }

    /// Your columns in the session table, for [`attributes`](crate::CreateSession::attributes) of sessions;
    /// none by default. Each is a name, or a definition such as `"country TEXT"`, with which
    /// [`migrate`](SqliteStore::migrate) creates a missing column. SQLite cannot add a `UNIQUE` column in
    /// this way.
    pub fn session_columns<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.session_columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// How long an answer may take before the store counts as unavailable, including waiting for a
    /// connection and for the database's lock; 5 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens the database in a file, and creates the file if it is missing.
    ///
    /// # Errors
    ///
    /// Those of [`SqliteStore::open`], and [`Error::Setting`] for an invalid setting.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore> {
        let location = Location::file(path.as_ref())?;
        self.finish(location).await
    }

    /// Creates a new, empty database in memory. It is lost with the last clone of the store.
    ///
    /// # Errors
    ///
    /// Those of [`SqliteStore::in_memory`], and [`Error::Setting`] for an invalid setting.
    pub async fn in_memory(self) -> Result<SqliteStore> {
        self.finish(Location::Memory).await
    }

    async fn finish(self, location: Location) -> Result<SqliteStore> {
        if self.timeout.is_zero() || self.timeout > LONGEST_TIMEOUT {
            let reason = "it is between a millisecond and an hour";
            return Err(Error::setting("timeout", reason));
        }
        let tables = Tables::new(self.names, self.user_columns, &self.session_columns)?;
        let connections = Connections::open(location, tables, self.timeout).await?;
        Ok(SqliteStore(Arc::new(connections)))
    }
}
