//! Reading rows.

use tokio_postgres::Row;

use super::error::Failure;
use super::lookups::Found;
use crate::store::{Expiries, KeyRow, Result, SessionRow, UnixMillis, UserRow};
use crate::user::UserId;

/// How many columns [`session_row`] reads.
const SESSION_WIDTH: usize = 11;

/// A session, unless its public id is no SHA-256: then it is one of Lucia's own, and
/// [`StoredIds::Hashed`](super::StoredIds::Hashed) knows nothing of those.
pub(super) fn session_row(row: &Row) -> Result<Option<SessionRow>, Failure> {
    let millis = |column| row.try_get(column).map(UnixMillis);
    let Ok(id) = row.try_get::<_, &str>(0)?.parse() else {
        return Ok(None);
    };
    Ok(Some(SessionRow {
        id,
        user_id: UserId::from_stored(row.try_get::<_, &str>(1)?),
        created_at: millis(2)?,
        authenticated_at: row.try_get::<_, Option<i64>>(3)?.map(UnixMillis),
        expiries: Expiries::new(millis(4)?, millis(5)?, millis(6)?),
        device: row.try_get(7)?,
        address: row.try_get(8)?,
        persistent: row.try_get(9)?,
        attributes: row.try_get(10)?,
    }))
}

/// A session that was inserted, unless it is a row of NULLs in place of one.
pub(super) fn inserted_row(row: &Row) -> Result<Option<SessionRow>, Failure> {
    match row.try_get::<_, Option<&str>>(0)? {
        Some(_) => session_row(row),
        None => Ok(None),
    }
}

/// A session with its user, unless it is a row of NULLs in place of one.
pub(super) fn found_row(row: &Row) -> Result<Option<Found>, Failure> {
    if is_filler(row) {
        return Ok(None);
    }
    let user = user_row_from(row, SESSION_WIDTH + 1)?;
    let is_to_be_hashed = row.try_get(SESSION_WIDTH)?;
    Ok(session_row(row)?.map(|session| Found {
        session,
        user,
        is_to_be_hashed,
    }))
}

/// Whether this is a row of NULLs, in place of one that is not there.
pub(super) fn is_filler(row: &Row) -> bool {
    matches!(row.try_get::<_, Option<&str>>(0), Ok(None))
}

pub(super) fn user_row(row: &Row) -> Result<UserRow, Failure> {
    user_row_from(row, 0)
}

/// A user's id and JSON, from column `first` on.
fn user_row_from(row: &Row, first: usize) -> Result<UserRow, Failure> {
    Ok(UserRow {
        id: UserId::from_stored(row.try_get::<_, &str>(first)?),
        attributes: row.try_get(first + 1)?,
    })
}

pub(super) fn key_row(row: &Row) -> Result<KeyRow, Failure> {
    Ok(KeyRow {
        id: row.try_get(0)?,
        user_id: UserId::from_stored(row.try_get::<_, &str>(1)?),
        hashed_password: row.try_get(2)?,
    })
}
