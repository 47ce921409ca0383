//! Results as one HTML page that needs nothing else, in light and dark.

use super::chart::{Line, bars, lines};
use super::results::{Memory, Payload, Results};
use super::tables::{mb, ms};
use super::work::Work;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --line: #dcdcdc;
  --s0: #c2410c; --s1: #0369a1; --s2: #4d7c0f; --s3: #7e22ce; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c; --line: #3a3d44;
  --s0: #fb923c; --s1: #38bdf8; --s2: #a3e635; --s3: #c084fc; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
svg { width: 100%; max-width: 40rem; height: auto; display: block; }
svg text { font-size: 12px; fill: var(--ink); } .end { text-anchor: end; } .mid { text-anchor: middle; }
.grid { stroke: var(--line); } polyline { fill: none; stroke-width: 2; }
polyline.s0 { stroke: var(--s0); } polyline.s1 { stroke: var(--s1); } polyline.s2 { stroke: var(--s2); } polyline.s3 { stroke: var(--s3); }
circle.s0, rect.s0 { fill: var(--s0); } circle.s1 { fill: var(--s1); } circle.s2 { fill: var(--s2); } circle.s3 { fill: var(--s3); }
.legend span { margin-right: 1rem; } span.s0 { color: var(--s0); } span.s1 { color: var(--s1); } span.s2 { color: var(--s2); } span.s3 { color: var(--s3); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } h2 { margin-top: 2.5rem; }
";

/// The page.
pub(crate) fn page(results: &Results) -> String {
    let machine = &results.machine;
    let about = format!(
        "{}. {}, {} CPUs, {:.0} GB, load {:.1} at the start. Times carry over between machines only as ratios.",
        results.taken_at,
        machine.cpu,
        machine.cpus,
        machine.memory_bytes as f64 / 1e9,
        machine.load
    );
    let notes: String = results.notes.iter().map(|note| format!("<li>{}</li>", weir_view::html(note))).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>weir bench</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>weir bench</h1><p>{}</p><ul>{notes}</ul>{}{}{}{}</body></html>\n",
        weir_view::html(&about),
        starts(results),
        payloads(results),
        memory(results),
        cannon(results),
    )
}

fn starts(results: &Results) -> String {
    if results.init.is_empty() {
        return String::new();
    }
    let init = bars("ms", &results.init.iter().map(|row| (row.name.clone(), row.init.p50)).collect::<Vec<_>>());
    let rows = results.init.iter().map(|row| {
        let to_hello = row.to_hello.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        vec![row.name.clone(), mb(row.bytes), mb(row.resident_bytes), ms(row.init.p50), ms(row.init.p95), to_hello]
    });
    let head = ["bootstrap", "MB", "resident MB", "init p50 ms", "p95 ms", "÷ hello"];
    format!(
        "<h2>Starts</h2><p>Init, median ms: from process start to its first request for work.</p>{init}{}",
        table(&head, rows)
    )
}

fn payloads(results: &Results) -> String {
    let rows = &results.payloads;
    let mut html = String::new();
    for work in Work::ALL.into_iter().filter(|work| rows.iter().any(|row| row.work == *work)) {
        let of_work = || rows.iter().filter(|row| row.work == work);
        let chart = |value: fn(&Payload) -> f64| {
            lines("events", "ms", &by_name(of_work().map(|row| (row.name.as_str(), row.events as f64, value(row)))))
        };
        let table_rows = of_work().map(|row| {
            vec![
                row.name.clone(),
                row.events.to_string(),
                ms(row.cold.p50),
                format!("{:.1}", row.cold_to_weir),
                ms(row.warm.avg),
                ms(row.warm.p50),
                ms(row.warm.p99),
                ms(row.warm.max),
                format!("{:.1}", row.warm_to_weir),
                format!("{:.2}", row.usd_per_million_invocations),
                format!("{:.5}", row.usd_per_million_events),
            ]
        });
        let head = [
            "by",
            "events",
            "cold p50",
            "÷ weir",
            "avg",
            "p50",
            "p99",
            "max",
            "÷ weir",
            "$ per M invocations",
            "$ per M events",
        ];
        html += &format!(
            "<h2>{}: payload sizes</h2><h3>Warm, median ms</h3>{}<h3>Cold, median ms</h3>{}{}",
            work.name(),
            chart(|row| row.warm.p50),
            chart(|row| row.cold.p50),
            table(&head, table_rows)
        );
    }
    html
}

fn memory(results: &Results) -> String {
    let rows = &results.memory;
    let mut html = String::new();
    for work in Work::ALL.into_iter().filter(|work| rows.iter().any(|row| row.work == *work)) {
        let of_work = || rows.iter().filter(|row| row.work == work);
        let chart = |words: &str, value: fn(&Memory) -> f64| {
            lines("MB", words, &by_name(of_work().map(|row| (row.name.as_str(), f64::from(row.memory_mb), value(row)))))
        };
        let table_rows = of_work().map(|row| {
            vec![
                row.name.clone(),
                row.memory_mb.to_string(),
                format!("{:.2}", row.cpus_had),
                ms(row.cold.p50),
                ms(row.warm.avg),
                ms(row.warm.p99),
                mb(row.peak_bytes),
                format!("{:.2}", row.usd_per_million_invocations),
            ]
        });
        let head = ["by", "MB", "CPUs", "cold p50", "avg", "p99", "peak MB", "$ per M invocations"];
        html += &format!(
            "<h2>{}: memory sizes</h2><h3>Warm, average ms</h3>{}<h3>US dollars per million invocations</h3>{}{}",
            work.name(),
            chart("ms", |row| row.warm.avg),
            chart("$", |row| row.usd_per_million_invocations),
            table(&head, table_rows)
        );
    }
    html
}

fn cannon(results: &Results) -> String {
    if results.cannon.is_empty() {
        return String::new();
    }
    let rows = results.cannon.iter().map(|row| {
        let times = [row.times.min, row.times.avg, row.times.p50, row.times.p99, row.times.max].map(ms);
        let shares = [row.times.steadiness, row.drift].map(|share| format!("{share:.2}"));
        let counts = [row.concurrency.to_string(), row.rounds.to_string()];
        [row.name.clone()].into_iter().chain(counts).chain(times).chain(shares).collect()
    });
    let head = ["by", "at once", "rounds", "min", "avg", "p50", "p99", "max", "steady", "drift"];
    let averages: Vec<_> = results.cannon.iter().map(|row| (row.name.clone(), row.times.avg)).collect();
    format!(
        "<h2>Cannon</h2><p>Average ms from the call to the response.</p>{}{}",
        bars("ms", &averages),
        table(&head, rows)
    )
}

/// Points as lines by name, in the names' first order.
fn by_name<'a>(points: impl Iterator<Item = (&'a str, f64, f64)>) -> Vec<Line> {
    let mut lines: Vec<Line> = vec![];
    for (name, x, y) in points {
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push((x, y)),
            None => lines.push(Line { name: name.to_owned(), points: vec![(x, y)] }),
        }
    }
    lines
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let cells = |tag: &str, row: &mut dyn Iterator<Item = &str>| {
        let cells: String = row.map(|cell| format!("<{tag}>{}</{tag}>", weir_view::html(cell))).collect();
        format!("<tr>{cells}</tr>")
    };
    let body: String = rows.map(|row| cells("td", &mut row.iter().map(String::as_str))).collect();
    format!("<div class=\"wide\"><table>{}{body}</table></div>", cells("th", &mut head.iter().copied()))
}
