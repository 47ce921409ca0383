//! The product's ports over the simulated network: every request is under way for a while, may be lost, repeated or
//! late, and goes on when its sender is dead.

use crate::choices::Choices;
use crate::dynamodb;
use crate::seen::Seen;
use crate::weather::Weather;
use crate::world::{Shared, Slot, World, lock};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use weir_exact::epochs::table_of;
use weir_exact::layout::Layout;
use weir_exact::ports::{
    ContributionGet, ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome, QuarantinePut,
    RowOutcome, RowPut, RowQuery, RowVersions, StoreError, StoreErrorKind,
};
use weir_exact::progress::Progress;
use weir_exact::quarantine::QuarantineObject;
use weir_exact::row::{Row, RowKey, RowVersion, RowWindow};
use weir_rollup::Status;

/// Longest time that a request is under way on a good day, milliseconds.
const LATENCY_MS_MAX: i64 = 30;
/// How late a request may arrive: protocol.md §8. Milliseconds.
const LATE_MS_MAX: i64 = 60_000;
/// Choices that a request takes: four possible faults and four times.
const CHOICES_A_REQUEST: usize = 8;
/// After this long without an answer the SDK gives up, milliseconds.
const GIVES_UP_MS: i64 = 5_000;

/// One environment's access to its stores.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) world: Shared,
    /// Whose it is, for the schedule.
    pub(crate) name: Arc<str>,
    /// Version of its function's code.
    pub(crate) version: u32,
    /// Its requests are late more often than not: an operator's.
    pub(crate) far: bool,
    /// How often a request is tried.
    pub(crate) attempts: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    Refused,
    AnswerLost,
    SentTwice,
    Late,
}

/// What becomes of a request, and when. Milliseconds.
struct Fated {
    fate: Fate,
    /// When it arrives; twice where it is sent twice.
    arrivals: Vec<i64>,
    /// Of a request that is sent twice the first answer may be the one that is lost.
    first_lost: bool,
    back: i64,
}

impl Fated {
    fn drawn(weather: &Weather, choices: &mut Choices) -> Self {
        let rates = [weather.refused, weather.answer_lost, weather.sent_twice, weather.late];
        let fates = [Fate::Refused, Fate::AnswerLost, Fate::SentTwice, Fate::Late];
        let fate = rates.into_iter().position(|rate| choices.happens(rate)).map_or(Fate::Good, |at| fates[at]);
        let under_way = choices.between(1, if fate == Fate::Late { LATE_MS_MAX } else { LATENCY_MS_MAX });
        let back = choices.between(1, LATENCY_MS_MAX);
        let mut arrivals = vec![under_way];
        if fate == Fate::SentTwice {
            // The second may well arrive long after the first's answer: whichever answer is there first counts.
            arrivals.push(under_way + choices.between(1, LATE_MS_MAX));
        }
        let first_lost = fate == Fate::AnswerLost || (fate == Fate::SentTwice && choices.happens(500));
        Self { fate, arrivals, first_lost, back }
    }
}

