//! The application's attributes of a session. Redis has no columns, so the store is told which there are.

use serde_json::{Map, Value};

use crate::error::{ConstraintKind, ConstraintViolation};
use crate::store::{Result, SESSION_COLUMNS, StoreError};
use crate::{Error, Result as SettingResult};

/// What stands before the name of an attribute in the hash of a session.
pub(super) const FIELD: &str = "a:";

/// The attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    /// By name, each with the value that it has where none was given.
    defaults: Map<String, Value>,
    /// The field of each.
    fields: Vec<String>,
}

impl Attributes {
    pub(super) fn new(defaults: Map<String, Value>) -> SettingResult<Self> {
        let mut names = defaults.keys();
        let taken = names.find(|name| SESSION_COLUMNS.contains(&name.as_str()));
        match taken {
            Some(name) => Err(Error::setting(
                "session_attributes",
                format!("`{name}` is a field of lucia's own; give the attribute another name"),
            )),
            None => Ok(Self {
                fields: defaults.keys().map(|name| field(name)).collect(),
                defaults,
            }),
        }
    }

    /// Refuses what cannot be stored.
    pub(super) fn check(&self, table: &str, given: &Map<String, Value>) -> Result<()> {
        for (name, value) in given {
            if SESSION_COLUMNS.contains(&name.as_str()) {
                let what = format!("`{name}` is not an attribute");
                return Err(StoreError::Misuse(what));
            }
            let reason = match self.defaults.get(name) {
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

    /// The fields that they are in.
    pub(super) fn fields(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.iter().map(String::as_str)
    }

    /// All attributes of a session as the text of a JSON object. Some of their fields have a value.
    pub(super) fn text(&self, values: &[Option<String>]) -> String {
        let mut text = String::from("{");
        for ((name, default), stored) in self.defaults.iter().zip(values) {
            if text.len() > 1 {
                text.push(',');
            }
            let name_as_json = Value::from(name.as_str()).to_string();
            text.push_str(&name_as_json);
            text.push(':');
            match stored {
                Some(stored) => text.push_str(stored),
                None => text.push_str(&default.to_string()),
            }
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
