//! `weir rules show`.

use super::file::{Shown, state};
use crate::args::RulesShow;
use crate::aws::Aws;
use crate::failure::Failure;
use crate::terminal::{print_json, shown};
use serde::Serialize;
use std::process::ExitCode;
use weir_aws::contributions::ContributionsTable;
use weir_telemetry::{Epoch, EpochTable, Generation, Millis};

#[derive(Serialize)]
struct Table<'t> {
    generation: &'t Generation,
    epochs: Vec<Shown<'t>>,
}

pub(super) async fn run(aws: &Aws, show: &RulesShow) -> Result<ExitCode, Failure> {
    let table = super::read(&ContributionsTable::new(aws.dynamodb(), aws.contributions_table())).await?;
    let now = weir_aws::clock::now();
    if show.json {
        let epochs = table.epochs.iter().map(|epoch| Shown::new(epoch, &table, now)).collect();
        print_json(&Table { generation: &table.generation, epochs })?;
    } else {
        for line in lines(&table, now) {
            println!("{line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(table: &EpochTable, now: Millis) -> Vec<String> {
    table.epochs.iter().flat_map(|epoch| epoch_lines(epoch, table, now)).collect()
}

fn epoch_lines(epoch: &Epoch, table: &EpochTable, now: Millis) -> Vec<String> {
    let state = state(epoch, table, now);
    let since = if state == "announced" { "from" } else { "since" };
    let from = if epoch.from_ms == 0 { "the beginning".to_owned() } else { Millis(epoch.from_ms).to_string() };
    let mut lines = vec![
        format!("epoch {}, {state} {since} {from}: decoder {}, splits {}", epoch.number, epoch.decoder, epoch.splits),
        format!("  patterns       {}", if epoch.rules.patterns() { "on" } else { "off" }),
    ];
    for template in epoch.rules.templates() {
        let service =
            template.service.as_ref().map_or(String::new(), |service| format!("  (service {})", shown(service)));
        lines.push(format!("  template       {}{service}", shown(&template.path)));
    }
    // Plain numbers: they are always JSON.
    let limits = [serde_json::to_value(&epoch.limits), serde_json::to_value(&epoch.object_limits)];
    for (name, value) in limits.iter().flatten().filter_map(|limits| limits.as_object()).flatten() {
        lines.push(format!("  {name:<24} {value}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_shown_with_when_they_hold() {
        let now = Millis(1_795_224_605_000);
        let second = Epoch { number: 2, from_ms: now.0 + 1, splits: 2, ..Epoch::genesis() };
        let table = EpochTable { epochs: vec![Epoch::genesis(), second], ..EpochTable::genesis() };
        let heads = |now: Millis| -> Vec<String> {
            lines(&table, now).into_iter().filter(|line| line.starts_with("epoch")).collect()
        };
        assert_eq!(
            heads(now),
            [
                "epoch 1, in force since the beginning: decoder 1, splits 1",
                "epoch 2, announced from 2026-11-21T01:30:05.001Z: decoder 1, splits 2",
            ]
        );
        assert_eq!(heads(now.plus(1))[0], "epoch 1, past since the beginning: decoder 1, splits 1");
        assert!(lines(&table, now).contains(&"  payload_bytes_max        16777216".to_owned()));
    }
}
