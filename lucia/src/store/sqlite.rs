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
use super::tables::{TableNames, defined_columns, fetched_columns};
use crate::{Error, Result};

/// The longest time-out that makes sense: more is a mistake in the unit.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Users, keys and sessions in SQLite: a file, or memory.
///
/// For sites on one machine, examples and tests: no server is needed. SQLite itself is compiled in.
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
/// A clone is another handle to the same connections. They are used from the Tokio runtime that
/// the caller runs on, whose time driver has to be on.
///
/// # Columns of users and sessions
///
/// SQLite keeps a value much as it is given, whatever the type of the column; only a `STRICT`
/// table refuses what does not fit. On the way out, the declared type decides where the stored
/// value could be two things:
///
/// | the column is declared | and holds | an attribute reads |
/// |---|---|---|
/// | with `BOOL` in its type | a whole number | `true`, or `false` for 0 |
/// | with `JSON` in its type | JSON text | the JSON in it |
/// | in any way | a whole number, a number, text, `NULL` | the same |
/// | in any way | a blob | its bytes as lower-case hexadecimal text |
///
/// On the way in, `true` and `false` become 1 and 0, arrays and objects become JSON text, and so
/// does everything but `null` that is meant for a column declared as JSON.
#[derive(Clone)]
pub struct SqliteStore(Arc<Connections>);

impl SqliteStore {
    /// Opens the database in a file, and creates the file where it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] says why the file cannot be used as a db: its directory is
    /// missing, it may not be written, it is something else. [`Error::Unavailable`] when another
    /// connection keeps it locked.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder().open(path).await
    }

    /// A new, empty database in memory. It is gone with the last clone of the store.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when SQLite cannot make it.
    pub async fn in_memory() -> Result<Self> {
        Self::builder().in_memory().await
    }

    /// Begins the settings of a store.
    pub fn builder() -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            names: TableNames::default(),
            user_columns: None,
            session_columns: Vec::new(),
            timeout: Duration::from_secs(5),
        }
    }

    /// Makes what is missing: the tables, their indexes, the columns of
    /// [`session_columns`](SqliteStoreBuilder::session_columns), and these columns of the table of
    /// users, each written as SQL defines it: `username TEXT NOT NULL UNIQUE`.
    ///
    /// Columns that are there already are left as they are. It can run at every start, and in
    /// several processes at once; all of it happens or nothing.
    ///
    /// lucia's own tables come from numbered files, each of which runs once. The table
    /// `lucia_migration` records the files that have run. Tables that are there without a record, from
    /// another tool or an earlier version, are completed.
    ///
    /// To a table that is there already, SQLite adds no column that is `UNIQUE`, and none that is
    /// `NOT NULL` without a default if the table has rows: write such a step with SQLite's own
    /// statements.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a definition without a name or a type; [`Error::Schema`] names the
    /// table and column that SQLite does not make and says why, and is also for a database that a
    /// newer version of lucia has migrated and for a file that was changed after it ran;
    /// [`Error::Unavailable`] when the database is locked for longer than the time-out.
    pub async fn migrate(&self, definitions: &[&str]) -> Result<()> {
        let columns = defined_columns(definitions, str::to_owned)?;
        let migrated = self.transact(Subject::Several, move |db| {
            migrate::migrate(db, &columns, &migrate::MIGRATIONS)
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
    /// The name of the table of users; `auth_user` by default.
    pub fn user_table(mut self, name: impl Into<String>) -> Self {
        self.names.user = name.into();
        self
    }

    /// The name of the table of keys; `user_key` by default.
    pub fn key_table(mut self, name: impl Into<String>) -> Self {
        self.names.key = name.into();
        self
    }

    /// The name of the table of sessions; `user_session` by default.
    pub fn session_table(mut self, name: impl Into<String>) -> Self {
        self.names.session = name.into();
        self
    }

    /// The name of the table that sign-in attempts are counted in; `sign_in_attempt` by default.
    pub fn attempt_table(mut self, name: impl Into<String>) -> Self {
        self.names.attempt = name.into();
        self
    }

    /// The name of the table of one-time tokens; `one_time_token` by default.
    pub fn token_table(mut self, name: impl Into<String>) -> Self {
        self.names.token = name.into();
        self
    }

    /// The name of the table of mails that wait to be sent; `outgoing_mail` by default.
    pub fn mail_table(mut self, name: impl Into<String>) -> Self {
        self.names.mail = name.into();
        self
    }

    /// The name of the table of credentials of users; `user_credential` by default.
    pub fn credential_table(mut self, name: impl Into<String>) -> Self {
        self.names.credential = name.into();
        self
    }

    /// The columns of a user to fetch, besides `id`; all by default. Others can be written all
    /// the same.
    pub fn fetched_user_columns<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.user_columns = Some(fetched_columns(columns));
        self
    }

    /// Your columns in the table of sessions, for [`attributes`](crate::CreateSession::attributes)
    /// of sessions; none by default. Each is a name, or a definition such as `"country TEXT"`, by
    /// which [`migrate`](SqliteStore::migrate) makes the column where it is missing. SQLite cannot
    /// add a `UNIQUE` column so.
    pub fn session_columns<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.session_columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// How long an answer may take before the store counts as unavailable, waiting for a
    /// connection and for the database's lock included; 5 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens the database in a file, and creates the file where it is missing.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`], and [`Error::Setting`] for a setting that makes no sense.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore> {
        let location = Location::file(path.as_ref())?;
        self.finish(location).await
    }

    /// A new, empty database in memory. It is gone with the last clone of the store.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::in_memory`], and [`Error::Setting`] for a setting that makes no sense.
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
