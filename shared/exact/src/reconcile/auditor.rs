//! Reads a live fleet: what is late is distinguished from what is wrong by reading again.
//!
//! A reading is no snapshot: contributions first, then the rows they yield. In between a row may be put or
//! contributions may arrive, and a row waits until its trigger's batching window is over. So whatever was found is read
//! again. What changes is *settling*. What stays the same is wrong at the second reading if nothing in flight explains
//! it; a row that is only behind is given all readings.

use super::{Finding, SetAside, ShardItems, by_shard, compare, minute_rows};
use crate::compact::{self, Directory};
use crate::finalize::{Catalog, Computed};
use crate::layout::Layout;
use crate::ports::{ContributionGet, ContributionQuery, Item, RowAudit, RowQuery, StoreError, StoreErrorKind};
use crate::progress::{Progress, Totals};
use crate::retention::SEALED_AFTER_MS;
use crate::row::{Row, RowKey, RowWindow, SUMMARY};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use weir_rollup::SeriesKey;
use weir_telemetry::{LATENESS_MS_MAX, Millis, Window};

/// The oldest start of a window that can be judged: its contributions live 21 days, and nothing changes after 20.
/// Milliseconds.
pub const FROM_AGE_MS_MAX: i64 = SEALED_AFTER_MS;
/// How long an hour or day may be behind a row that changed: the longest batching window of its trigger and the longest
/// default timeout, 300 s each. Milliseconds.
const COMPACT_LAG_MS: i64 = 600_000;
/// Windows read at a time: each holds all its contributions in memory.
const WINDOWS_IN_FLIGHT_MAX: usize = 8;
/// Series of a window read at a time.
const SERIES_IN_FLIGHT_MAX: usize = 8;

/// A window to check, and series that it may have besides those its contributions name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The window.
    pub window: RowWindow,
    /// Rows of it that were seen elsewhere.
    pub also: BTreeSet<SeriesKey>,
}

impl From<RowWindow> for Subject {
    fn from(window: RowWindow) -> Self {
        Self { window, also: BTreeSet::new() }
    }
}

/// What to check, and how often to read again.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The windows.
    pub subjects: Vec<Subject>,
    /// What `subjects` cover without a gap up to now; `None` if they do not.
    pub covers: Option<Covers>,
    /// Documents that were quarantined whole, of which the minutes must count nothing.
    pub set_aside: SetAside,
    /// Readings of what was found, after the first.
    pub readings_again: u32,
}

/// A range that is read completely: the progress of a shard that began within it can be compared with its items.
#[derive(Clone, Debug)]
pub struct Covers {
    /// Where it begins.
    pub from: Millis,
    /// How far the shards had got *before the windows were chosen*: a window that began after that is no subject, and
    /// what the shards put into it is not in the progress used for the comparison.
    pub before: Standing,
}

/// How far every shard had got at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing(BTreeMap<String, Progress>);

/// Result of a check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Windows read.
    pub windows: u64,
    /// Rows compared with a recomputation.
    pub rows: u64,
    /// Events that the minutes' contributions count.
    pub events: u64,
    /// Ledger copies that count nothing, since their identity is also in another item.
    pub duplicate_copies: u64,
    /// What is wrong.
    pub mismatches: Vec<Finding>,
    /// What may be late.
    pub settling: Vec<Finding>,
    /// Every shard's progress.
    pub shards: BTreeMap<String, Totals>,
    /// Shards whose progress was compared with their items.
    pub shards_compared: BTreeSet<String>,
    /// Documents quarantined whole that were checked against what the minutes count.
    pub documents_set_aside: u64,
    /// Whether there are more, of earlier days, than were listed.
    pub set_aside_is_cut: bool,
}

/// One reading of one window.
#[derive(Clone, Debug, Default, PartialEq)]
struct Reading {
    rows: u64,
    events: u64,
    duplicate_copies: u64,
    /// Σ revisions that rows should have: when it changes, so does the window.
    revision: u64,
    findings: Vec<Finding>,
    /// Until then a row that is behind may be late.
    late_until: Option<Millis>,
    shards: BTreeMap<String, ShardItems>,
}

