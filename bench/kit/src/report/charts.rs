//! Which charts a report has: bars for a few numbers of connections, lines where something grows.

use super::{Report, connections_in_words, grouped, milliseconds};
use crate::chart::{Bar, Line, Panel, bars, lines};
use crate::results::{Case, Measurement, Spread};

/// More numbers of connections than these are a line.
const PANELS: usize = 4;

pub(super) struct Chart {
    pub(super) file: String,
    pub(super) title: String,
    pub(super) picture: String,
}

/// What a chart shows of each measurement.
struct Figure {
    file: &'static str,
    title: &'static str,
    of: fn(&Measurement) -> f64,
    show: fn(f64) -> String,
    /// Whether the ratio to the base is said of it.
    with_ratio: bool,
}

const FIGURES: [Figure; 2] = [
    Figure {
        file: "requests",
        title: "Requests a second",
        of: Measurement::requests_per_second,
        show: grouped,
        with_ratio: true,
    },
    Figure {
        file: "p99",
        title: "p99 of the time for an answer, ms",
        of: |one| milliseconds(one.p99),
        show: |figure| format!("{figure:.1}"),
        with_ratio: false,
    },
];

pub(super) fn of(report: &Report<'_>) -> Vec<Chart> {
    let options = report.options;
    let mut charts = Vec::new();
    for figure in &FIGURES {
        if options.sessions.len() > 1 {
            for connections in &options.connections {
                charts.push(over_sessions(report, figure, *connections));
            }
        } else if options.connections.len() > PANELS {
            charts.extend(
                options
                    .sessions
                    .iter()
                    .map(|sessions| over_connections(report, figure, *sessions)),
            );
        } else {
            charts.extend(
                options
                    .sessions
                    .iter()
                    .map(|sessions| side_by_side(report, figure, *sessions)),
            );
        }
    }
    charts
}

fn side_by_side(report: &Report<'_>, figure: &Figure, sessions: u32) -> Chart {
    let panels: Vec<_> = report
        .options
        .connections
        .iter()
        .map(|connections| Panel {
            title: connections_in_words(*connections),
            bars: panel(report, figure, *connections, sessions),
        })
        .collect();
    Chart {
        file: format!("{}.svg", figure.file),
        title: figure.title.to_owned(),
        picture: bars(figure.title, &panels),
    }
}

fn panel(report: &Report<'_>, figure: &Figure, connections: usize, sessions: u32) -> Vec<Bar> {
    let case = |server| Case {
        server,
        connections,
        sessions,
    };
    let bar = |row: &super::Row| {
        let spread = report.results.spread(case(row.name), figure.of)?;
        let shown = (figure.show)(spread.median);
        let ratio = report.results.ratio(case(row.name), case(report.base));
        let note = match ratio {
            Some(ratio) if figure.with_ratio => format!("{shown} ({:.2} ×)", ratio.median),
            _ => shown,
        };
        Some(Bar {
            label: row.title.clone(),
            spread,
            note,
            emphasis: row.emphasis,
        })
    };
    report.rows.iter().filter_map(bar).collect()
}

fn over_sessions(report: &Report<'_>, figure: &Figure, connections: usize) -> Chart {
    let title = format!("{}, {}", figure.title, connections_in_words(connections));
    let all = all_lines(report, |server| {
        let sessions = report.options.sessions.iter();
        let point = |sessions: &u32| {
            let case = Case {
                server,
                connections,
                sessions: *sessions,
            };
            let spread = report.results.spread(case, figure.of)?;
            Some((f64::from(*sessions), spread))
        };
        sessions.filter_map(point).collect()
    });
    Chart {
        file: format!("{}-{connections}-over-sessions.svg", figure.file),
        picture: lines(&title, "sessions in the table", &all, figure.show),
        title,
    }
}

fn over_connections(report: &Report<'_>, figure: &Figure, sessions: u32) -> Chart {
    let all = all_lines(report, |server| {
        let connections = report.options.connections.iter();
        let point = |connections: &usize| {
            let case = Case {
                server,
                connections: *connections,
                sessions,
            };
            let spread = report.results.spread(case, figure.of)?;
            Some((f64::from(u32::try_from(*connections).ok()?), spread))
        };
        connections.filter_map(point).collect()
    });
    Chart {
        file: format!("{}-over-connections.svg", figure.file),
        title: figure.title.to_owned(),
        picture: lines(figure.title, "connections", &all, figure.show),
    }
}

fn all_lines(
    report: &Report<'_>,
    points: impl Fn(&'static str) -> Vec<(f64, Spread)>,
) -> Vec<Line> {
    let line = |row: &super::Row| Line {
        label: row.title.clone(),
        points: points(row.name),
        emphasis: row.emphasis,
    };
    let mut all: Vec<_> = report.rows.iter().map(line).collect();
    all.retain(|line| !line.points.is_empty());
    all
}
