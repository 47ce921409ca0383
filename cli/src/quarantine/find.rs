//! Which objects are selected: by their keys' prefixes as far as that goes, and by their documents only where a range
//! begins or ends within a day.

use crate::args::Selection;
use crate::aws::Aws;
use crate::failure::{Failure, failed, say};
use crate::plane::spinner;
use crate::terminal;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Serialize, Serializer};
use weir_aws::quarantine::QuarantineBucket;
use weir_exact::ports::QuarantineGet;
use weir_exact::quarantine::{Key, day_prefixes};
use weir_telemetry::Millis;

/// Requests in flight.
const REQUESTS_IN_FLIGHT_MAX: usize = 16;
/// Days that are listed one by one; a longer range is listed whole, and its keys looked at.
const DAYS_MAX: i64 = 100;
const DAY_MS: i64 = 86_400_000;

/// An object by its key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) key: String,
    pub(crate) reason: String,
    pub(crate) source: String,
    /// Begin of the day of arrival.
    #[serde(serialize_with = "as_text")]
    pub(crate) day: Millis,
    pub(crate) bytes: i64,
    /// Whether it is all of its record, message or object.
    pub(crate) whole: bool,
}

fn as_text<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

impl Found {
    /// By its key; `None` if that is not a quarantine key.
    pub(crate) fn new(key: String, bytes: i64) -> Option<Self> {
        let parts = Key::parse(&key)?;
        let (reason, source, day) = (parts.reason.to_owned(), parts.source.to_owned(), parts.day);
        let whole = parts.is_whole();
        Some(Self { key, reason, source, day, bytes, whole })
    }

    /// First instant after the day of arrival.
    pub(crate) fn day_end(&self) -> Millis {
        self.day.plus(DAY_MS)
    }
}

/// A range of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: Option<Millis>,
    to: Option<Millis>,
}

impl Range {
    fn of(selection: &Selection, now: Millis) -> Self {
        Self { from: selection.from.or(selection.since.map(|since| now.plus(-since))), to: selection.to }
    }

    fn holds(self, arrived_at: Millis) -> bool {
        self.from.is_none_or(|from| from <= arrived_at) && self.to.is_none_or(|to| arrived_at < to)
    }

    fn touches(self, found: &Found) -> bool {
        self.from.is_none_or(|from| from < found.day_end()) && self.to.is_none_or(|to| found.day < to)
    }

    /// Whether only some of the day's objects are in it.
    fn cuts(self, found: &Found) -> bool {
        let within = |at: Millis| found.day < at && at < found.day_end();
        self.from.is_some_and(within) || self.to.is_some_and(within)
    }

    /// What to list of a reason.
    fn prefixes(self, reason: &str, source: Option<&str>, now: Millis) -> Vec<String> {
        // Nothing has arrived later than now, but for clocks.
        let to = self.to.unwrap_or(now).min(now.plus(DAY_MS));
        match self.from.filter(|from| to.0.saturating_sub(from.0) <= DAYS_MAX * DAY_MS) {
            None => vec![format!("{reason}/")],
            Some(from) => {
                let days = day_prefixes(reason, from, to.plus(1));
                let of = |day: String| source.map_or(day.clone(), |source| format!("{day}{source}/"));
                days.into_iter().map(of).collect()
            }
        }
    }
}

/// The selected objects, by day of arrival and key.
///
/// # Errors
/// When the bucket cannot be listed or, at the ends of a range, an object not be read.
pub(crate) async fn select(aws: &Aws, selection: &Selection, now: Millis) -> Result<Vec<Found>, Failure> {
    let (s3, bucket) = (aws.s3(), aws.bucket("quarantine").await?);
    let range = Range::of(selection, now);
    let reasons = match selection.reason {
        Some(reason) => vec![reason.to_string()],
        None => reasons(&s3, &bucket).await?,
    };
    let source = selection.source.as_deref();
    let prefixes: Vec<String> = reasons.iter().flat_map(|reason| range.prefixes(reason, source, now)).collect();
    let progress = spinner("listing the quarantine");
    let listed = stream::iter(prefixes.into_iter().map(|prefix| list(&s3, &bucket, prefix)));
    let listed: Vec<Vec<(String, i64)>> = listed.buffered(REQUESTS_IN_FLIGHT_MAX).try_collect().await?;
    progress.finish_and_clear();
    let (mut found, mut others) = (vec![], 0);
    for (key, bytes) in listed.into_iter().flatten() {
        match Found::new(key, bytes) {
            Some(object) => found.push(object),
            None => others += 1,
        }
    }
    if others > 0 {
        say(&format!("{others} objects in s3://{bucket} do not look like quarantine keys; ignored"));
    }
    found.retain(|found| source.is_none_or(|source| source == found.source) && range.touches(found));
    let mut found = within(QuarantineBucket::new(s3, bucket), range, found).await?;
    found.sort_by(|a, b| (a.day, &a.key).cmp(&(b.day, &b.key)));
    Ok(found)
}

