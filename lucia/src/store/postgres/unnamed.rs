//! Sending a statement, with a name or without, and the parameters of all statements.
//!
//! A statement with a name stays with the server process that prepared it. One without a name is
//! parsed, bound and executed by messages that are sent together, up to one `Sync`: a pooler gives
//! all of them to the same server process.

use std::fmt;

use bytes::BytesMut;
use futures_util::TryStreamExt as _;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Error, GenericClient, Row, Statement};

use crate::BoxError;

pub(super) type Params<'a> = &'a [&'a (dyn Param + Sync)];

/// A parameter of a statement.
pub(super) trait Param: ToSql {
    /// Its type in a statement that the server has not described to the driver.
    fn sql_type(&self) -> Type;
}

/// A Rust type, and what its values are in SQL.
pub(super) trait Typed {
    const TYPE: Type;
}

/// The server decides which type a text has, as it does in a prepared statement: with `TEXT`, a
/// comparison with a `citext` would be one of texts, in which upper and lower case differ.
const UNDECIDED: Type = Type::UNKNOWN;

macro_rules! typed {
    ($($rust:ty => $sql:expr,)*) => {
        $(impl Typed for $rust {
            const TYPE: Type = $sql;
        })*
    };
}

typed! {
    &str => UNDECIDED,
    String => UNDECIDED,
    i64 => Type::INT8,
    u32 => Type::OID,
    bool => Type::BOOL,
    &[&str] => Type::TEXT_ARRAY,
    Vec<i64> => Type::INT8_ARRAY,
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: Type = T::TYPE;
}

impl<T: Typed + ToSql> Param for T {
    fn sql_type(&self) -> Type {
        T::TYPE
    }
}

/// Runs one statement, and leaves nothing of it at the server.
///
/// Its columns have to be of types that come with Postgres: the driver asks for others by prepared
/// statements with names.
pub(super) async fn query_unnamed(
    client: &impl GenericClient,
    sql: &str,
    params: Params<'_>,
) -> Result<Vec<Row>, Error> {
    let params = params
        .iter()
        .map(|param| (Hidden(*param), param.sql_type()));
    client
        .query_typed_raw(sql, params)
        .await?
        .try_collect()
        .await
}

pub(super) async fn query_prepared(
    client: &Client,
    statement: &Statement,
    params: Params<'_>,
) -> Result<Vec<Row>, Error> {
    let params = params.iter().map(|param| Hidden(*param));
    client
        .query_raw(statement, params)
        .await?
        .try_collect()
        .await
}

/// A parameter for the driver, which shows its parameters to the logs at `DEBUG`.
struct Hidden<'a>(&'a (dyn Param + Sync));

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl ToSql for Hidden<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        self.0.to_sql_checked(ty, out)
    }

    /// The parameter inside is asked when it is written.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        self.0.to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        if *ty == UNDECIDED {
            // Whatever type the server decides on, it reads this as the text that it is.
            return Format::Text;
        }
        self.0.encode_format(ty)
    }
}
