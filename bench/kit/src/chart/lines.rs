//! Lines over an axis on which each step is a multiple of the one before.

use std::fmt::Write;

use super::{Emphasis, picture, round_above, stroke, text};
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

/// The lines over `axis`, the figures of which are shown by `show`.
pub(crate) fn lines(
    title: &str,
    axis: &str,
    lines: &[Line],
    show: impl Fn(f64) -> String,
) -> String {
    let mut body = String::new();
    text(&mut body, 16.0, 28.0, "start", "title", title);
    let points = || lines.iter().flat_map(|line| &line.points);
    let first = points().map(|(x, _)| *x).fold(f64::MAX, f64::min);
    let last = points().map(|(x, _)| *x).fold(f64::MIN, f64::max);
    let highest = points().map(|(_, spread)| spread.greatest);
    let top = round_above(highest.fold(0.0, f64::max));
    let across = |x: f64| match last > first {
        true => LEFT + (x / first).ln() / (last / first).ln() * (RIGHT - LEFT),
        false => f64::midpoint(LEFT, RIGHT),
    };
    let up = |y: f64| BOTTOM - y / top * (BOTTOM - TOP);

    for step in 0..=4 {
        let figure = top * f64::from(step) / 4.0;
        stroke(&mut body, "grid", (LEFT, up(figure)), (RIGHT, up(figure)));
        text(
            &mut body,
            LEFT - 8.0,
            up(figure) + 4.0,
            "end",
            "muted",
            &show(figure),
        );
    }
    let mut places: Vec<_> = points().map(|(x, _)| *x).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    for place in places {
        text(
            &mut body,
            across(place),
            BOTTOM + 20.0,
            "middle",
            "muted",
            &short(place),
        );
    }
    text(
        &mut body,
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 42.0,
        "middle",
        "muted",
        axis,
    );

    for line in lines {
        let path: Vec<_> = line
            .points
            .iter()
            .map(|(x, spread)| format!("{:.1},{:.1}", across(*x), up(spread.median)))
            .collect();
        let class = line.emphasis.class();
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<polyline class=\"{class} line\" points=\"{}\"/>",
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

/// A number with a power of ten where it is a large one.
fn short(number: f64) -> String {
    let exponent = number.log10();
    if number >= 10_000.0 && exponent.fract() == 0.0 {
        let raised = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"];
        let digit = raised
            .iter()
            .zip(0..)
            .find(|(_, digit)| f64::from(*digit) == exponent);
        if let Some((digit, _)) = digit {
            return format!("10{digit}");
        }
    }
    format!("{number}")
}
