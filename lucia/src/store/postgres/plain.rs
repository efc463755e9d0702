//! Users all of whose columns are of plain types: text, integers, booleans and UUIDs.
//!
//! A user is the text of a JSON object. Postgres can write it, for whatever types there are
//! (`row_to_json`), and does for all but lookups. For a lookup that is a large part of the work, so
//! there the columns are fetched as they are where their types are plain, and the same text is
//! written here.

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::error::Failure;
use crate::store::UserRow;
use crate::user::UserId;
use crate::{Result, Source};

/// Whether all columns from `first` on are of plain types.
pub(super) fn is_plain(row: &Row, first: usize) -> bool {
    let mut columns = row.columns().iter().skip(first);
    columns.all(|column| Plain::accepts(column.type_()))
}

/// A user whose columns are those from `first` on.
pub(super) fn plain_user_row(row: &Row, first: usize) -> Result<UserRow, Failure> {
    let mut columns = row.columns().iter().enumerate().skip(first);
    let id = columns.find(|(_, column)| column.name() == "id");
    let (id, _) = id.ok_or_else(|| Failure::Unfit("users have no column `id`".to_owned()))?;
    let attributes = serde_json::to_string(&Columns { row, first });
    Ok(UserRow {
        id: UserId::from(row.try_get::<_, &str>(id)?),
        attributes: attributes.map_err(|error| Failure::Driver(error.to_string()))?,
    })
}

/// The columns of a row from `first` on, as one object.
struct Columns<'a> {
    row: &'a Row,
    first: usize,
}

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (index, column) in self.row.columns().iter().enumerate().skip(self.first) {
            let value: Option<Plain<'_>> = self.row.try_get(index).map_err(S::Error::custom)?;
            object.serialize_entry(column.name(), &value)?;
        }
        object.end()
    }
}

/// A value of a plain type, which serializes as `row_to_json` writes it.
#[derive(Serialize)]
#[serde(untagged)]
enum Plain<'a> {
    Text(&'a str),
    Integer(i64),
    Boolean(bool),
    Uuid(#[serde(serialize_with = "hyphenated")] u128),
}

impl<'a> FromSql<'a> for Plain<'a> {
    fn from_sql(ty: &Type, value: &'a [u8]) -> Result<Self, Source> {
        Ok(match *ty {
            Type::BOOL => Self::Boolean(bool::from_sql(ty, value)?),
            Type::INT2 => Self::Integer(i16::from_sql(ty, value)?.into()),
            Type::INT4 => Self::Integer(i32::from_sql(ty, value)?.into()),
            Type::INT8 => Self::Integer(i64::from_sql(ty, value)?),
            Type::UUID => Self::Uuid(u128::from_be_bytes(value.try_into()?)),
            _ => Self::Text(<&str>::from_sql(ty, value)?),
        })
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8 | Type::UUID
        ) || <&str>::accepts(ty)
    }
}

/// A UUID in its usual form (RFC 9562, section 4).
fn hyphenated<S: Serializer>(uuid: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    let part = |from: u32, bits: u32| (uuid >> from) & ((1 << bits) - 1);
    serializer.collect_str(&format_args!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48),
    ))
}
