//! What an operator does, with `weir` as a process and the fleet as processes: look at what was set aside and put it back,
//! empty a dead-letter queue, notice what is in S3 already, announce rules, get a shard past a record that kills.

mod backfill;
mod quarantine;
mod redrive;
mod rules;
mod skip;

use weir_aws::clock;
use weir_telemetry::Window;
use weir_tests::Sent;

/// An event of a minute that many minutes ago, of an endpoint of its own.
fn event(service: &str, number: u64, minutes_ago: i64) -> Sent {
    let minute = Window::containing(clock::now()).start().plus(-60_000 * minutes_ago).to_string();
    Sent {
        service: service.to_owned(),
        endpoint: format!("Call.{number}"),
        series_endpoint: format!("Call.{number}"),
        status: Some(200),
        duration_us: Some(1_000 + number),
        minute: minute[..16].to_owned(),
        second: (number % 60) as u8,
    }
}
