//! What becomes of a server when something grows.

use std::fmt::Write;

use anyhow::Result;

use super::{Report, connections_in_words, grouped, with_spread};
use crate::results::{Case, Spread};

/// Tables of what grows in this report.
pub(super) fn tables(report: &Report<'_>) -> Result<String> {
    Ok(over_connections(report)? + &over_sessions(report)?)
}

/// Each number of connections against the base, for each number of sessions.
fn over_connections(report: &Report<'_>) -> Result<String> {
    let mut text = String::new();
    if report.options.connections.len() < 2 {
        return Ok(text);
    }
    for sessions in &report.options.sessions {
        write!(
            text,
            "\n## Over connections, {} sessions\n\nRequests a second, times {}.\n\n| |",
            grouped(f64::from(*sessions)),
            report.base,
        )?;
        for connections in &report.options.connections {
            write!(text, " {} |", connections_in_words(*connections))?;
        }
        let columns = report.options.connections.len();
        writeln!(text, "\n|---|{}", "---|".repeat(columns))?;
        for row in &report.rows {
            write!(text, "| {} |", row.title)?;
            for connections in &report.options.connections {
                let case = |server| Case {
                    server,
                    connections: *connections,
                    sessions: *sessions,
                };
                let ratio = report.results.ratio(case(row.name), case(row.base));
                write!(text, " {} |", shown(ratio))?;
            }
            writeln!(text)?;
        }
    }
    Ok(text)
}

/// Each number of sessions against the first one, within the same round.
fn over_sessions(report: &Report<'_>) -> Result<String> {
    let [first, more @ ..] = report.options.sessions.as_slice() else {
        return Ok(String::new());
    };
    if more.is_empty() {
        return Ok(String::new());
    }
    let mut text = format!(
        "\n## Over sessions\n\nRequests a second, times those with {} sessions.\n\n| |",
        grouped(f64::from(*first))
    );
    for sessions in more {
        write!(text, " {} sessions |", grouped(f64::from(*sessions)))?;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(more.len()))?;
    for connections in &report.options.connections {
        for row in &report.rows {
            let case = |sessions| Case {
                server: row.name,
                connections: *connections,
                sessions,
            };
            let connections = connections_in_words(*connections);
            write!(text, "| {}, {connections} |", row.title)?;
            for sessions in more {
                let ratio = report.results.ratio(case(*sessions), case(*first));
                write!(text, " {} |", shown(ratio))?;
            }
            writeln!(text)?;
        }
    }
    Ok(text)
}

fn shown(ratio: Option<Spread>) -> String {
    let ratio = ratio.map(|ratio| with_spread(ratio, |ratio| format!("{ratio:.2}")));
    ratio.unwrap_or_else(|| "–".to_owned())
}
