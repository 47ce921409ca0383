//! One chart: a figure with a caption, a legend, the drawing between its axes, and the table behind it.
//!
//! The drawing is stretched to the width there is, so it has no words in it; those on the axes are HTML placed beside it.
//! A value is drawn over its whole window, as a step: that is what a row says, and a single window is seen, too.

use super::axis::{Scale, times};
use crate::number;
use crate::text::html;
use crate::timeline::Point;
use std::fmt::Write as _;
use weir_exact::row::State;

/// Units of the drawing; only their ratio to the data counts.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 250.0;
/// Marks of time where there is room; a narrow screen hides every other.
const TIME_MARKS_MAX: usize = 10;

/// What is drawn of one thing over time.
pub(super) struct Mark {
    /// Of the class names `s0` … `s5` in style.css: colour and dashes.
    pub(super) style: usize,
    pub(super) name: String,
    pub(super) shape: Shape,
}

/// Values by window; none where there is nothing.
pub(super) enum Shape {
    Line(Vec<Option<f64>>),
    /// From the lower to the upper.
    Band(Vec<Option<(f64, f64)>>),
}

/// A chart.
pub(super) struct Chart<'a> {
    /// Unique on the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What the drawing says, in a sentence or two.
    pub(super) summary: String,
    pub(super) points: &'a [Point],
    pub(super) scale: Scale,
    /// How a mark on the vertical axis reads.
    pub(super) value: fn(f64) -> String,
    pub(super) marks: Vec<Mark>,
    /// Heads of the table's columns after the first, which is the window.
    pub(super) heads: Vec<String>,
    /// Cells of the table by window.
    pub(super) cells: fn(&Point) -> Vec<String>,
    /// Cells by window where they come from more than the point.
    pub(super) rows: Option<Vec<Vec<String>>>,
}

/// From here on a mark's text would run over the right edge of a phone's chart.
const LAST_MARK_AT: f64 = 0.9;