impl Client {
    /// Sends a request that `run` executes on arrival, and waits for the answer.
    pub(crate) async fn request<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> String,
        run: impl Fn(&mut World) -> (T, String) + Send + Clone + 'static,
    ) -> Result<T, StoreError> {
        let what: Arc<str> = lock(&self.world).schedule.text(what).into();
        for _ in 1..self.attempts {
            let answer = self.attempt(&what, run.clone()).await;
            if answer.is_ok() {
                return answer;
            }
        }
        self.attempt(&what, run).await
    }

    async fn attempt<T: Send + 'static>(
        &self,
        what: &Arc<str>,
        run: impl Fn(&mut World) -> (T, String) + Send + Clone + 'static,
    ) -> Result<T, StoreError> {
        let slot = Slot::empty();
        self.send(&mut lock(&self.world), &slot, what, run);
        slot.await
    }

    fn send<T: Send + 'static>(
        &self,
        world: &mut World,
        slot: &Slot<Result<T, StoreError>>,
        what: &Arc<str>,
        run: impl Fn(&mut World) -> (T, String) + Send + Clone + 'static,
    ) {
        let failed = |kind, what: String| Err(StoreError::new(kind, what));
        let mut weather = world.weather.clone();
        weather.late = if self.far { 600 } else { weather.late };
        let Fated { fate, arrivals, first_lost, back } =
            world.choices.stretch(CHOICES_A_REQUEST, |choices| Fated::drawn(&weather, choices));
        world.state.seen.once(Seen::Requests);
        let special = [None, Some(Seen::Refused), Some(Seen::AnswersLost), Some(Seen::SentTwice), Some(Seen::Late)];
        special[fate as usize].into_iter().for_each(|special| world.state.seen.once(special));
        let (slot, name, what) = (slot.clone(), self.name.clone(), what.clone());
        if fate == Fate::Refused {
            world.after(arrivals[0], move |world| {
                world.say(|| format!("{name}: {what}: throttled"));
                slot.fill(failed(StoreErrorKind::Throttled, "throttled".to_owned()));
            });
            return;
        }
        for (copy, arrival) in arrivals.into_iter().enumerate() {
            let (slot, name, what, run) = (slot.clone(), name.clone(), what.clone(), run.clone());
            let lost = first_lost && copy == 0;
            world.under_way += 1;
            world.after(arrival, move |world| {
                world.under_way -= 1;
                let (answer, outcome) = run(world);
                let note = ["", " (sent again)"][copy];
                let lost_note = if lost { ", and the answer is lost" } else { "" };
                // Readings that found nothing are most of what happens, and tell nothing.
                if lost || !outcome.starts_with("0 ") {
                    world.say(|| format!("{name}: {what}{note}: {outcome}{lost_note}"));
                }
                if !lost {
                    world.after(back, move |_| slot.fill(Ok(answer)));
                }
            });
        }
        world.after(GIVES_UP_MS + i64::from(fate == Fate::SentTwice) * LATE_MS_MAX, move |_| {
            slot.fill(failed(StoreErrorKind::Unavailable, "no answer".to_owned()));
        });
    }
}

impl ContributionGet for Client {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let of = key.clone();
        let run = move |world: &mut World| {
            let item = world.state.table.get(&of);
            let outcome = world.schedule.text(|| item.as_ref().map_or("nothing".to_owned(), shown));
            (item, outcome)
        };
        self.request(|| format!("get {}", name_of(key)), run).await
    }
}

impl ContributionPut for Client {
    async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
        let what = || {
            let condition = match expected {
                Expected::Absent => "absent".to_owned(),
                Expected::Fence(fence) => format!("fence {fence}"),
            };
            format!("put {} {} if {condition}", name_of(&item.key), shown(item))
        };
        let put = (item.clone(), expected.clone());
        let run = move |world: &mut World| {
            let outcome = dynamodb::put(world, &put.0, &put.1);
            let text = world.schedule.text(|| match &outcome {
                PutOutcome::Written => "written".to_owned(),
                PutOutcome::Conflict(Some(stands)) => format!("conflict, {} stands", shown(stands)),
                PutOutcome::Conflict(None) => "conflict, nothing stands".to_owned(),
            });
            (outcome, text)
        };
        self.request(what, run).await
    }
}

impl ContributionQuery for Client {
    async fn query(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        let mut items: Vec<Item> = vec![];
        loop {
            let (of, after) = (pk.to_owned(), items.last().map(|item| item.key.sk.clone()));
            let what = || format!("query {pk}{}", if items.is_empty() { "" } else { ", next page" });
            let run = move |world: &mut World| {
                let one = world.choices.happens(world.weather.small_pages);
                let page = dynamodb::page(world, &of, after.as_deref(), if one { 1 } else { usize::MAX });
                let outcome = world.schedule.text(|| format!("{} items", page.len()));
                ((page, one), outcome)
            };
            let (page, one) = self.request(what, run).await?;
            let last = !one || page.is_empty();
            items.extend(page);
            if last {
                return Ok(items);
            }
        }
    }
}

impl RowPut for Client {
    async fn put_row(&self, row: &Row) -> Result<RowOutcome, StoreError> {
        let what = || format!("put row {} {}: {}", row.key.series(), row.key.window_text(), row_shown(row));
        let mut put = row.clone();
        if self.version == 1 && lock(&self.world).weather.old_algorithm == 1 {
            // Its counts are too high: the version that corrects them has the same revision, and fewer events.
            put.version.algorithm = 0;
            put.rollup.add(Status::UNKNOWN, None, None);
        }
        let run = move |world: &mut World| {
            let outcome = dynamodb::put_row(world, &put);
            (outcome, world.schedule.text(|| format!("{outcome:?}").to_lowercase()))
        };
        self.request(what, run).await
    }
}

