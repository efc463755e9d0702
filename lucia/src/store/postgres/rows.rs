//! Reading rows. A row of NULLs, which stands in place of one that is not there, is `None`.

use tokio_postgres::Row;

use super::error::Failure;
use super::lookups::Found;
use crate::store::{Expiries, InsertedSession, KeyRow, Result, SessionRow, UnixMillis, UserRow};
use crate::user::UserId;

/// All rows, without those of which `read` makes nothing.
pub(super) fn read_all<T>(
    rows: &[Row],
    read: fn(&Row) -> Result<Option<T>, Failure>,
) -> Result<Vec<T>, Failure> {
    let read = rows.iter().map(read);
    read.filter_map(Result::transpose).collect()
}

/// How many columns [`session_row`] reads.
const SESSION_WIDTH: usize = 11;

/// A session. `None` as well where its public id is not a SHA-256: then it is one of Lucia's own, which
/// [`StoredIds::Hashed`](super::StoredIds::Hashed) leaves alone.
pub(super) fn session_row(row: &Row) -> Result<Option<SessionRow>, Failure> {
    let millis = |column| row.try_get(column).map(UnixMillis);
    let Some(Ok(id)) = row.try_get::<_, Option<&str>>(0)?.map(str::parse) else {
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

/// A session that has been stored, and which others ended.
pub(super) fn inserted_session(row: &Row) -> Result<Option<InsertedSession>, Failure> {
    let Some(session) = session_row(row)? else {
        return Ok(None);
    };
    let in_excess: Vec<&str> = row.try_get(SESSION_WIDTH)?;
    Ok(Some(InsertedSession {
        row: session,
        in_excess: in_excess.into_iter().flat_map(str::parse).collect(),
    }))
}

/// A session with its user.
pub(super) fn found_row(row: &Row) -> Result<Option<Found>, Failure> {
    let Some(session) = session_row(row)? else {
        return Ok(None);
    };
    let is_to_be_hashed = row.try_get(SESSION_WIDTH)?;
    let user = user_row_from(row, SESSION_WIDTH + 1)?;
    Ok(user.map(|user| Found {
        session,
        user,
        is_to_be_hashed,
    }))
}

pub(super) fn user_row(row: &Row) -> Result<Option<UserRow>, Failure> {
    user_row_from(row, 0)
}

/// A user's id and JSON, from column `first` on.
fn user_row_from(row: &Row, first: usize) -> Result<Option<UserRow>, Failure> {
    let Some(id) = row.try_get::<_, Option<&str>>(first)? else {
        return Ok(None);
    };
    Ok(Some(UserRow {
        id: UserId::from_stored(id),
        attributes: row.try_get(first + 1)?,
    }))
}

/// A key, from column `first` on.
pub(super) fn key_row_from(row: &Row, first: usize) -> Result<Option<KeyRow>, Failure> {
    let Some(id) = row.try_get(first)? else {
        return Ok(None);
    };
    Ok(Some(KeyRow {
        id,
        user_id: UserId::from_stored(row.try_get::<_, &str>(first + 1)?),
        hashed_password: row.try_get(first + 2)?,
        verified_at: row.try_get::<_, Option<i64>>(first + 3)?.map(UnixMillis),
    }))
}

pub(super) fn key_row(row: &Row) -> Result<Option<KeyRow>, Failure> {
    key_row_from(row, 0)
}
