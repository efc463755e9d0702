//! A row without values, to find out what a type reads when no row exists.

use std::iter::{empty, repeat_n};

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::columns::Problem;

/// Whether an `A` can be read from a row with these columns, as far as a row without values shows.
///
/// # Errors
///
/// [`Problem::Missing`] names a column that it asks for. Another problem says nothing: it looks at the
/// values, of which there are none yet.
pub(crate) fn try_columns<A: DeserializeOwned>(columns: &[String]) -> Result<(), Problem> {
    let row = columns.iter().map(|column| (column.as_str(), Blank));
    A::deserialize(MapDeserializer::new(row)).map(drop)
}

/// A value of whatever type is asked for: nothing, zero or empty.
#[derive(Clone)]
struct Blank;

impl IntoDeserializer<'_, Problem> for Blank {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// So many of them.
fn blanks(length: usize) -> SeqDeserializer<impl Iterator<Item = Blank>, Problem> {
    SeqDeserializer::new(repeat_n(Blank, length))
}

macro_rules! blank {
    ($($method:ident => $visit:ident($($value:expr)?),)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            visitor.$visit($($value)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Blank {
    type Error = Problem;

    blank! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(0),
        deserialize_i16 => visit_i16(0),
        deserialize_i32 => visit_i32(0),
        deserialize_i64 => visit_i64(0),
        deserialize_i128 => visit_i128(0),
        deserialize_u8 => visit_u8(0),
        deserialize_u16 => visit_u16(0),
        deserialize_u32 => visit_u32(0),
        deserialize_u64 => visit_u64(0),
        deserialize_u128 => visit_u128(0),
        deserialize_f32 => visit_f32(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_char => visit_char('0'),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
        deserialize_bytes => visit_bytes(&[]),
        deserialize_byte_buf => visit_bytes(&[]),
        deserialize_seq => visit_seq(blanks(0)),
        deserialize_map => visit_map(MapDeserializer::new(empty::<(Blank, Blank)>())),
        deserialize_identifier => visit_str(""),
        deserialize_any => visit_unit(),
        deserialize_option => visit_none(),
    }

    forward_to_deserialize_any! { unit unit_struct ignored_any }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(blanks(length))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(blanks(fields.len()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match variants.first() {
            Some(variant) => visitor.visit_enum(BlankVariant(variant)),
            None => Err(Problem::Other),
        }
    }
}

struct BlankVariant(&'static str);

impl<'de> EnumAccess<'de> for BlankVariant {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Problem> {
        let name = StrDeserializer::<Problem>::new(self.0);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for BlankVariant {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Problem> {
        seed.deserialize(Blank)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(blanks(length))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(blanks(fields.len()))
    }
}

#[cfg(test)]
#[allow(dead_code)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    fn missing<A: DeserializeOwned>(columns: &[&str]) -> Option<&'static str> {
        let columns: Vec<_> = columns.iter().map(|&column| column.to_owned()).collect();
        match try_columns::<A>(&columns) {
            Err(Problem::Missing(column)) => Some(column),
            Ok(()) | Err(_) => None,
        }
    }

    #[test]
    fn a_column_that_a_type_cannot_do_without_is_missing() {
        #[derive(Deserialize)]
        struct Profile {
            username: String,
            #[serde(rename = "isAdmin")]
            is_admin: bool,
        }
        assert_eq!(missing::<Profile>(&["id", "username", "isAdmin"]), None);
        assert_eq!(missing::<Profile>(&["id", "username"]), Some("isAdmin"));
        assert_eq!(missing::<Profile>(&[]), Some("username"));
    }

    #[test]
    fn what_a_type_can_do_without_is_not_missing() {
        #[derive(Deserialize)]
        struct Profile {
            #[serde(alias = "userName")]
            username: String,
            nickname: Option<String>,
            #[serde(default)]
            credits: i64,
            #[serde(skip)]
            computed: u8,
        }
        assert_eq!(missing::<Profile>(&["id", "userName"]), None);
        assert_eq!(missing::<BTreeMap<String, String>>(&["id"]), None);
    }

    #[test]
    fn values_of_all_shapes_are_read() {
        #[derive(Deserialize)]
        enum Role {
            Guest,
            Admin(u8),
        }
        #[derive(Deserialize)]
        enum Odd {
            Newtype(Vec<u8>),
        }
        #[derive(Deserialize)]
        struct Id(i64);
        #[derive(Deserialize)]
        struct Inner {
            a: (u8, f64),
            b: char,
        }
        #[derive(Deserialize)]
        struct Profile {
            role: Role,
            odd: Odd,
            id: Id,
            inner: Inner,
            list: Vec<Inner>,
            map: BTreeMap<String, Inner>,
            any: serde_json::Value,
            last: String,
        }
        let columns = ["role", "odd", "id", "inner", "list", "map", "any"];
        assert_eq!(missing::<Profile>(&columns), Some("last"));
    }
}
