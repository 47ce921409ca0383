//! `weir quarantine`: lists, shows and replays quarantined telemetry.

mod find;
mod replay;
mod show;

use crate::args::{Quarantine, QuarantineList};
use crate::aws::Aws;
use crate::failure::{Failure, many};
use crate::terminal::{print_json, shown, written};
use comfy_table::{CellAlignment, Table, presets};
pub(crate) use find::{Found, select};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

pub(crate) async fn run(quarantine: Quarantine, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    match quarantine {
        Quarantine::Ls(list) => ls(&aws, &list).await,
        Quarantine::Show(show) => show::run(&aws, &show).await,
        Quarantine::Replay(replay) => replay::run(&aws, &replay).await,
    }
}

#[derive(Serialize)]
struct Listing<'a> {
    objects: &'a [Found],
    counts: BTreeMap<&'a str, u64>,
}

async fn ls(aws: &Aws, list: &QuarantineList) -> Result<ExitCode, Failure> {
    let found = select(aws, &list.selection, weir_aws::clock::now()).await?;
    if list.json {
        let mut counts = BTreeMap::new();
        found.iter().for_each(|found| *counts.entry(found.reason.as_str()).or_default() += 1);
        print_json(&Listing { objects: &found, counts })?;
        return Ok(ExitCode::SUCCESS);
    }
    written(print(&found, &mut BufWriter::new(std::io::stdout().lock())))?;
    Ok(ExitCode::SUCCESS)
}

fn print(found: &[Found], out: &mut impl Write) -> std::io::Result<()> {
    for object in found {
        writeln!(out, "{:>9}  {}", object.bytes, shown(&object.key))?;
    }
    if !found.is_empty() {
        writeln!(out, "\n{}", counts(found))?;
    }
    writeln!(out, "{} in quarantine", objects(found.len()))?;
    out.flush()
}

/// How many objects of each reason and source.
fn counts<'a>(found: impl IntoIterator<Item = &'a Found>) -> Table {
    let mut counts: BTreeMap<(&str, &str), (u64, i64)> = BTreeMap::new();
    for found in found {
        let (objects, bytes) = counts.entry((&found.reason, &found.source)).or_default();
        *objects += 1;
        *bytes += found.bytes;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["reason", "source", "objects", "bytes"]);
    for ((reason, source), (objects, bytes)) in counts {
        table.add_row([shown(reason), shown(source), objects.to_string(), bytes.to_string()]);
    }
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// `1 object`, `2 objects`.
fn objects(count: usize) -> String {
    many(count as u64, "object")
}
