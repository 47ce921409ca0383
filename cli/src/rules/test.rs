//! `weir rules test`: what rules make of endpoints, and of quarantined telemetry.

use super::file::File;
use crate::args::{RulesTest, Selection};
use crate::aws::Aws;
use crate::failure::Failure;
use crate::quarantine::select;
use crate::terminal::{self, print_json, shown};
use comfy_table::{CellAlignment, Table, presets};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::process::ExitCode;
use weir_aws::contributions::ContributionsTable;
use weir_aws::quarantine::QuarantineBucket;
use weir_exact::ports::QuarantineGet;
use weir_telemetry::{Epoch, Rules, Series};

/// Objects that are read at once.
const OBJECTS_IN_FLIGHT_MAX: usize = 16;
/// Objects that are decoded: enough to see what rules do.
const OBJECTS_MAX: usize = 10_000;

#[derive(Serialize)]
struct Normalised {
    endpoint: String,
    service: String,
    /// Under which it is counted.
    series_service: String,
    series_endpoint: String,
}

/// What a replay of a reason's objects would come to.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
struct Outlook {
    objects: u64,
    /// Events that would be counted.
    accepted: u64,
    /// Events or records that would be rejected again.
    rejected: u64,
    /// Objects that cannot be replayed from quarantine.
    not_held: u64,
}

pub(super) async fn run(aws: &Aws, test: RulesTest) -> Result<ExitCode, Failure> {
    let table = super::read(&ContributionsTable::new(aws.dynamodb(), aws.contributions_table())).await?;
    let now = weir_aws::clock::now();
    let epoch = match &test.file {
        Some(path) => {
            let epoch = File::read(path)?.epoch(&table, now);
            match epoch.unsound() {
                Some(problem) => return Err(Failure::Usage(format!("{}: {problem}", path.display()))),
                None => epoch,
            }
        }
        None => table.epoch_at(now).clone(),
    };
    if test.quarantine {
        return outlook(aws, &epoch, test.json).await;
    }
    let endpoints = if test.endpoints.is_empty() { lines()? } else { test.endpoints };
    let normalised: Vec<_> =
        endpoints.into_iter().map(|endpoint| normalised(&epoch.rules, &test.service, endpoint)).collect();
    if test.json {
        print_json(&normalised)?;
    } else {
        print(&normalised);
    }
    Ok(ExitCode::SUCCESS)
}

fn lines() -> Result<Vec<String>, Failure> {
    let lines = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>();
    let lines = lines.map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
    Ok(lines.into_iter().filter(|line| !line.is_empty()).collect())
}

fn normalised(rules: &Rules, service: &str, endpoint: String) -> Normalised {
    let series = Series::under(rules, Some(service), Some(&endpoint));
    let (series_service, series_endpoint) = (series.service, series.endpoint);
    Normalised { endpoint, service: service.to_owned(), series_service, series_endpoint }
}

fn print(normalised: &[Normalised]) {
    let width = normalised.iter().map(|one| shown(&one.endpoint).chars().count()).max().unwrap_or(0);
    for one in normalised {
        println!("{:width$}  →  {}", shown(&one.endpoint), shown(&one.series_endpoint));
    }
}

/// Decodes what is in quarantine as a replay under these rules would.
async fn outlook(aws: &Aws, epoch: &Epoch, json: bool) -> Result<ExitCode, Failure> {
    let everything = Selection { reason: None, source: None, since: None, from: None, to: None };
    let mut found = select(aws, &everything, weir_aws::clock::now()).await?;
    if found.len() > OBJECTS_MAX {
        crate::failure::say(&format!("only the first {OBJECTS_MAX} of {} objects were decoded", found.len()));
        found.truncate(OBJECTS_MAX);
    }
    let bucket = QuarantineBucket::new(aws.s3(), aws.bucket("quarantine").await?);
    let bar = terminal::bar("decoding", found.len() as u64);
    let mut read = stream::iter(found.into_iter().map(|found| {
        let bucket = &bucket;
        async move { bucket.set_aside(&found.key).await.map(|object| (found.reason, object)) }
    }))
    .buffer_unordered(OBJECTS_IN_FLIGHT_MAX);
    let mut reasons: BTreeMap<String, Outlook> = BTreeMap::new();
    while let Some((reason, object)) = read.try_next().await? {
        bar.inc(1);
        let Some(object) = object else { continue };
        let outlook = reasons.entry(reason).or_default();
        outlook.objects += 1;
        match object.decode_again(epoch) {
            Ok(decoded) => {
                outlook.accepted += decoded.accepted.len() as u64;
                outlook.rejected += decoded.rejected.len() as u64;
            }
            Err(_) => outlook.not_held += 1,
        }
    }
    bar.finish_and_clear();
    if json {
        print_json(&reasons)?;
    } else {
        println!("{}", table(&reasons));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(reasons: &BTreeMap<String, Outlook>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["reason", "objects", "events to count", "rejected again", "not in quarantine"]);
    for (reason, Outlook { objects, accepted, rejected, not_held }) in reasons {
        table.add_row([
            shown(reason),
            objects.to_string(),
            accepted.to_string(),
            rejected.to_string(),
            not_held.to_string(),
        ]);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_telemetry::Template;

    #[test]
    fn endpoints_are_shown_as_the_series_they_become() {
        let template = Template { path: "/users/{user}/orders/{order}".to_owned(), service: Some("shop".to_owned()) };
        let rules = Rules::new(true, vec![template]).unwrap();
        let becomes = |service: &str, endpoint: &str| normalised(&rules, service, endpoint.to_owned()).series_endpoint;
        assert_eq!(becomes("shop", "/users/17/orders/4?x=1"), "/users/{user}/orders/{order}");
        assert_eq!(becomes("default", "/users/17/orders/4?x=1"), "/users/{id}/orders/{id}");
        assert_eq!(becomes("shop", "Billing.Charge"), "Billing.Charge");
    }
}
