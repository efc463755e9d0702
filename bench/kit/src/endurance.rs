//! Whether the memory of a server stays the same under load, for as long as it is asked for.

use std::fmt::Write;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::catalogue::Sessions;
use crate::load::{self, Connection, Length, Load};
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::report::grouped;
use crate::requests::{Answer, Request};
use crate::results::{Spread, number};
use crate::servers::{Program, Running};
use crate::sign_in;
use crate::stage::{Setting, Stage};

/// How often memory is looked at.
const SAMPLES: u32 = 120;

/// How many lines the table of the report has.
const LINES: usize = 20;

/// A request is given up as often.
const GIVEN_UP_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    /// In bytes.
    memory: u64,
}

/// What came of it.
pub(crate) struct Endured {
    requests: u64,
    sign_ins: u64,
    given_up: u64,
    samples: Vec<Sample>,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (&[sessions], &[connections]) =
        (options.sessions.as_slice(), options.connections.as_slice())
    else {
        bail!("this takes one number of sessions and one of connections: `--connections 512`");
    };
    let servers = match options.servers.as_slice() {
        [] => vec!["lucia".to_owned()],
        chosen => chosen.to_vec(),
    };
    let stage = Stage::set(Setting {
        servers: &servers,
        sessions: &[sessions],
        idle: 0,
        cookies: options.cookies,
        pool: options.pool,
    })
    .await?;
    sign_in::give_passwords(&stage, sessions).await?;
    let mut text = String::from("# Memory over time\n\n");
    for (what, value) in machine::describe(&stage).await? {
        writeln!(text, "- {what}: {value}")?;
    }
    writeln!(
        text,
        "\n{connections} connections ask for {} minutes; one request in eight has no session, an unknown or a \
         malformed one. Beside them one connection signs in, where the server has that, and {} times a second \
         a request is given up before its answer.",
        options.minutes,
        1000 / GIVEN_UP_EVERY.as_millis(),
    )?;
    let mut csv = String::from("server,seconds,memory_bytes\n");
    for program in &stage.programs {
        let time = Duration::from_secs_f64(options.minutes * 60.0);
        let endured = endure(&stage, program, sessions, connections, time).await?;
        for sample in &endured.samples {
            let (at, memory) = (sample.at.as_secs_f64(), sample.memory);
            writeln!(csv, "{},{at:.1},{memory}", program.entry.name)?;
        }
        text += &section(program, &endured)?;
    }
    let out = options.out();
    fs::create_dir_all(&out).context("cannot make the directory of the report")?;
    fs::write(out.join("endurance.md"), text)?;
    fs::write(out.join("endurance.csv"), csv)?;
    progress(&format!("the report is in {}", out.display()));
    Ok(())
}

/// Has a server answer all of these for so long.
pub(crate) async fn endure(
    stage: &Stage,
    program: &Program,
    sessions: u32,
    connections: usize,
    time: Duration,
) -> Result<Endured> {
    let running = stage.start(program, sessions, &[])?;
    let length = Length::Time {
        warm_up: Duration::ZERO,
        measured: time,
    };
    let requests = Rc::new(mixed(&stage.requests(program, sessions), program));
    let load = Load {
        port: running.port(),
        connections,
        requests: requests.clone(),
        length,
    };
    let sign_ins = async {
        if !sign_in::SERVERS.contains(&program.entry.name) {
            return Ok(0);
        }
        let load = Load {
            connections: 1,
            requests: Rc::new(sign_in::requests(sessions)),
            ..load.clone()
        };
        let (outcome, ..) = load::send(&load, || Ok(())).await?;
        Ok(outcome.requests)
    };
    let ((outcome, ..), sign_ins, given_up, samples) = tokio::try_join!(
        load::send(&load, || Ok(())),
        sign_ins,
        give_up(&running, &requests, time),
        watch(stage, &running, program.entry.name, time),
    )?;
    running.stop()?;
    Ok(Endured {
        requests: outcome.requests,
        sign_ins,
        given_up,
        samples,
    })
}

/// Valid requests with others between them.
fn mixed(valid: &[Request], program: &Program) -> Vec<Request> {
    let mut others = match program.entry.sessions {
        Sessions::Nobodys => Vec::new(),
        _ => vec![
            Request::anonymous(),
            Request::with_token(&"0".repeat(40), Answer::Unauthorized),
            Request::with_token("malformed", Answer::Unauthorized),
        ],
    }
    .into_iter()
    .cycle();
    let mut mixed = Vec::with_capacity(valid.len() * 8 / 7 + 1);
    for (turn, request) in valid.iter().enumerate() {
        mixed.push(request.clone());
        if turn % 7 == 6 {
            mixed.extend(others.next());
        }
    }
    mixed
}

