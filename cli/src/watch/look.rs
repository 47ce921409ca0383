//! What a look reads. The first reads all the time that is shown; the next ones its last minutes, and all of it again now
//! and then, since late events change older rows, too.

use crate::aws::{Aws, GENERATION};
use crate::failure::{Failure, failed};
use crate::rows;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use weir_aws::contributions::ContributionsTable;
use weir_exact::finalize::Catalog;
use weir_exact::layout::Layout;
use weir_exact::ports::{ContributionGet, ContributionQuery};
use weir_exact::progress::Progress;
use weir_exact::quarantine::day_prefixes;
use weir_exact::row::{Resolution, Row, SUMMARY};
use weir_telemetry::{EpochTable, Millis, Window};
use weir_view::watch::{Look, Quarantine};

/// Between looks at everything, milliseconds.
const EVERYTHING_MS: i64 = 60_000;
/// How far the others go back, milliseconds.
const LATEST_MS: i64 = 3 * 60_000;
/// Between looks at the quarantine, milliseconds: each lists a page for every reason.
const QUARANTINE_MS: i64 = 10_000;
/// Services whose rows are read, of those found; and endpoints of one.
const SERIES_MAX: usize = 50;
/// Requests in flight.
const REQUESTS_IN_FLIGHT_MAX: usize = 16;

/// Reads, and remembers what need not be read each time.
pub(super) struct Looker {
    aws: Aws,
    table: ContributionsTable,
    layout: Layout,
    range_ms: i64,
    /// Whether the services were named, and need not be found.
    named: bool,
    services: BTreeSet<String>,
    /// By service, those that its summaries have named as largest.
    endpoints: BTreeMap<String, BTreeSet<String>>,
    open_shards: BTreeSet<String>,
    /// When everything was looked at, and whose endpoints were meant.
    everything: Option<(Millis, Option<String>)>,
    quarantine_at: Option<Millis>,
}

impl Looker {
    pub(super) fn new(aws: Aws, services: Vec<String>, range_ms: i64) -> Self {
        Self {
            table: ContributionsTable::new(aws.dynamodb(), aws.contributions_table()),
            // How catalogs and progress are laid out is the same in every table of epochs.
            layout: Layout::new(GENERATION, EpochTable::genesis().generation),
            aws,
            range_ms,
            named: !services.is_empty(),
            services: services.into_iter().collect(),
            endpoints: BTreeMap::new(),
            open_shards: BTreeSet::new(),
            everything: None,
            quarantine_at: None,
        }
    }

    /// The services' summaries, or the endpoints of `service`.
    pub(super) async fn look(&mut self, service: Option<&str>, now: Millis) -> Result<Look, Failure> {
        let everything =
            self.everything.as_ref().is_none_or(|(at, of)| at.plus(EVERYTHING_MS) <= now || of.as_deref() != service);
        let from = now.plus(-if everything { self.range_ms } else { LATEST_MS.min(self.range_ms) });
        if !self.named {
            self.find_services(from, now).await?;
        }
        if everything {
            self.open_shards = open_shards(&self.aws).await?;
        }
        let summaries: Vec<String> = match service {
            Some(service) => vec![service.to_owned()],
            None => self.services.iter().take(SERIES_MAX).cloned().collect(),
        };
        let summaries = summaries.into_iter().map(|service| (service, SUMMARY.to_owned())).collect();
        let mut rows = self.rows(summaries, from, now).await?;
        if let Some(service) = service {
            let known = self.endpoints.entry(service.to_owned()).or_default();
            let largest = rows.iter().filter_map(|row| row.top_endpoints.as_ref()).flatten();
            known.extend(largest.map(|(endpoint, _)| endpoint.clone()));
            let series = known.iter().take(SERIES_MAX).map(|endpoint| (service.to_owned(), endpoint.clone())).collect();
            rows.extend(self.rows(series, from, now).await?);
        }
        let shards = Some(self.shards().await?);
        let quarantine = match self.quarantine_at.is_none_or(|at| at.plus(QUARANTINE_MS) <= now) {
            true => Some(quarantine(&self.aws, now).await?),
            false => None,
        };
        self.quarantine_at = if quarantine.is_some() { Some(now) } else { self.quarantine_at };
        self.everything = if everything { Some((now, service.map(str::to_owned))) } else { self.everything.take() };
        Ok(Look { rows, shards, quarantine })
    }