/// First parts of all keys.
async fn reasons(s3: &aws_sdk_s3::Client, bucket: &str) -> Result<Vec<String>, Failure> {
    let pages = s3.list_objects_v2().bucket(bucket).delimiter("/").into_paginator().send();
    let pages: Vec<_> = pages.try_collect().await.map_err(|error| failed(&format!("listing s3://{bucket}"), &error))?;
    let prefixes = pages.into_iter().flat_map(|page| page.common_prefixes.unwrap_or_default());
    Ok(prefixes.filter_map(|prefix| Some(prefix.prefix?.trim_end_matches('/').to_owned())).collect())
}

async fn list(s3: &aws_sdk_s3::Client, bucket: &str, prefix: String) -> Result<Vec<(String, i64)>, Failure> {
    let pages = s3.list_objects_v2().bucket(bucket).prefix(&prefix).into_paginator().send();
    let pages: Vec<_> =
        pages.try_collect().await.map_err(|error| failed(&format!("listing s3://{bucket}/{prefix}"), &error))?;
    let objects = pages.into_iter().flat_map(|page| page.contents.unwrap_or_default());
    Ok(objects.filter_map(|object| Some((object.key?, object.size.unwrap_or_default()))).collect())
}

/// Those that arrived within the range: of the days at its ends every object is read.
async fn within(bucket: QuarantineBucket, range: Range, found: Vec<Found>) -> Result<Vec<Found>, Failure> {
    let (at_ends, mut inside): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| range.cuts(found));
    let bar = terminal::bar("reading times of arrival", at_ends.len() as u64);
    let mut read = stream::iter(at_ends.into_iter().map(|found| {
        let bucket = &bucket;
        async move { arrival(bucket, &found).await.map(|arrived_at| (found, arrived_at)) }
    }))
    .buffer_unordered(REQUESTS_IN_FLIGHT_MAX);
    while let Some((found, arrived_at)) = read.try_next().await? {
        bar.inc(1);
        if arrived_at.is_some_and(|arrived_at| range.holds(arrived_at)) {
            inside.push(found);
        }
    }
    bar.finish_and_clear();
    Ok(inside)
}

/// When an object arrived; none when it has gone meanwhile.
///
/// # Errors
/// When it cannot be read.
async fn arrival(bucket: &QuarantineBucket, found: &Found) -> Result<Option<Millis>, Failure> {
    let object = bucket.set_aside(&found.key).await?;
    Ok(object.map(|object| object.arrived_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_range_lists_its_days_and_reads_those_that_it_cuts() {
        let now = at("2026-11-21T12:00:00Z");
        let range = Range { from: Some(at("2026-11-20T06:00:00Z")), to: None };
        assert_eq!(range.prefixes("r", Some("sqs"), now), ["r/2026/11/20/sqs/", "r/2026/11/21/sqs/"]);
        let on = |day: &str| Found::new(format!("r/2026/11/{day}/sqs/q!m!record.json"), 1).unwrap();
        assert_eq!(["19", "20", "21"].map(|day| range.touches(&on(day))), [false, true, true]);
        assert_eq!(["19", "20", "21"].map(|day| range.cuts(&on(day))), [false, true, false]);
        assert!(!range.holds(at("2026-11-20T05:59:59Z")) && range.holds(at("2026-11-20T06:00:00Z")));
        let years = Range { from: Some(at("2020-01-01T00:00:00Z")), to: None };
        assert_eq!(years.prefixes("r", Some("sqs"), now), ["r/"]);
        assert_eq!(Range { from: None, to: None }.prefixes("r", None, now), ["r/"]);
    }
}
