//! Which charts a report has: bars for a few numbers of connections, lines where something grows.

use super::{Report, connections_in_words, grouped, milliseconds};
use crate::chart::{Bar, Line, Panel, Scale, bars, lines};
use crate::results::{Case, Measurement, Spread};

/// More numbers of connections than these are a line. Of more, so many are shown beside each other.
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
    /// How far up it stands on a line.
    scale: Scale,
    /// Whether the ratio to the base is said of it.
    with_ratio: bool,
}

const FIGURES: [Figure; 2] = [
    Figure {
        file: "requests",
        title: "Requests a second",
        of: Measurement::requests_per_second,
        show: grouped,
        scale: Scale::FromNought,
        with_ratio: true,
    },
    Figure {
        file: "p99",
        title: "p99 of the time for an answer, ms",
        of: |one| milliseconds(one.p99),
        show: |figure| format!("{figure:.1}"),
        scale: Scale::Multiples,
        with_ratio: false,
    },
];

pub(super) fn of(report: &Report<'_>) -> Vec<Chart> {
    let options = report.options;
    let mut charts = Vec::new();
    for figure in &FIGURES {
        if options.connections.len() > PANELS {
            for sessions in some_of(&options.sessions) {
                charts.push(over_connections(report, figure, sessions));
            }
        } else if let &[sessions] = options.sessions.as_slice() {
            charts.push(side_by_side(report, figure, sessions));
        }
        if options.sessions.len() > 1 {
            for connections in some_of(&options.connections) {
                charts.push(over_sessions(report, figure, connections));
            }
        }
    }
    charts
}

/// As many as are easily looked at, from the first to the last.
fn some_of<T: Copy>(all: &[T]) -> Vec<T> {
    if all.len() <= PANELS {
        return all.to_vec();
    }
    let place = |panel| panel * (all.len() - 1) / (PANELS - 1);
    (0..PANELS).map(|panel| all[place(panel)]).collect()
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
        let ratio = report.results.ratio(case(row.name), case(row.base));
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
        file: format!(
            "{}-{connections}-connections-over-sessions.svg",
            figure.file
        ),
        picture: lines(&title, "sessions in the table", &all, figure.scale),
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
    let (mut file, mut title) = (figure.file.to_owned(), figure.title.to_owned());
    if report.options.sessions.len() > 1 {
        file += &format!("-{sessions}-sessions");
        title += &format!(", {} sessions", grouped(f64::from(sessions)));
    }
    Chart {
        file: format!("{file}-over-connections.svg"),
        picture: lines(&title, "connections", &all, figure.scale),
        title,
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

#[cfg(test)]
mod tests {
    use super::some_of;

    #[test]
    fn of_many_the_first_the_last_and_two_between_are_shown() {
        assert_eq!(some_of(&[1, 2, 4]), [1, 2, 4]);
        let doubled: Vec<_> = (0..10).map(|exponent| 1 << exponent).collect();
        assert_eq!(some_of(&doubled), [1, 8, 64, 512]);
    }
}
