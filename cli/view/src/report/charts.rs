//! The four charts over time: rates, errors, durations, users.

use super::Line;
use super::axis::Scale;
use super::chart::{Chart, Mark, Shape, duration_cell, window_text};
use crate::number;
use crate::timeline::Point;
use weir_exact::row::State;

/// Events per second, a line for each of the largest series.
pub(super) fn rates(all: &[Point], lines: &[Line]) -> String {
    let largest = lines.iter().flat_map(|line| &line.points).map(Point::rate).fold(0.0, f64::max);
    let mark = |(style, line): (usize, &Line)| {
        let rates = line.points.iter().map(|point| Some(point.rate())).collect();
        Mark { style, name: line.name.clone(), shape: Shape::Line(rates) }
    };
    let mut heads: Vec<String> = lines.iter().map(|line| format!("{}, events", line.name)).collect();
    heads.push("State".to_owned());
    let row = |at: usize| {
        let events = lines.iter().map(|line| line.points.get(at).map_or(0, |point| point.rollup.events()));
        let mut cells: Vec<String> = events.map(number::whole).collect();
        cells.push(all[at].state.map_or("no events", State::name).to_owned());
        cells
    };
    let chart = Chart {
        id: "rates",
        title: "Events per second",
        summary: rates_summary(all),
        points: all,
        scale: Scale::linear(largest),
        value: number::short,
        marks: lines.iter().enumerate().map(mark).collect(),
        heads,
        cells: |_| vec![],
        rows: Some((0..all.len()).map(row).collect()),
    };
    chart.html()
}

fn rates_summary(all: &[Point]) -> String {
    let Some(most) = most(all, Point::rate) else { return "No events in this range.".to_owned() };
    let (events, seconds) =
        all.iter().fold((0, 0.0), |(events, seconds), point| (events + point.rollup.events(), seconds + point.seconds));
    let mean = number::short(events as f64 / seconds);
    format!("{mean}/s on average, at most {}/s in the window of {} UTC.", number::short(most.rate()), window_text(most))
}

/// Errors of all events, percent, and events by class of status behind it.
pub(super) fn errors(all: &[Point]) -> String {
    let percent = |point: &Point| point.error_share().map(|share| share * 100.0);
    let largest = all.iter().filter_map(percent).fold(0.0, f64::max);
    let chart = Chart {
        id: "errors",
        title: "Errors, percent of events",
        summary: errors_summary(all),
        points: all,
        scale: Scale::linear(largest),
        value: |mark| format!("{} %", number::short(mark)),
        marks: vec![Mark {
            style: 5,
            name: "errors".to_owned(),
            shape: Shape::Band(all.iter().map(|point| percent(point).map(|percent| (0.0, percent))).collect()),
        }],
        heads: ["Errors", "Share", "Events", "2xx", "3xx", "4xx", "5xx", "other", "unknown"].map(str::to_owned).into(),
        cells: |point| {
            let (errors, events) = (point.rollup.errors(), point.rollup.events());
            let mut cells = vec![number::whole(errors), number::share(errors, events), number::whole(events)];
            cells.extend(classes(point).map(number::whole));
            cells
        },
        rows: None,
    };
    chart.html()
}

/// Events of status 2xx, 3xx, 4xx, 5xx, any other number, and none.
fn classes(point: &Point) -> [u64; 6] {
    let mut classes = [0; 6];
    for (status, count) in point.rollup.statuses() {
        let class = match status.number() {
            None => 5,
            Some(number) => match number / 100 {
                class @ 2..=5 => usize::from(class) - 2,
                _ => 4,
            },
        };
        classes[class] += count;
    }
    classes
}

