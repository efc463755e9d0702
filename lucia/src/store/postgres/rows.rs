//! Reading rows.

use tokio_postgres::Row;

use super::error::Failure;
use crate::Result;
use crate::store::{KeyRow, SessionRow, UnixMillis, UserRow};
use crate::user::UserId;

/// How many columns [`session_row`] reads.
pub(super) const SESSION_COLUMNS: usize = 7;

/// A session, unless it is one of Lucia's own beside which we live: the id of such a session is
/// its token, and no SHA-256.
pub(super) fn session_row(row: &Row) -> Result<Option<SessionRow>, Failure> {
    let millis = |column| row.try_get(column).map(UnixMillis);
    let Ok(id) = row.try_get::<_, &str>(0)?.parse() else {
        return Ok(None);
    };
    Ok(Some(SessionRow {
        id,
        user_id: UserId::from(row.try_get::<_, &str>(1)?),
        created_at: millis(2)?,
        renewed_at: millis(3)?,
        active_expires: millis(4)?,
        idle_expires: millis(5)?,
        device: row.try_get(6)?,
    }))
}

pub(super) fn user_row(row: &Row) -> Result<UserRow, Failure> {
    user_row_from(row, 0)
}

/// A user's id and JSON, from column `first` on.
pub(super) fn user_row_from(row: &Row, first: usize) -> Result<UserRow, Failure> {
    Ok(UserRow {
        id: UserId::from(row.try_get::<_, &str>(first)?),
        attributes: row.try_get(first + 1)?,
    })
}

pub(super) fn key_row(row: &Row) -> Result<KeyRow, Failure> {
    Ok(KeyRow {
        id: row.try_get(0)?,
        user_id: UserId::from(row.try_get::<_, &str>(1)?),
        hashed_password: row.try_get(2)?,
    })
}
