//! Rows of users as JSON, and attributes as SQLite's values.

use std::fmt::Write as _;

use rusqlite::Row;
use rusqlite::types::{ToSql, ToSqlOutput, Value as SqlValue, ValueRef};
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

use super::errors::{About, Outcome, Subject};
use super::tables::Column;
use crate::store::UserRow;
use crate::{Error, Result};

/// What the declared type of a column makes of a value that could be two things.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    Boolean,
    Json,
    Other,
}

impl Declared {
    fn from(declared: Option<&str>) -> Self {
        let declared = declared.unwrap_or_default().to_ascii_uppercase();
        if declared.contains("JSON") {
            Self::Json
        } else if declared.contains("BOOL") {
            Self::Boolean
        } else {
            Self::Other
        }
    }
}

/// Reads the user in the columns of `row` from `first` on: the id, and then all that was asked.
pub(super) fn user(row: &Row<'_>, first: usize, table: &str) -> Outcome<UserRow> {
    let id: String = row.get(first).about(Subject::User)?;
    let mut attributes = String::from("{");
    for (index, column) in row.as_ref().columns().iter().enumerate().skip(first + 1) {
        let value = row.get_ref(index).about(Subject::User)?;
        let json =
            json(value, Declared::from(column.decl_type())).map_err(|reason| Error::Schema {
                table: table.to_owned(),
                column: Some(column.name().to_owned()),
                reason: reason.to_owned(),
            })?;
        if attributes.len() > 1 {
            attributes.push(',');
        }
        attributes.push_str(&Value::from(column.name()).to_string());
        attributes.push(':');
        attributes.push_str(&json);
    }
    attributes.push('}');
    Ok(UserRow {
        id: id.into(),
        attributes,
    })
}

/// A stored value as the text of a JSON value.
fn json(value: ValueRef<'_>, declared: Declared) -> Result<String, &'static str> {
    match value {
        ValueRef::Null => Ok("null".to_owned()),
        ValueRef::Integer(number) if declared == Declared::Boolean => Ok((number != 0).to_string()),
        ValueRef::Integer(number) => Ok(number.to_string()),
        ValueRef::Real(number) => match Number::from_f64(number) {
            Some(number) => Ok(number.to_string()),
            None => Err("a row holds an infinite number in it, which JSON cannot express"),
        },
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text)
                .map_err(|_| "a row holds text in it that is not UTF-8")?;
            if declared != Declared::Json {
                Ok(Value::from(text).to_string())
            } else if serde_json::from_str::<IgnoredAny>(text).is_ok() {
                Ok(text.to_owned())
            } else {
                Err("it is declared as JSON, and a row holds text in it that is none")
            }
        }
        ValueRef::Blob(bytes) => {
            let mut text = String::with_capacity(2 * bytes.len() + 2);
            text.push('"');
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('"');
            Ok(text)
        }
    }
}

/// The columns to write, with their values.
pub(super) struct Attributes(Vec<(String, SqlValue)>);

impl Attributes {
    /// Attributes for the table of users `table`, which has `columns`.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] for an attribute without a column: SQLite would find one by another
    /// spelling, `ID` for `id` or `rowid`. [`Error::InvalidAttribute`] for a value out of range
    /// and for a column that the database computes, [`Error::Misuse`] for `id`.
    pub(super) fn new(
        attributes: Map<String, Value>,
        columns: &[Column],
        table: &str,
    ) -> Result<Self> {
        let mut values = Vec::with_capacity(attributes.len());
        for (name, value) in attributes {
            if name == "id" {
                let reason = "the id of a user is not an attribute, and cannot be changed";
                return Err(Error::Misuse(reason.to_owned()));
            }
            let invalid = |reason: &str| Error::InvalidAttribute {
                table: table.to_owned(),
                column: Some(name.clone()),
                reason: reason.to_owned(),
            };
            let Some(column) = columns.iter().find(|column| column.name == name) else {
                return Err(Error::Schema {
                    table: table.to_owned(),
                    column: Some(name),
                    reason: "it is missing".to_owned(),
                });
            };
            if column.generated {
                return Err(invalid("the database computes this column"));
            }
            let value = match (value, Declared::from(Some(&column.declared))) {
                (Value::Null, _) => SqlValue::Null,
                (value, Declared::Json) => SqlValue::Text(value.to_string()),
                (Value::Bool(value), _) => SqlValue::Integer(value.into()),
                (Value::Number(number), _) => match (number.as_i64(), number.as_f64()) {
                    (Some(number), _) => SqlValue::Integer(number),
                    (None, Some(number_)) if !number.is_u64() => SqlValue::Real(number_),
                    _ => return Err(invalid("the number is larger than SQLite can hold")),
                },
                (Value::String(text), _) => SqlValue::Text(text),
                (value @ (Value::Array(_) | Value::Object(_)), _) => {
                    SqlValue::Text(value.to_string())
                }
            };
            values.push((name, value));
        }
        Ok(Self(values))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &SqlValue> {
        self.0.iter().map(|(_, value)| value)
    }
}

/// A parameter of a statement over a user: the id, or an attribute.
pub(super) enum Parameter<'a> {
    Id(&'a str),
    Value(&'a SqlValue),
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Id(id) => id.to_sql(),
            Self::Value(value) => value.to_sql(),
        }
    }
}
