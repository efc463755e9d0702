//! Writes what was found out: `report.md`, its charts, and `rounds.csv` with every measurement.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::catalogue::{self, HAND_WRITTEN};
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::results::{Case, Results, Spread};
use crate::stage::Stage;

pub(crate) async fn write(options: &Options, stage: &Stage, results: &Results) -> Result<()> {
    let mut text = String::from("# Measurements\n\n");
    for (what, value) in machine::describe(stage).await? {
        writeln!(text, "- {what}: {value}")?;
    }
    for sessions in &options.sessions {
        for connections in &options.connections {
            writeln!(
                text,
                "\n## {} connections, {} sessions\n",
                grouped(*connections as f64),
                grouped(f64::from(*sessions)),
            )?;
            text += &table(stage, results, *connections, *sessions)?;
        }
    }
    fs::create_dir_all(&options.out).context("cannot make the directory of the report")?;
    fs::write(options.out.join("report.md"), text)?;
    fs::write(options.out.join("rounds.csv"), csv(results)?)?;
    progress(&format!("the report is in {}", options.out.display()));
    Ok(())
}

const HEAD: &str = "\
| server | requests a second | to hand-written | p50 ms | p99 ms | CPU of the server, µs a request | \
CPU of its databases | peak memory, MiB | statements a request |
|---|---|---|---|---|---|---|---|---|
";

fn table(stage: &Stage, results: &Results, connections: usize, sessions: u32) -> Result<String> {
    let mut text = HEAD.to_owned();
    for program in &stage.programs {
        let case = |server| Case {
            server,
            connections,
            sessions,
        };
        let this = case(program.entry.name);
        let median = |figure: &dyn Fn(&_) -> f64| {
            let spread = results.spread(this, figure);
            spread.map_or(f64::NAN, |spread| spread.median)
        };
        let Some(speed) = results.spread(this, |one| one.requests_per_second()) else {
            continue;
        };
        let ratio = results.ratio(this, case(HAND_WRITTEN));
        writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} | {} |",
            program.entry.title,
            with_spread(speed, grouped),
            ratio.map_or("–".to_owned(), |ratio| with_spread(
                ratio,
                |ratio| format!("{ratio:.2}")
            )),
            median(&|one| milliseconds(one.p50)),
            median(&|one| milliseconds(one.p99)),
            median(&|one| one.per_request(one.usage.server)),
            median(&|one| one.per_request(one.usage.postgres + one.usage.redis)),
            median(&|one| one.peak_memory as f64 / 1024.0 / 1024.0),
            results
                .statements(this)
                .map_or("–".to_owned(), |number| format!("{number:.2}")),
        )?;
    }
    Ok(text)
}

fn with_spread(spread: Spread, show: impl Fn(f64) -> String) -> String {
    let [median, least, greatest] = [spread.median, spread.least, spread.greatest].map(show);
    format!("{median} ({least}–{greatest})")
}

fn csv(results: &Results) -> Result<String> {
    let mut text = String::from(
        "server,connections,sessions,round,requests,seconds,p50_us,p99_us,\
         server_cpu_us,postgres_cpu_us,redis_cpu_us,kit_cpu_us,peak_memory_bytes\n",
    );
    for one in &results.measurements {
        writeln!(
            text,
            "{},{},{},{},{},{:.3},{},{},{},{},{},{},{}",
            one.case.server,
            one.case.connections,
            one.case.sessions,
            one.round,
            one.requests,
            one.elapsed.as_secs_f64(),
            one.p50.as_micros(),
            one.p99.as_micros(),
            one.usage.server.as_micros(),
            one.usage.postgres.as_micros(),
            one.usage.redis.as_micros(),
            one.usage.kit.as_micros(),
            one.peak_memory,
        )?;
    }
    Ok(text)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A whole number, its digits in groups of three.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
