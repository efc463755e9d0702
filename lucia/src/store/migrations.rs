//! The numbered files that make lucia's tables, and which of them have run.
//!
//! A file is never edited after a release: a later change is a file with the next number. To add one:
//!
//! 1. Write `migrations/postgres/0002_NAME.sql` and `migrations/sqlite/0002_NAME.sql` for the default
//!    names of tables, each name in double quotes. A tool of the application can have run the file
//!    before, and a table can have been dropped since, so running it again changes nothing: write
//!    `IF NOT EXISTS`.
//! 2. Append it to `files!` with the tables that it [makes](Migration::makes). SQLite has no
//!    `ADD COLUMN IF NOT EXISTS`; a file that adds a column names it in [`adds`](Migration::adds), and is
//!    not run where the column is there.
//! 3. Put a copy of the file for Postgres into `examples/sqlx-sea-orm/migrations/`.
//!
//! `refinery` does not fit: its current version needs Rust 1.92 and an older rusqlite than lucia has,
//! and it commits its files by themselves, while `migrate` does all of its work in one transaction.

use sha2::{Digest, Sha256};

use super::tables::{TableNames, quote};
use crate::ascii::Ascii;
use crate::store::{Result, StoreError};

/// The table that says which files have run, one row for each file and set of tables.
pub(crate) const RECORD: &str = "lucia_migration";

/// The columns of the record.
pub(crate) const RECORD_COLUMNS: &str = r#"(
    "tables" TEXT NOT NULL,
    "number" BIGINT NOT NULL,
    "checksum" TEXT NOT NULL,
    "ran_at" BIGINT NOT NULL,
    PRIMARY KEY ("tables", "number")
)"#;

/// One of the tables, by the name that it has.
type TableOf = fn(&TableNames) -> &str;

/// A numbered file.
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) file: &'static str,
    pub(crate) sql: &'static str,
    /// The tables that the file makes.
    pub(crate) makes: fn(&TableNames) -> Vec<&str>,
    /// The table and column that the file adds, and nothing else, on SQLite.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code))]
    pub(crate) adds: Option<(TableOf, &'static str)>,
}

/// The numbered files of a database, the oldest first.
macro_rules! files {
    ($folder:literal) => {
        files! { $folder:
            1, "0001_tables.sql", TableNames::first, None;
            2, "0002_one_time_tokens.sql", TableNames::tokens, None;
            3, "0003_verified_keys.sql", |_| Vec::new(), Some((|names| &names.key, "verified_at"));
            4, "0004_outgoing_mail.sql", TableNames::mails, None;
            5, "0005_user_credential.sql", TableNames::credentials, None;
        }
    };
    ($folder:literal: $($number:literal, $file:literal, $makes:expr, $adds:expr;)+) => {
        [$(Migration {
            number: $number,
            file: $file,
            sql: include_str!(concat!("../../migrations/", $folder, "/", $file)),
            makes: $makes,
            adds: $adds,
        }),+]
    };
}

#[cfg(feature = "postgres")]
pub(crate) const POSTGRES_FILES: [Migration; 5] = files!("postgres");
#[cfg(feature = "sqlite")]
pub(crate) const SQLITE_FILES: [Migration; 5] = files!("sqlite");

impl Migration {
    /// The SHA-256 of the file, in hexadecimal. Git can have changed the ends of its lines.
    pub(crate) fn checksum(&self) -> String {
        let digest = Sha256::digest(self.sql.replace('\r', ""));
        Ascii::hex(digest.into()).as_str().to_owned()
    }
}

/// A file that has run, as the database recorded it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) number: i64,
    pub(crate) checksum: String,
}

