//! What counting costs in DynamoDB's units (docs/cost.md): the product's lanes, finalizer, sweep and compactor over a
//! store that counts units by AWS's rules, and those rules against what the local plane's DynamoDB says it consumed.

mod meter;
mod traffic;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use std::collections::HashMap;
use traffic::{Case, FINALIZE_SECONDS, Lane, Taken, run};
use weir_exact::row::Resolution;
use weir_tests::Fleet;

/// Write units that a million records cost at least where each is put under a condition before it is counted: the
/// record's marker, and the counter.
const PER_RECORD: f64 = 2_000_000.0;

/// A shard's 1 MB/s in events of about 100 bytes.
const SHARD: Case =
    Case { lane: Lane::Kinesis, series: 100, users: 2_000, events_per_second: 10_000, batch_seconds: 5 };

/// docs/cost.md's formulas, from the sizes that stand at the end: write units of the minute.
struct Formula {
    contributions: u64,
    minute_rows: u64,
    hour_and_day_rows: u64,
}

fn kb(bytes: u64) -> u64 {
    bytes.div_ceil(1_024).max(1)
}

fn formula(case: Case, taken: &Taken) -> Formula {
    let items = taken.meter.items();
    let of_window = items.iter().filter(|item| item.key.pk.contains("#w#"));
    let item_units: u64 = of_window.map(|item| kb(meter::bytes(&meter::attributes(item)))).sum();
    let rows = taken.meter.rows();
    let row_units = |resolution| {
        let of = rows.values().filter(|row| row.key.window.resolution() == resolution);
        of.map(|row| kb(meter::bytes(&weir_aws::rows::attributes(row)))).sum::<u64>()
    };
    let (batches, finalizations) = (60 / case.batch_seconds, 60 / case.batch_seconds.max(FINALIZE_SECONDS));
    Formula {
        contributions: batches * item_units,
        // Once more as complete, once more as sealed.
        minute_rows: (finalizations + 2) * row_units(Resolution::Minute),
        // Once for the minute, once when it is sealed.
        hour_and_day_rows: 2 * (row_units(Resolution::Hour) + row_units(Resolution::Day)),
    }
}

fn share(measured: u64, formula: u64) -> f64 {
    measured as f64 / formula as f64
}

#[test]
fn exactness_costs_less_than_a_fiftieth_of_a_marker_for_each_record() {
    let taken = run(SHARD);
    let writes = taken.writes_per_million();
    assert!(writes <= PER_RECORD / 50.0, "{writes} write units per million events: {:?}", taken.writes);

    // The formulas have the sizes at the end of the window; on the way there items are smaller.
    let formula = formula(SHARD, &taken);
    let of = |what: &str| taken.writes.get(what).copied().unwrap_or(0);
    for (what, measured, formula) in [
        ("contributions", of("contributions"), formula.contributions),
        ("1m rows", of("1m rows"), formula.minute_rows),
        ("1h and 1d rows", of("1h rows") + of("1d rows"), formula.hour_and_day_rows),
    ] {
        let share = share(measured, formula);
        assert!((0.6..=1.05).contains(&share), "{what}: measured {measured}, by formula {formula}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_meter_agrees_with_what_the_local_plane_says_it_consumed() {
    let fleet = Fleet::start_with(|options| {
        // The items below are put by hand: nobody is to rewrite them meanwhile.
        options.parameters.insert("FinalizeSeconds".into(), "60".into());
        options.parameters.insert("CompactSeconds".into(), "60".into());
    })
    .await;
    let small = Case { series: 10, users: 200, events_per_second: 100, batch_seconds: 30, ..SHARD };
    let taken = run(small);
    let contributions = taken.meter.items().into_iter().map(|item| ("weir-contributions", meter::attributes(&item)));
    let rows = taken.meter.rows().into_values().map(|row| ("weir-rollups", weir_aws::rows::attributes(&row)));
    let mut compared = 0;
    for (table, attributes) in contributions.chain(rows) {
        let consumed = consumed(&fleet, table, attributes.clone()).await;
        let bytes = meter::bytes(&attributes);
        // Numbers are trimmed of zeros there and not here: an item at the edge of a KB may fall on the other side.
        let (least, most) = (kb(bytes.saturating_sub(32)) as f64, kb(bytes) as f64);
        assert!((least..=most).contains(&consumed), "{table}: {bytes} bytes, consumed {consumed}: {attributes:?}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
    fleet.plane.shutdown().await;
}

/// Write units that a put of the item takes.
async fn consumed(fleet: &Fleet, table: &str, item: HashMap<String, AttributeValue>) -> f64 {
    let put = fleet.dynamodb.put_item().table_name(table).set_item(Some(item));
    let answer = put.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.expect("a put");
    answer.consumed_capacity.and_then(|capacity| capacity.capacity_units).expect("it says what it consumed")
}

/// The tables of docs/cost.md: `cargo test -p weir-tests --test cost -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn tables() {
    println!(
        "| lane | events/s | series | batch | write units per M events | of which rows | read units per M | × a marker each |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (lane, events_per_second) in [
        (Lane::Kinesis, 1_000),
        (Lane::Kinesis, 10_000),
        (Lane::Sqs { events_per_message: 1, messages_per_batch: 1_000 }, 1_000),
        (Lane::Sqs { events_per_message: 100, messages_per_batch: 100 }, 10_000),
    ] {
        for series in [10, 100, 10_000] {
            for batch_seconds in [1, 5] {
                let case = Case { lane, series, events_per_second, batch_seconds, ..SHARD };
                let taken = run(case);
                let rows: u64 =
                    taken.writes.iter().filter(|(what, _)| what.ends_with("rows")).map(|(_, units)| units).sum();
                let writes = taken.writes_per_million();
                println!(
                    "| {lane:?} | {events_per_second} | {series} | {batch_seconds} s | {writes:.0} | {:.0} % | {:.0} | 1/{:.0} |",
                    rows as f64 * 1e6 / taken.events as f64 / writes * 100.0,
                    taken.reads_per_million(),
                    PER_RECORD / writes,
                );
            }
        }
    }
}
