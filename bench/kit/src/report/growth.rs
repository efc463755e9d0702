//! What more sessions in the table make of a lookup.

use std::fmt::Write;

use anyhow::Result;

use super::{Report, connections_in_words, grouped, with_spread};
use crate::results::Case;

/// Each number of sessions against the first one, within the same round.
pub(super) fn table(report: &Report<'_>) -> Result<String> {
    let [first, more @ ..] = report.options.sessions.as_slice() else {
        return Ok(String::new());
    };
    if more.is_empty() {
        return Ok(String::new());
    }
    let mut text = format!(
        "\n## Growth\n\nRequests a second, times those with {} sessions.\n\n| |",
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
                let ratio = ratio.map(|ratio| with_spread(ratio, |ratio| format!("{ratio:.2}")));
                write!(text, " {} |", ratio.unwrap_or_default())?;
            }
            writeln!(text)?;
        }
    }
    Ok(text)
}
