//! Making what is missing.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::Parts;
use super::error::{Failure, within};
use super::rows::read_all;
use super::run::MAX_TIMEOUT;
use super::unnamed::{Params, query_unnamed};
use crate::store::migrations::{
    POSTGRES_FILES, RECORD, RECORD_COLUMNS, Ran, made_by, pending, recorded_as,
};
use crate::store::tables::{defined_columns, index, quote};
use crate::store::{Result, StoreError};

/// What finds a session by the hash of the token that is stored.
pub(super) const PUBLIC_IDS: &str =
    include_str!("../../../migrations/postgres/lucia_v2_tokens.sql");

/// What processes that migrate at the same time take turns by. The number means nothing else.
const LOCK: i64 = 0x006C_7563_6961;

/// How long to wait for one's turn: others may have large tables to change.
const TURN: Duration = Duration::from_secs(60);

pub(super) async fn migrate(parts: &Parts, definitions: &[&str]) -> Result<()> {
    let user_columns = defined_columns(definitions, str::to_ascii_lowercase)?;

    let connection = within(parts.timeout, parts.pool.get()).await;
    // It does not return to the pool: a failure can leave its transaction open.
    let mut connection = Object::take(connection.map_err(StoreError::unavailable)?);
    let client: &mut Client = &mut connection;
    // It has to see what others have made while it waited for the lock.
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(|error| failed(parts, error))?;
    let migrating = Migrating { parts, transaction };
    migrating.limit_waiting(TURN).await?;
    migrating
        .query("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    // What waits to change a table keeps all others waiting that want to read it.
    migrating.limit_waiting(parts.timeout).await?;
    parts.check_types(&migrating).await?;
    migrating.run_pending().await?;
    if parts.ids.need_index() {
        migrating.make_index_of_tokens().await?;
    }
    for (name, definition) in &user_columns {
        migrating
            .add_column(&parts.tables.user, name, definition)
            .await?;
    }
    for column in &parts.session_columns {
        if let Some(definition) = &column.definition {
            let table = &parts.tables.session;
            migrating
                .add_column(table, &column.name, definition)
                .await?;
        }
    }
    #[cfg(feature = "cache")]
    super::cache::migrate(&parts.cache, &migrating).await?;
    parts.replicas.migrate(&migrating).await?;
    // Rows have more columns now, and no trigger tells of that.
    let _changing = parts.all_changes();
    let committed = migrating.transaction.commit().await;
    committed.map_err(|error| failed(parts, error))?;
    #[cfg(feature = "cache")]
    parts.cache.wake();
    parts.replicas.migrated();
    Ok(())
}

/// One transaction: dropped or killed half-way, it leaves nothing behind. None of its statements has a
/// name: each runs once, and there may be a pooler.
pub(super) struct Migrating<'a> {
    pub(super) parts: &'a Parts,
    transaction: Transaction<'a>,
}