/// Reads and judges one generation.
#[derive(Debug)]
pub struct Auditor<'s, C, R> {
    contributions: &'s C,
    rows: &'s R,
    directory: Directory<&'s C>,
    layout: Layout,
}

impl<'s, C: ContributionGet + ContributionQuery, R: RowAudit + RowQuery> Auditor<'s, C, R> {
    /// An auditor for one generation.
    pub fn new(contributions: &'s C, rows: &'s R, layout: Layout) -> Self {
        Self { contributions, rows, directory: Directory::new(contributions, layout.clone()), layout }
    }

    /// How far the shards have got.
    ///
    /// # Errors
    /// If the store fails, or progress cannot be read.
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        let items = self.contributions.query(&self.layout.progress_pk()).await?;
        let progress = items.iter().map(|item| Ok((item.key.sk.clone(), Progress::from_item(item)?)));
        progress.collect::<Result<_, StoreError>>().map(Standing)
    }

    /// Runs a check. `pause` is awaited before each further reading, with its number, from 1, and the number of windows
    /// still being read.
    ///
    /// # Errors
    /// If a store fails. What can never be read is a finding.
    pub async fn run(
        &self,
        audit: Audit,
        now: impl Fn() -> Millis,
        pause: impl AsyncFn(u32, usize),
    ) -> Result<Verdict, StoreError> {
        let mut verdict = Verdict {
            documents_set_aside: audit.set_aside.len() as u64,
            set_aside_is_cut: audit.set_aside.is_cut(),
            ..Verdict::default()
        };
        let mut held: BTreeMap<String, ShardItems> = BTreeMap::new();
        let mut open = vec![];
        for (subject, reading) in self.read(audit.subjects, &audit.set_aside).await? {
            verdict.windows += 1;
            verdict.rows += reading.rows;
            verdict.events += reading.events;
            verdict.duplicate_copies += reading.duplicate_copies;
            for (shard, items) in &reading.shards {
                held.entry(shard.clone()).or_default().add(items.clone());
            }
            if !reading.findings.is_empty() {
                open.push((subject, reading));
            }
        }
        let Standing(after) = self.standing().await?;
        if let Some(covers) = &audit.covers {
            shards(covers, held, &after, &mut verdict);
        }
        verdict.shards = after.into_iter().map(|(shard, progress)| (shard, progress.totals)).collect();
        for again in 1..=audit.readings_again {
            if open.is_empty() {
                break;
            }
            pause(again, open.len()).await;
            let subjects = open.iter().map(|(subject, _)| subject.clone()).collect();
            let known: BTreeMap<RowWindow, Reading> =
                open.drain(..).map(|(subject, reading)| (subject.window, reading)).collect();
            for (subject, reading) in self.read(subjects, &audit.set_aside).await? {
                let moved = known.get(&subject.window) != Some(&reading);
                let is_last = again == audit.readings_again;
                let late = |finding: &Finding| finding.is_behind() && !is_last;
                if moved || reading.findings.iter().any(late) {
                    open.push((subject, reading));
                } else {
                    verdict.judge(reading, now());
                }
            }
        }
        // Changing until the last reading, or read only once.
        let open = open.into_iter().flat_map(|(_, reading)| reading.findings);
        let (wrong, moving) = open.partition::<Vec<_>, _>(Finding::is_final);
        verdict.mismatches.extend(wrong);
        verdict.settling.extend(moving);
        // Shards first, then from the minutes up: what is wrong below is wrong above.
        let place = |finding: &Finding| finding.row().map(|row| (row.window, row.series()));
        verdict.mismatches.sort_by_key(place);
        verdict.settling.sort_by_key(place);
        Ok(verdict)
    }

    async fn read(&self, subjects: Vec<Subject>, set_aside: &SetAside) -> Result<Vec<(Subject, Reading)>, StoreError> {
        let readings = subjects.into_iter().map(|subject| async move {
            let reading = match subject.window.minute() {
                Some(minute) => self.minute(minute, &subject.also, set_aside).await,
                None => self.above(subject.window, &subject.also).await,
            };
            let reading = match reading {
                Err(error) if error.kind() == StoreErrorKind::Unreadable => {
                    let (window, why) = (subject.window.to_string(), error.to_string());
                    Reading { findings: vec![Finding::Unjudged { window, why }], ..Reading::default() }
                }
                reading => reading?,
            };
            Ok((subject, reading))
        });
        stream::iter(readings).buffered(WINDOWS_IN_FLIGHT_MAX).try_collect().await
    }

    /// Checks a minute against its contributions, and these against what was quarantined.
    async fn minute(
        &self,
        window: Window,
        also: &BTreeSet<SeriesKey>,
        set_aside: &SetAside,
    ) -> Result<Reading, StoreError> {
        let partitions = self.layout.window_partitions(window);
        let queries = partitions.iter().map(|pk| self.contributions.query(pk));
        let items: Vec<Item> = futures::future::try_join_all(queries).await?.into_iter().flatten().collect();
        let catalog = self.contributions.get(&self.layout.catalog(window)).await?;
        let (should, duplicate_copies) = minute_rows(window, &items, catalog.as_ref())?;
        let mut series = also.clone();
        if let Some(catalog) = &catalog {
            for (service, endpoint) in Catalog::from_item(catalog)?.series() {
                let of = |endpoint: &str| SeriesKey { service: service.to_owned(), endpoint: endpoint.to_owned() };
                series.extend([of(endpoint), of(SUMMARY)]);
            }
        }
        let is_endpoint = |row: &&Computed| row.key.endpoint != SUMMARY;
        let events = should.iter().filter(is_endpoint).map(|row| row.rollup.events()).sum();
        let mut reading = self.held_against(window.into(), should, series).await?;
        reading.findings.extend(set_aside.counted(window, &items)?);
        Ok(Reading { events, duplicate_copies, shards: by_shard(&items)?, ..reading })
    }

    /// Checks an hour or a day against the rows below it.
    async fn above(&self, window: RowWindow, also: &BTreeSet<SeriesKey>) -> Result<Reading, StoreError> {
        let mut series: BTreeSet<SeriesKey> = also.clone();
        series.extend(self.directory.of_parts(window).await?);
        for (service, endpoints) in self.directory.series(window).await? {
            let of = |endpoint: String| SeriesKey { service: service.clone(), endpoint };
            series.extend(endpoints.into_iter().map(of));
        }
        let summaries: Vec<SeriesKey> =
            series.iter().map(|key| SeriesKey { service: key.service.clone(), endpoint: SUMMARY.to_owned() }).collect();
        series.extend(summaries);
        let mut below = window.below();
        let (Some(first), last) = (below.next(), below.last()) else { return Ok(Reading::default()) };
        let last = last.unwrap_or(first);
        let reads = series.iter().cloned().map(|key| async move {
            let parts = self.rows.rows_between(&key.service, &key.endpoint, first, last).await?;
            Ok::<_, StoreError>((key, parts))
        });
        let parts: BTreeMap<SeriesKey, Vec<Row>> =
            stream::iter(reads).buffer_unordered(SERIES_IN_FLIGHT_MAX).try_collect().await?;
        let moved_at = parts.values().flatten().map(|part| part.updated_at).max();
        let mut reading = self.held_against(window, compact::rows(window, &parts), series).await?;
        if !reading.computed_past() {
            reading.late_until = moved_at.map(|at| at.plus(COMPACT_LAG_MS));
        }
        Ok(reading)
    }

    async fn held_against(
        &self,
        window: RowWindow,
        should: Vec<Computed>,
        series: BTreeSet<SeriesKey>,
    ) -> Result<Reading, StoreError> {
        let mut keys: BTreeSet<RowKey> = should.iter().map(|row| row.key.clone()).collect();
        keys.extend(series.into_iter().map(|key| RowKey { service: key.service, endpoint: key.endpoint, window }));
        let audited = self.rows.audit_rows(&keys.into_iter().collect::<Vec<_>>()).await?;
        let mut reading = Reading {
            rows: audited.len() as u64,
            revision: should.iter().fold(0, |sum: u64, row| sum.saturating_add(row.revision)),
            ..Reading::default()
        };
        let (mut stand, mut unreadable) = (BTreeMap::new(), BTreeSet::new());
        for (key, audited) in audited {
            let contradicts = |contradiction| Finding::Contradicts { row: key.clone(), contradiction };
            reading.findings.extend(audited.contradictions.into_iter().map(contradicts));
            match audited.row {
                Ok(row) => _ = stand.insert(key, row),
                Err(why) => {
                    reading.findings.push(Finding::Unreadable { row: key.clone(), why });
                    unreadable.insert(key);
                }
            }
        }
        let compared = compare(&should, &stand).into_iter();
        reading.findings.extend(compared.filter(|finding| finding.row().is_none_or(|row| !unreadable.contains(row))));
        Ok(reading)
    }
}

