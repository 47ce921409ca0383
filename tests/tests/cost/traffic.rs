//! Minutes of traffic through the lanes, the finalizer, the sweep and the compactor, in virtual time.

use crate::meter::{Meter, Units};
use futures::executor::block_on;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use weir_exact::compact::{CompactSettings, Compactor};
use weir_exact::fenced::{FencedLane, FencedSettings, Record};
use weir_exact::finalize::{FinalizeSettings, Finalizer};
use weir_exact::layout::Layout;
use weir_exact::ledger::{self, Held, Identity, Incoming, LedgerSettings, Message};
use weir_exact::quarantine::Coordinates;
use weir_exact::row::{Resolution, RowWindow};
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_exact::sweep::AGES_MS;
use weir_rollup::SeriesKey;
use weir_telemetry::{EpochTable, EpochView, Millis, Window};

/// 2026-11-21T01:30:00Z: the start of a window.
const BEGIN: Millis = Millis(1_795_224_600_000);
/// Defaults of template.yaml, seconds.
pub(crate) const FINALIZE_SECONDS: u64 = 2;
/// Events of a Kinesis record. Costs do not depend on it.
const EVENTS_PER_RECORD: u64 = 20;
/// How often the sweep sees a window at each of its ages.
const SWEEP_TICKS: u64 = 3;

/// Which lane takes the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Kinesis,
    /// Messages of so many events, in batches of at most so many messages.
    Sqs {
        events_per_message: u64,
        messages_per_batch: u64,
    },
}

/// One minute of even traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) lane: Lane,
    pub(crate) series: u64,
    /// Of each series.
    pub(crate) users: u64,
    pub(crate) events_per_second: u64,
    pub(crate) batch_seconds: u64,
}

/// What it took, whole.
pub(crate) struct Taken {
    pub(crate) events: u64,
    pub(crate) writes: Units,
    /// Half units.
    pub(crate) reads: Units,
    pub(crate) meter: Meter,
}

impl Taken {
    /// Write units per million events.
    pub(crate) fn writes_per_million(&self) -> f64 {
        self.writes.values().sum::<u64>() as f64 * 1e6 / self.events as f64
    }

    /// Read units per million events.
    pub(crate) fn reads_per_million(&self) -> f64 {
        self.reads.values().sum::<u64>() as f64 / 2.0 * 1e6 / self.events as f64
    }
}

/// Numbers that look drawn, the same in every run (Knuth's MMIX).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn event(&mut self, case: &Case, at: Millis, text: &mut String) {
        let series = self.below(case.series);
        let user = self.below(case.users);
        let status = [200, 200, 200, 201, 404, 500][self.below(6) as usize];
        // Right-skewed over some decades, as durations are.
        let duration_us = 1_000 << self.below(9);
        let fraction = self.below(1_000);
        let _ = writeln!(
            text,
            r#"{{"service":"service-{}","endpoint":"/v1/resource-{series}","status":{status},"duration_ms":{}.{fraction:03},"user_id":"u{user}-{series}","timestamp":{}}}"#,
            series / 20,
            duration_us / 1_000,
            at.0
        );
    }
}