impl Chart<'_> {
    /// The whole figure.
    pub(super) fn html(&self) -> String {
        let Self { id, title, .. } = self;
        let mut out = format!("<figure id=\"{id}\" aria-labelledby=\"{id}-title\">\n");
        let _ = writeln!(out, "<figcaption><h2 id=\"{id}-title\">{}</h2>", html(title));
        let _ = writeln!(out, "<p id=\"{id}-summary\">{}</p></figcaption>", html(&self.summary));
        if self.points.is_empty() {
            out.push_str("</figure>\n");
            return out;
        }
        self.legend(&mut out);
        let _ = writeln!(out, "<div class=\"plot\">");
        for mark in self.scale.marks() {
            let top = 100.0 * (1.0 - self.scale.at(mark));
            let text = html(&(self.value)(mark));
            let _ = writeln!(out, "<span class=\"y\" style=\"top:{top:.2}%\" aria-hidden=\"true\">{text}</span>");
        }
        self.drawing(&mut out);
        out.push_str("</div>\n");
        self.time_axis(&mut out);
        self.table(&mut out);
        out.push_str("</figure>\n");
        out
    }

    fn legend(&self, out: &mut String) {
        if self.marks.len() < 2 {
            return;
        }
        out.push_str("<ul class=\"legend\" role=\"list\">\n");
        for mark in &self.marks {
            let (style, name) = (mark.style, html(&mark.name));
            let swatch = match mark.shape {
                Shape::Line(_) => format!("<path class=\"line s{style}\" d=\"M0 5H24\"/>"),
                Shape::Band(_) => format!("<path class=\"band s{style}\" d=\"M0 0H24V10H0Z\"/>"),
            };
            let _ = writeln!(
                out,
                "<li><svg viewBox=\"0 0 24 10\" width=\"24\" height=\"10\" aria-hidden=\"true\">{swatch}</svg> {name}</li>"
            );
        }
        out.push_str("</ul>\n");
    }

    fn drawing(&self, out: &mut String) {
        let Self { id, .. } = self;
        let _ = writeln!(
            out,
            "<svg class=\"drawing\" role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-summary\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\">"
        );
        let lines: String =
            self.scale.marks().into_iter().map(|mark| format!("M0 {:.1}H{WIDTH}", self.y(mark))).collect();
        let _ = writeln!(out, "<path class=\"grid\" d=\"{lines}\"/>");
        if let Some(open) = self.points.iter().position(|point| point.state == Some(State::Open)) {
            let x = self.x(open);
            let _ = writeln!(out, "<path class=\"open\" d=\"M{x:.1} 0H{WIDTH}V{HEIGHT}H{x:.1}Z\"/>");
        }
        for mark in &self.marks {
            let (class, path) = match &mark.shape {
                Shape::Line(values) => ("line", self.line(values)),
                Shape::Band(values) => ("band", self.band(values)),
            };
            let _ = writeln!(out, "<path class=\"{class} s{}\" d=\"{path}\"/>", mark.style);
        }
        self.hits(out);
        out.push_str("</svg>\n");
    }

    /// The tooltip of a window.
    fn hits(&self, out: &mut String) {
        out.push_str("<g class=\"hits\">\n");
        let width = WIDTH / self.points.len() as f64;
        for (at, point) in self.points.iter().enumerate() {
            let mut title = format!("{} UTC", window_text(point));
            for (head, cell) in self.heads.iter().zip(self.row(at, point)) {
                let _ = write!(title, "\n{head}: {cell}");
            }
            // Line breaks are ours; the rest is made safe part by part.
            let title: Vec<String> = title.lines().map(html).collect();
            let (x, title) = (self.x(at), title.join("\n"));
            let _ =
                writeln!(out, "<path d=\"M{x:.1} 0h{width:.2}V{HEIGHT}h-{width:.2}Z\"><title>{title}</title></path>");
        }
        out.push_str("</g>\n");
    }

    fn time_axis(&self, out: &mut String) {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return };
        out.push_str("<div class=\"x\" aria-hidden=\"true\">");
        let (from, to) = (first.window.start(), last.window.end());
        for (at, text) in times(from, to, first.window.resolution(), TIME_MARKS_MAX) {
            // Its text is on the side that has room.
            let _ = if at < LAST_MARK_AT {
                write!(out, "<span style=\"left:{:.2}%\">{text}</span>", at * 100.0)
            } else {
                write!(out, "<span class=\"last\" style=\"right:{:.2}%\">{text}</span>", (1.0 - at) * 100.0)
            };
        }
        out.push_str("</div>\n");
    }

    fn table(&self, out: &mut String) {
        let title = html(self.title);
        let _ = writeln!(out, "<details><summary>{title} as a table</summary>");
        let _ =
            writeln!(out, "<div class=\"scroll\" role=\"region\" aria-label=\"Table: {title}\" tabindex=\"0\"><table>");
        out.push_str("<thead><tr><th scope=\"col\">Window (UTC)</th>");
        for head in &self.heads {
            let _ = write!(out, "<th scope=\"col\">{}</th>", html(head));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for (at, point) in self.points.iter().enumerate() {
            let _ = write!(out, "<tr><th scope=\"row\">{}</th>", window_text(point));
            for cell in self.row(at, point) {
                let _ = write!(out, "<td>{}</td>", html(&cell));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div></details>\n");
    }

    fn row(&self, at: usize, point: &Point) -> Vec<String> {
        self.rows.as_ref().and_then(|rows| rows.get(at)).cloned().unwrap_or_else(|| (self.cells)(point))
    }

    /// Left end of the nth window.
    fn x(&self, at: usize) -> f64 {
        at as f64 * WIDTH / self.points.len() as f64
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT * (1.0 - self.scale.at(value))
    }

    fn line(&self, values: &[Option<f64>]) -> String {
        let mut path = String::new();
        let mut drawing = false;
        for (at, value) in values.iter().enumerate() {
            let Some(value) = value else {
                drawing = false;
                continue;
            };
            let (left, right, y) = (self.x(at), self.x(at + 1), self.y(*value));
            let _ =
                if drawing { write!(path, "V{y:.1}H{right:.1}") } else { write!(path, "M{left:.1} {y:.1}H{right:.1}") };
            drawing = true;
        }
        path
    }

    /// Each run of windows as one outline: along its upper ends, and back along the lower.
    fn band(&self, values: &[Option<(f64, f64)>]) -> String {
        let mut path = String::new();
        let windows: Vec<(usize, f64, f64)> = values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| value.map(|(lower, upper)| (at, lower, upper)))
            .collect();
        for run in windows.chunk_by(|(at, ..), (next, ..)| at + 1 == *next) {
            let _ = write!(path, "M{:.1} {:.1}", self.x(run[0].0), self.y(run[0].2));
            for (at, _, upper) in run {
                let _ = write!(path, "V{:.1}H{:.1}", self.y(*upper), self.x(at + 1));
            }
            for (at, lower, _) in run.iter().rev() {
                let _ = write!(path, "V{:.1}H{:.1}", self.y(*lower), self.x(*at));
            }
            path.push('Z');
        }
        path
    }
}

/// `11-21 12:30`: the report's head names the year.
pub(super) fn window_text(point: &Point) -> String {
    let text = point.window.start().to_string();
    format!("{} {}", &text[5..10], &text[11..16])
}

/// A duration, or `–`.
pub(super) fn duration_cell(ms: Option<f64>) -> String {
    ms.map_or("–".to_owned(), number::duration)
}
