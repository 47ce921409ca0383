//! A row to and from its attributes.

use super::Attributes;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::str::FromStr;
use weir_exact::ports::{StoreError, StoreErrorKind};
use weir_exact::row::{Row, RowKey, RowVersion, RowWindow, State};
use weir_rollup::{Durations, Rollup, Status, UserSketch, otlp};
use weir_telemetry::Millis;

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Milliseconds from integer microseconds, exactly.
fn exact_ms(us: u128) -> AttributeValue {
    match us % 1_000 {
        0 => number(us / 1_000),
        fraction => AttributeValue::N(format!("{}.{fraction:03}", us / 1_000)),
    }
}

/// Digits of an estimate after the first. A day in whole microseconds has 11 in all, so exact values stay exact and
/// short, and an estimate gains no visible error (whole microseconds would be off by 2 % at 45 µs).
const ESTIMATE_DIGITS: usize = 11;

/// Milliseconds of an estimate.
fn estimate_ms(ms: f64) -> AttributeValue {
    let rounded = format!("{ms:.ESTIMATE_DIGITS$e}");
    number(rounded.parse().unwrap_or(ms))
}

/// As older rows that may still be stored were written: to the microsecond.
fn estimate_to_the_microsecond(ms: f64) -> AttributeValue {
    number((ms * 1_000.0).round() / 1_000.0)
}

/// `duration_ms` of such a row.
pub(super) fn earlier_duration_ms(row: &Row) -> Option<AttributeValue> {
    let durations = row.rollup.durations()?;
    Some(AttributeValue::M(duration_attributes(durations, estimate_to_the_microsecond)))
}

/// A row as stored.
pub fn attributes(row: &Row) -> Attributes {
    let key = &row.key;
    let start = key.window.start().to_string();
    let rollup = &row.rollup;
    let statuses = rollup.statuses().map(|(status, count)| (status.label().into_owned(), number(count))).collect();
    let mut attributes = Attributes::from([
        ("series".to_owned(), text(key.series())),
        ("window".to_owned(), text(key.window_text())),
        ("service".to_owned(), text(&key.service)),
        ("endpoint".to_owned(), text(&key.endpoint)),
        ("resolution".to_owned(), text(key.window.resolution().name())),
        ("start".to_owned(), text(start)),
        ("events".to_owned(), number(rollup.events())),
        ("errors".to_owned(), number(rollup.errors())),
        ("status_counts".to_owned(), AttributeValue::M(statuses)),
        ("unique_users".to_owned(), number(rollup.users().estimate().round())),
        ("users_sketch".to_owned(), AttributeValue::B(Blob::new(rollup.users().to_datasketches_bytes()))),
        ("revision".to_owned(), number(row.version.revision)),
        ("algorithm".to_owned(), number(row.version.algorithm)),
        ("state".to_owned(), text(row.version.state.name())),
        ("updated_at".to_owned(), text(row.updated_at.to_string())),
    ]);
    if let Some(durations) = rollup.durations() {
        attributes.insert("duration_ms".to_owned(), AttributeValue::M(duration_attributes(durations, estimate_ms)));
        let (start, end) = (unix_nano(key.window.start().0), unix_nano(key.window.end().0));
        let histogram = otlp::data_point(durations, start, end);
        attributes.insert("duration_histogram".to_owned(), AttributeValue::B(Blob::new(histogram)));
    }
    if let Some(endpoints) = &row.top_endpoints {
        let entry = |(endpoint, events): &(String, u64)| {
            AttributeValue::M(HashMap::from([
                ("endpoint".to_owned(), text(endpoint)),
                ("events".to_owned(), number(events)),
            ]))
        };
        attributes.insert("top_endpoints".to_owned(), AttributeValue::L(endpoints.iter().map(entry).collect()));
    }
    if let Some(expires_at) = row.expires_at {
        attributes.insert("expires_at".to_owned(), number(expires_at));
    }
    attributes
}

fn duration_attributes(durations: &Durations, estimate: fn(f64) -> AttributeValue) -> Attributes {
    Attributes::from([
        ("count".to_owned(), number(durations.count())),
        ("sum".to_owned(), exact_ms(durations.sum_us())),
        ("min".to_owned(), exact_ms(u128::from(durations.min_us()))),
        ("max".to_owned(), exact_ms(u128::from(durations.max_us()))),
        ("avg".to_owned(), estimate(durations.avg_ms())),
        ("p50".to_owned(), estimate(durations.quantile_ms(0.5))),
        ("p90".to_owned(), estimate(durations.quantile_ms(0.9))),
        ("p95".to_owned(), estimate(durations.quantile_ms(0.95))),
        ("p99".to_owned(), estimate(durations.quantile_ms(0.99))),
    ])
}