/// Those of the `known` files that have not run. Refuses a database where a file has run that is not
/// known, or that was another one when it ran.
pub(crate) fn pending<'a>(known: &'a [Migration], ran: &[Ran]) -> Result<Vec<&'a Migration>> {
    let refuse = |reason: String| Err(StoreError::schema(RECORD, None, reason));
    let newest = known.iter().map(|migration| migration.number).max();
    if let Some(newer) = ran.iter().find(|ran| Some(ran.number) > newest) {
        return refuse(format!(
            "the database is newer than this version of lucia: migration {:04} has run, and the last \
             one that this version knows is {:04}; use a version of lucia that knows it",
            newer.number,
            newest.unwrap_or(0)
        ));
    }
    let mut pending = Vec::new();
    for migration in known {
        let Some(ran) = ran.iter().find(|ran| ran.number == migration.number) else {
            pending.push(migration);
            continue;
        };
        if ran.checksum != migration.checksum() {
            return refuse(format!(
                "`{}` was changed after it ran: its SHA-256 was {}, and is {}; restore the file, and \
                 write the change as a migration with the next number",
                migration.file,
                ran.checksum,
                migration.checksum()
            ));
        }
    }
    Ok(pending)
}

/// The tables that files other than the pending ones have made.
pub(crate) fn made_by<'a>(
    known: &[Migration],
    pending: &[&Migration],
    tables: &'a TableNames,
) -> Vec<&'a str> {
    let is_pending = |number| pending.iter().any(|pending| pending.number == number);
    let have_run = known.iter().filter(|known| !is_pending(known.number));
    have_run.flat_map(|ran| (ran.makes)(tables)).collect()
}

/// What the record calls a set of tables: two stores can have tables in one database. These are the
/// tables of the first file. Those of later files are not named, so that a set keeps its name.
pub(crate) fn recorded_as(tables: &TableNames) -> String {
    let names: Vec<_> = tables.first().into_iter().map(quote).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn migration(number: i64, sql: &'static str) -> Migration {
        Migration {
            number,
            file: "000N_file.sql",
            sql,
            makes: |_| Vec::new(),
            adds: None,
        }
    }

    const KNOWN: [Migration; 2] = [migration(1, "SELECT 1;\n"), migration(2, "SELECT 2;\n")];

    fn ran(migration: &Migration) -> Ran {
        Ran {
            number: migration.number,
            checksum: migration.checksum(),
        }
    }

    fn reason<T: std::fmt::Debug>(refused: Result<T>) -> String {
        match refused {
            Err(StoreError::Schema { table, reason, .. }) if table == RECORD => reason,
            other => panic!("{other:?}"),
        }
    }

    fn numbers(ran: &[Ran]) -> Vec<i64> {
        let pending = pending(&KNOWN, ran).map_err(|error| error.to_string());
        pending.unwrap().iter().map(|it| it.number).collect()
    }

    #[test]
    fn what_has_not_run_is_pending() {
        assert_eq!(numbers(&[]), [1, 2]);
        assert_eq!(numbers(&[ran(&KNOWN[0])]), [2]);
        assert!(numbers(&[ran(&KNOWN[1]), ran(&KNOWN[0])]).is_empty());
    }

    #[test]
    fn a_newer_database_is_refused() {
        let newer = migration(3, "");
        let refused = pending(&KNOWN, &[ran(&KNOWN[0]), ran(&newer)]).map(|_| ());
        let reason = reason(refused);
        assert!(
            reason.contains("newer") && reason.contains("0003"),
            "{reason}"
        );
    }

    #[test]
    fn a_file_that_was_changed_after_it_ran_is_refused_by_its_name() {
        let before = migration(1, "SELECT 0;\n");
        let refused = pending(&KNOWN, &[ran(&before)]).map(|_| ());
        let reason = reason(refused);
        assert!(
            reason.contains("000N_file.sql") && reason.contains("changed"),
            "{reason}"
        );
    }

    #[test]
    fn the_ends_of_lines_are_not_part_of_a_file() {
        let windows = migration(1, "SELECT 1;\r\n");
        assert_eq!(windows.checksum(), KNOWN[0].checksum());
        assert_eq!(
            KNOWN[0].checksum(),
            "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd"
        );
    }
}
