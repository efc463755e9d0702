//! Charts, as SVG that is read in light and in dark.

mod axis;
mod bars;
mod lines;

pub(crate) use axis::Scale;
pub(crate) use bars::{Bar, Panel, bars};
pub(crate) use lines::{Line, lines};

use std::fmt::Write;

/// How a figure stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emphasis {
    /// What this is about.
    Own,
    /// What all are compared to.
    Base,
    Other,
}

impl Emphasis {
    fn class(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Base => "base",
            Self::Other => "other",
        }
    }
}

const STYLE: &str = "
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.head { font-weight: 600 }
.muted { fill: #59636e; font-size: 12px }
.own { fill: #0969da; stroke: #0969da }
.base { fill: #59636e; stroke: #59636e }
.other { fill: #afb8c1; stroke: #afb8c1 }
.bar { stroke: none }
.line { fill: none; stroke-width: 2 }
.whisker { stroke: #1f2328; stroke-width: 1 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .muted { fill: #9198a1 }
  .own { fill: #4493f8; stroke: #4493f8 }
  .base { fill: #9198a1; stroke: #9198a1 }
  .other { fill: #545d68; stroke: #545d68 }
  .line { fill: none }
  .whisker { stroke: #f0f6fc }
  .grid { stroke: #3d444d }
}
";

/// A picture of this size, in pixels.
fn picture(width: f64, height: f64, title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n{body}</svg>\n"
    )
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
    let text = escaped(text);
    // Writing to a string cannot fail.
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
    );
}

fn stroke(body: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        body,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_cannot_break_the_picture() {
        let picture = picture(1.0, 1.0, "a \"b\" <c> & d", "");
        assert!(picture.contains("a &quot;b&quot; &lt;c> &amp; d"));
    }
}
