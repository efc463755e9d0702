//! Running a statement.

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::error::Failure;
use super::{Params, Parts};
use crate::Result;

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
    let statement = connection.prepare_cached(sql).await?;
    Ok(connection.query(&statement, params).await?)
}
