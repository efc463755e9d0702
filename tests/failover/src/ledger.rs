//! What was asked and answered, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `POST /login`, with a password.
    SignIn,
    /// `GET /me`, which renews the session every other time.
    Me,
    /// `POST /logout`.
    SignOut,
    /// `POST /logout-everywhere`.
    SignOutEverywhere,
    /// `POST /password`, which ends the other sessions of the user.
    ChangePassword,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::SignIn,
        Self::Me,
        Self::SignOut,
        Self::SignOutEverywhere,
        Self::ChangePassword,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SignIn => "sign in",
            Self::Me => "/me",
            Self::SignOut => "sign out",
            Self::SignOutEverywhere => "sign out everywhere",
            Self::ChangePassword => "change password",
        })
    }
}

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// A 401 for a session that is in the database.
    WrongLogOut,
    /// A session that was acknowledged and is not in the database.
    LostLogIn,
    /// What was acknowledged to have ended, and is accepted.
    LostRevocation,
    /// A write at the old primary, after another server has acknowledged one.
    OldPrimaryWrote,
    /// Requests of a kind do not succeed again in time.
    NotRecovered,
    /// An answer that no outage explains.
    Unexpected,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::WrongLogOut,
        Self::LostLogIn,
        Self::LostRevocation,
        Self::OldPrimaryWrote,
        Self::NotRecovered,
        Self::Unexpected,
    ];
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WrongLogOut => "wrong log-outs",
            Self::LostLogIn => "lost log-ins",
            Self::LostRevocation => "lost revocations",
            Self::OldPrimaryWrote => "writes at the old primary",
            Self::NotRecovered => "not recovered",
            Self::Unexpected => "unexpected answers",
        })
    }
}

/// Something that must not be, or that asynchronous replication may lose.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    /// When something was acknowledged that does not hold.
    pub(crate) acknowledged: Option<Instant>,
    pub(crate) text: String,
}

/// An answer to a request, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) site: usize,
    pub(crate) sent: Instant,
    pub(crate) done: Instant,
    /// Not 503.
    pub(crate) answered: bool,
}

/// What happens in a round.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    records: Mutex<Vec<Record>>,
    findings: Mutex<Vec<Finding>>,
}

/// How long it took from when the standby accepted writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    /// Until a request first succeeded.
    pub(crate) first_success: Duration,
    /// Until a request was last refused.
    pub(crate) last_refusal: Duration,
}

impl Ledger {
    pub(crate) fn record(&self, record: Record) {
        lock(&self.records).push(record);
    }

    pub(crate) fn find(&self, finding: Finding) {
        lock(&self.findings).push(finding);
    }

    /// How often requests of each kind succeeded at each web server that were sent since then.
    pub(crate) fn successes(&self, since: Instant) -> BTreeMap<(Kind, usize), usize> {
        let mut successes = BTreeMap::new();
        for record in lock(&self.records).iter() {
            if record.answered && record.sent >= since {
                *successes.entry((record.kind, record.site)).or_default() += 1;
            }
        }
        successes
    }

    /// The web servers that have refused a request that was sent since then.
    pub(crate) fn refused(&self, since: Instant) -> BTreeSet<usize> {
        let records = lock(&self.records);
        let refused = records.iter().filter(|record| !record.answered);
        let refused = refused.filter(|record| record.sent >= since);
        refused.map(|record| record.site).collect()
    }

    /// When a request was last refused.
    pub(crate) fn last_refusal(&self) -> Option<Instant> {
        let records = lock(&self.records);
        let refused = records.iter().filter(|record| !record.answered);
        refused.map(|record| record.done).max()
    }

    pub(crate) fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut lock(&self.records))
    }

    pub(crate) fn take_findings(&self) -> Vec<Finding> {
        std::mem::take(&mut lock(&self.findings))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recovery {
    /// How requests of a kind came to succeed again at a web server, if they did.
    pub(crate) fn of(
        records: &[Record],
        kind: Kind,
        site: usize,
        writable: Instant,
    ) -> Option<Self> {
        let after = |answered: bool| {
            records
                .iter()
                .filter(move |record| {
                    (record.kind, record.site, record.answered) == (kind, site, answered)
                })
                .filter_map(|record| record.done.checked_duration_since(writable))
        };
        Some(Self {
            first_success: after(true).min()?,
            last_refusal: after(false).max().unwrap_or_default(),
        })
    }
}
