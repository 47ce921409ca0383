//! `weir skip`: records to skip because decoding them crashes the processor.

mod blocked;

use crate::args::{Skip, SkipAdd, SkipList, SkipRemove};
use crate::aws::Aws;
use crate::failure::Failure;
use crate::terminal::{self, Answer, print_json, shown};
use blocked::Blocked;
use serde::Serialize;
use std::process::ExitCode;
use weir_aws::contributions::ContributionsTable;
use weir_exact::layout::Layout;
use weir_exact::ports::ContributionGet;
use weir_exact::sequence::SequenceNumber;
use weir_exact::skips::{self, Entry, SkipList as Entries};
use weir_telemetry::Millis;

pub(crate) async fn run(skip: Skip, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    let table = ContributionsTable::new(aws.dynamodb(), aws.contributions_table());
    match skip {
        Skip::Ls(list) => ls(&table, &list).await,
        Skip::Add(add) => self::add(&aws, &table, &add).await,
        Skip::Rm(remove) => rm(&table, &remove).await,
    }
}

/// A record of the list as it is shown.
#[derive(Serialize)]
struct Shown<'e> {
    shard: &'e str,
    sequence_number: &'e str,
    arrived_at: String,
    skipped_from: String,
    state: &'static str,
}

impl<'e> Shown<'e> {
    fn new(entry: &'e Entry, now: Millis) -> Self {
        Self {
            shard: &entry.shard,
            sequence_number: &entry.sequence_number,
            arrived_at: Millis(entry.arrived_at_ms).to_string(),
            skipped_from: Millis(entry.from_ms).to_string(),
            state: if entry.from_ms <= now.0 { "skipped" } else { "held" },
        }
    }
}

async fn ls(table: &ContributionsTable, list: &SkipList) -> Result<ExitCode, Failure> {
    let item = table.get(&Layout::skips()).await?;
    let entries = Entries::from_item(item.as_ref())?.entries;
    let now = weir_aws::clock::now();
    let all: Vec<Shown<'_>> = entries.iter().map(|entry| Shown::new(entry, now)).collect();
    if list.json {
        print_json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    for Shown { shard, sequence_number, arrived_at, skipped_from, state } in &all {
        println!("{} {sequence_number}  arrived {arrived_at}, {state} from {skipped_from}", shown(shard));
    }
    println!("{} on the skip list", records(all.len()));
    Ok(ExitCode::SUCCESS)
}

fn records(count: usize) -> String {
    format!("{count} {}", if count == 1 { "record" } else { "records" })
}

#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    #[serde(flatten)]
    record: &'a Blocked,
    skipped_from: String,
}

async fn add(aws: &Aws, table: &ContributionsTable, add: &SkipAdd) -> Result<ExitCode, Failure> {
    let named = add.sequence_number.as_deref().map(SequenceNumber::parse).transpose();
    let named = named.map_err(|error| Failure::Usage(error.to_string()))?;
    let record = blocked::find(aws, table, &add.shard, named.as_ref()).await?;
    if !add.json {
        println!("{record}");
    }
    let question = "have every function quarantine it without decoding it?";
    let answer = terminal::go_on(add.yes, add.json, question)?;
    let from = weir_aws::clock::now().plus(add.hold);
    if answer == Answer::Yes {
        let entry = Entry {
            shard: record.shard.clone(),
            sequence_number: record.sequence_number.clone(),
            arrived_at_ms: record.arrived_at_ms,
            from_ms: from.0,
        };
        skips::add(table, entry).await.map_err(|error| Failure::Failed(error.to_string()))?;
    }
    if add.json {
        print_json(&Report { dry_run: answer != Answer::Yes, record: &record, skipped_from: from.to_string() })?;
    } else if answer == Answer::Yes {
        println!("held; skipped from {from}, when its shard proceeds");
    } else if answer == Answer::NobodyThere {
        println!("nothing was changed: confirm with --yes");
    }
    Ok(ExitCode::from(u8::from(answer == Answer::No)))
}

async fn rm(table: &ContributionsTable, remove: &SkipRemove) -> Result<ExitCode, Failure> {
    let SkipRemove { shard, sequence_number, json } = remove;
    let left = skips::remove(table, shard, sequence_number, weir_aws::clock::now()).await;
    let left = left.map_err(|error| Failure::Failed(error.to_string()))?.entries;
    if *json {
        let now = weir_aws::clock::now();
        print_json(&left.iter().map(|entry| Shown::new(entry, now)).collect::<Vec<_>>())?;
    } else {
        println!("{} left on the skip list", records(left.len()));
    }
    Ok(ExitCode::SUCCESS)
}
