//! Checks rows: every attribute against what the row's own counts and sketches yield.

use super::attributes::{attributes, earlier_duration_ms, row};
use super::{Attributes, BATCH_GET_KEYS_MAX, RollupsTable, by_name, named};
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::BTreeMap;
use weir_exact::ports::{AuditedRow, Contradiction, RowAudit, StoreError};
use weir_exact::row::RowKey;

/// Attributes decided by a clock and the stack's parameters: nothing in the row says what they should be.
const BY_CLOCK: [&str; 2] = ["updated_at", "expires_at"];

impl RowAudit for RollupsTable {
    async fn audit_rows(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, AuditedRow>, StoreError> {
        let by_name = by_name(keys);
        let mut audited = BTreeMap::new();
        for keys in keys.chunks(BATCH_GET_KEYS_MAX) {
            for attributes in self.batch_get(keys, &[], true).await? {
                if let Some(key) = named(&by_name, &attributes) {
                    audited.insert(key.clone(), audit(&attributes));
                }
            }
        }
        Ok(audited)
    }
}

/// Reads a row without trusting anything in it.
fn audit(stored: &Attributes) -> AuditedRow {
    let row = match row(stored) {
        Ok(row) => row,
        Err(error) => return AuditedRow { row: Err(error.to_string()), contradictions: vec![] },
    };
    let should: BTreeMap<_, _> = attributes(&row).into_iter().collect();
    let mut contradictions = vec![];
    for (name, should) in should.iter().filter(|(name, _)| !BY_CLOCK.contains(&name.as_str())) {
        contradict(name, stored.get(name), should, &mut contradictions);
    }
    // A row that is not recomputed keeps the rounding with which it was written.
    if let Some(AttributeValue::M(earlier)) = earlier_duration_ms(&row) {
        let stands = stored.get("duration_ms").and_then(|stored| stored.as_m().ok());
        contradictions.retain(|contradiction| {
            let name = contradiction.attribute.strip_prefix("duration_ms.");
            let both = name.and_then(|name| Some((stands?.get(name)?, earlier.get(name)?)));
            both.is_none_or(|(stands, earlier)| !says(stands, earlier))
        });
    }
    AuditedRow { row: Ok(row), contradictions }
}

fn contradict(name: &str, stands: Option<&AttributeValue>, should: &AttributeValue, found: &mut Vec<Contradiction>) {
    if let (Some(AttributeValue::M(stands)), AttributeValue::M(should)) = (stands, should) {
        let should: BTreeMap<_, _> = should.iter().collect();
        should
            .into_iter()
            .for_each(|(key, should)| contradict(&format!("{name}.{key}"), stands.get(key), should, found));
    } else if stands.is_none_or(|stands| !says(stands, should)) {
        let stands = stands.map_or("absent".to_owned(), shown);
        found.push(Contradiction { attribute: name.to_owned(), stands, should: shown(should) });
    }
}

/// Whether two values are equal: DynamoDB drops trailing zeros of a number.
fn says(stands: &AttributeValue, should: &AttributeValue) -> bool {
    match (stands, should) {
        (AttributeValue::N(stands), AttributeValue::N(should)) => {
            let is_decimal = stands.contains(['.', 'e', 'E']) || should.contains(['.', 'e', 'E']);
            stands == should || (is_decimal && stands.parse::<f64>() == should.parse::<f64>())
        }
        (AttributeValue::L(stands), AttributeValue::L(should)) => {
            stands.len() == should.len() && stands.iter().zip(should).all(|(stands, should)| says(stands, should))
        }
        (AttributeValue::M(stands), AttributeValue::M(should)) => {
            let same = |(key, should): (&String, &AttributeValue)| stands.get(key).is_some_and(|s| says(s, should));
            stands.len() == should.len() && should.iter().all(same)
        }
        (stands, should) => stands == should,
    }
}

/// A value for a line; for bytes only their number.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::B(bytes) => format!("{} bytes", bytes.as_ref().len()),
        AttributeValue::L(list) => format!("a list of {}", list.len()),
        AttributeValue::M(map) => format!("a map of {}", map.len()),
        _ => "of another type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_exact::row::{Resolution, Row, RowVersion, RowWindow, State};
    use weir_rollup::{Rollup, Status};
    use weir_telemetry::Millis;

