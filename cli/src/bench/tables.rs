//! Results as a terminal shows them.

use super::figures::Figures;
use super::results::{Cannon, Memory, Payload, Results, Start};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Prints every table that has rows, then the notes.
pub(crate) fn print(results: &Results) {
    let machine = &results.machine;
    println!(
        "{}; {}, {} CPUs, {:.0} GB, load {:.1}\n",
        results.taken_at,
        machine.cpu,
        machine.cpus,
        machine.memory_bytes as f64 / 1e9,
        machine.load
    );
    for (title, table) in [
        ("Starts, ms", starts(&results.init)),
        (
            "Payloads, ms; cold from the call to the answer, warm from the event to the answer",
            payloads(&results.payloads),
        ),
        ("Memory sizes, ms; by their share of the CPU", memory(&results.memory)),
        ("Cannon, ms from the call to the answer", cannon(&results.cannon)),
    ] {
        if table.row_count() > 0 {
            println!("{title}\n{table}\n");
        }
    }
    for note in &results.notes {
        println!("- {note}");
    }
}

fn starts(rows: &[Start]) -> Table {
    let mut table = table(&["bootstrap", "MB", "resident MB", "runs", "min", "p50", "p95", "max", "÷ hello"], 1);
    for row in rows {
        let Figures { runs, min, p50, p95, max, .. } = row.init;
        let to_hello = row.to_hello.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let cells = [row.name.clone(), mb(row.bytes), mb(row.resident_bytes), runs.to_string()];
        table.add_row(cells.into_iter().chain([min, p50, p95, max].map(ms)).chain([to_hello]));
    }
    table
}

fn payloads(rows: &[Payload]) -> Table {
    let head = [
        "work",
        "by",
        "events",
        "cold avg",
        "cold p50",
        "÷ weir",
        "avg",
        "p50",
        "p95",
        "p99",
        "max",
        "spread",
        "÷ weir",
        "$/M inv.",
        "$/M events",
    ];
    let mut table = table(&head, 2);
    for row in rows {
        let Figures { avg, p50, p95, p99, max, spread, .. } = row.warm;
        table.add_row([
            row.work.name().to_owned(),
            row.name.clone(),
            row.events.to_string(),
            ms(row.cold.avg),
            ms(row.cold.p50),
            format!("{:.1}", row.cold_to_weir),
            ms(avg),
            ms(p50),
            ms(p95),
            ms(p99),
            ms(max),
            format!("{spread:.2}"),
            format!("{:.1}", row.warm_to_weir),
            format!("{:.2}", row.usd_per_million_invocations),
            format!("{:.5}", row.usd_per_million_events),
        ]);
    }
    table
}

fn memory(rows: &[Memory]) -> Table {
    let head = [
        "work",
        "by",
        "MB",
        "CPUs",
        "had",
        "cold p50",
        "avg",
        "p50",
        "p99",
        "max",
        "peak MB",
        "$/M inv.",
        "$/M events",
    ];
    let mut table = table(&head, 2);
    for row in rows {
        table.add_row([
            row.work.name().to_owned(),
            row.name.clone(),
            row.memory_mb.to_string(),
            format!("{:.2}", row.cpus),
            format!("{:.2}", row.cpus_had),
            ms(row.cold.p50),
            ms(row.warm.avg),
            ms(row.warm.p50),
            ms(row.warm.p99),
            ms(row.warm.max),
            mb(row.peak_bytes),
            format!("{:.2}", row.usd_per_million_invocations),
            format!("{:.5}", row.usd_per_million_events),
        ]);
    }
    table
}

fn cannon(rows: &[Cannon]) -> Table {
    let head = [
        "by", "events", "at once", "rounds", "min", "avg", "p50", "p99", "max", "spread", "steady", "drift", "peak MB",
    ];
    let mut table = table(&head, 1);
    for row in rows {
        let Figures { min, avg, p50, p99, max, spread, steadiness, .. } = row.times;
        let cells = [row.name.clone(), row.events.to_string(), row.concurrency.to_string(), row.rounds.to_string()];
        let times = [min, avg, p50, p99, max].map(ms);
        let rest =
            [format!("{spread:.2}"), format!("{steadiness:.2}"), format!("{:.2}", row.drift), mb(row.peak_bytes)];
        table.add_row(cells.into_iter().chain(times).chain(rest));
    }
    table
}

/// A table whose first columns are words.
fn table(head: &[&str], words: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head.iter().copied());
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Milliseconds, three digits that matter.
pub(crate) fn ms(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn mb(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
