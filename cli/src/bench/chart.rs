//! Charts as SVG inside a page: lines over logarithmic axes, and bars. Colours are the page's classes `s0`, `s1`, ….

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
/// Room for the axes' words.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
const BAR_HEIGHT: f64 = 26.0;
const BAR_LEFT: f64 = 180.0;

/// One line: its name and its points.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A range of positive values on a logarithmic axis, wide enough for all of them.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone) -> Self {
        let from = values.clone().fold(f64::INFINITY, f64::min);
        let to = values.fold(0.0, f64::max);
        // A tenth of a decade of air on either side.
        Self { from: from.log10() - 0.1, to: to.log10() + 0.1 }
    }

    /// Where on the axis a value is, 0 to 1.
    fn at(&self, value: f64) -> f64 {
        (value.log10() - self.from) / (self.to - self.from)
    }

    /// 1, 2 and 5 of each decade, or on a long axis 1 alone.
    fn marks(&self) -> Vec<f64> {
        let digits: &[f64] = if self.to - self.from > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = self.from.floor() as i32..=self.to.ceil() as i32;
        let all = decades.flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade)));
        all.filter(|mark| (0.0..=1.0).contains(&self.at(*mark))).collect()
    }
}

/// Lines over logarithmic axes, with a legend.
pub(crate) fn lines(x_words: &str, y_words: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied()).filter(|(x, y)| *x > 0.0 && *y > 0.0);
    if points().count() == 0 {
        return String::new();
    }
    let (xs, ys) = (Axis::over(points().map(|(x, _)| x)), Axis::over(points().map(|(_, y)| y)));
    let x = |value: f64| LEFT + xs.at(value) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - ys.at(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = begin(HEIGHT, &format!("{y_words} over {x_words}"));
    for mark in ys.marks() {
        let at = y(mark);
        put(
            &mut svg,
            format_args!(r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{at:.1}" y2="{at:.1}"/>"#, WIDTH - RIGHT),
        );
        put(
            &mut svg,
            format_args!(r#"<text class="end" x="{:.1}" y="{:.1}">{}</text>"#, LEFT - 6.0, at + 4.0, short(mark)),
        );
    }
    for mark in xs.marks() {
        put(
            &mut svg,
            format_args!(r#"<text class="mid" x="{:.1}" y="{:.1}">{}</text>"#, x(mark), HEIGHT - 22.0, short(mark)),
        );
    }
    put(
        &mut svg,
        format_args!(
            r#"<text class="mid" x="{:.1}" y="{:.1}">{}</text>"#,
            WIDTH / 2.0,
            HEIGHT - 4.0,
            weir_view::html(x_words)
        ),
    );
    for (number, line) in lines.iter().enumerate() {
        let path: Vec<String> = line.points.iter().map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py))).collect();
        put(&mut svg, format_args!(r#"<polyline class="s{number}" points="{}"/>"#, path.join(" ")));
        for (px, py) in &line.points {
            let words = format!("{}: {} {x_words}, {} {y_words}", line.name, short(*px), short(*py));
            put(
                &mut svg,
                format_args!(
                    r#"<circle class="s{number}" cx="{:.1}" cy="{:.1}" r="3.5"><title>{}</title></circle>"#,
                    x(*px),
                    y(*py),
                    weir_view::html(&words)
                ),
            );
        }
    }
    svg.push_str("</svg>");
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    legend(&names) + &svg
}

/// Bars from zero, each with its value.
pub(crate) fn bars(words: &str, bars: &[(String, f64)]) -> String {
    let Some(most) = bars.iter().map(|(_, value)| *value).max_by(f64::total_cmp).filter(|most| *most > 0.0) else {
        return String::new();
    };
    let height = bars.len() as f64 * BAR_HEIGHT + 8.0;
    let mut svg = begin(height, words);
    for (number, (name, value)) in bars.iter().enumerate() {
        let (top, length) = (number as f64 * BAR_HEIGHT + 4.0, value / most * (WIDTH - BAR_LEFT - 70.0));
        let middle = top + BAR_HEIGHT / 2.0 + 2.0;
        put(
            &mut svg,
            format_args!(
                r#"<text class="end" x="{:.1}" y="{middle:.1}">{}</text>"#,
                BAR_LEFT - 8.0,
                weir_view::html(name)
            ),
        );
        put(
            &mut svg,
            format_args!(
                r#"<rect class="s0" x="{BAR_LEFT}" y="{top:.1}" width="{length:.1}" height="{:.1}" rx="2"/>"#,
                BAR_HEIGHT - 8.0
            ),
        );
        put(
            &mut svg,
            format_args!(r#"<text x="{:.1}" y="{middle:.1}">{}</text>"#, BAR_LEFT + length + 6.0, short(*value)),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn begin(height: f64, words: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">"#, weir_view::html(words))
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = svg.write_fmt(element);
}

fn legend(names: &[&str]) -> String {
    let mut html = String::from(r#"<p class="legend">"#);
    for (number, name) in names.iter().enumerate() {
        put(&mut html, format_args!(r#"<span class="s{number}">● {}</span> "#, weir_view::html(name)));
    }
    html + "</p>"
}

/// As few digits as say it.
fn short(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{:.0}k", value / 1_000.0),
        value if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_within_the_axis() {
        let axis = Axis::over([100.0, 20_000.0].into_iter());
        assert_eq!(axis.marks(), [100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0]);
        assert_eq!(Axis::over([1.0, 1e4].into_iter()).marks(), [1.0, 10.0, 100.0, 1e3, 1e4]);
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let svg = bars("ms", &[("<script>".to_owned(), 2.0), ("b".to_owned(), 1.0)]);
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"), "{svg}");
        assert_eq!(bars("ms", &[]), "");
        assert_eq!(lines("x", "y", &[]), "");
    }

    #[test]
    fn larger_is_higher_and_further_right() {
        let line = Line { name: "a".into(), points: vec![(100.0, 1.0), (1_000.0, 10.0)] };
        let svg = lines("events", "ms", &[line]);
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<Vec<f64>> =
            points.split(' ').map(|point| point.split(',').map(|n| n.parse().unwrap()).collect()).collect();
        assert!(points[1][0] > points[0][0] && points[1][1] < points[0][1], "{points:?}");
    }
}
