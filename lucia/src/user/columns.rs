//! Says which column does not fit the application's type, once something did not.
//!
//! The everyday path is `serde_json::from_str`. Only its error comes here, where the row is read
//! once more, column by column, to name the one at fault without showing what is in it.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};

use crate::Error;

/// The error of reading `row` of `table` as an `A`, which `error` said cannot be done.
/// `lacking` is what to say of a column that is not there.
pub(super) fn explain<A: DeserializeOwned>(
    row: &str,
    table: &str,
    lacking: &str,
    error: serde_json::Error,
) -> Error {
    let type_name = std::any::type_name::<A>();
    let Ok(columns) = serde_json::from_str::<Map<String, Value>>(row) else {
        return Error::internal(error);
    };
    let (column, reason) = match A::deserialize(Row(columns)).err() {
        Some(Problem::Missing(column)) => (
            Some(column.to_owned()),
            format!("`{type_name}` asks for it, and {lacking}"),
        ),
        Some(Problem::Misfit { column, holds }) => (
            Some(column),
            format!("it holds {holds}, which `{type_name}` cannot read there"),
        ),
        Some(Problem::Other) | None => (None, format!("`{type_name}` cannot be read from the row")),
    };
    Error::Schema {
        table: table.to_owned(),
        column,
        reason,
    }
}

/// A user's row, read column by column.
struct Row(Map<String, Value>);

/// Which column is at fault.
#[derive(Debug)]
pub(super) enum Problem {
    Missing(&'static str),
    Misfit { column: String, holds: &'static str },
    Other,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

impl<'de> Deserializer<'de> for Row {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_map(Columns {
            rest: self.0.into_iter(),
            current: None,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

struct Columns {
    rest: map::IntoIter,
    current: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Columns {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        self.current = self.rest.next();
        match &self.current {
            Some((name, _)) => {
                let name = de::IntoDeserializer::<Problem>::into_deserializer(name.clone());
                seed.deserialize(name).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (column, value) = self.current.take().ok_or(Problem::Other)?;
        let holds = kind(&value);
        seed.deserialize(value)
            .map_err(|_| Problem::Misfit { column, holds })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
