//! Measures servers against each other.
//!
//! In each round everything is measured once, so that what changes on the machine as time goes by
//! changes it for all. Who comes first changes from round to round.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::catalogue::{ACTIX_SESSION, Entry, LUCIA_REDIS, LUCIA_REDIS_CACHE, LUCIA_REDIS_CACHES};
use crate::chart::Emphasis;
use crate::load::Length;
use crate::options::{Mode, Options};
use crate::progress;
use crate::report::{Report, Row, connections_in_words};
use crate::results::{Case, Count, Measurement, Results};
use crate::servers::Program;
use crate::stage::{Setting, Stage};

pub(crate) async fn run(options: &Options) -> Result<()> {
    let versus = match options.mode {
        Mode::Redis => Some(ACTIX_SESSION),
        _ => None,
    };
    let mut servers = options.servers.clone();
    if let (Some(versus), true) = (versus, servers.is_empty()) {
        servers = [versus, LUCIA_REDIS, LUCIA_REDIS_CACHE, LUCIA_REDIS_CACHES]
            .map(str::to_owned)
            .into();
    }
    let stage = Stage::set(Setting {
        servers: &servers,
        sessions: &options.sessions,
        idle: 0,
        cookies: options.cookies,
        pool: options.pool,
    })
    .await?;
    let mut results = Results::default();
    for round in 1..=options.rounds {
        for (program, case) in cases(&stage, options, round) {
            let measurement = measure(&stage, options, program, case, round).await?;
            progress(&format!(
                "round {round} of {}: {}, {}, {} sessions: {:.0} requests a second",
                options.rounds,
                case.server,
                connections_in_words(case.connections),
                case.sessions,
                measurement.requests_per_second(),
            ));
            results.measurements.push(measurement);
        }
    }
    progress("counting statements");
    stage.postgres.count_statements(true).await?;
    for (program, case) in cases(&stage, options, 0) {
        let count = count(&stage, program, case, &results).await?;
        results.counts.push(count);
    }
    let rows = stage.programs.iter().map(|program| {
        let entry = program.entry;
        row(entry, versus.unwrap_or(entry.base))
    });
    let report = Report {
        title: "lucia beside others",
        options,
        stage: &stage,
        results: &results,
        rows: rows.collect(),
        base: versus.unwrap_or("hand-written"),
        notes: match versus {
            Some(_) => in_redis(&stage),
            None => vec![
                "Ratios are to the hand-written handler on the same framework: on axum where the server is on \
                 axum, on actix-web for all others."
                    .to_owned(),
            ],
        },
    };
    report.write().await
}

fn in_redis(stage: &Stage) -> Vec<String> {
    let bytes = stage.bytes_in_redis.iter();
    bytes
        .map(|(entry, bytes)| format!("A session takes {bytes} bytes in Redis: {}.", entry.title))
        .collect()
}

fn row(entry: &Entry, base: &'static str) -> Row {
    Row {
        name: entry.name,
        title: entry.title.to_owned(),
        base,
        emphasis: match entry.name {
            _ if entry.name == base => Emphasis::Base,
            _ if entry.is_ours() => Emphasis::Own,
            _ => Emphasis::Other,
        },
    }
}

fn cases<'a>(stage: &'a Stage, options: &Options, round: u32) -> Vec<(&'a Program, Case)> {
    let mut cases = Vec::new();
    for connections in &options.connections {
        for sessions in &options.sessions {
            let mut programs: Vec<_> = stage.programs.iter().collect();
            programs.rotate_left(round as usize % stage.programs.len());
            cases.extend(programs.into_iter().map(|program| {
                let case = Case {
                    server: program.entry.name,
                    connections: *connections,
                    sessions: *sessions,
                };
                (program, case)
            }));
        }
    }
    cases
}

/// A server is started for each measurement, so that none is idle beside another, and its peak of
/// memory is its own.
async fn measure(
    stage: &Stage,
    options: &Options,
    program: &Program,
    case: Case,
    round: u32,
) -> Result<Measurement> {
    let running = stage.start(program, case.sessions, &[])?;
    let length = Length::Time {
        warm_up: options.warm_up(),
        measured: options.measured(),
    };
    let requests = stage.requests(program, case.sessions);
    let observed = stage
        .observe(&running, requests, case.connections, length)
        .await
        .with_context(|| {
            format!(
                "{} at {}",
                case.server,
                connections_in_words(case.connections)
            )
        })?;
    running.stop()?;
    Ok(Measurement::new(case, round, &observed))
}

/// Statements are counted in a pass of their own, which is not timed: counting them costs the
/// database something for each. It has as many requests as were answered in a second before, after so
/// many that each session has asked.
async fn count(stage: &Stage, program: &Program, case: Case, results: &Results) -> Result<Count> {
    let speed = results.spread(case, Measurement::requests_per_second);
    let speed = speed.map_or(0.0, |speed| speed.median);
    let requests = Duration::from_secs_f64(speed).as_secs().max(1000);

    let running = stage.start(program, case.sessions, &[])?;
    let pass = async |requests| {
        let length = Length::Requests(requests);
        let cookies = stage.requests(program, case.sessions);
        let observed = stage.observe(&running, cookies, case.connections, length);
        observed.await
    };
    let cookies = stage.requests(program, case.sessions).len();
    pass(u64::try_from(cookies)?.max(1000)).await?;
    let before = stage.postgres.statements().await?;
    pass(requests).await?;
    let statements = stage.postgres.statements().await? - before;
    running.stop()?;
    Ok(Count {
        case,
        statements,
        requests,
    })
}
