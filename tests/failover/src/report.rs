//! What a campaign has found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use lucia_tests::{Failover, Replication};

use crate::Campaign;
use crate::bug::Bug;
use crate::ledger::{Check, Finding, Kind, Record, Recovery};

/// How many findings are quoted.
const QUOTED: usize = 5;

/// What a round has found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) how: Failover,
    /// Since when the visitors were there.
    pub(crate) begun: Instant,
    /// When the primary was taken down, or a moment before.
    pub(crate) ended: Instant,
    /// When the standby accepted writes.
    pub(crate) writable: Instant,
    pub(crate) sites: usize,
    /// The requests until the end of the load, and those that looked at what was acknowledged.
    pub(crate) load: Vec<Record>,
    pub(crate) audit: Vec<Record>,
    pub(crate) findings: Vec<Finding>,
}

/// What all rounds of a campaign have found.
#[derive(Debug)]
pub struct Report {
    replication: Replication,
    bug: Option<Bug>,
    visitors: usize,
    hows: Vec<Failover>,
    requests: BTreeMap<Kind, Requests>,
    outages: Vec<Duration>,
    recoveries: BTreeMap<Kind, Vec<Recovery>>,
    failures: BTreeMap<Check, usize>,
    quoted: Vec<String>,
    /// What asynchronous replication has lost, as it may.
    losses: BTreeMap<Check, usize>,
    /// How long before the failover the oldest of it had been acknowledged.
    oldest_loss: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    sent: usize,
    refused: usize,
}

impl Outcome {
    /// How requests of each kind came to succeed again at each web server, if they did.
    fn recoveries(&self) -> impl Iterator<Item = (Kind, usize, Option<Recovery>)> {
        let sites = (0..self.sites).flat_map(|site| Kind::ALL.map(|kind| (kind, site)));
        sites.map(|(kind, site)| {
            let recovery = Recovery::of(&self.load, kind, site, self.writable);
            (kind, site, recovery)
        })
    }

    fn outage(&self) -> Duration {
        self.writable - self.ended
    }

    /// Whether the engine may lose what was acknowledged then: the old primary had it, and does not wait
    /// for the standby.
    fn may_lose(&self, finding: &Finding) -> bool {
        let is_lost = matches!(finding.check, Check::LostLogIn | Check::LostRevocation);
        let span = self.begun..self.writable;
        is_lost && finding.acknowledged.is_some_and(|at| span.contains(&at))
    }
}