    fn stored() -> Attributes {
        let mut rollup = Rollup::default();
        rollup.add(Status::new(200).unwrap(), Some(12_340), Some(b"u"));
        rollup.add(Status::new(500).unwrap(), Some(1), None);
        let window = RowWindow::containing(Resolution::Minute, Millis(1_795_224_605_000));
        attributes(&Row {
            key: RowKey { service: "s".to_owned(), endpoint: "*".to_owned(), window },
            rollup,
            top_endpoints: Some(vec![("/a".to_owned(), 2)]),
            version: RowVersion { revision: 2, algorithm: 1, state: State::Open },
            updated_at: Millis(1_795_224_605_123),
            expires_at: Some(5),
        })
    }

    /// What the audit reports after `change`.
    fn check(change: impl FnOnce(&mut Attributes), expect: &str) {
        let mut stored = stored();
        change(&mut stored);
        let audited = audit(&stored);
        let told = match &audited.row {
            Err(why) => why.clone(),
            Ok(_) => {
                let line = |c: &Contradiction| format!("{} is {}, not {}", c.attribute, c.stands, c.should);
                audited.contradictions.iter().map(line).collect::<Vec<_>>().join("; ")
            }
        };
        assert_eq!(told, expect);
    }

    fn number(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    /// Estimates were once rounded to the microsecond, and such rows may exist for as long as rows live.
    #[test]
    fn a_row_written_before_is_sound() {
        let mut rollup = Rollup::default();
        [1, 55, 56, 99].into_iter().for_each(|us| rollup.add(Status::UNKNOWN, Some(us), None));
        let with = |p50: &'static str, avg: &'static str| {
            let rollup = rollup.clone();
            move |row: &mut Attributes| {
                let window = RowWindow::containing(Resolution::Minute, Millis(1_795_224_605_000));
                *row = attributes(&Row {
                    key: RowKey { service: "s".to_owned(), endpoint: "/a".to_owned(), window },
                    rollup,
                    top_endpoints: None,
                    version: RowVersion { revision: 4, algorithm: 1, state: State::Sealed },
                    updated_at: Millis(1_795_224_605_123),
                    expires_at: None,
                });
                let Some(AttributeValue::M(durations)) = row.get_mut("duration_ms") else { panic!("durations") };
                durations.insert("p50".into(), number(p50));
                durations.insert("avg".into(), number(avg));
            }
        };
        check(with("0.0554954954955", "0.05275"), "");
        check(with("0.055", "0.053"), "");
        check(with("0.056", "0.05275"), "duration_ms.p50 is 0.056, not 0.0554954954955");
    }

    #[test]
    fn what_contradicts_the_rest_is_named() {
        check(|_| {}, "");
        check(|row| drop(row.insert("updated_at".into(), AttributeValue::S("2026-11-21T02:00:00Z".into()))), "");
        check(|row| drop(row.insert("events".into(), number("7"))), "events is 7, not 2");
        check(|row| drop(row.remove("errors")), "errors is absent, not 1");
        check(
            |row| {
                let Some(AttributeValue::M(durations)) = row.get_mut("duration_ms") else { panic!("durations") };
                // As DynamoDB returns 12.340, and one without a measurement.
                durations.insert("max".into(), number("12.34"));
                durations.insert("p99".into(), number("9000"));
            },
            "duration_ms.p99 is 9000, not 0.001",
        );
        check(|row| drop(row.remove("users_sketch")), "row s#* 1m#2026-11-21T01:30:00Z: users_sketch is malformed");
    }
}
