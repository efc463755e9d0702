//! How soon a process with a cache knows what another process has changed.

mod probe;

pub(crate) use probe::{Places, Probe, Sample, Seen};

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::runtime;

use crate::catalogue::LUCIA_CACHE;
use crate::load::{self, Length};
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::report::{connections_in_words, grouped, milliseconds, with_spread};
use crate::results::{Case, Measurement, Results, number};
use crate::servers::Running;
use crate::stage::{Setting, Stage};

/// What was seen under one load in one round.
struct Round {
    case: Case,
    round: u32,
    samples: Vec<Sample>,
}

/// How it was seen that something was changed.
type HowSeen = fn(&Sample) -> Seen;

/// What a process may change for another one to see.
const CHANGES: [(&str, HowSeen); 2] = [
    ("revocation", |sample| sample.revocation),
    ("new name", |sample| sample.change),
];

pub(crate) async fn run(options: &Options) -> Result<()> {
    let &[sessions] = options.sessions.as_slice() else {
        bail!("this takes one number of sessions");
    };
    let stage = Stage::set(Setting {
        servers: &[LUCIA_CACHE.to_owned()],
        sessions: &[sessions],
        idle: 0,
        cookies: options.cookies,
        pool: options.pool,
    })
    .await?;
    let mut results = Results::default();
    let mut rounds = Vec::new();
    for round in 1..=options.rounds {
        for connections in &options.connections {
            let case = Case {
                server: LUCIA_CACHE,
                connections: *connections,
                sessions,
            };
            let (measurement, samples) = measure(&stage, options, case, round).await?;
            progress(&format!(
                "round {round} of {}: {}: {} revocations and as many new names",
                options.rounds,
                connections_in_words(*connections),
                samples.len()
            ));
            results.measurements.push(measurement);
            rounds.push(Round {
                case,
                round,
                samples,
            });
        }
    }
    let text = report(&stage, options, &results, &rounds).await?;
    let out = options.out();
    fs::create_dir_all(&out).context("cannot make the directory of the report")?;
    fs::write(out.join("revocation.md"), text)?;
    fs::write(out.join("revocation.csv"), csv(&rounds)?)?;
    progress(&format!("the report is in {}", out.display()));
    Ok(())
}

/// The probe is on a thread of its own, where it need not wait for its turn beside the load.
async fn measure(
    stage: &Stage,
    options: &Options,
    case: Case,
    round: u32,
) -> Result<(Measurement, Vec<Sample>)> {
    let (warm_up, measured) = (options.warm_up(), options.measured());
    let running = stage.start(stage.program(LUCIA_CACHE)?, case.sessions, &[])?;
    let places = stage.places(&running, case.sessions);
    let probing = tokio::task::spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(probe_for(&places, warm_up, measured))
    });
    let requests = stage.requests(stage.program(LUCIA_CACHE)?, case.sessions);
    let length = Length::Time { warm_up, measured };
    let observed = stage
        .observe(&running, requests, case.connections, length)
        .await;
    let samples = probing.await?;
    let measurement = Measurement::new(case, round, &observed?);
    running.stop()?;
    Ok((measurement, samples?))
}

/// As many samples as there are in the time that is measured.
async fn probe_for(places: &Places, warm_up: Duration, measured: Duration) -> Result<Vec<Sample>> {
    let begin = Instant::now() + warm_up;
    let mut probe = Probe::new(places).await?;
    tokio::time::sleep_until(begin.into()).await;
    let mut samples = Vec::new();
    while begin.elapsed() < measured {
        samples.push(probe.sample().await?);
    }
    Ok(samples)
}

/// Whether what another process changes is seen at all, so many times.
pub(crate) async fn check(
    stage: &Stage,
    running: &Running,
    sessions: u32,
    times: u32,
) -> Result<()> {
    let mut probe = Probe::new(&stage.places(running, sessions)).await?;
    for _ in 0..times {
        probe.sample().await?;
    }
    Ok(())
}

async fn report(
    stage: &Stage,
    options: &Options,
    results: &Results,
    rounds: &[Round],
) -> Result<String> {
    let mut text = String::from("# How soon a change by another process is seen\n\n");
    for (what, value) in machine::describe(stage).await? {
        writeln!(text, "- {what}: {value}")?;
    }
    writeln!(
        text,
        "\nA server with lucia's cache is under the load of so many connections. Beside them, another \
         process renames a user and ends a session, each after an answer that is known to have come \
         from the cache, and then asks until the answer is the new one. The time is that from the \
         return of the change to the sending of the first request that is answered by it. {} \
         rounds of {} s, each after {} s of the same load; figures are of all rounds together.\n",
        options.rounds, options.seconds, options.warm_up,
    )?;
    text += "| connections | requests a second | seen | times | p50, ms | p99, ms | longest, ms \
             | old answers, each | most |\n|---|---|---|---|---|---|---|---|---|\n";
    for connections in &options.connections {
        let all = || {
            let of_load = rounds.iter();
            of_load.filter(|round| round.case.connections == *connections)
        };
        let Some(case) = all().map(|round| round.case).next() else {
            continue;
        };
        let speed = results.spread(case, Measurement::requests_per_second);
        let speed = speed.map_or_else(String::new, |speed| with_spread(speed, grouped));
        for (what, of) in CHANGES {
            let seen: Vec<_> = all().flat_map(|round| &round.samples).map(of).collect();
            let columns = columns(&seen)?;
            writeln!(text, "| {connections} | {speed} | {what} | {columns} |")?;
        }
    }
    Ok(text)
}

/// The columns of a report about what was seen.
fn columns(seen: &[Seen]) -> Result<String> {
    let mut times = load::no_times()?;
    for one in seen {
        load::record(&mut times, one.after);
    }
    let quantile = |part| milliseconds(Duration::from_nanos(times.value_at_quantile(part)));
    let old_answers: u64 = seen.iter().map(|one| one.old_answers).sum();
    let most = seen.iter().map(|one| one.old_answers).max();
    Ok(format!(
        "{} | {:.2} | {:.2} | {:.2} | {:.2} | {}",
        grouped(number(times.len())),
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
        number(old_answers) / number(times.len()),
        most.unwrap_or(0),
    ))
}

fn csv(rounds: &[Round]) -> Result<String> {
    let mut text = String::from("connections,sessions,round,what,seen_after_us,old_answers\n");
    for Round {
        case,
        round,
        samples,
    } in rounds
    {
        for (what, of) in CHANGES {
            for seen in samples.iter().map(of) {
                writeln!(
                    text,
                    "{},{},{round},{what},{},{}",
                    case.connections,
                    case.sessions,
                    seen.after.as_micros(),
                    seen.old_answers,
                )?;
            }
        }
    }
    Ok(text)
}
