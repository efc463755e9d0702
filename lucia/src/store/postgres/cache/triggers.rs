//! The triggers that tell of changes.

use super::super::migrate::Migrating;
use super::super::run::Statement;
use super::super::unnamed::Param;
use super::super::{Params, Parts};
use super::end::End;
use crate::store::tables::{CHANGE_TABLE, CHANGED_FUNCTION, RECORD_CHANGE_FUNCTION};
use crate::store::{Result, StoreError};

/// The triggers of a table, and what they tell of changes by. A table can have those of several kinds.
#[derive(Debug)]
pub(in super::super) struct Triggers {
    /// What the names of triggers begin with.
    prefix: &'static str,
    function: &'static str,
    /// The table that the function writes to.
    table: Option<&'static str>,
    file: &'static str,
    sql: &'static str,
}

/// Those that notify.
pub(super) const NOTIFYING: Triggers = Triggers {
    prefix: "lucia_",
    function: CHANGED_FUNCTION,
    table: None,
    file: "cache.sql",
    sql: include_str!("../../../../migrations/postgres/cache.sql"),
};

/// Those that leave a row for each change.
pub(super) const RECORDING: Triggers = Triggers {
    prefix: "lucia_record_",
    function: RECORD_CHANGE_FUNCTION,
    table: Some(CHANGE_TABLE),
    file: "cache_by_polling.sql",
    sql: include_str!("../../../../migrations/postgres/cache_by_polling.sql"),
};

/// The comment on functions and tables, by which they are known to be lucia's.
const MARK: &str = "lucia: tells caches what has changed";

/// The tables `$1` (sessions) and `$2` (users), as statements find them: the OID of each, and what
/// keeps its changes from being told: that it is [`INHERITED`], or a trigger that is missing. A trigger
/// counts if its name begins with `$5`, if it runs the function `$3` with the comment `$4`, beside the
/// table `$6` if there is to be one, and does so each time. That table has to be one that a crash empties.
/// A trigger for each statement tells what is changed by the table's own name: what is changed by the
/// name of a parent or of a child, it does not see.
macro_rules! tables {
    () => {
        "WITH tables AS (\
            SELECT given.of, class.oid, CASE \
                WHEN class.relkind <> 'r' \
                    OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = class.oid) \
                    OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = class.oid) \
                THEN 'inherited' \
                ELSE (\
                    SELECT min($5::TEXT || needed.event) FROM (VALUES ('update', 16), \
                        ('delete', 8), ('truncate', 32)) AS needed (event, type) \
                    WHERE NOT EXISTS (\
                        SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid \
                        WHERE tgrelid = class.oid AND tgname = $5::TEXT || needed.event \
                            AND tgtype = needed.type \
                            AND tgenabled IN ('O', 'A') AND tgqual IS NULL AND proname = $3::TEXT \
                            AND obj_description(pg_proc.oid, 'pg_proc') = $4::TEXT \
                            AND ($6::TEXT IS NULL OR pronamespace = (\
                                SELECT relnamespace FROM pg_class WHERE oid = to_regclass($6::TEXT) \
                                    AND relkind = 'r' AND relpersistence = 'u')) \
                            AND tgargs = convert_to(given.of, 'UTF8') || '\\x00'::BYTEA\
                    )\
                ) END AS fault \
            FROM (VALUES ('sessions', to_regclass($1::TEXT)), ('users', to_regclass($2::TEXT))) \
                AS given (of, id) \
            LEFT JOIN pg_class AS class ON class.oid = given.id\
        ) "
    };
}

/// As `tables!`, with the version of the tables: what can change what is read of them and runs no trigger.
/// That is the definition of each table, of its columns, defaults, triggers and policies, and of the enums
/// of its columns. Each row of a catalogue counts by the transaction that wrote it, so a definition that was
/// changed and changed back is not taken for one that stayed. A table that is rewritten gets another
/// file, and so a new row in `pg_class`. `VACUUM` and `ANALYZE` change its row in place, which changes
/// no version.
macro_rules! versioned_tables {
    () => {
        concat!(
            tables!(),
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
            ) "
        )
    };
}

