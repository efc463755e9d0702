//! Numbers in rows, with all their digits.
//!
//! A column such as `NUMERIC(28, 8)` holds numbers that no `f64` does, and `serde_json` reads every
//! number as an `f64` for a type that takes what comes, as those for decimals do. Such a number is
//! given to them as text, which they read with all digits.

use std::ops::Range;
use std::sync::LazyLock;

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Whether the application has switched on `arbitrary_precision` of `serde_json`, which leaves
/// nothing to do.
static KEEPS_DIGITS: LazyLock<bool> = LazyLock::new(|| {
    const NUMBER: &str = "0.12345678901234567890";
    let read = serde_json::from_str::<Value>(NUMBER);
    read.is_ok_and(|value| serde_json::to_string(&value).is_ok_and(|text| text == NUMBER))
});

/// An `f64` holds so many digits, whichever they are.
const DIGITS: usize = 15;

/// Whether there are numbers in a row, given as JSON, that would lose digits.
pub(super) fn are_inexact(row: &str) -> bool {
    may_be_inexact(row.as_bytes()) && inexact(row).next().is_some() && !*KEEPS_DIGITS
}

/// A quick look, which most rows stop at: such a number has an exponent, or more characters than
/// [`DIGITS`], of which one is at a multiple of that.
fn may_be_inexact(json: &[u8]) -> bool {
    let after = json.get(1..).unwrap_or_default();
    // It looks at all of them, which a processor does to many at once.
    let has_exponent = json.iter().zip(after).fold(false, |found, (digit, byte)| {
        found | (digit.is_ascii_digit() & (byte | 0x20 == b'e'))
    });
    let is_in_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'.');
    let is_long = |at: usize| {
        let (before, after) = json.split_at(at);
        let before = before.iter().rev().take_while(is_in_number).count();
        before + after.iter().take_while(is_in_number).count() > DIGITS
    };
    let mut places = (0..json.len()).step_by(DIGITS);
    has_exponent || places.any(|at| is_in_number(&&json[at]) && is_long(at))
}

/// Where in the JSON text there are numbers that no `f64` holds, nor an integer of 64 bits.
fn inexact(json: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            match bytes[at] {
                b'"' => at = end_of_text(bytes, at),
                b'-' | b'0'..=b'9' => {
                    let is_in_number =
                        |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                    at += bytes[at..]
                        .iter()
                        .take_while(|byte| is_in_number(byte))
                        .count();
                    if !is_exact(&json[start..at]) {
                        return Some(start..at);
                    }
                }
                _ => at += 1,
            }
        }
        None
    })
}

/// Where the text ends that begins at `at` with a quote.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn is_exact(number: &str) -> bool {
    let is_whole = !number.contains(['.', 'e', 'E']);
    if is_whole && (number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()) {
        return true;
    }
    if number.len() <= DIGITS && !number.contains(['e', 'E']) {
        return true;
    }
    let nearest = number.parse::<f64>().ok().filter(|float| float.is_finite());
    nearest.is_some_and(|nearest| decimal(number) == decimal(&format!("{nearest:e}")))
}

/// The same for all spellings of a number: whether it is negative, and its digits and exponent, as in
/// `0.` and the digits, times ten to the exponent. `None` where the exponent is beyond all numbers.
fn decimal(number: &str) -> Option<(bool, String, i64)> {
    let (number, exponent) = match number.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_negative = whole.starts_with('-');
    let whole = whole.trim_start_matches(['-', '0']);
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let leading = digits.len() - significant.len();
    let places = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
    let digits = significant.trim_end_matches('0').to_owned();
    Some((is_negative, digits, places + i64::from(exponent)))
}

/// The JSON text with each such number as a string.
fn quoted(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 2);
    let mut done = 0;
    for number in inexact(json) {
        text.push_str(&json[done..number.start]);
        text.push('"');
        text.push_str(&json[number.clone()]);
        text.push('"');
        done = number.end;
    }
    text.push_str(&json[done..]);
    text
}

/// Reads JSON with all digits of its numbers.
pub(super) fn read_exact<'de, V: DeserializeSeed<'de>>(
    json: &str,
    seed: V,
) -> Result<V::Value, Error> {
    match inexact(json).next() {
        Some(number) if number == (0..json.len()) => seed.deserialize(Exact(json)),
        // By way of a value, which borrows nothing.
        _ => seed.deserialize(serde_json::from_str::<Value>(&quoted(json))?),
    }
}

/// A number that no `f64` holds.
struct Exact<'a>(&'a str);

impl Exact<'_> {
    fn parsed<T: std::str::FromStr>(&self) -> Result<T, Error> {
        let wrong = || de::Error::custom("a number of another kind, or out of range");
        self.0.parse().map_err(|_| wrong())
    }
}