/// Windows are after 1970 by the lateness rule, so nothing is cut off.
fn unix_nano(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

/// Reads a stored row.
///
/// # Errors
/// Unreadable, naming the attribute, if it violates the contract.
pub fn row(attributes: &Attributes) -> Result<Row, StoreError> {
    read(attributes).map_err(|name| {
        let string = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
        let what = format!("row {} {}: {name} is malformed", string("series"), string("window"));
        StoreError::new(StoreErrorKind::Unreadable, what)
    })
}

/// The name of the first malformed attribute otherwise.
fn read(attributes: &Attributes) -> Result<Row, &'static str> {
    let string = |name: &'static str| attributes.get(name).and_then(|value| value.as_s().ok()).ok_or(name);
    let binary = |name: &'static str| attributes.get(name).and_then(|value| value.as_b().ok()).ok_or(name);
    let statuses = attributes.get("status_counts").and_then(|value| value.as_m().ok()).ok_or("status_counts")?;
    let mut statuses = statuses.iter().map(status).collect::<Option<Vec<_>>>().ok_or("status_counts")?;
    statuses.sort_unstable();
    let durations = match attributes.get("duration_ms") {
        None => None,
        Some(stored) => {
            let histogram = otlp::parse_data_point(binary("duration_histogram")?.as_ref());
            let histogram = histogram.map_err(|_| "duration_histogram")?.histogram;
            let stored = stored.as_m().map_err(|_| "duration_ms")?;
            let us = |name: &str| stored.get(name).and_then(microseconds).ok_or("duration_ms");
            let narrow = |us: u128| u64::try_from(us).map_err(|_| "duration_ms");
            let extremes = (narrow(us("min")?)?, narrow(us("max")?)?);
            Some(Durations::from_parts(us("sum")?, extremes.0, extremes.1, histogram).map_err(|_| "duration_ms")?)
        }
    };
    let users = UserSketch::from_datasketches_bytes(binary("users_sketch")?.as_ref()).map_err(|_| "users_sketch")?;
    let top = attributes.get("top_endpoints").map(|top| top_endpoints(top).ok_or("top_endpoints"));
    Ok(Row {
        key: RowKey {
            service: string("service")?.clone(),
            endpoint: string("endpoint")?.clone(),
            window: RowWindow::parse(string("window")?).map_err(|_| "window")?,
        },
        rollup: Rollup::from_parts(statuses, durations, users).map_err(|_| "status_counts")?,
        top_endpoints: top.transpose()?,
        version: version(attributes).ok_or("revision, algorithm or state")?,
        updated_at: Millis::parse_rfc3339(string("updated_at")?).map_err(|_| "updated_at")?,
        expires_at: attributes.get("expires_at").and_then(parsed),
    })
}

/// `None` if the row has no valid one.
pub(super) fn version(attributes: &Attributes) -> Option<RowVersion> {
    Some(RowVersion {
        revision: parsed(attributes.get("revision")?)?,
        algorithm: parsed(attributes.get("algorithm")?)?,
        state: State::by_name(attributes.get("state")?.as_s().ok()?)?,
    })
}

pub(super) fn parsed<T: FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse().ok()
}

fn status((name, count): (&String, &AttributeValue)) -> Option<(Status, u64)> {
    let status = match name.as_str() {
        "unknown" => Status::UNKNOWN,
        number => Status::new(number.parse().ok()?)?,
    };
    Some((status, parsed(count)?))
}

/// The inverse of [`exact_ms`].
fn microseconds(value: &AttributeValue) -> Option<u128> {
    let text = value.as_n().ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    // DynamoDB drops trailing zeros of a number.
    let fraction: u128 = format!("{fraction:0<3}").parse().ok().filter(|_| fraction.len() <= 3)?;
    whole.parse::<u128>().ok()?.checked_mul(1_000)?.checked_add(fraction)
}

