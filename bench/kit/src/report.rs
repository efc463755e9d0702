//! Writes what was found out: `report.md`, its charts, and `rounds.csv` with every measurement.

mod charts;
mod growth;
mod rounds;

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::chart::Emphasis;
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::results::{Case, Results, Spread, number};
use crate::stage::Stage;

/// What is reported, and in which words.
pub(crate) struct Report<'a> {
    pub(crate) title: &'a str,
    pub(crate) options: &'a Options,
    pub(crate) stage: &'a Stage,
    pub(crate) results: &'a Results,
    pub(crate) rows: Vec<Row>,
    /// What rows are compared to, in words.
    pub(crate) base: &'static str,
    /// What is to be said besides.
    pub(crate) notes: Vec<String>,
}

/// What was measured under a name.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) emphasis: Emphasis,
    /// The row that it is compared to.
    pub(crate) base: &'static str,
}

impl Report<'_> {
    pub(crate) async fn write(&self) -> Result<()> {
        let out = &self.options.out();
        fs::create_dir_all(out).context("cannot make the directory of the report")?;
        let mut text = format!("# {}\n\n", self.title);
        for (what, value) in machine::describe(self.stage).await? {
            writeln!(text, "- {what}: {value}")?;
        }
        if cfg!(debug_assertions) {
            writeln!(
                text,
                "\n**Built without optimisation: the figures say nothing.**"
            )?;
        }
        writeln!(text, "\n{}", self.method())?;
        for note in &self.notes {
            writeln!(text, "\n{note}")?;
        }
        for (entry, why) in &self.stage.left_out {
            writeln!(text, "\nNot measured: {}: {why}.", entry.title)?;
        }
        for chart in charts::of(self) {
            fs::write(out.join(&chart.file), chart.picture)?;
            writeln!(text, "\n![{}]({})", chart.title, chart.file)?;
        }
        text += &growth::tables(self)?;
        for sessions in &self.options.sessions {
            for connections in &self.options.connections {
                writeln!(
                    text,
                    "\n## {}, {} sessions\n",
                    connections_in_words(*connections),
                    grouped(f64::from(*sessions)),
                )?;
                text += &self.table(*connections, *sessions)?;
            }
        }
        fs::write(out.join("report.md"), text)?;
        fs::write(out.join("rounds.csv"), rounds::csv(self.results)?)?;
        progress(&format!("the report is in {}", out.display()));
        Ok(())
    }

    fn method(&self) -> String {
        let options = self.options;
        format!(
            "{} interleaved rounds of {} s, each after {} s of the same load; {} different sessions \
             ask in turn. Every answer was checked. Figures are medians of the rounds, with the least \
             and the greatest in brackets. Ratios are taken within a round. The load comes from the \
             same machine, by one thread.",
            options.rounds,
            options.seconds,
            options.warm_up,
            grouped(f64::from(options.cookies)),
        )
    }

    fn table(&self, connections: usize, sessions: u32) -> Result<String> {
        let mut text = format!(
            "| | requests a second | times {} | p50, ms | p99, ms | CPU of the server, µs a request \
             | CPU of databases, µs a request | CPU of the load, µs a request | peak memory, MiB \
             | statements a request |\n|---|---|---|---|---|---|---|---|---|---|\n",
            self.base
        );
        let case = |server| Case {
            server,
            connections,
            sessions,
        };
        for row in &self.rows {
            let this = case(row.name);
            let Some(speed) = self.results.spread(this, |one| one.requests_per_second()) else {
                continue;
            };
            let median = |figure: &dyn Fn(&_) -> f64| {
                let spread = self.results.spread(this, figure);
                spread.map_or(f64::NAN, |spread| spread.median)
            };
            let ratio = self.results.ratio(this, case(row.base));
            let ratio = ratio.map(|ratio| with_spread(ratio, |ratio| format!("{ratio:.2}")));
            let statements = self.results.statements(this);
            writeln!(
                text,
                "| {} | {} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {:.0} | {} |",
                row.title,
                with_spread(speed, grouped),
                ratio.unwrap_or_else(|| "–".to_owned()),
                median(&|one| milliseconds(one.p50)),
                median(&|one| milliseconds(one.p99)),
                median(&|one| one.per_request(one.usage.server)),
                median(&|one| one.per_request(one.usage.postgres + one.usage.redis)),
                median(&|one| one.per_request(one.usage.kit)),
                median(&|one| number(one.peak_memory) / 1024.0 / 1024.0),
                statements.map_or("–".to_owned(), |number| format!("{number:.2}")),
            )?;
        }
        Ok(text)
    }
}

pub(crate) fn connections_in_words(connections: usize) -> String {
    match connections {
        1 => "1 connection".to_owned(),
        more => format!("{more} connections"),
    }
}

pub(crate) fn with_spread(spread: Spread, show: impl Fn(f64) -> String) -> String {
    let [median, least, greatest] = [spread.median, spread.least, spread.greatest].map(show);
    format!("{median} ({least}–{greatest})")
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A whole number, its digits in groups of three.
pub(crate) fn grouped(number: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_in_groups_of_three() {
        let shown = [0.0, 999.4, 1000.0, 1_234_567.0].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
