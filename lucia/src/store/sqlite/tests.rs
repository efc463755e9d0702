//! What is SQLite's own, and the suite that all stores pass.

#[cfg(feature = "conformance")]
mod conformance;
mod connections;
mod errors;
mod migrate;
mod numbered;
mod sessions;
mod values;

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::SqliteStore;
use crate::Error;
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::session::token::SessionToken;
use crate::store::{
    Expiries, KeyRow, NewSessionRow, NewUserRow, Result, StoreError, UnixMillis, UserRow,
};

/// A database in a file, with a connection besides the store's own.
struct File {
    path: PathBuf,
    _directory: TempDir,
}

impl File {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            path: directory.path().join("test.db"),
            _directory: directory,
        }
    }

    /// A connection like that of another program.
    fn by_hand(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// A store over the tables that `sql` makes.
    async fn with(&self, sql: &str) -> SqliteStore {
        self.by_hand().execute_batch(sql).unwrap();
        SqliteStore::open(&self.path).await.unwrap()
    }
}

/// A migrated store in memory.
async fn in_memory(columns: &[&str]) -> SqliteStore {
    let store = SqliteStore::in_memory().await.unwrap();
    store.migrate(columns).await.unwrap();
    store
}

fn new_user(id: &str, attributes: Value) -> NewUserRow {
    let Value::Object(attributes) = attributes else {
        panic!("no object")
    };
    NewUserRow::new(crate::UserId::from_stored(id), attributes)
}

fn key(id: &str, user: &str) -> KeyRow {
    KeyRow::new(id, crate::UserId::from_stored(user), None)
}

fn session(user: &str) -> NewSessionRow {
    NewSessionRow::new(
        SessionToken::parse(&"0".repeat(40)).unwrap(),
        crate::UserId::from_stored(user),
        UnixMillis(1),
        Expiries::new(UnixMillis(2), UnixMillis(3), UnixMillis(4)),
    )
}

fn columns(user: &UserRow) -> Map<String, Value> {
    serde_json::from_str(&user.attributes).unwrap()
}

#[track_caller]
fn assert_schema<T>(
    outcome: Result<T, impl Into<Error>>,
    table: &str,
    column: Option<&str>,
) -> String {
    match outcome.err().map(Into::into) {
        Some(Error::Schema {
            table: named,
            column: at,
            reason,
        }) => {
            assert_eq!((named.as_str(), at.as_deref()), (table, column), "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_no_such_column<T>(outcome: Result<T>, table: &str, column: &str) {
    match outcome.err() {
        Some(StoreError::InvalidAttribute {
            table: named,
            column: at,
            ..
        }) => assert_eq!((named.as_str(), at.as_deref()), (table, Some(column))),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_violation<T>(outcome: Result<T>, kind: ConstraintKind) -> ConstraintViolation {
    match outcome.err() {
        Some(StoreError::Constraint(violation)) => {
            assert_eq!(violation.kind, kind);
            violation
        }
        other => panic!("{other:?}"),
    }
}