/// Sends requests over connections that it closes right away.
async fn give_up(running: &Running, requests: &[Request], time: Duration) -> Result<u64> {
    let begin = Instant::now();
    let mut given_up = 0;
    for request in requests.iter().cycle() {
        if begin.elapsed() > time {
            break;
        }
        let mut connection = Connection::open(running.port()).await?;
        connection.send(request).await?;
        drop(connection);
        given_up += 1;
        tokio::time::sleep(GIVEN_UP_EVERY).await;
    }
    Ok(given_up)
}

async fn watch(
    stage: &Stage,
    running: &Running,
    name: &str,
    time: Duration,
) -> Result<Vec<Sample>> {
    let watched = stage.watch(running);
    let begin = Instant::now();
    let mut samples = Vec::new();
    for number in 1..=SAMPLES {
        let next = begin + time * number / SAMPLES;
        tokio::time::sleep_until(next.into()).await;
        let sample = Sample {
            at: begin.elapsed(),
            memory: watched.memory()?,
        };
        if number % (SAMPLES / 10) == 0 {
            progress(&format!(
                "{name}: {:.1} MiB after {:.0} s",
                mebibytes(sample.memory),
                sample.at.as_secs_f64()
            ));
        }
        samples.push(sample);
    }
    Ok(samples)
}

fn section(program: &Program, endured: &Endured) -> Result<String> {
    let mut text = format!(
        "\n## {}\n\n{} right answers, {} sign-ins, {} requests that were given up. {}\n\n\
         | minutes | memory, MiB |\n|---|---|\n",
        program.entry.title,
        grouped(number(endured.requests)),
        grouped(number(endured.sign_ins)),
        grouped(number(endured.given_up)),
        growth(&endured.samples).unwrap_or_default(),
    );
    let every = endured.samples.len().div_ceil(LINES).max(1);
    for sample in endured.samples.iter().skip(every - 1).step_by(every) {
        let minutes = sample.at.as_secs_f64() / 60.0;
        writeln!(text, "| {minutes:.1} | {:.1} |", mebibytes(sample.memory))?;
    }
    Ok(text)
}

/// How the memory at the end differs from that at the beginning, and its slope. The first fifth is left out,
/// in which pools and buffers grow to what the load needs.
fn growth(samples: &[Sample]) -> Option<String> {
    let samples = &samples[samples.len() / 5..];
    let fifth = samples.len().div_ceil(5);
    let median = |part: &[Sample]| {
        let memory = part.iter().map(|sample| mebibytes(sample.memory));
        Some(Spread::of(memory.collect())?.median)
    };
    let begin = median(samples.get(..fifth)?)?;
    let end = median(samples.get(samples.len() - fifth..)?)?;
    Some(format!(
        "After the first fifth of the time, memory went from {begin:.1} to {end:.1} MiB, by {:+.1} %; the line \
         through all samples since then rises by {:+.2} MiB an hour.",
        100.0 * (end - begin) / begin,
        slope(samples) * 3600.0,
    ))
}

/// By least squares, in MiB a second.
fn slope(samples: &[Sample]) -> f64 {
    let points = || {
        samples
            .iter()
            .map(|one| (one.at.as_secs_f64(), mebibytes(one.memory)))
    };
    let count = number(samples.len() as u64);
    let mean = |sum: f64| sum / count;
    let (x, y) = (
        mean(points().map(|(x, _)| x).sum()),
        mean(points().map(|(_, y)| y).sum()),
    );
    let above: f64 = points().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points().map(|point| (point.0 - x).powi(2)).sum();
    above / below
}

fn mebibytes(bytes: u64) -> f64 {
    number(bytes) / 1024.0 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample = |second| Sample {
            at: Duration::from_secs(second),
            memory: memory(second) * 1024 * 1024,
        };
        (1..=100).map(sample).collect()
    }

    #[test]
    fn memory_that_stays_is_flat_whatever_it_was_at_first() {
        let flat = samples(|second| 100 - 20_u64.saturating_sub(second));
        assert!(slope(&flat[20..]).abs() < 1e-9);
        assert!(growth(&flat).unwrap().contains("by +0.0 %"));
    }

    #[test]
    fn memory_that_grows_is_seen() {
        let leaking = samples(|second| 100 + second);
        assert!((slope(&leaking) - 1.0).abs() < 1e-9);
        let growth = growth(&leaking).unwrap();
        assert!(growth.contains("+3600.00 MiB an hour"), "{growth}");
    }
}