fn errors_summary(all: &[Point]) -> String {
    let (errors, events) = all
        .iter()
        .fold((0, 0), |(errors, events), point| (errors + point.rollup.errors(), events + point.rollup.events()));
    let worst = most(all, |point| point.error_share().unwrap_or(0.0));
    match worst.filter(|_| errors > 0) {
        None if events == 0 => "No events in this range.".to_owned(),
        None => format!("None of {} events had a status of 500 or more.", number::whole(events)),
        Some(worst) => format!(
            "{} of {} events had a status of 500 or more ({}); at most {} in the window of {} UTC.",
            number::whole(errors),
            number::whole(events),
            number::share(errors, events),
            number::share(worst.rollup.errors(), worst.rollup.events()),
            window_text(worst),
        ),
    }
}

/// Bands from p50 to p90 and p90 to p99, with the median and p95 as lines, on a logarithmic scale.
pub(super) fn durations(all: &[Point]) -> String {
    const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];
    let quantile = |q: f64| all.iter().map(move |point| point.quantile_ms(q));
    let band =
        |low: f64, high: f64| Shape::Band(quantile(low).zip(quantile(high)).map(|(low, high)| low.zip(high)).collect());
    let line = |q: f64| Shape::Line(quantile(q).collect());
    let mark = |style, name: &str, shape| Mark { style, name: name.to_owned(), shape };
    let chart = Chart {
        id: "durations",
        title: "Durations",
        summary: durations_summary(all),
        points: all,
        scale: Scale::logarithmic(QUANTILES.into_iter().flat_map(quantile).flatten()),
        value: number::duration,
        marks: vec![
            mark(0, "p90 to p99", band(0.9, 0.99)),
            mark(1, "p50 to p90", band(0.5, 0.9)),
            mark(2, "p95", line(0.95)),
            mark(0, "p50", line(0.5)),
        ],
        heads: ["With duration", "p50", "p90", "p95", "p99", "longest"].map(str::to_owned).into(),
        cells: |point| {
            let durations = point.rollup.durations();
            let mut cells = vec![number::whole(durations.map_or(0, |durations| durations.count()))];
            cells.extend(QUANTILES.map(|q| duration_cell(point.quantile_ms(q))));
            cells.push(duration_cell(durations.map(|durations| durations.max_ms())));
            cells
        },
        rows: None,
    };
    chart.html()
}

fn durations_summary(all: &[Point]) -> String {
    let slowest = most(all, |point| point.quantile_ms(0.99).unwrap_or(0.0));
    let timed = all.iter().any(|point| point.rollup.durations().is_some());
    match slowest.filter(|_| timed) {
        None => "No event in this range had a duration.".to_owned(),
        Some(slowest) => format!(
            "The largest p99 is {}, in the window of {} UTC. Quantiles are within 1.1 %; the scale is logarithmic.",
            duration_cell(slowest.quantile_ms(0.99)),
            window_text(slowest),
        ),
    }
}

/// Unique users of each window.
pub(super) fn users(all: &[Point]) -> String {
    let largest = all.iter().map(Point::users).max().unwrap_or(0);
    let summary = match most(all, |point| point.users() as f64) {
        Some(most) if largest > 0 => format!(
            "At most {} in the window of {} UTC. Estimates, within 5 %; users of several windows count in each, so windows do not add up.",
            number::whole(largest),
            window_text(most),
        ),
        _ => "No event in this range named a user.".to_owned(),
    };
    let chart = Chart {
        id: "users",
        title: "Unique users per window",
        summary,
        points: all,
        scale: Scale::linear(largest as f64),
        value: number::short,
        marks: vec![Mark {
            style: 3,
            name: "unique users".to_owned(),
            shape: Shape::Line(all.iter().map(|point| Some(point.users() as f64)).collect()),
        }],
        heads: vec!["Unique users".to_owned()],
        cells: |point| vec![number::whole(point.users())],
        rows: None,
    };
    chart.html()
}

/// The first point of those with the largest value; none where all windows are without events.
fn most(points: &[Point], value: impl Fn(&Point) -> f64) -> Option<&Point> {
    let counted = points.iter().filter(|point| !point.rollup.is_empty());
    counted.reduce(|most, point| if value(point) > value(most) { point } else { most })
}
