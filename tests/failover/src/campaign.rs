//! Rounds of promotions.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use lucia::{Auth, CacheOptions, Environment, PgStore};
use lucia_tests::{Failover, Pair, Replication, Stop, TestClock};
use tokio::task::block_in_place;

use crate::bug::{Bug, Faulty};
use crate::ledger::{Check, Finding, Kind};
use crate::report::{Outcome, Report};
use crate::site::{Site, sign_up};
use crate::visitor::{Visitor, World};

/// What happens to the primary, round after round.
pub const HOWS: [Failover; 4] = [
    Failover::Stopped(Stop::Kill),
    Failover::Stopped(Stop::Fast),
    Failover::ReadOnly,
    Failover::Stopped(Stop::Immediate),
];

/// For how long a session is not renewed, in the time of the clock that the visitors move.
const ACTIVE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// For how long nothing may be refused before a round is over.
const QUIET: Duration = Duration::from_millis(500);

/// How often requests of each kind succeed at each web server before a failover, and after it.
const BEFORE: usize = 3;
const AFTER: usize = 2;

/// How long a standby waits at the most until each web server has refused a request.
const NOTICE: Duration = Duration::from_secs(2);

/// How often it is looked how far the visitors are.
const GLANCE: Duration = Duration::from_millis(5);

/// How long the machine may take until each visitor has done something.
const PATIENCE: Duration = Duration::from_secs(90);

/// A campaign, as it is to be.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// How the standby follows the primary.
    pub replication: Replication,
    /// What happens to the primary in each round.
    pub hows: Vec<Failover>,
    /// What the first web server does wrong.
    pub bug: Option<Bug>,
    /// How long requests of all kinds may take to succeed again after the standby accepts writes.
    pub patience: Duration,
    /// The time-out of the stores.
    pub timeout: Duration,
    /// Whether each round is told on the standard error.
    pub is_told: bool,
}

impl Campaign {
    /// Rounds with these failovers, without a bug, and with lucia's own time-out.
    #[must_use]
    pub fn new(replication: Replication, hows: Vec<Failover>) -> Self {
        Self {
            replication,
            hows,
            bug: None,
            patience: Duration::from_secs(20),
            timeout: Duration::from_secs(5),
            is_told: false,
        }
    }

    /// Runs all rounds, on a runtime with several threads.
    ///
    /// # Errors
    ///
    /// Why it could not be run. What it found is in the report.
    pub async fn run(&self) -> Result<Report, String> {
        let mut pair = block_in_place(|| Pair::start(self.replication))?;
        let set_up = self.set_up(&pair).await;
        let mut stage = set_up.map_err(|error| format!("cannot set up: {error:?}"))?;
        let mut report = Report::new(self, stage.visitors.len());
        for (round, how) in self.hows.iter().copied().enumerate() {
            if round > 0 {
                block_in_place(|| pair.follow())?;
            }
            self.run_round(&mut pair, how, &mut stage, &mut report)
                .await?;
        }
        Ok(report)
    }

