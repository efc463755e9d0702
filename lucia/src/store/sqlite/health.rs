//! Whether a database can be read and written.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Transaction, TransactionBehavior};

use super::SqliteStore;
use super::connections::{Access, Location};
use super::database::Database;
use super::errors::Outcome;
use crate::store::{Result, StoreHealth};

/// The name of the store.
pub(super) const NAME: &str = "sqlite";

impl SqliteStore {
    pub(super) async fn ask_health(&self) -> Result<StoreHealth> {
        let location = self.0.location.clone();
        // What is left of the time-out is for reading.
        let patience = self.0.timeout() / 2;
        let asking = move |db: Database<'_>| {
            db.exists("SELECT 1 FROM sqlite_schema", [])?;
            Ok(match location {
                // The connections keep it, until the last one is closed.
                Location::File(path) if is_gone(&path) => {
                    StoreHealth::up(NAME).down("the file was deleted: what is written now is lost")
                }
                _ => writable(db, patience)?,
            })
        };
        self.0.run(Access::Read, asking).await
    }
}

fn is_gone(path: &Path) -> bool {
    let found = std::fs::metadata(path);
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Takes the lock of those that write, and gives it back.
fn writable(db: Database<'_>, patience: Duration) -> Outcome<StoreHealth> {
    let health = StoreHealth::up(NAME);
    db.connection.busy_timeout(patience)?;
    let begun = Transaction::new_unchecked(db.connection, TransactionBehavior::Immediate);
    Ok(match begun {
        Ok(transaction) => {
            transaction.rollback()?;
            health
        }
        Err(error) => health.degraded(match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => {
                "another connection keeps the database locked: it can be read and not written"
            }
            _ => "the database can be read and not written",
        }),
    })
}