macro_rules! numbers {
    ($($method:ident => $visit:ident,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parsed()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Exact<'_> {
    type Error = Error;

    // What asks for a float gets the nearest one.
    numbers! {
        deserialize_f32 => visit_f32,
        deserialize_f64 => visit_f64,
        deserialize_i128 => visit_i128,
        deserialize_u128 => visit_u128,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;
    use crate::user::read_columns;

    fn read<A: DeserializeOwned>(row: &str) -> crate::Result<A> {
        read_columns(row, "auth_user", "it is not there")
    }

    #[test]
    fn the_quick_look_finds_each_number_wherever_it_is() {
        for number in [
            "0.12345678901234",
            "-123456789012345",
            "1234567890123456",
            "1e400",
            "1E-7",
            "0.1234567890123456789012345678901234567890",
        ] {
            for at in 0..40 {
                let row = format!(r#"{{"{}":{number},"b":"text"}}"#, "a".repeat(at));
                assert!(may_be_inexact(row.as_bytes()), "{row}");
                assert!(may_be_inexact(
                    format!("{}{number}", " ".repeat(at)).as_bytes()
                ));
            }
        }
        for row in [
            "",
            "{}",
            r#"{"id":"ada","username":"Ada","created_at":1700000000123,"price":-12345.678901,"is_admin":true}"#,
            r#"{"seen":"2024-02-29T12:34:56.789012+00:00","tags":["a",1,2.5],"e":1,"2":"e"}"#,
        ] {
            assert!(!may_be_inexact(row.as_bytes()), "{row}");
        }
    }

    #[test]
    fn numbers_that_a_float_holds_are_known() {
        for exact in [
            "0",
            "-0",
            "0.0",
            "-0.0",
            "1.10000000",
            "0.1",
            "123456789012345.0",
            "1e300",
            "1.5E-7",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "0.30000000000000004",
            "1.7976931348623157e308",
            "5e-324",
            "100000000000000000000.0",
            "0.000000000000000000000000000001",
            "9007199254740993",
            // As JSONB writes `1e20`.
            "100000000000000000000",
        ] {
            assert!(is_exact(exact), "{exact}");
        }
        for inexact in [
            "18446744073709551617",
            "-9223372036854775809",
            "12345678901234567.12345678",
            "0.12345678901234567890123",
            "9007199254740993.0",
            "1e400",
            "1e-400",
            "0.30000000000000005",
            "1e99999999999",
            "-1234567890.12345678",
        ] {
            assert!(!is_exact(inexact), "{inexact}");
        }
    }

    #[test]
    fn a_type_that_takes_no_text_gets_the_nearest_float() {
        #[derive(Deserialize)]
        struct Prices {
            list: Vec<f64>,
            number: serde_json::Number,
            #[serde(flatten)]
            rest: BTreeMap<String, f64>,
        }
        let row = r#"{"list":[1234567890.12345678],"number":1234567890.12345678,"net":0.12345678901234567890}"#;
        let prices: Prices = read(row).unwrap();
        assert_eq!(prices.list, [1234567890.1234568]);
        assert_eq!(prices.number.as_f64(), Some(1234567890.1234568));
        assert_eq!(prices.rest["net"], 0.12345678901234568);
    }

    #[test]
    fn only_such_numbers_become_text() {
        let row = r#"{"a":0.12345678901234567890,"b":"0.12345678901234567890 \" 1e400","c":[1.5,18446744073709551617],"1e400":null}"#;
        let read: Value = read(row).unwrap();
        assert_eq!(
            read,
            json!({
                "a": "0.12345678901234567890",
                "b": "0.12345678901234567890 \" 1e400",
                "c": [1.5, "18446744073709551617"],
                "1e400": null,
            })
        );
    }

    #[test]
    fn numbers_are_read_as_what_asks_for_them() {
        #[derive(Deserialize)]
        struct Newtype(f64);
        #[derive(Deserialize)]
        struct Columns {
            float: f64,
            newtype: Newtype,
            optional: Option<f32>,
            large: i128,
            text: String,
            other: Option<u8>,
        }
        let row = r#"{"float":0.12345678901234567890,"newtype":0.12345678901234567890,
            "optional":0.12345678901234567890,"large":-170141183460469231731687303715884105728,
            "text":0.12345678901234567890,"other":7,"unread":1e400}"#;
        let columns: Columns = read(row).unwrap();
        let nearest = 0.123_456_789_012_345_68;
        assert_eq!((columns.float, columns.newtype.0), (nearest, nearest));
        assert_eq!(columns.optional, Some(0.123_456_79));
        assert_eq!(columns.large, i128::MIN);
        assert_eq!(columns.text, "0.12345678901234567890");
        assert_eq!(columns.other, Some(7));
        let too_large = read::<BTreeMap<String, i64>>(r#"{"a":18446744073709551616}"#);
        assert!(too_large.is_err());
    }
}
