//! Bars that lie, in panels one below the other.

use std::fmt::Write;

use super::{Emphasis, picture, stroke, text};
use crate::results::Spread;

/// A group of bars that are compared.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

/// A bar as long as the median, with a line from the least to the greatest.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) spread: Spread,
    /// What is written at its end.
    pub(crate) note: String,
    pub(crate) emphasis: Emphasis,
}

const WIDTH: f64 = 820.0;
const LEFT: f64 = 270.0;
/// As far as the longest goes; notes stand beyond it.
const LONGEST: f64 = 400.0;
const ROW: f64 = 24.0;

pub(crate) fn bars(title: &str, panels: &[Panel]) -> String {
    let mut body = String::new();
    text(&mut body, 16.0, 28.0, "start", "title", title);
    let mut y = 44.0;
    for panel in panels {
        y += 26.0;
        text(&mut body, 16.0, y, "start", "head", &panel.title);
        y += 10.0;
        let greatest = panel.bars.iter().map(|bar| bar.spread.greatest);
        let scale = LONGEST / greatest.fold(f64::MIN_POSITIVE, f64::max);
        for bar in &panel.bars {
            draw(&mut body, bar, scale, y);
            y += ROW;
        }
    }
    picture(WIDTH, y + 16.0, title, &body)
}

fn draw(body: &mut String, bar: &Bar, scale: f64, y: f64) {
    let at = |figure: f64| LEFT + figure * scale;
    let middle = y + ROW / 2.0;
    text(body, LEFT - 10.0, middle + 4.5, "end", "", &bar.label);
    // Writing to a string cannot fail.
    let _ = writeln!(
        body,
        "<rect class=\"bar {}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        bar.emphasis.class(),
        y + 3.0,
        (bar.spread.median * scale).max(1.0),
        ROW - 6.0,
    );
    let (least, greatest) = (at(bar.spread.least), at(bar.spread.greatest));
    stroke(body, "whisker", (least, middle), (greatest, middle));
    for end in [least, greatest] {
        stroke(body, "whisker", (end, middle - 4.0), (end, middle + 4.0));
    }
    text(
        body,
        greatest + 8.0,
        middle + 4.5,
        "start",
        "muted",
        &bar.note,
    );
}
