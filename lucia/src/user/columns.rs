//! Reads a row as the application's type, and says which column does not fit.
//!
//! The everyday path is `serde_json::from_str`. A row is read column by column where it holds numbers with
//! more digits than a float has, and to name the column at fault after an error, without showing what is
//! in it.

use std::collections::{BTreeMap, btree_map};

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess};
use serde_json::Value;
use serde_json::value::RawValue;

use super::numbers;
use crate::{Error, Result};

/// Reads the columns of a row, given as a JSON object, as an `A`. `lacking` is what to say of a
/// column that is not there.
///
/// # Errors
///
/// [`Error::Schema`] names the column that does not fit.
pub(crate) fn read_columns<A: DeserializeOwned>(
    row: &str,
    table: &str,
    lacking: &str,
) -> Result<A> {
    if numbers::are_inexact(row)
        && let Ok(columns) = serde_json::from_str(row)
        && let Ok(read) = by_column(columns, true)
    {
        return Ok(read);
    }
    // A type that takes no text there, such as one that serde reads by way of a copy, gets the number as
    // `serde_json` reads it.
    serde_json::from_str(row).map_err(|error| {
        let Ok(columns) = serde_json::from_str(row) else {
            return Error::internal(error);
        };
        let problem = by_column::<A>(columns, false).err();
        let problem = problem.unwrap_or(Problem::Other);
        problem.into_error::<A>(table, lacking)
    })
}

/// The columns of a row, each as JSON.
type Row<'a> = BTreeMap<String, &'a RawValue>;

/// With `exact`, numbers that no float holds are given with all their digits.
fn by_column<A: DeserializeOwned>(row: Row<'_>, exact: bool) -> Result<A, Problem> {
    A::deserialize(MapAccessDeserializer::new(Columns {
        rest: row.into_iter(),
        current: None,
        exact,
    }))
}

/// Which column is at fault.
#[derive(Debug, thiserror::Error)]
#[error("{self:?}")]
pub(crate) enum Problem {
    Missing(&'static str),
    Misfit { column: String, holds: &'static str },
    Other,
}

impl Problem {
    pub(crate) fn into_error<A>(self, table: &str, lacking: &str) -> Error {
        let type_name = std::any::type_name::<A>();
        let (column, reason) = match self {
            Self::Missing(column) => (
                Some(column.to_owned()),
                format!("`{type_name}` asks for it, and {lacking}"),
            ),
            Self::Misfit { column, holds } => (
                Some(column),
                format!("it holds {holds}, which `{type_name}` cannot read there"),
            ),
            Self::Other => (None, format!("`{type_name}` cannot be read from the row")),
        };
        Error::Schema {
            table: table.to_owned(),
            column,
            reason,
        }
    }
}

impl de::Error for Problem {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

struct Columns<'a> {
    rest: btree_map::IntoIter<String, &'a RawValue>,
    current: Option<(String, &'a str)>,
    exact: bool,
}

impl<'de> MapAccess<'de> for Columns<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.current = Some((name.clone(), value.get()));
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (column, json) = self.current.take().ok_or(Problem::Other)?;
        let read = if self.exact {
            numbers::read_exact(json, seed)
        } else {
            // By way of a value, which borrows nothing.
            serde_json::from_str::<Value>(json).and_then(|value| seed.deserialize(value))
        };
        read.map_err(|_| Problem::Misfit {
            column,
            holds: kind(json),
        })
    }
}

fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'n') => "NULL",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "text",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        _ => "a number",
    }
}