/// A word on channel `$7`: the text `$8` and the version of the tables, unless there is a fault, or
/// the tables are others than those of the OIDs `$9` and `$10`, where these are given.
const SAY: &str = concat!(
    versioned_tables!(),
    "SELECT sessions.oid, users.oid, coalesce(sessions.fault, users.fault), pg_notify($7::TEXT, CASE \
        WHEN 'inherited' IN (sessions.fault, users.fault) THEN 'inherited' \
        WHEN coalesce(sessions.fault, users.fault) IS NULL \
            AND sessions.oid = coalesce($9::OID, sessions.oid) \
            AND users.oid = coalesce($10::OID, users.oid) THEN concat_ws(' ', $8::TEXT, digest) \
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
/// parent or children, such as partitions, or is not a table; or it lacks a trigger. A poll says the
/// former as well, and the name of a trigger.
pub(super) const INHERITED: &str = "inherited";
pub(super) const MISSING: &str = "missing";

/// Why the changes of such a table are not told.
pub(super) const WHY_INHERITED: &str = "the cache needs an ordinary table without partitions, parents or \
    children: no trigger tells of what is changed by the name of another";

/// The tables of a store, with their version and what is wrong with them, for a statement that goes on with
/// `SELECT .. FROM tables, version`. [`Names`] has the parameters `$1` to `$6`.
pub(super) const VERSIONED_TABLES: &str = versioned_tables!();

/// Says something on the listener's channel, by a connection of the pool, and which version of the
/// tables there is; or says there what is wrong, if changes of the tables are not told, or if they are
/// others than these. Returns the tables.
pub(super) async fn say(
    parts: &Parts,
    channel: &str,
    text: &str,
    watched: Option<Watched>,
) -> Result<Watched, End> {
    let names = NOTIFYING.names(parts);
    let sessions = watched.map(|watched| watched.sessions);
    let users = watched.map(|watched| watched.users);
    let params = names.params_and(&[&channel, &text, &sessions, &users]);
    let rows = parts.run(&Statement::lookup(SAY, &params)).await?;
    let row = rows.first().ok_or(End::Missing(&NOTIFYING))?;
    match row.try_get(2)? {
        None => Ok(Watched {
            sessions: row.try_get(0)?,
            users: row.try_get(1)?,
        }),
        Some(fault) => Err(NOTIFYING.end_by(fault)),
    }
}

/// The names that statements look for.
pub(super) struct Names {
    sessions: String,
    users: String,
    function: &'static str,
    prefix: &'static str,
    table: Option<String>,
}

impl Names {
    /// The parameters of `tables!`, and those that follow.
    pub(super) fn params_and<'a>(
        &'a self,
        rest: &[&'a (dyn Param + Sync)],
    ) -> Vec<&'a (dyn Param + Sync)> {
        let mut params: Vec<&(dyn Param + Sync)> = vec![
            &self.sessions,
            &self.users,
            &self.function,
            &MARK,
            &self.prefix,
            &self.table,
        ];
        params.extend(rest);
        params
    }
}

impl Triggers {
    pub(super) fn names(&self, parts: &Parts) -> Names {
        let tables = &parts.tables;
        Names {
            sessions: tables.quoted(&tables.session),
            users: tables.quoted(&tables.user),
            function: self.function,
            prefix: self.prefix,
            table: self.table.map(|table| tables.quoted(table)),
        }
    }

    /// Why changes are not told, by the fault that a statement has found.
    pub(super) fn end_by(&'static self, fault: &str) -> End {
        match fault {
            INHERITED => End::Inherited,
            _ => End::Missing(self),
        }
    }

    /// What makes what is missing.
    pub(super) fn remedy(&self) -> String {
        format!(
            "run `store.migrate(..)`, or `migrations/postgres/{}` by your migration tool",
            self.file
        )
    }

