//! `weir rules push`: announces another epoch, far enough ahead that every function learns of it.

use super::file::{File, Shown, differences};
use crate::args::RulesPush;
use crate::aws::Aws;
use crate::failure::{Failure, say};
use crate::terminal::{self, Answer, print_json};
use serde::Serialize;
use std::process::ExitCode;
use weir_aws::contributions::ContributionsTable;
use weir_exact::epochs::announce;
use weir_telemetry::{Epoch, EpochTable, Millis};

/// How far ahead an epoch begins unless it is said: the least, and time to answer the question.
const AHEAD_MS: i64 = 30 * 60_000;
const MINUTE_MS: i64 = 60_000;

#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    epoch: Shown<'a>,
    changes: &'a [String],
}

pub(super) async fn run(aws: &Aws, push: &RulesPush) -> Result<ExitCode, Failure> {
    let file = File::read(&push.file)?;
    let store = ContributionsTable::new(aws.dynamodb(), aws.contributions_table());
    let table = super::read(&store).await?;
    let now = weir_aws::clock::now();
    let epoch = file.epoch(&table, push.at.unwrap_or_else(|| beginning(now)));
    // Refuse what is impossible before asking.
    let refused = |error: &dyn std::error::Error| Failure::Failed(error.to_string());
    table.announce(epoch.clone(), now, &Epoch::DECODERS).map_err(|error| refused(&error))?;
    let changes = table.epochs.last().map_or(vec![], |last| differences(last, &epoch));
    if changes.is_empty() {
        return Err(Failure::Failed("rules are unchanged: nothing to announce".to_owned()));
    }
    let from = Millis(epoch.from_ms);
    if !push.json {
        show(&table, &epoch, &changes);
    }
    let question = format!("announce epoch {} from {from}? It can never be edited.", epoch.number);
    let answer = terminal::go_on(push.yes, push.json, &question)?;
    if answer == Answer::Yes {
        let announced = announce(&store, epoch.clone(), weir_aws::clock::now(), &Epoch::DECODERS).await;
        announced.map_err(|error| refused(&error))?;
        say(&format!("epoch {} is announced; it applies to what arrives from {from}", epoch.number));
    } else if answer == Answer::NobodyThere {
        say("nothing was announced: confirm with --yes");
    }
    if push.json {
        let epoch = Shown::new(&epoch, &table, now);
        print_json(&Report { dry_run: answer != Answer::Yes, epoch, changes: &changes })?;
    }
    Ok(ExitCode::from(u8::from(answer == Answer::No)))
}

/// On a whole minute, since windows are.
fn beginning(now: Millis) -> Millis {
    Millis((now.0 + AHEAD_MS).div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS)
}

fn show(table: &EpochTable, epoch: &Epoch, changes: &[String]) {
    let last = table.epochs.last().map_or(0, |last| last.number);
    println!("epoch {}, from {}, replaces epoch {last}:", epoch.number, Millis(epoch.from_ms));
    for change in changes {
        println!("  {}", terminal::shown(change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_begins_on_a_minute_that_may_be() {
        let now = Millis(1_795_224_605_000);
        let from = beginning(now);
        assert_eq!(from.to_string(), "2026-11-21T02:01:00Z");
        let epoch = Epoch { number: 2, from_ms: from.0, splits: 2, ..Epoch::genesis() };
        assert!(EpochTable::genesis().announce(epoch, now.plus(5 * 60_000), &Epoch::DECODERS).is_ok());
    }
}
