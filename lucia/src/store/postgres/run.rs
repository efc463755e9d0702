//! Running a statement.

use std::fmt;

use bytes::BytesMut;
use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::error::Failure;
use super::{Params, Parts};
use crate::{Result, Source};

/// How many prepared statements a connection keeps: all fixed ones, and many sets of attributes.
const STATEMENTS: usize = 128;

impl Parts {
    /// Runs one statement within the time-out. A connection whose answer did not come in time is
    /// closed: whoever got it next would wait for that answer first.
    pub(super) async fn run(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let mut connection = None;
        let answer = async {
            let connection = connection.insert(self.pool.get().await?);
            match query(connection, sql, params).await {
                // It failed as a whole, so it can be done again.
                Err(failure) if failure.is_of_the_preparation() => {
                    connection.statement_cache.remove(sql, &[]);
                    query(connection, sql, params).await
                }
                answer => answer,
            }
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                connection.map(Object::take);
                Err(Failure::TimedOut(self.timeout))
            }
        }
    }
}

async fn query(connection: &Object, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
    // Each set of attributes is written by a statement of its own, and there can be many sets.
    if connection.statement_cache.size() >= STATEMENTS {
        connection.statement_cache.clear();
    }
    let statement = connection.prepare_cached(sql).await?;
    let hidden: Vec<_> = params.iter().map(|param| Hidden(*param)).collect();
    let params: Vec<_> = hidden
        .iter()
        .map(|param| param as &(dyn ToSql + Sync))
        .collect();
    Ok(connection.query(&statement, &params).await?)
}

/// A parameter for the driver, which shows its parameters to the logs at `DEBUG`.
struct Hidden<'a>(&'a (dyn ToSql + Sync));

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl ToSql for Hidden<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Source> {
        self.0.to_sql_checked(ty, out)
    }

    /// The parameter inside is asked when it is written.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Source> {
        self.0.to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.0.encode_format(ty)
    }
}