    /// Makes the function and the triggers, unless all of them are there as this version has them: a
    /// trigger that is made keeps writers of its table out, and waits for those who write.
    pub(super) async fn migrate(&self, migrating: &Migrating<'_>) -> Result<()> {
        const FUNCTION: &str = "SELECT obj_description(oid, 'pg_proc') IS NOT DISTINCT FROM $3::TEXT, prosrc \
             FROM pg_proc WHERE proname = $2::TEXT AND pronargs = 0 AND pronamespace = \
                 (SELECT oid FROM pg_namespace WHERE nspname = coalesce($1::TEXT, current_schema()))";
        const FOREIGN_TABLE: &str = "SELECT 1 FROM pg_class WHERE oid = to_regclass($1::TEXT) \
             AND obj_description(oid, 'pg_class') IS DISTINCT FROM $2::TEXT";
        const FOREIGN_TRIGGER: &str = "SELECT tgname::TEXT FROM pg_trigger \
             WHERE tgrelid = to_regclass($1::TEXT) \
             AND tgname IN ($3::TEXT || 'update', $3::TEXT || 'delete', $3::TEXT || 'truncate') \
             AND obj_description(tgfoid, 'pg_proc') IS DISTINCT FROM $2::TEXT";

        let parts = migrating.parts;
        let tables = &parts.tables;
        let params: Params<'_> = &[&tables.schema, &self.function, &MARK];
        let function = migrating.rows(FUNCTION, params, |row| {
            Ok(Some((row.try_get(0)?, row.try_get(1)?)))
        });
        let function: Option<(bool, String)> = function.await?.pop();
        if let Some((false, _)) = function {
            let what = format!("function `{}()`", self.function);
            return Err(foreign(&tables.session, &what));
        }
        if let Some(table) = self.table {
            let params: Params<'_> = &[&tables.quoted(table), &MARK];
            let found = migrating.rows(FOREIGN_TABLE, params, |_| Ok(Some(())));
            if !found.await?.is_empty() {
                return Err(foreign(table, "table"));
            }
        }
        for table in [&tables.session, &tables.user] {
            let params: Params<'_> = &[&tables.quoted(table), &MARK, &self.prefix];
            let found = migrating.rows(FOREIGN_TRIGGER, params, |row| {
                Ok(row.try_get::<_, Option<String>>(0)?)
            });
            if let Some(name) = found.await?.first() {
                return Err(foreign(table, &format!("trigger `{name}`")));
            }
        }
        // What stands between the first two `$$`.
        let source = self.sql.split("$$").nth(1);
        let is_current = function.is_some_and(|(_, current)| source == Some(&current));
        let names = self.names(parts);
        let params = names.params_and(&[]);
        let faults = migrating.rows(FAULTS, &params, |_| Ok(Some(())));
        if is_current && faults.await?.is_empty() {
            return Ok(());
        }
        migrating.execute(&tables.apply(self.sql)).await
    }

    /// Checks that the changes of both tables are told.
    pub(super) async fn check(&self, parts: &Parts) -> Result<()> {
        let tables = &parts.tables;
        let names = self.names(parts);
        let params = names.params_and(&[]);
        let faults = parts.ask(FAULTS, &params, |row| {
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
        let reason = match (&**fault, self.table) {
            (INHERITED, _) => WHY_INHERITED.to_owned(),
            (trigger, None) => format!(
                "the cache needs the trigger `{trigger}`, switched on: {}",
                self.remedy()
            ),
            (trigger, Some(changes)) => format!(
                "the cache needs the trigger `{trigger}`, switched on, and the unlogged table `{changes}` in \
                 the schema of its function: {}",
                self.remedy()
            ),
        };
        Err(StoreError::schema(table, None, reason))
    }
}

fn foreign(table: &str, what: &str) -> StoreError {
    let reason = format!(
        "there is a {what} that is not lucia's, and the cache needs one of this name: rename it"
    );
    StoreError::schema(table, None, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the function of a kind says of a change, and what its triggers are.
    fn shared(triggers: &Triggers) -> (&str, String) {
        let source = triggers.sql.split("$$").nth(1).unwrap();
        let (_, says) = source.split_once("BEGIN\n").unwrap();
        let (says, _) = says.split_once("    END IF;\n").unwrap();
        let (_, made) = triggers
            .sql
            .split_once("CREATE OR REPLACE TRIGGER")
            .unwrap();
        let made = made
            .replace(triggers.function, NOTIFYING.function)
            .replace(triggers.prefix, NOTIFYING.prefix);
        (says, made)
    }

    #[test]
    fn all_kinds_say_the_same_of_a_change_by_triggers_of_the_same_kind() {
        let notifying = shared(&NOTIFYING);
        assert!(notifying.0.contains("OFFSET 10000"));
        assert!(notifying.1.contains("AFTER TRUNCATE"));
        assert_eq!(shared(&RECORDING), notifying);
    }
}