impl Reading {
    /// Whether a row is behind that cannot be late: a computation puts a service's endpoints and then its summary, so
    /// if one of the two is current, the computation has been there.
    fn computed_past(&self) -> bool {
        let mut behind: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for row in self.findings.iter().filter(|finding| finding.is_behind()).filter_map(Finding::row) {
            let (summary, endpoint) = behind.entry(row.service.as_str()).or_default();
            if row.endpoint == SUMMARY { *summary = true } else { *endpoint = true }
        }
        behind.values().any(|(summary, endpoint)| summary != endpoint)
    }
}

impl Verdict {
    /// Keeps what has not changed since it was found.
    fn judge(&mut self, reading: Reading, now: Millis) {
        let late = reading.late_until.is_some_and(|until| now < until);
        let (late, wrong) = reading.findings.into_iter().partition::<Vec<_>, _>(|finding| late && finding.is_behind());
        self.settling.extend(late);
        self.mismatches.extend(wrong);
    }

    /// Whether nothing is wrong.
    pub fn is_equal(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// Compares the progress of the shards that began within the range with their items, which were read between two
/// readings of it. An item is durable before the progress that accounts for it: fewer events are always wrong, more
/// only if nothing was in flight.
fn shards(
    covers: &Covers,
    mut held: BTreeMap<String, ShardItems>,
    after: &BTreeMap<String, Progress>,
    verdict: &mut Verdict,
) {
    let Covers { from, before: Standing(before) } = covers;
    let names: BTreeSet<String> = after.keys().chain(held.keys()).cloned().collect();
    for shard in names.into_iter().filter(|shard| began(shard).is_some_and(|at| at.plus(-LATENESS_MS_MAX) >= *from)) {
        let items = held.remove(&shard).unwrap_or_default();
        let (first, last) = (before.get(&shard), after.get(&shard));
        let accepted = |progress: Option<&Progress>| progress.map_or(0, |progress| progress.totals.accepted);
        let ahead = items.fence.as_ref() > last.map(|progress| &progress.fence);
        let finding = Finding::Shard { shard: shard.clone(), accepted: accepted(first), events: items.events };
        if items.events < accepted(first) || (first == last && !ahead && items.events != accepted(first)) {
            verdict.mismatches.push(finding);
        } else if items.events != accepted(first) {
            verdict.settling.push(finding);
        }
        verdict.shards_compared.insert(shard);
    }
}

/// The creation time of a shard's stream, by the shard's name.
fn began(shard: &str) -> Option<Millis> {
    shard.rsplit_once('/')?.0.rsplit_once('@')?.1.parse().ok().map(Millis)
}