impl RowVersions for Client {
    async fn row_versions(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, RowVersion>, StoreError> {
        let of = keys.to_vec();
        let run = move |world: &mut World| {
            let versions = world.state.rows.versions(&of);
            let outcome = world.schedule.text(|| format!("{} of {}", versions.len(), of.len()));
            (versions, outcome)
        };
        self.request(|| "read row versions".to_owned(), run).await
    }
}

impl RowQuery for Client {
    async fn rows_between(
        &self,
        service: &str,
        endpoint: &str,
        first: RowWindow,
        last: RowWindow,
    ) -> Result<Vec<Row>, StoreError> {
        let key = |window| RowKey { service: service.to_owned(), endpoint: endpoint.to_owned(), window };
        let mut rows: Vec<Row> = vec![];
        loop {
            let (from, last) = (rows.last().map_or_else(|| key(first), |row| row.key.clone()), key(last));
            let more = !rows.is_empty();
            let what = || format!("query rows {} from {}", from.series(), from.window_text());
            let of = from.clone();
            let run = move |world: &mut World| {
                let one = world.choices.happens(world.weather.small_pages);
                let from = if more { Bound::Excluded(&of) } else { Bound::Included(&of) };
                let page = dynamodb::rows_page(world, from, &last, if one { 1 } else { usize::MAX });
                let outcome = world.schedule.text(|| format!("{} rows", page.len()));
                ((page, one), outcome)
            };
            let (page, one) = self.request(what, run).await?;
            let end = !one || page.is_empty();
            rows.extend(page);
            if end {
                return Ok(rows);
            }
        }
    }

    async fn row_counts(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, (RowVersion, u64)>, StoreError> {
        let of = keys.to_vec();
        let run = move |world: &mut World| {
            let rows = &world.state.rows.rows;
            let count = |key: &RowKey| rows.get(key).map(|row| (key.clone(), (row.version, row.rollup.events())));
            let counts: BTreeMap<_, _> = of.iter().filter_map(count).collect();
            let outcome = world.schedule.text(|| format!("{} of {}", counts.len(), of.len()));
            (counts, outcome)
        };
        self.request(|| "read row counts".to_owned(), run).await
    }
}

impl QuarantinePut for Client {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        let put = object.clone();
        let run = move |world: &mut World| {
            world.state.bucket.insert(put.key(), put.clone());
            ((), world.schedule.text(|| "written".to_owned()))
        };
        self.request(|| format!("quarantine {}", object.key()), run).await
    }
}

/// A key in few words: a contribution by its minute.
fn name_of(key: &ItemKey) -> String {
    let short = key.sk.replace("telemetry@", "").replace("shardId-0000000000", "shard ");
    match key.pk.split('#').nth(2) {
        Some(window) if window.contains('T') => format!("{}/{short}", window.get(5..16).unwrap_or(window)),
        _ => short,
    }
}

/// An item in few words.
fn shown(item: &Item) -> String {
    if let Ok(table) = table_of(Some(item))
        && item.key == Layout::epochs()
    {
        return format!("{} epochs", table.epochs.len());
    }
    if item.key.sk == "catalog" {
        return format!("[{} series]", item.fence.as_deref().unwrap_or("no"));
    }
    match (&item.fence, weir_rollup::Body::decode(&item.body)) {
        (Some(fence), Ok(body)) => {
            let events: u64 = body.series.values().map(|series| series.rollup.events()).sum();
            format!("[{events} events, fence {fence}]")
        }
        (Some(fence), Err(_)) => match Progress::from_item(item) {
            Ok(Progress { totals, .. }) => format!(
                "[{} records, {} accepted, {} rejected, fence {fence}]",
                totals.records, totals.accepted, totals.rejected
            ),
            Err(_) => format!("[fence {fence}]"),
        },
        (None, _) => match weir_rollup::Ledger::decode(&item.body) {
            Ok(ledger) => {
                let names: Vec<&str> =
                    ledger.entries.iter().map(|entry| entry.identity.rsplit('/').next().unwrap_or_default()).collect();
                format!("[{}]", names.join(" "))
            }
            Err(_) => String::from_utf8_lossy(&item.body).into_owned(),
        },
    }
}

fn row_shown(row: &Row) -> String {
    let version = row.version;
    format!("{} events, revision {} {}", row.rollup.events(), version.revision, version.state.name())
}
