//! The triggers that tell of changes.

use super::super::migrate::Migrating;
use super::super::run::Statement;
use super::super::{Params, Parts};
use super::listener::End;
use crate::store::tables::CHANGED_FUNCTION;
use crate::store::{Result, StoreError};

const TRIGGERS: &str = include_str!("../../../../migrations/postgres/cache.sql");

/// The comment on the function, by which it is known to be lucia's.
const MARK: &str = "lucia: tells caches what has changed";

/// The tables `$1` (sessions) and `$2` (users), as statements find them: the OID of each, and what
/// keeps its changes from being told: that it is [`INHERITED`], or a trigger that is missing. A trigger counts if it runs the function
/// `$3` with the comment `$4`, and does so each time. A trigger for each statement tells what is
/// changed by the table's own name: what is changed by the name of a parent or of a child, it does
/// not see.
macro_rules! tables {
    () => {
        "WITH tables AS (\
            SELECT given.of, class.oid, CASE \
                WHEN class.relkind <> 'r' \
                    OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = class.oid) \
                    OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = class.oid) \
                THEN 'inherited' \
                ELSE (\
                    SELECT min(needed.name) FROM (VALUES ('lucia_update', 16), \
                        ('lucia_delete', 8), ('lucia_truncate', 32)) AS needed (name, type) \
                    WHERE NOT EXISTS (\
                        SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid \
                        WHERE tgrelid = class.oid AND tgname = needed.name AND tgtype = needed.type \
                            AND tgenabled IN ('O', 'A') AND tgqual IS NULL AND proname = $3::TEXT \
                            AND obj_description(pg_proc.oid, 'pg_proc') = $4::TEXT \
                            AND tgargs = convert_to(given.of, 'UTF8') || '\\x00'::BYTEA\
                    )\
                ) END AS fault \
            FROM (VALUES ('sessions', to_regclass($1::TEXT)), ('users', to_regclass($2::TEXT))) \
                AS given (of, id) \
            LEFT JOIN pg_class AS class ON class.oid = given.id\
        ) "
    };
}

/// A word on channel `$5`: the text `$6` and the version of the tables, unless there is a fault, or
/// the tables are others than those of the OIDs `$7` and `$8`, where these are given.
const SAY: &str = concat!(
    tables!(),
    // The version of the tables: what can change what is read of them and runs no trigger. That is the
    // definition of each table, of its columns, defaults, triggers and policies, and of the enums of its
    // columns. Each row of a catalogue counts by the transaction that wrote it, so a definition that was
    // changed and changed back is not taken for one that stayed. A table that is rewritten gets another
    // file, and so a new row in `pg_class`. `VACUUM` and `ANALYZE` change its row in place, which changes
    // no version.
    ", definitions AS (\
        SELECT pg_class.oid AS id, 0 AS part, pg_class.xmin AS writer \
        FROM pg_class WHERE oid IN (SELECT oid FROM tables) \
        UNION ALL SELECT attrelid, attnum, pg_attribute.xmin \
        FROM pg_attribute WHERE attrelid IN (SELECT oid FROM tables) \
        UNION ALL SELECT pg_attrdef.oid, 0, pg_attrdef.xmin \
        FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM tables) \
        UNION ALL SELECT pg_trigger.oid, 0, pg_trigger.xmin \
        FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM tables) \
        UNION ALL SELECT pg_policy.oid, 0, pg_policy.xmin \
        FROM pg_policy WHERE polrelid IN (SELECT oid FROM tables) \
        UNION ALL SELECT pg_enum.oid, 0, pg_enum.xmin \
        FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid \
            JOIN pg_enum ON enumtypid IN (pg_type.oid, typelem, typbasetype) \
        WHERE attrelid IN (SELECT oid FROM tables) AND attnum > 0\
    ), version AS (\
        SELECT md5(string_agg(concat_ws(' ', id, part, writer), ',' \
            ORDER BY id, part, writer::TEXT)) AS digest \
        FROM definitions\
    ) ",
    "SELECT sessions.oid, users.oid, coalesce(sessions.fault, users.fault), pg_notify($5::TEXT, CASE \
        WHEN 'inherited' IN (sessions.fault, users.fault) THEN 'inherited' \
        WHEN coalesce(sessions.fault, users.fault) IS NULL \
            AND sessions.oid = coalesce($7::OID, sessions.oid) \
            AND users.oid = coalesce($8::OID, users.oid) THEN concat_ws(' ', $6::TEXT, digest) \
        ELSE 'missing' END), current_setting('transaction_read_only')::BOOLEAN \
    FROM tables AS sessions, tables AS users, version \
    WHERE sessions.of = 'sessions' AND users.of = 'users'"
);

/// The faults of both tables, sessions first.
const FAULTS: &str = concat!(
    tables!(),
    "SELECT of, fault FROM tables WHERE fault IS NOT NULL ORDER BY of"
);

/// The tables that are listened to, by their OIDs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub(super) sessions: u32,
    pub(super) users: u32,
}

/// What a heartbeat says in the place of its time where changes of a table are not told: it has a
/// parent or children, such as partitions, or is not a table; or it lacks a trigger.
pub(super) const INHERITED: &str = "inherited";
pub(super) const MISSING: &str = "missing";

