//! The largest endpoints: counts, durations and users over the whole range.

use super::{ENDPOINTS_MAX, Report};
use crate::merge::{Merge, Merged, merge};
use crate::number;
use crate::report::chart::duration_cell;
use crate::text::html;
use std::cmp::Reverse;
use std::fmt::Write as _;

/// The section, or nothing where no endpoint is known.
pub(super) fn section(report: &Report, events: u64) -> String {
    let mut endpoints = merge(&report.endpoints, Merge::Windows);
    if endpoints.is_empty() {
        return String::new();
    }
    endpoints
        .sort_by_key(|merged| (Reverse(merged.rollup.events()), merged.services.clone(), merged.endpoints.clone()));
    endpoints.truncate(ENDPOINTS_MAX);
    let listed: u64 = endpoints.iter().map(|merged| merged.rollup.events()).sum();
    let mut out = String::from("<section id=\"endpoints\" aria-labelledby=\"endpoints-title\">\n");
    out.push_str("<h2 id=\"endpoints-title\">Top endpoints</h2>\n");
    let _ = writeln!(
        out,
        "<p>The {} with the most events, of those among the ten largest of some window. Together {} of all events.</p>",
        endpoints.len(),
        number::share(listed, events),
    );
    out.push_str("<div class=\"scroll\" role=\"region\" aria-label=\"Table: Top endpoints\" tabindex=\"0\"><table class=\"top\">\n<thead><tr>");
    for head in ["Endpoint", "Events", "Share", "Errors", "Error share", "p50", "p95", "p99", "Unique users"] {
        let _ = write!(out, "<th scope=\"col\">{head}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let several = endpoints.iter().any(|merged| merged.services != endpoints[0].services);
    let most = endpoints[0].rollup.events();
    for merged in &endpoints {
        out.push_str(&row(merged, several, most, events));
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn row(merged: &Merged, several: bool, most: u64, all: u64) -> String {
    let (service, endpoint) = (merged.services.first(), merged.endpoints.first());
    let name = match (service, endpoint) {
        (Some(service), Some(endpoint)) if several => format!("{service} {endpoint}"),
        (_, endpoint) => endpoint.cloned().unwrap_or_default(),
    };
    let rollup = &merged.rollup;
    let (events, errors) = (rollup.events(), rollup.errors());
    let percent = events as f64 * 100.0 / most.max(1) as f64;
    let mut out = format!("<tr><th scope=\"row\">{}", html(&name));
    let _ = write!(out, "<span class=\"bar\" style=\"width:{percent:.1}%\"></span></th>");
    let quantile = |q: f64| duration_cell(rollup.durations().map(|durations| durations.quantile_ms(q)));
    let users = number::whole(rollup.users().estimate().round() as u64);
    let cells = [
        number::whole(events),
        number::share(events, all),
        number::whole(errors),
        number::share(errors, events),
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
        users,
    ];
    for cell in cells {
        let _ = write!(out, "<td>{cell}</td>");
    }
    out.push_str("</tr>\n");
    out
}