    async fn rows(&self, series: Vec<(String, String)>, from: Millis, now: Millis) -> Result<Vec<Row>, Failure> {
        // From the window that is under way then, to one that may lie ahead of now.
        let range = (from.plus(-Window::LENGTH_MS), now.plus(crate::args::AHEAD_MS));
        rows::complete(&rows::of_all_series(&self.aws, series, Resolution::Minute, range).await?)
    }

    /// Windows say which series have rows, so that the table need not be read for it.
    async fn find_services(&mut self, from: Millis, now: Millis) -> Result<(), Failure> {
        let first = Window::containing(from);
        let windows =
            std::iter::successors(Some(first), |window| Some(window.next())).take_while(|window| window.start() <= now);
        let (table, layout) = (&self.table, &self.layout);
        let catalogs = stream::iter(windows.map(|window| async move { table.get(&layout.catalog(window)).await }));
        let catalogs: Vec<_> = catalogs.buffered(REQUESTS_IN_FLIGHT_MAX).try_collect().await?;
        for item in catalogs.into_iter().flatten() {
            let catalog = Catalog::from_item(&item)?;
            self.services.extend(catalog.series().map(|(service, _)| service.to_owned()));
        }
        Ok(())
    }

    /// When the last settled record arrived, of each shard that records still come to.
    async fn shards(&self) -> Result<Vec<Millis>, Failure> {
        let items = self.table.query(&self.layout.progress_pk()).await?;
        let open =
            items.iter().filter(|item| item.key.sk.rsplit('/').next().is_some_and(|id| self.open_shards.contains(id)));
        open.map(|item| Ok(Millis(Progress::from_item(item)?.totals.arrived_at_ms))).collect()
    }
}

/// Shards without an end: a closed one stays where it is for good.
async fn open_shards(aws: &Aws) -> Result<BTreeSet<String>, Failure> {
    let (kinesis, stream) = (aws.kinesis(), aws.stream());
    let (mut open, mut next) = (BTreeSet::new(), None);
    loop {
        let list = match next {
            None => kinesis.list_shards().stream_name(&stream),
            // AWS takes the name or the token, not both.
            Some(token) => kinesis.list_shards().next_token(token),
        };
        let page = list.send().await.map_err(|error| failed(&format!("shards of stream {stream}"), &error))?;
        for shard in page.shards() {
            let range = shard.sequence_number_range();
            if range.is_none_or(|range| range.ending_sequence_number().is_none()) {
                open.insert(shard.shard_id().to_owned());
            }
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(open);
        }
    }
}

/// Today's quarantined arrivals, by reason: the first page of each.
async fn quarantine(aws: &Aws, now: Millis) -> Result<Quarantine, Failure> {
    let (s3, bucket) = (aws.s3(), aws.bucket("quarantine").await?);
    let tried = format!("listing s3://{bucket}");
    let reasons = s3.list_objects_v2().bucket(&bucket).delimiter("/").send().await;
    let reasons = reasons.map_err(|error| failed(&tried, &error))?;
    let reasons = reasons.common_prefixes.unwrap_or_default();
    // By value: a future that borrows them here could not be sent to the task that looks.
    let reasons = reasons.into_iter().filter_map(|reason| reason.prefix).map(|mut reason| {
        reason.truncate(reason.trim_end_matches('/').len());
        reason
    });
    let page = |reason: String| {
        let (s3, bucket, tried) = (&s3, &bucket, &tried);
        async move {
            let day = day_prefixes(&reason, now, now.plus(1)).into_iter().next().unwrap_or_default();
            let page = s3.list_objects_v2().bucket(bucket).prefix(day).send().await;
            let page = page.map_err(|error| failed(tried, &error))?;
            Ok::<_, Failure>((reason, page.contents().len() as u64, page.is_truncated() == Some(true)))
        }
    };
    let pages: Vec<_> = stream::iter(reasons.map(page)).buffered(REQUESTS_IN_FLIGHT_MAX).try_collect().await?;
    let and_more = pages.iter().any(|(.., truncated)| *truncated);
    let by_reason = pages.into_iter().filter(|(_, count, _)| *count > 0).map(|(reason, count, _)| (reason, count));
    Ok(Quarantine { by_reason: by_reason.collect(), and_more })
}
