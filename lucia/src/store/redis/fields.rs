//! Sessions as hashes, and their times as Redis keeps them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::attributes::{Attributes, FIELD, field};
use super::failure::unexpected;
use crate::session::token::SessionId;
use crate::store::{Expiries, NewSessionRow, Result, SESSION_COLUMNS, SessionRow, UnixMillis};
use crate::user::UserId;

/// A hash as Redis returns it.
pub(super) type Hash = HashMap<String, String>;

/// What is asked for with a hash.
pub(super) const HASH: &str = "the fields of a session";

/// The fields of a hash, each with its value after it.
pub(super) type Fields = Vec<String>;

/// How long a hash outlives its session. The clock of the application decides about expiry, and those of its
/// processes differ.
const AFTERLIFE: Duration = Duration::from_secs(10 * 60);

/// How long the entry of a session in its user's index outlives its hash, which can be on another server with
/// another clock.
const ENTRY_AFTERLIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time that Redis is told, in milliseconds. Lua's numbers are exact that far, and the sum with the
/// present time has 16 digits.
const LONGEST: i64 = 4_000_000_000_000_000;

pub(super) const USER_ID: &str = "user_id";

/// How long Redis keeps the hash of a session with these times, in milliseconds. It is a period and no moment,
/// so that no clock but that of Redis measures it.
pub(super) fn life(expiries: Expiries) -> i64 {
    let left = expiries
        .idle_expires
        .0
        .saturating_sub(expiries.renewed_at.0);
    left.clamp(0, LONGEST) + millis(AFTERLIFE)
}

/// The same of its entry in the index.
pub(super) fn entry_life(expiries: Expiries) -> i64 {
    life(expiries) + millis(ENTRY_AFTERLIFE)
}

fn millis(duration: Duration) -> i64 {
    UnixMillis(0).plus(duration).0
}

/// A time in 20 digits that sort as times do, those before 1970 included. Lua has no integers of 64 bits.
pub(super) fn sortable(time: UnixMillis) -> String {
    format!("{:020}", time.0.cast_unsigned() ^ (1 << 63))
}

/// The hash of a new session.
pub(super) fn of_new(session: &NewSessionRow) -> Fields {
    let mut fields = Vec::new();
    put(&mut fields, USER_ID, session.user_id.as_str());
    put(&mut fields, "created_at", session.created_at.0);
    if let Some(time) = session.authenticated_at {
        put(&mut fields, "authenticated_at", time.0);
    }
    put_expiries(&mut fields, session.expiries);
    for (name, text) in [("device", &session.device), ("address", &session.address)] {
        if let Some(text) = text {
            put(&mut fields, name, text);
        }
    }
    put(&mut fields, "persistent", u8::from(session.persistent));
    fields.extend(of_attributes(&session.attributes));
    fields
}

/// The fields of attributes.
pub(super) fn of_attributes(attributes: &Map<String, Value>) -> Fields {
    let fields = attributes.iter();
    fields
        .flat_map(|(name, value)| [field(name), value.to_string()])
        .collect()
}

/// The fields of a renewal.
pub(super) fn of_expiries(expiries: Expiries) -> Fields {
    let mut fields = Vec::new();
    put_expiries(&mut fields, expiries);
    fields
}

/// A hash with another time of the last proof, if there is one, and after a renewal.
pub(super) fn of_rotated(hash: &Hash, at: Option<UnixMillis>, expiries: Expiries) -> Fields {
    let mut hash = hash.clone();
    let mut fields = of_expiries(expiries);
    if let Some(time) = at {
        put(&mut fields, "authenticated_at", time.0);
    }
    for field in fields.chunks_exact(2) {
        hash.insert(field[0].clone(), field[1].clone());
    }
    hash.into_iter().flat_map(<[String; 2]>::from).collect()
}

/// The attributes that one hash has otherwise than another.
pub(super) fn of_changed_attributes(now: &Hash, before: &Hash) -> Fields {
    let changed = now
        .iter()
        .filter(|(name, value)| name.starts_with(FIELD) && before.get(*name) != Some(value));
    changed
        .flat_map(|(name, value)| [name.clone(), value.clone()])
        .collect()
}

/// The fields of a session besides its attributes.
pub(super) const OWN: &[&str] = SESSION_COLUMNS.split_at(1).1;

/// The session of a hash, which has these values in the fields [`OWN`] and then in those of the attributes. `None`
/// where there is none.
pub(super) fn row(
    id: &SessionId,
    values: &[Option<String>],
    attributes: &Attributes,
) -> Result<Option<SessionRow>> {
    let unreadable = || unexpected(HASH);
    if values.len() != OWN.len() + attributes.fields().len() {
        return Err(unreadable());
    }
    if values.iter().all(Option::is_none) {
        return Ok(None);
    }
    let (own, of_attributes) = values.split_at(OWN.len());
    let value = |name: &str| {
        let at = OWN.iter().position(|own| *own == name)?;
        own[at].as_deref()
    };
    let text = |name: &str| value(name).map(str::to_owned);
    let optional_time = |name: &str| {
        let time = value(name).map(|text| text.parse().map(UnixMillis));
        time.transpose().map_err(|_| unreadable())
    };
    let time = |name: &str| optional_time(name)?.ok_or_else(unreadable);
    let expiries = Expiries::new(
        time("renewed_at")?,
        time("active_expires")?,
        time("idle_expires")?,
    );
    let user_id = UserId::from_stored(text(USER_ID).ok_or_else(unreadable)?);
    Ok(Some(SessionRow {
        authenticated_at: optional_time("authenticated_at")?,
        device: text("device"),
        address: text("address"),
        persistent: match value("persistent") {
            Some("1") => true,
            Some("0") => false,
            _ => return Err(unreadable()),
        },
        attributes: attributes.text(of_attributes),
        ..SessionRow::new(id.clone(), user_id, time("created_at")?, expiries)
    }))
}

fn put_expiries(fields: &mut Fields, expiries: Expiries) {
    put(fields, "renewed_at", expiries.renewed_at.0);
    put(fields, "active_expires", expiries.active_expires.0);
    put(fields, "idle_expires", expiries.idle_expires.0);
}

fn put(fields: &mut Fields, name: &str, value: impl ToString) {
    fields.extend([name.to_owned(), value.to_string()]);
}

/// The session of a hash with all of its fields.
pub(super) fn row_of(
    id: &SessionId,
    mut hash: Hash,
    attributes: &Attributes,
) -> Result<Option<SessionRow>> {
    let names = OWN.iter().copied().chain(attributes.fields());
    let values: Vec<_> = names.map(|name| hash.remove(name)).collect();
    row(id, &values, attributes)
}

/// The fields with their values, as a hash.
pub(super) fn as_hash(fields: &Fields) -> Hash {
    let pairs = fields.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}