impl Report {
    pub(crate) fn new(campaign: &Campaign, visitors: usize) -> Self {
        Self {
            replication: campaign.replication,
            bug: campaign.bug,
            visitors,
            hows: Vec::new(),
            requests: BTreeMap::new(),
            outages: Vec::new(),
            recoveries: BTreeMap::new(),
            failures: BTreeMap::new(),
            quoted: Vec::new(),
            losses: BTreeMap::new(),
            oldest_loss: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        for record in outcome.load.iter().chain(&outcome.audit) {
            let requests = self.requests.entry(record.kind).or_default();
            requests.sent += 1;
            requests.refused += usize::from(!record.answered);
        }
        for (kind, site, recovery) in outcome.recoveries() {
            match recovery {
                Some(recovery) => self.recoveries.entry(kind).or_default().push(recovery),
                None => self.fail(
                    Check::NotRecovered,
                    &format!("{kind}: at web server {site}"),
                ),
            }
        }
        for finding in &outcome.findings {
            if self.replication == Replication::Asynchronous && outcome.may_lose(finding) {
                *self.losses.entry(finding.check).or_default() += 1;
                let acknowledged = finding.acknowledged.unwrap_or(outcome.ended);
                let age = outcome.ended.saturating_duration_since(acknowledged);
                self.oldest_loss = self.oldest_loss.max(age);
            } else {
                self.fail(finding.check, &finding.text);
            }
        }
        self.outages.push(outcome.outage());
        self.hows.push(outcome.how);
    }

    fn fail(&mut self, check: Check, text: &str) {
        *self.failures.entry(check).or_default() += 1;
        if self.quoted.len() < QUOTED {
            self.quoted.push(format!("{check}: {text}"));
        }
    }

    /// How often something was so that must not be.
    #[must_use]
    pub fn failures(&self, check: Check) -> usize {
        self.failures.get(&check).copied().unwrap_or_default()
    }

    /// Whether all was as it must be.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn lost(&self, check: Check) -> usize {
        self.losses.get(&check).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.load.iter().filter(|record| !record.answered).count();
        let recovered = self
            .recoveries()
            .try_fold(Duration::ZERO, |slowest, (.., one)| {
                Some(slowest.max(one?.first_success.max(one?.last_refusal)))
            });
        write!(
            f,
            "{}: writable after {} ms, ",
            name(self.how),
            self.outage().as_millis()
        )?;
        match recovered {
            Some(recovered) => write!(f, "all answered after {} ms more, ", recovered.as_millis()),
            None => write!(f, "not recovered, "),
        }?;
        let (requests, findings) = (self.load.len() + self.audit.len(), self.findings.len());
        write!(
            f,
            "{requests} requests, {refused} refused, {findings} findings"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replication = match self.replication {
            Replication::Synchronous => "Synchronous",
            Replication::Asynchronous => "Asynchronous",
        };
        let rounds = self.hows.len();
        writeln!(
            f,
            "{replication} replication, {rounds} promotions, {} visitors at 2 web servers",
            self.visitors
        )?;
        if let Some(bug) = self.bug {
            writeln!(f, "seeded bug: {}", bug.name())?;
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for how in &self.hows {
            *counts.entry(name(*how)).or_default() += 1;
        }
        for (name, count) in counts {
            writeln!(f, "  {count:>3} x the primary {name}")?;
        }

        writeln!(f)?;
        for check in Check::ALL {
            write!(f, "{check:<30}{:>7}", self.failures(check))?;
            match self.lost(check) {
                0 => writeln!(f),
                lost => writeln!(f, ", and {lost} that had not been sent to the standby"),
            }?;
        }
        if !self.oldest_loss.is_zero() {
            let millis = self.oldest_loss.as_millis();
            writeln!(
                f,
                "  the oldest of these was acknowledged {millis} ms before the failover"
            )?;
        }
        for quoted in &self.quoted {
            writeln!(f, "  {quoted}")?;
        }

        writeln!(f, "\n{:<30}{:>7}{:>7}", "", "all", "503")?;
        for (kind, requests) in &self.requests {
            writeln!(f, "{kind:<30}{:>7}{:>7}", requests.sent, requests.refused)?;
        }
        let sum = |of: fn(&Requests) -> usize| self.requests.values().map(of).sum::<usize>();
        let (sent, refused) = (sum(|one| one.sent), sum(|one| one.refused));
        writeln!(f, "{:<30}{sent:>7}{refused:>7}", "all requests")?;

        writeln!(
            f,
            "\n{:<30}{:>7}{:>7}{:>7}",
            "milliseconds", "p50", "p99", "max"
        )?;
        line(f, "until the standby is writable", self.outages.clone())?;
        writeln!(f, "from then to the first success")?;
        for (kind, recoveries) in &self.recoveries {
            let times = recoveries.iter().map(|one| one.first_success).collect();
            line(f, &format!("  {kind}"), times)?;
        }
        writeln!(f, "from then to the last 503")?;
        for (kind, recoveries) in &self.recoveries {
            let times = recoveries.iter().map(|one| one.last_refusal).collect();
            line(f, &format!("  {kind}"), times)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, mut times: Vec<Duration>) -> fmt::Result {
    times.sort_unstable();
    // The nearest rank.
    let percentile = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100);
        let time = times.get(rank.saturating_sub(1)).copied();
        time.unwrap_or_default().as_millis()
    };
    let [p50, p99, max] = [50, 99, 100].map(percentile);
    writeln!(f, "{name:<30}{p50:>7}{p99:>7}{max:>7}")
}

fn name(how: Failover) -> &'static str {
    match how {
        Failover::ReadOnly => "lives on, read-only",
        Failover::Stopped(lucia_tests::Stop::Kill) => "is killed",
        Failover::Stopped(lucia_tests::Stop::Fast) => "is stopped",
        Failover::Stopped(lucia_tests::Stop::Immediate) => "crashes",
    }
}
