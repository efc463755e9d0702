//! Columns of the application as JSON, and attributes as SQLite's values.

use std::fmt::Write as _;
use std::ops::Range;

use rusqlite::types::{ToSql, Value as SqlValue, ValueRef};
use rusqlite::{Row, params_from_iter};
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

use super::database::Database;
use super::errors::{About, Outcome, Subject};
use super::tables::Column;
use crate::store::tables::quote;
use crate::store::{Result, SESSION_COLUMNS, StoreError, UserRow};
use crate::user::UserId;

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
pub(super) fn user_row(db: Database<'_>, row: &Row<'_>, first: usize) -> Outcome<UserRow> {
    let id: String = row.get(first).about(Subject::User)?;
    let columns = first + 1..row.as_ref().column_count();
    let attributes = object(db, row, columns, Subject::User)?;
    Ok(UserRow::new(UserId::from_stored(id), attributes))
}

/// Columns of a row of `subject` as the text of a JSON object.
pub(super) fn object(
    db: Database<'_>,
    row: &Row<'_>,
    columns: Range<usize>,
    subject: Subject,
) -> Outcome<String> {
    let mut object = String::from("{");
    if !columns.is_empty() {
        let all = row.as_ref().columns();
        for (index, column) in all.iter().enumerate().take(columns.end).skip(columns.start) {
            let value = row.get_ref(index).about(subject)?;
            let declared = Declared::from(column.decl_type());
            let json = json(value, declared).map_err(|reason| {
                let (table, _) = subject.table(&db.tables.names);
                StoreError::schema(table, Some(column.name()), reason)
            })?;
            if object.len() > 1 {
                object.push(',');
            }
            object.push_str(&Value::from(column.name()).to_string());
            object.push(':');
            object.push_str(&json);
        }
    }
    object.push('}');
    Ok(object)
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

/// Whether SQLite would take this text for a number and store another one.
fn loses_digits(text: &str) -> bool {
    let text = text.trim_ascii();
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite)
        && text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = digits.trim_start_matches(['+', '-', '0', '.']);
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    is_number && text.parse::<i64>().is_err() && count > 15
}

/// The columns to write in a row of `subject`, with their values.
pub(super) struct Attributes {
    subject: Subject,
    values: Vec<(String, SqlValue)>,
}

impl Attributes {
    /// Attributes for a row of `subject`, a user or a session. Refuses those without a column, which
    /// SQLite would find by another spelling (`ID` for `id` or `rowid`).
    pub(super) fn new(
        db: Database<'_>,
        subject: Subject,
        attributes: Map<String, Value>,
    ) -> Outcome<Self> {
        let mut values = Vec::with_capacity(attributes.len());
        if attributes.is_empty() {
            return Ok(Self { subject, values });
        }
        let (table, _) = subject.table(&db.tables.names);
        let own = match subject {
            Subject::Session => &SESSION_COLUMNS[..],
            _ => &["id"],
        };
        let columns = db.columns(table)?;
        if columns.is_empty() {
            db.check()?;
        }
        for (name, value) in attributes {
            if own.contains(&name.as_str()) {
                return Err(StoreError::Misuse(format!("`{name}` is not an attribute")).into());
            }
            let column = columns.iter().find(|column| column.name == name);
            let value = sql_value(column, value)
                .map_err(|reason| StoreError::invalid_attribute(table, Some(&name), reason))?;
            values.push((name, value));
        }
        Ok(Self { subject, values })
    }

    /// Inserts a row of these attributes and of lucia's columns `own`.
    pub(super) fn insert(&self, db: Database<'_>, own: &[(&str, &dyn ToSql)]) -> Outcome<u64> {
        let own_names = own.iter().map(|(name, _)| *name);
        let names = self.values.iter().map(|(name, _)| name.as_str());
        let names: Vec<_> = own_names.chain(names).map(quote).collect();
        let places: Vec<_> = (1..=names.len()).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.table(db),
            names.join(", "),
            places.join(", ")
        );
        let own = own.iter().map(|(_, value)| *value);
        let params = params_from_iter(own.chain(self.values()));
        db.execute(self.subject, &sql, params)
    }

    /// Sets these attributes in the row of this id.
    pub(super) fn update(&self, db: Database<'_>, id: &str) -> Outcome<u64> {
        let names = (2..).zip(self.values.iter().map(|(name, _)| quote(name)));
        let assignments: Vec<_> = names
            .map(|(place, name)| format!("{name} = ?{place}"))
            .collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE \"id\" = ?1",
            self.table(db),
            assignments.join(", ")
        );
        let id: &dyn ToSql = &id;
        let params = params_from_iter(std::iter::once(id).chain(self.values()));
        db.execute(self.subject, &sql, params)
    }

    fn table(&self, db: Database<'_>) -> String {
        quote(self.subject.table(&db.tables.names).0)
    }

    fn values(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.values.iter().map(|(_, value)| value as &dyn ToSql)
    }
}

/// A value as SQLite stores it in this column, or why it does not.
fn sql_value(column: Option<&Column>, value: Value) -> Result<SqlValue, &'static str> {
    let column = column.ok_or("there is no such column")?;
    if column.generated {
        return Err("the database computes this column");
    }
    Ok(match (value, Declared::from(Some(&column.declared))) {
        (Value::Null, _) => SqlValue::Null,
        (value, Declared::Json) => SqlValue::Text(value.to_string()),
        (Value::Bool(value), _) => SqlValue::Integer(value.into()),
        (Value::Number(number), _) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => SqlValue::Integer(number),
            (None, Some(real)) if !number.is_u64() => SqlValue::Real(real),
            _ => return Err("the number is larger than SQLite can hold"),
        },
        (Value::String(text), _) if column.takes_text_for_numbers() && loses_digits(&text) => {
            return Err("SQLite keeps 15 digits of a number in this column; declare it as TEXT");
        }
        (Value::String(text), _) => SqlValue::Text(text),
        (value, _) => SqlValue::Text(value.to_string()),
    })
}