impl Migrating<'_> {
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let rows = query_unnamed(&self.transaction, sql, params).await;
        rows.map_err(|error| failed(self.parts, error))
    }

    /// The rows of a statement, without those that `read` finds nothing in.
    pub(super) async fn rows<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        read: fn(&Row) -> Result<Option<T>, Failure>,
    ) -> Result<Vec<T>> {
        let rows = self.query(sql, params).await?;
        read_all(&rows, read).map_err(|failure| failed(self.parts, failure))
    }

    /// Runs statements without parameters.
    pub(super) async fn execute(&self, sql: &str) -> Result<()> {
        let executed = self.transaction.batch_execute(sql).await;
        executed.map_err(|error| failed(self.parts, error))
    }

    /// Bounds how long each of the following statements waits for a lock.
    async fn limit_waiting(&self, limit: Duration) -> Result<()> {
        let limit = limit.as_millis().clamp(1, MAX_TIMEOUT);
        self.execute(&format!("SET LOCAL lock_timeout = {limit}"))
            .await
    }

    /// Runs the numbered files that have not run, and records them. Where a table is missing or
    /// incomplete all the same, all of them run again. Where nothing is missing, no table is locked, not
    /// even for a moment: `ADD COLUMN IF NOT EXISTS` would lock out everyone else to find out that there
    /// is nothing to do.
    async fn run_pending(&self) -> Result<()> {
        let tables = &self.parts.tables;
        let record = tables.quoted(RECORD);
        let is_recorded = self.are_there(&[&record]).await?;
        let set = recorded_as(tables);

        let mut ran = Vec::new();
        if is_recorded {
            let sql = format!(r#"SELECT "number", "checksum" FROM {record} WHERE "tables" = $1"#);
            let read = |row: &Row| {
                let (number, checksum) = (row.try_get(0)?, row.try_get(1)?);
                Ok(Some(Ran { number, checksum }))
            };
            ran = self.rows(&sql, &[&set], read).await?;
        }
        let mut pending = pending(&POSTGRES_FILES, &ran)?;
        // Columns can be missing because of the files that are pending.
        let with_columns = pending.is_empty();
        if !self
            .are_tables_there(&made_by(&POSTGRES_FILES, &pending, tables), with_columns)
            .await?
        {
            // Dropped, or replaced by others without lucia's columns.
            pending = POSTGRES_FILES.iter().collect();
        }
        if pending.is_empty() {
            return Ok(());
        }

        let mut sql = String::new();
        if let Some(schema) = &tables.schema {
            sql.push_str(&format!("CREATE SCHEMA IF NOT EXISTS {};\n", quote(schema)));
        }
        if !is_recorded {
            sql.push_str(&format!("CREATE TABLE {record} {RECORD_COLUMNS};"));
        }
        for migration in &pending {
            sql.push_str(&tables.apply(migration.sql));
        }
        self.execute(&sql).await?;

        let sql = format!(
            r#"INSERT INTO {record} ("tables", "number", "checksum", "ran_at")
            VALUES ($1, $2, $3, (extract(epoch FROM now()) * 1000)::BIGINT)
            ON CONFLICT ("tables", "number") DO UPDATE
                SET "checksum" = excluded."checksum", "ran_at" = excluded."ran_at""#
        );
        for migration in pending {
            let params: Params<'_> = &[&set, &migration.number, &migration.checksum()];
            self.query(&sql, params).await?;
            tracing::info!(file = migration.file, "migration has run");
        }
        Ok(())
    }

    /// Whether there are these tables of lucia's, and if asked for its columns of keys and sessions.
    async fn are_tables_there(&self, names: &[&str], with_columns: bool) -> Result<bool> {
        let tables = &self.parts.tables;
        let names: Vec<_> = names.iter().map(|name| tables.quoted(name)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let has_own = |table| self.has_columns(table, tables.columns_of(table));
        Ok(self.are_there(&names).await?
            && (!with_columns || has_own(&tables.key).await? && has_own(&tables.session).await?))
    }

    /// Makes the index that finds a session by the hash of the token that is stored.
    async fn make_index_of_tokens(&self) -> Result<()> {
        let tables = &self.parts.tables;
        let name = index(&tables.session, "_public_id_idx");
        let name = match &tables.schema {
            Some(schema) => format!("{}.{name}", quote(schema)),
            None => name,
        };
        if self.are_there(&[&name]).await? {
            return Ok(());
        }
        self.execute(&tables.apply(PUBLIC_IDS)).await
    }

    /// Whether there are tables or indexes of all these quoted names.
    pub(super) async fn are_there(&self, names: &[&str]) -> Result<bool> {
        const MISSING: &str =
            "SELECT 1 FROM unnest($1::TEXT[]) AS name WHERE to_regclass(name) IS NULL";
        Ok(self.query(MISSING, &[&names]).await?.is_empty())
    }

    async fn has_columns(&self, table: &str, names: &[&str]) -> Result<bool> {
        const MISSING: &str = "SELECT 1 FROM unnest($2::TEXT[]) AS name WHERE name NOT IN ( \
             SELECT attname::TEXT FROM pg_attribute \
             WHERE attrelid = to_regclass($1::TEXT) AND attnum > 0 AND NOT attisdropped)";
        let table = self.parts.tables.quoted(table);
        Ok(self.query(MISSING, &[&table, &names]).await?.is_empty())
    }

    /// Adds a column to a table, unless there is one of this name.
    async fn add_column(&self, table: &str, name: &str, definition: &str) -> Result<()> {
        if self.has_columns(table, &[name]).await? {
            return Ok(());
        }
        let quoted = self.parts.tables.quoted(table);
        // The extended protocol takes one statement and no more.
        let sql = format!("ALTER TABLE {quoted} ADD COLUMN {definition}");
        let Err(error) = query_unnamed(&self.transaction, &sql, &[]).await else {
            return Ok(());
        };
        let failure_code = error.code().map(|code| code.code().to_owned());
        let why = match Failure::from(error).meaning(&self.parts.tables) {
            Ok(error @ StoreError::Unavailable(_)) => return Err(error),
            Ok(error) => error.to_string(),
            Err(failure) => failure.to_string(),
        };
        let advice = match failure_code.as_deref() {
            Some("23502") => {
                "; the table has rows: give the column a `DEFAULT`, or leave `NOT NULL` out"
            }
            Some("42601") => "; put a name that is a word of SQL into quotation marks",
            _ => "",
        };
        let reason = format!("`{definition}` cannot be added: {why}{advice}");
        Err(StoreError::schema(table, Some(name), reason))
    }
}

fn failed(parts: &Parts, error: impl Into<Failure>) -> StoreError {
    let meaning = error.into().meaning(&parts.tables);
    meaning.unwrap_or_else(StoreError::internal)
}
