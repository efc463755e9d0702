//! Ids of users as parameters of the application's own statements.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::UserId;

/// For your own statements over `tokio-postgres` and `deadpool-postgres`: `&user.id` is a parameter
/// wherever a `&str` is one, such as for `TEXT`, `VARCHAR` and `citext`, and for domains of these.
///
/// ```no_run
/// use lucia::deadpool_postgres::Pool;
/// use lucia::deadpool_postgres::tokio_postgres::Row;
/// use lucia::UserId;
///
/// async fn orders(pool: &Pool, user_id: &UserId) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
///     let client = pool.get().await?;
///     Ok(client.query("SELECT * FROM orders WHERE user_id = $1", &[user_id]).await?)
/// }
/// ```
impl ToSql for UserId {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.as_str().to_sql(of, out)
    }

    fn accepts(of: &Type) -> bool {
        match of.kind() {
            Kind::Domain(base) => Self::accepts(base),
            _ => <&str as ToSql>::accepts(of),
        }
    }

    to_sql_checked!();
}
