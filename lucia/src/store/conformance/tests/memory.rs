//! A store in memory that can have a fault.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use super::attempts::Count;
use super::faults::Fault;
use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::{CredentialRow, KeyRow, MailRow, Result, SessionRow, StoreError, TokenRow};

#[derive(Debug, Default)]
pub(super) struct Memory {
    state: Mutex<State>,
    fault: Option<Fault>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The rows of users by id, `id` included.
    pub(super) users: BTreeMap<String, Map<String, Value>>,
    pub(super) keys: BTreeMap<String, KeyRow>,
    pub(super) sessions: BTreeMap<String, SessionRow>,
    pub(super) counts: BTreeMap<String, Count>,
    pub(super) tokens: BTreeMap<String, TokenRow>,
    pub(super) mails: BTreeMap<String, MailRow>,
    pub(super) credentials: BTreeMap<String, CredentialRow>,
}

/// Columns of the application's own: the name, and what is there where nothing is said. One that
/// cannot be `null` is marked.
type Columns = [(&'static str, fn() -> Value, bool)];

pub(super) const USERS: &str = "auth_user";
pub(super) const SESSIONS: &str = "user_session";

pub(super) const USER_COLUMNS: &Columns = &[
    ("username", || Value::Null, true),
    ("nickname", || Value::Null, false),
    ("credits", || json!(10), true),
];
pub(super) const SESSION_COLUMNS: &Columns = &[
    ("country", || Value::Null, false),
    ("visits", || json!(1), true),
];

impl Memory {
    pub(super) fn with(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets others go on in between, if that is the fault.
    pub(super) async fn pause(&self, fault: Fault) {
        if self.has(fault) {
            tokio::task::yield_now().await;
        }
    }

    /// An error that may show a value.
    pub(super) fn refuse(&self, error: StoreError, value: &str) -> StoreError {
        if self.has(Fault::ShowsValues) {
            StoreError::internal(format!("{error}: {value}"))
        } else {
            error
        }
    }
}

/// Puts what is `given` into a row, if all of it can be there.
pub(super) fn set(
    row: &mut Map<String, Value>,
    given: &Map<String, Value>,
    table: &str,
    columns: &Columns,
    anything_goes: bool,
) -> Result<()> {
    for (name, value) in given {
        let column = columns.iter().find(|(column, ..)| column == name);
        match column {
            None if !anything_goes => {
                let reason = "there is no such column";
                return Err(StoreError::invalid_attribute(table, Some(name), reason));
            }
            _ => row.insert(name.clone(), value.clone()),
        };
    }
    Ok(())
}

/// Whether everything is there that has to be.
pub(super) fn check(row: &Map<String, Value>, table: &str, columns: &Columns) -> Result<()> {
    for (name, _, required) in columns {
        if *required && row.get(*name).is_none_or(Value::is_null) {
            return Err(violation(ConstraintKind::NotNull, table, name));
        }
    }
    Ok(())
}

pub(super) fn defaults(columns: &Columns) -> Map<String, Value> {
    let columns = columns.iter();
    columns
        .map(|(name, default, _)| ((*name).to_owned(), default()))
        .collect()
}

pub(super) fn violation(kind: ConstraintKind, table: &str, column: &str) -> StoreError {
    let violation = ConstraintViolation::new(kind, table);
    StoreError::Constraint(violation.column(Some(column.to_owned())))
}
