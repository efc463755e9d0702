//! Lines over an axis on which each step is a multiple of the one before.

use std::fmt::Write;

use super::axis::Axis;
use super::{Emphasis, Scale, picture, stroke, text};
use crate::report::grouped;
use crate::results::Spread;

/// A line through the medians, with the least and the greatest at each.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, Spread)>,
    pub(crate) emphasis: Emphasis,
}

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 360.0;
/// How wide a character of a label is, about.
const CHARACTER: f64 = 7.0;

/// The lines over what `below` names.
pub(crate) fn lines(title: &str, below: &str, lines: &[Line], scale: Scale) -> String {
    let mut body = String::new();
    text(&mut body, 16.0, 28.0, "start", "title", title);
    let points = || lines.iter().flat_map(|line| &line.points);
    let mut places: Vec<_> = points().map(|(x, _)| *x).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let figures = points().flat_map(|(_, spread)| [spread.least, spread.greatest]);
    let axis = Axis::of(scale, figures);
    let up = |figure: f64| BOTTOM - axis.place(figure) * (BOTTOM - TOP);
    let across = across(&places);

    for mark in axis.marks() {
        let y = up(mark);
        stroke(&mut body, "grid", (LEFT, y), (RIGHT, y));
        text(&mut body, LEFT - 8.0, y + 4.0, "end", "muted", &short(mark));
    }
    let mut free = f64::MIN;
    for place in &places {
        let (x, label) = (across(*place), short(*place));
        stroke(&mut body, "grid", (x, BOTTOM), (x, BOTTOM + 5.0));
        let room = label.chars().count() as f64 * CHARACTER;
        if x - room / 2.0 >= free {
            text(&mut body, x, BOTTOM + 20.0, "middle", "muted", &label);
            free = x + room / 2.0 + CHARACTER;
        }
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    text(&mut body, middle, BOTTOM + 42.0, "middle", "muted", below);

    for (number, line) in lines.iter().enumerate() {
        let path: Vec<_> = line
            .points
            .iter()
            .map(|(x, spread)| format!("{:.1},{:.1}", across(*x), up(spread.median)))
            .collect();
        let class = line.emphasis.class();
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<polyline class=\"{class} line\" stroke-dasharray=\"{}\" points=\"{}\"/>",
            dashes(&lines[..number], line),
            path.join(" ")
        );
        for (x, spread) in &line.points {
            let (x, ends) = (across(*x), (up(spread.least), up(spread.greatest)));
            stroke(&mut body, class, (x, ends.0), (x, ends.1));
            let _ = writeln!(
                body,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                up(spread.median)
            );
        }
    }
    labels(&mut body, lines, up);
    picture(WIDTH, HEIGHT, title, &body)
}

/// Each line's label beside its end, or as near as the others allow.
fn labels(body: &mut String, lines: &[Line], up: impl Fn(f64) -> f64) {
    const DISTANCE: f64 = 17.0;

    let mut ends: Vec<_> = lines
        .iter()
        .filter_map(|line| Some((up(line.points.last()?.1.median), line)))
        .collect();
    ends.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let room = ends.len() as f64 * DISTANCE;
    let mut free = TOP - 10.0;
    for (place, (end, line)) in ends.iter().enumerate() {
        let below = room - place as f64 * DISTANCE;
        let y = end.max(free).min((BOTTOM + DISTANCE - below).max(free));
        stroke(
            body,
            line.emphasis.class(),
            (RIGHT + 4.0, *end),
            (RIGHT + 16.0, y),
        );
        text(body, RIGHT + 20.0, y + 4.0, "start", "", &line.label);
        free = y + DISTANCE;
    }
}

/// The dashes of a line, by how many of the same colour come before it.
fn dashes(before: &[Line], line: &Line) -> &'static str {
    const DASHES: [&str; 4] = ["none", "8 3", "2 3", "8 3 2 3"];

    let is_alike = |other: &&Line| other.emphasis == line.emphasis;
    DASHES[before.iter().filter(is_alike).count() % DASHES.len()]
}

/// Where a place is on the axis below, from the first of these to the last.
fn across(places: &[f64]) -> impl Fn(f64) -> f64 {
    let first = places.first().copied().unwrap_or(1.0);
    let last = places.last().copied().unwrap_or(first);
    move |place| match last > first {
        true => LEFT + (place / first).ln() / (last / first).ln() * (RIGHT - LEFT),
        false => f64::midpoint(LEFT, RIGHT),
    }
}

/// A number as it stands on an axis.
fn short(number: f64) -> String {
    if number >= 1000.0 {
        return grouped(number);
    }
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_number_has_no_more_digits_than_it_needs() {
        let shown = [0.0, 0.05, 0.1 + 0.2, 2.5, 100.0, 20_000.0].map(short);
        assert_eq!(shown, ["0", "0.05", "0.3", "2.5", "100", "20,000"]);
    }
}