fn top_endpoints(value: &AttributeValue) -> Option<Vec<(String, u64)>> {
    let entry = |entry: &AttributeValue| {
        let entry = entry.as_m().ok()?;
        Some((entry.get("endpoint")?.as_s().ok()?.clone(), parsed(entry.get("events")?)?))
    };
    value.as_l().ok()?.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_exact::row::Resolution;

    fn events() -> impl Strategy<Value = Vec<(Option<u16>, Option<u64>, Option<String>)>> {
        let duration = prop::option::of(prop_oneof![0..5_000_000_u64, Just(0), Just(86_400_000_000)]);
        prop::collection::vec((prop::option::of(0..1_000_u16), duration, prop::option::of("[a-z]{1,3}")), 0..600)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn a_row_is_read_as_it_was_stored(events in events(), which in 0_usize..3, revision in any::<u64>(), top in any::<bool>()) {
            let mut rollup = Rollup::default();
            for (status, duration_us, user) in &events {
                let status = status.and_then(Status::new).unwrap_or(Status::UNKNOWN);
                rollup.add(status, *duration_us, user.as_deref().map(str::as_bytes));
            }
            let resolution = [Resolution::Minute, Resolution::Hour, Resolution::Day][which];
            let stored = Row {
                key: RowKey {
                    service: "s".to_owned(),
                    endpoint: "/a#b".to_owned(),
                    window: RowWindow::containing(resolution, Millis(1_795_224_605_000)),
                },
                rollup,
                top_endpoints: top.then(|| vec![("/a".to_owned(), 7), ("/b".to_owned(), 3)]),
                version: RowVersion { revision, algorithm: 3, state: State::Complete },
                updated_at: Millis(1_795_224_605_123),
                expires_at: top.then_some(5),
            };
            prop_assert_eq!(row(&attributes(&stored)), Ok(stored));
        }
    }

    /// The contract's bound (§2), as a fraction.
    const QUANTILE_ERROR_MAX: f64 = 0.011;

    /// `name` of `duration_ms`, as published.
    fn published(durations_us: impl IntoIterator<Item = u64>, name: &str) -> String {
        let mut rollup = Rollup::default();
        durations_us.into_iter().for_each(|us| rollup.add(Status::UNKNOWN, Some(us), None));
        let durations = duration_attributes(rollup.durations().unwrap(), estimate_ms);
        durations[name].as_n().unwrap().clone()
    }

    #[test]
    fn every_bin_s_quantile_is_within_the_bound_of_every_duration_in_it() {
        const DAY_US: u64 = 86_400_000_000;
        let last = weir_rollup::bin_of(DAY_US).unwrap();
        for bin in weir_rollup::BIN_MIN..=last {
            let (low, high) = (weir_rollup::bin_end_us(bin - 1) + 1, weir_rollup::bin_end_us(bin).min(DAY_US));
            if low > high {
                continue;
            }
            // Neither the smallest nor the largest of the row, which are stored exactly.
            let estimate: f64 = published([0, 0, high, high, DAY_US + 1, DAY_US + 1], "p50").parse().unwrap();
            for true_us in [low, low + (high - low) / 2, high] {
                let true_ms = true_us as f64 / 1_000.0;
                let error = (estimate - true_ms).abs() / true_ms;
                assert!(error <= QUANTILE_ERROR_MAX, "bin {bin}: {estimate} ms for {true_ms} ms, off by {error}");
            }
        }
    }

    #[test]
    fn what_is_exact_stays_exact_and_short() {
        let check = |us: u64, expect: &str| {
            for name in ["p50", "p99", "avg"] {
                assert_eq!(published([us], name), expect, "{name} of {us} µs");
            }
        };
        check(0, "0");
        check(1, "0.001");
        check(12_500, "12.5");
        check(44, "0.044");
        check(1_234_567, "1234.567");
        check(86_399_999_999, "86399999.999");
        check(86_400_000_000, "86400000");
        assert_eq!(published([1, 2, 2], "avg"), "0.00166666666667");
        // 55 and 56 µs share a bin.
        assert_eq!(published([1, 55, 56, 99], "p50"), "0.0554954954955");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut attributes =
            Attributes::from([("series".to_owned(), text("s#*")), ("window".to_owned(), text("1h#x"))]);
        let named = |attributes: &Attributes| row(attributes).unwrap_err().to_string();
        assert_eq!(named(&attributes), "row s#* 1h#x: status_counts is malformed");
        attributes
            .insert("status_counts".to_owned(), AttributeValue::M(HashMap::from([("200".to_owned(), text("1"))])));
        assert_eq!(named(&attributes), "row s#* 1h#x: status_counts is malformed");
    }
}