/// Runs the case over a meter: a minute, the hour's and day's rows behind it, and every sweep until it is sealed.
pub(crate) fn run(case: Case) -> Taken {
    let (meter, table) = (Meter::default(), EpochTable::genesis());
    let layout = Layout::new("live", table.generation.clone());
    let epochs = EpochView::new(table, BEGIN);
    let environment = || Finalizer::new(&meter, &meter, layout.clone(), FinalizeSettings::default());
    let lane = FencedLane::new(&meter, FencedSettings::default());
    let (mut drawn, window, never) = (Drawn(7), Window::containing(BEGIN), || false);
    let mut events = 0;
    let finalize = |finalizer: &Finalizer<&Meter, &Meter>, now: Millis, ask: bool| {
        block_on(async {
            let progress = finalizer.progress().await.expect("memory");
            finalizer.finalize(window, &progress, now, ask, &never).await.expect("memory");
        });
    };
    let finalizer = environment();
    for second in (0..60_u64).step_by(case.batch_seconds as usize) {
        let (batch, at) = (case.events_per_second * case.batch_seconds, BEGIN.plus(second as i64 * 1_000));
        match case.lane {
            Lane::Kinesis => kinesis(&case, batch, at, events, &mut drawn, |records, shard| {
                let outcome = block_on(lane.process(&layout, &shard, records, &epochs, &never));
                assert!(outcome.failed_from.is_none() && outcome.applied == batch, "{outcome:?}");
            }),
            Lane::Sqs { events_per_message, messages_per_batch } => {
                let messages: Vec<_> = (0..batch / events_per_message)
                    .map(|n| message(&case, events + n * events_per_message, events_per_message, at, &mut drawn))
                    .collect();
                for some in messages.chunks(messages_per_batch as usize) {
                    let settings = LedgerSettings::default();
                    let some = some.iter().cloned().enumerate().collect();
                    let intake = block_on(ledger::intake(&meter, &layout, &epochs, settings, some, &never));
                    assert!(intake.outcome.failed.is_empty(), "{:?}", intake.outcome);
                }
            }
        }
        events += batch;
        // The stream of changes is read no more often than that, however often batches come.
        if case.batch_seconds >= FINALIZE_SECONDS || second % FINALIZE_SECONDS == 0 {
            finalize(&finalizer, at.plus(2_000), false);
        }
    }
    finalize(&finalizer, BEGIN.plus(62_000), false);
    compact(&meter, &layout, BEGIN.plus(63_000));
    for age in AGES_MS {
        // An environment that has not seen the window: hours and days lie between.
        let finalizer = environment();
        (0..SWEEP_TICKS).for_each(|tick| finalize(&finalizer, window.end().plus(age + tick as i64 * 60_000), true));
    }
    // Sealing moves the minute's rows once more, and with them the hour's and the day's.
    compact(&meter, &layout, window.end().plus(AGES_MS[3]));
    drop((lane, finalizer));
    Taken { events, writes: meter.writes(), reads: meter.reads(), meter }
}

fn kinesis(
    case: &Case,
    events: u64,
    at: Millis,
    before: u64,
    drawn: &mut Drawn,
    process: impl FnOnce(Vec<Record<'_>>, Shard),
) {
    let shard = Shard { stream: "weir-telemetry".into(), created_at: Millis(0), id: "shardId-000000000000".into() };
    let records = (0..events.div_ceil(EVENTS_PER_RECORD)).map(|n| {
        let mut text = String::new();
        (0..EVENTS_PER_RECORD).for_each(|_| drawn.event(case, at, &mut text));
        let sequence = format!("4959033827149025660855969253836157109592157{:013}", before + n + 1);
        Record {
            sequence: SequenceNumber::parse(&sequence).expect("digits"),
            arrived_at: at,
            data: Cow::Owned(text.into_bytes()),
        }
    });
    process(records.collect(), shard);
}

fn message(case: &Case, number: u64, events: u64, at: Millis, drawn: &mut Drawn) -> Incoming<'static> {
    let mut text = String::new();
    (0..events).for_each(|_| drawn.event(case, at, &mut text));
    let id = format!("{number:08x}-0000-4000-8000-000000000000");
    Incoming::Message(Message {
        identity: Identity::sqs("arn:aws:sqs:us-east-1:000000000000:weir-telemetry", &id),
        arrived_at: at,
        rules_at: at,
        origin: Coordinates::new("sqs", [("message_id", id)]).into(),
        data: text.into_bytes().into(),
        held: Held::Payload,
    })
}

/// Every series of the minute into its hour, and of the hour into its day.
fn compact(meter: &Meter, layout: &Layout, now: Millis) {
    let compactor = Compactor::new(meter, meter, layout.clone(), CompactSettings::default());
    let of_row =
        |key: &weir_exact::row::RowKey| SeriesKey { service: key.service.clone(), endpoint: key.endpoint.clone() };
    let touched: BTreeSet<SeriesKey> = meter.rows().keys().map(of_row).collect();
    for resolution in [Resolution::Hour, Resolution::Day] {
        let window = RowWindow::containing(resolution, BEGIN);
        let report = block_on(compactor.compact(window, &touched, now, &|| false)).expect("memory");
        assert_eq!(report.behind, 0, "{report:?}");
    }
}
