//! The page around the charts: head, figures, contents, foot.

use super::{Line, Report, charts, endpoints};
use crate::merge::{Merge, merge};
use crate::number;
use crate::text::html;
use crate::timeline::Point;
use std::fmt::Write as _;
use weir_exact::row::Resolution;
use weir_telemetry::Millis;

const STYLE: &str = include_str!("style.css");
/// Nothing is loaded, no script runs, nothing is sent; styles are those in the file.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// All of it.
pub(super) fn page(report: &Report, all: &[Point], lines: &[Line]) -> String {
    let title = html(&title(report, lines));
    let range = format!("{} – {} UTC", instant(report.from), instant(report.to));
    let events: u64 = all.iter().map(|point| point.rollup.events()).sum();
    let endpoints = endpoints::section(report, events);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}, {range}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the charts</a>\n"
    );
    let _ = writeln!(out, "<header>\n<h1>{title}</h1>\n<p>{range}, windows of {}.</p>", length(report.resolution));
    out.push_str("<nav aria-label=\"Contents\"><ul role=\"list\">");
    let mut contents = vec![("rates", "Rates"), ("errors", "Errors"), ("durations", "Durations"), ("users", "Users")];
    if !endpoints.is_empty() {
        contents.push(("endpoints", "Endpoints"));
    }
    for (id, name) in contents {
        let _ = write!(out, "<li><a href=\"#{id}\">{name}</a></li>");
    }
    out.push_str("</ul></nav>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n");
    figures(&mut out, report);
    out.push_str(&charts::rates(all, lines));
    out.push_str(&charts::errors(all));
    out.push_str(&charts::durations(all));
    out.push_str(&charts::users(all));
    out.push_str(&endpoints);
    out.push_str("</main>\n<footer>\n");
    let _ = writeln!(
        out,
        "<p>Stack {}, read at {} UTC by weir {}. Counts are exact; quantiles are within 1.1 %, unique users within 5 %. \
         Where a chart is shaded, windows are open: events may still arrive.</p>\n</footer>\n</body>\n</html>",
        html(&report.stack),
        instant(report.made_at),
        env!("CARGO_PKG_VERSION"),
    );
    out
}

fn title(report: &Report, lines: &[Line]) -> String {
    match lines {
        [] => format!("Telemetry of {}", report.stack),
        [line] => line.name.clone(),
        lines => {
            let all = report.rows.iter().map(super::series_name).collect::<std::collections::BTreeSet<_>>().len();
            format!("{} and {} more", lines[0].name, all - 1)
        }
    }
}

/// The whole range in a few numbers.
fn figures(out: &mut String, report: &Report) {
    let all = merge(&report.rows, Merge::All);
    let Some(all) = all.first() else {
        out.push_str("<p class=\"empty\">No events were counted in this range.</p>\n");
        return;
    };
    let rollup = &all.rollup;
    let quantile = |q: f64| super::chart::duration_cell(rollup.durations().map(|durations| durations.quantile_ms(q)));
    let figures = [
        ("Events", number::whole(rollup.events())),
        ("Errors", number::share(rollup.errors(), rollup.events())),
        ("p50", quantile(0.5)),
        ("p95", quantile(0.95)),
        ("p99", quantile(0.99)),
        ("Unique users", number::whole(rollup.users().estimate().round() as u64)),
    ];
    out.push_str("<dl class=\"figures\">\n");
    for (name, value) in figures {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
}

/// `2026-11-21 12:30`.
fn instant(at: Millis) -> String {
    at.to_string()[..16].replace('T', " ")
}

fn length(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Minute => "a minute",
        Resolution::Hour => "an hour",
        Resolution::Day => "a day",
    }
}