/// Why the changes of such a table are not told.
pub(super) const WHY_INHERITED: &str = "the cache needs an ordinary table without partitions, parents or \
    children: no trigger tells of what is changed by the name of another";

/// Says something on the listener's channel, by a connection of the pool, and which version of the
/// tables there is; or says there what is wrong, if changes of the tables are not told, or if they are
/// others than these. Returns the tables.
pub(super) async fn say(
    parts: &Parts,
    channel: &str,
    text: &str,
    watched: Option<Watched>,
) -> Result<Watched, End> {
    let (sessions, users) = names(parts);
    let params: Params<'_> = &[
        &sessions,
        &users,
        &CHANGED_FUNCTION,
        &MARK,
        &channel,
        &text,
        &watched.map(|watched| watched.sessions),
        &watched.map(|watched| watched.users),
    ];
    let rows = parts.run(&Statement::lookup(SAY, params)).await?;
    let row = rows.first().ok_or(End::Missing)?;
    match row.try_get(2)? {
        None => Ok(Watched {
            sessions: row.try_get(0)?,
            users: row.try_get(1)?,
        }),
        Some(INHERITED) => Err(End::Inherited),
        Some(_) => Err(End::Missing),
    }
}

/// Makes the function and the triggers, unless all of them are there as this version has them: a
/// trigger that is made keeps writers of its table out, and waits for those who write.
pub(super) async fn migrate(migrating: &Migrating<'_>) -> Result<()> {
    const FUNCTION: &str = "SELECT obj_description(oid, 'pg_proc') IS NOT DISTINCT FROM $3::TEXT, prosrc \
         FROM pg_proc WHERE proname = $2::TEXT AND pronargs = 0 AND pronamespace = \
             (SELECT oid FROM pg_namespace WHERE nspname = coalesce($1::TEXT, current_schema()))";
    const FOREIGN: &str = "SELECT tgname::TEXT FROM pg_trigger WHERE tgrelid = to_regclass($1::TEXT) \
         AND tgname IN ('lucia_update', 'lucia_delete', 'lucia_truncate') \
         AND obj_description(tgfoid, 'pg_proc') IS DISTINCT FROM $2::TEXT";

    let parts = migrating.parts;
    let tables = &parts.tables;
    let params: Params<'_> = &[&tables.schema, &CHANGED_FUNCTION, &MARK];
    let function = migrating.rows(FUNCTION, params, |row| {
        Ok(Some((row.try_get(0)?, row.try_get(1)?)))
    });
    let function: Option<(bool, String)> = function.await?.pop();
    if let Some((false, _)) = function {
        let what = format!("function `{CHANGED_FUNCTION}()`");
        return Err(foreign(&tables.session, &what));
    }
    for table in [&tables.session, &tables.user] {
        let params: Params<'_> = &[&tables.quoted(table), &MARK];
        let found = migrating.rows(FOREIGN, params, |row| {
            Ok(row.try_get::<_, Option<String>>(0)?)
        });
        if let Some(name) = found.await?.first() {
            return Err(foreign(table, &format!("trigger `{name}`")));
        }
    }
    // What stands between the first two `$$`.
    let source = TRIGGERS.split("$$").nth(1);
    let is_current = function.is_some_and(|(_, current)| source == Some(&current));
    let (sessions, users) = names(parts);
    let params: Params<'_> = &[&sessions, &users, &CHANGED_FUNCTION, &MARK];
    let faults = migrating.rows(FAULTS, params, |_| Ok(Some(())));
    if is_current && faults.await?.is_empty() {
        return Ok(());
    }
    migrating.execute(&tables.apply(TRIGGERS)).await
}

fn foreign(table: &str, what: &str) -> StoreError {
    let reason = format!(
        "there is a {what} that is not lucia's, and the cache needs one of this name: rename it"
    );
    StoreError::schema(table, None, reason)
}

/// Checks that the changes of both tables are told.
pub(super) async fn check(parts: &Parts) -> Result<()> {
    let tables = &parts.tables;
    let (sessions, users) = names(parts);
    let params: Params<'_> = &[&sessions, &users, &CHANGED_FUNCTION, &MARK];
    let faults = parts.ask(FAULTS, params, |row| {
        Ok(Some((row.try_get(0)?, row.try_get(1)?)))
    });
    let faults: Vec<(String, String)> = faults.await?;
    let Some((of, fault)) = faults.first() else {
        return Ok(());
    };
    let table = match &**of {
        "sessions" => &tables.session,
        _ => &tables.user,
    };
    let reason = match &**fault {
        INHERITED => WHY_INHERITED.to_owned(),
        trigger => format!(
            "the cache needs the trigger `{trigger}`, switched on: run `store.migrate(..)`, or \
             `migrations/postgres/cache.sql` by your migration tool"
        ),
    };
    Err(StoreError::schema(table, None, reason))
}

fn names(parts: &Parts) -> (String, String) {
    let tables = &parts.tables;
    (tables.quoted(&tables.session), tables.quoted(&tables.user))
}
