//! A file of new rules, and an epoch as JSON: the same fields.

use crate::failure::Failure;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use weir_telemetry::{Epoch, EpochTable, Limits, Millis, ObjectLimits, Rules};

/// An epoch as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'e> {
    number: u32,
    from: String,
    state: &'static str,
    decoder: u32,
    splits: u16,
    limits: &'e Limits,
    object_limits: &'e ObjectLimits,
    rules: &'e Rules,
}

impl<'e> Shown<'e> {
    /// `now` tells which epoch is in force.
    pub(super) fn new(epoch: &'e Epoch, table: &EpochTable, now: Millis) -> Self {
        let Epoch { number, from_ms, decoder, splits, limits, object_limits, rules } = epoch;
        let state = state(epoch, table, now);
        let from = Millis(*from_ms).to_string();
        Self { number: *number, from, state, decoder: *decoder, splits: *splits, limits, object_limits, rules }
    }
}

/// `past`, `in force` or `announced`.
pub(super) fn state(epoch: &Epoch, table: &EpochTable, now: Millis) -> &'static str {
    let current = table.epoch_at(now).number;
    match epoch.number.cmp(&current) {
        std::cmp::Ordering::Less => "past",
        std::cmp::Ordering::Equal => "in force",
        std::cmp::Ordering::Greater => "announced",
    }
}

/// New rules: what a file names; the rest stays as it is in the last epoch.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    number: Option<u32>,
    decoder: Option<u32>,
    splits: Option<u16>,
    limits: Option<Limits>,
    object_limits: Option<ObjectLimits>,
    rules: Option<Rules>,
    // As shown; when it begins is said on the command line.
    #[serde(rename = "from")]
    _from: Option<IgnoredAny>,
    #[serde(rename = "state")]
    _state: Option<IgnoredAny>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// Bad usage, when it cannot be read or says something that rules cannot be.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: String| Failure::Usage(format!("{}: {error}", path.display()));
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
    }

    /// The epoch that it would be after all that stand.
    pub(super) fn epoch(self, table: &EpochTable, from: Millis) -> Epoch {
        let genesis = Epoch::genesis();
        let last = table.epochs.last().unwrap_or(&genesis).clone();
        Epoch {
            number: self.number.unwrap_or(last.number + 1),
            from_ms: from.0,
            decoder: self.decoder.unwrap_or(last.decoder),
            splits: self.splits.unwrap_or(last.splits),
            limits: self.limits.unwrap_or(last.limits),
            object_limits: self.object_limits.unwrap_or(last.object_limits),
            rules: self.rules.unwrap_or(last.rules),
        }
    }
}

/// What differs between two epochs but their number and beginning, a line each: `- was`, `+ becomes`.
pub(super) fn differences(was: &Epoch, becomes: &Epoch) -> Vec<String> {
    let (was, becomes) = (leaves(was), leaves(becomes));
    let lines = |mark: char, own: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        let changed = own.iter().filter(|(name, value)| other.get(*name) != Some(value));
        changed
            .map(|(name, value)| (name.clone(), mark, format!("{mark} {name} {value}").trim_end().to_owned()))
            .collect()
    };
    let mut all: Vec<(String, char, String)> = lines('-', &was, &becomes);
    all.extend(lines('+', &becomes, &was));
    all.sort_by(|a, b| (&a.0, b.1).cmp(&(&b.0, a.1)));
    all.into_iter().map(|(_, _, line)| line).collect()
}

/// Every setting by its path; a template by itself, since their order means nothing.
fn leaves(epoch: &Epoch) -> BTreeMap<String, String> {
    let value = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
    let mut leaves = BTreeMap::from([
        ("decoder".to_owned(), epoch.decoder.to_string()),
        ("splits".to_owned(), epoch.splits.to_string()),
        ("rules.patterns".to_owned(), epoch.rules.patterns().to_string()),
    ]);
    let groups = [
        ("limits", value(serde_json::to_value(&epoch.limits))),
        ("object_limits", value(serde_json::to_value(&epoch.object_limits))),
    ];
    for (group, values) in groups {
        for (name, value) in values.as_object().into_iter().flatten() {
            leaves.insert(format!("{group}.{name}"), value.to_string());
        }
    }
    for template in epoch.rules.templates() {
        let service = template.service.as_ref().map_or(String::new(), |service| format!("of service {service:?}"));
        leaves.insert(format!("rules.template {} {service}", template.path), String::new());
    }
    leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_224_605_000);

    fn parse(json: &str) -> Result<File, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_shown_can_be_pushed_again() {
        let table = EpochTable::genesis();
        let shown = serde_json::to_string(&Shown::new(&table.epochs[0], &table, NOW)).unwrap();
        let epoch = parse(&shown).unwrap().epoch(&table, NOW);
        assert_eq!(epoch, Epoch { from_ms: NOW.0, ..Epoch::genesis() });
        // A number that is left in is refused as taken.
        assert_eq!(parse("{}").unwrap().epoch(&table, NOW), Epoch { number: 2, from_ms: NOW.0, ..Epoch::genesis() });
    }

    #[test]
    fn a_file_says_only_what_it_may() {
        assert!(parse(r#"{"rule":{}}"#).unwrap_err().contains("unknown field `rule`"));
        assert!(
            parse(r#"{"rules":{"templates":[{"path":"/a/{x}"},{"path":"/a/{y}"}]}}"#)
                .unwrap_err()
                .contains("match the same endpoints")
        );
        assert!(parse(r#"{"limits":{"payload_bytes_max":1}}"#).unwrap_err().contains("missing field"));
    }

    #[test]
    fn differences_are_shown_by_name() {
        let table = EpochTable::genesis();
        let file =
            r#"{"splits":2,"rules":{"patterns":false,"templates":[{"path":"/a/{x}"},{"path":"/b","service":"s"}]}}"#;
        let epoch = parse(file).unwrap().epoch(&table, NOW);
        assert_eq!(
            differences(&table.epochs[0], &epoch),
            [
                "- rules.patterns true",
                "+ rules.patterns false",
                "+ rules.template /a/{x}",
                "+ rules.template /b of service \"s\"",
                "- splits 1",
                "+ splits 2",
            ]
        );
        assert_eq!(differences(&epoch, &epoch), Vec::<String>::new());
    }
}
