//! The application's attributes of a session. Redis has no columns, so the store is told which there are.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::{Result, SESSION_COLUMNS, StoreError};
use crate::{Error, Result as SettingResult};

/// What stands before the name of an attribute in the hash of a session.
pub(super) const FIELD: &str = "a:";

/// The attributes by name, each with the value that it has where none was given.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(Map<String, Value>);

impl Attributes {
    pub(super) fn new(defaults: Map<String, Value>) -> SettingResult<Self> {
        let mut names = defaults.keys();
        let taken = names.find(|name| SESSION_COLUMNS.contains(&name.as_str()));
        match taken {
            Some(name) => Err(Error::setting(
                "session_attributes",
                format!("`{name}` is a field of lucia's own; give the attribute another name"),
            )),
            None => Ok(Self(defaults)),
        }
    }

    /// Refuses what cannot be stored.
    pub(super) fn check(&self, table: &str, given: &Map<String, Value>) -> Result<()> {
        for (name, value) in given {
            if SESSION_COLUMNS.contains(&name.as_str()) {
                let what = format!("`{name}` is not an attribute");
                return Err(StoreError::Misuse(what));
            }
            let reason = match self.0.get(name) {
                None => "there is no such attribute; declare it by `session_attributes`",
                Some(Value::Null) => continue,
                Some(_) if value.is_null() => {
                    let violation = ConstraintViolation::new(ConstraintKind::NotNull, table);
                    let violation = violation.column(Some(name.clone()));
                    return Err(StoreError::Constraint(violation));
                }
                Some(default) if kind(default) == kind(value) => continue,
                Some(_) => "it is of another type than its default",
            };
            return Err(StoreError::invalid_attribute(table, Some(name), reason));
        }
        Ok(())
    }

    /// All attributes of a session as the text of a JSON object. Its hash has some of them.
    pub(super) fn text(&self, hash: &HashMap<String, String>) -> String {
        let mut text = String::from("{");
        for (name, default) in &self.0 {
            if text.len() > 1 {
                text.push(',');
            }
            let name_as_json = Value::from(name.as_str()).to_string();
            let stored = hash.get(&field(name)).cloned();
            let value = stored.unwrap_or_else(|| default.to_string());
            text.push_str(&format!("{name_as_json}:{value}"));
        }
        text.push('}');
        text
    }
}

/// The field of an attribute.
pub(super) fn field(name: &str) -> String {
    format!("{FIELD}{name}")
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}