    async fn run_round(
        &self,
        pair: &mut Pair,
        how: Failover,
        stage: &mut Stage,
        report: &mut Report,
    ) -> Result<(), String> {
        let world = &stage.world;
        let ledger = &world.ledger;
        world.begin_round();
        let begun = Instant::now();
        let visits: Vec<_> = stage
            .visitors
            .drain(..)
            .map(|visitor| {
                let world = world.clone();
                tokio::spawn(async move { visitor.visit(&world).await })
            })
            .collect();
        while !has_done(world, begun, BEFORE) {
            if begun.elapsed() > PATIENCE {
                return Err("the visitors do nothing".to_owned());
            }
            tokio::time::sleep(GLANCE).await;
        }

        let ended = Instant::now();
        block_in_place(|| pair.take_down(how))?;
        // Long enough that both web servers notice.
        while ended.elapsed() < NOTICE && !are_all_refused(world, ended) {
            tokio::time::sleep(GLANCE).await;
        }
        let writable = block_in_place(|| pair.promote())?;
        let mut written = None;
        loop {
            // By the new primary, since the old one is read-only.
            let is_written = || has_written(world, writable);
            if how == Failover::ReadOnly && written.is_none() && is_written() {
                written = Some(block_in_place(|| pair.standby().next_transaction())?);
            }
            let last_refusal = ledger.last_refusal();
            let is_quiet = last_refusal.is_none_or(|at| at.elapsed() > QUIET);
            if is_quiet && has_done(world, writable, AFTER) {
                break;
            }
            if writable.elapsed() > self.patience {
                ledger.find(Finding {
                    check: Check::NotRecovered,
                    acknowledged: None,
                    text: format!("requests are refused after {:?}", self.patience),
                });
                break;
            }
            tokio::time::sleep(GLANCE).await;
        }
        world.end_round();
        let visitors = try_join_all(visits).await;
        let visitors = visitors.map_err(|error| format!("a visitor has failed: {error}"))?;
        let load = ledger.take_records();
        let audits = visitors.into_iter().map(|visitor| visitor.audit(world));
        stage.visitors = join_all(audits).await;

        if let Some(written) = written {
            let now = block_in_place(|| pair.standby().next_transaction())?;
            if now != written {
                ledger.find(Finding {
                    check: Check::OldPrimaryWrote,
                    acknowledged: None,
                    text: format!("transactions {written} to {now}"),
                });
            }
        }
        let outcome = Outcome {
            how,
            begun,
            ended,
            writable,
            sites: world.sites(),
            load,
            audit: ledger.take_records(),
            findings: ledger.take_findings(),
        };
        if self.is_told {
            // A reader that has closed its end does not need this line.
            let _ = writeln!(std::io::stderr(), "{outcome}");
        }
        report.add(outcome);
        Ok(())
    }

    async fn set_up(&self, pair: &Pair) -> Result<Stage, Box<dyn std::error::Error>> {
        let clock = TestClock::new();
        let builder = |store| {
            Auth::builder(store)
                .environment(Environment::Development)
                .clock(clock.reader())
                .active_period(ACTIVE)
                .idle_period(IDLE)
        };
        let url = pair.url("postgres");
        let healthy = || PgStore::builder().timeout(self.timeout);
        let caching = healthy().cache(CacheOptions::new()).connect(&url).await?;
        caching.migrate(&["username TEXT NOT NULL UNIQUE"]).await?;
        let first_url = match self.bug.and_then(Bug::options) {
            Some(options) => format!("{}{options}", pair.primary().url()),
            None => url.clone(),
        };
        let plain = healthy().connect(&first_url).await?;
        let mut first = builder(plain.clone());
        if let Some(bug) = self.bug.filter(|bug| bug.options().is_none()) {
            first = first.sessions(Faulty::new(plain, bug));
        }
        let witness = builder(healthy().connect(&url).await?).build()?;

        let servers = vec![
            Site::start(first.build()?)?,
            Site::start(builder(caching).build()?)?,
            Site::start(witness.clone())?,
        ];
        let visitors: Vec<_> = (0..2)
            .flat_map(|site| Kind::ALL.map(|kind| Visitor::new(kind, site)))
            .collect();
        for visitor in &visitors {
            let (username, password) = visitor.credentials();
            sign_up(&witness, username, password).await?;
        }
        let mut urls: Vec<_> = servers.iter().map(|site| site.url().to_owned()).collect();
        let witness = urls.pop().unwrap_or_default();
        Ok(Stage {
            world: Arc::new(World::new(urls, witness, clock, self.patience)),
            visitors,
            _servers: servers,
        })
    }
}

/// The web servers and those who visit them.
struct Stage {
    world: Arc<World>,
    visitors: Vec<Visitor>,
    /// They end with this.
    _servers: Vec<Site>,
}

/// Whether requests of each kind that were sent since then have succeeded so often at each web server.
fn has_done(world: &World, since: Instant, times: usize) -> bool {
    let successes = world.ledger.successes(since);
    let done = |kind, site| successes.get(&(kind, site)).copied().unwrap_or_default();
    (0..world.sites()).all(|site| Kind::ALL.iter().all(|kind| done(*kind, site) >= times))
}

/// Whether each web server has refused a request since then.
fn are_all_refused(world: &World, since: Instant) -> bool {
    let refused = world.ledger.refused(since);
    (0..world.sites()).all(|site| refused.contains(&site))
}

/// Whether something that is written has been acknowledged.
fn has_written(world: &World, since: Instant) -> bool {
    let successes = world.ledger.successes(since);
    successes.keys().any(|(kind, _)| *kind != Kind::Me)
}
