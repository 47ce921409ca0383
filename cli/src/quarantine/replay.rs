//! `weir quarantine replay`: requests that quarantined objects be counted. `quarantine-replay` does the counting; a request
//! sent twice counts once, so an interrupted run is simply repeated.

use super::find::{Found, arrival, select};
use super::{counts, objects};
use crate::args::QuarantineReplay;
use crate::aws::Aws;
use crate::failure::{Failure, failed, say};
use crate::terminal::{self, Answer, print_json, shown};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Duration;
use weir_aws::quarantine::QuarantineBucket;
use weir_exact::ports::QuarantineGet;
use weir_exact::replay::{REPLAY_AGE_MS_MAX, Request};
use weir_telemetry::Millis;

/// Messages in one request (AWS: "SendMessageBatch", Amazon SQS API Reference).
const SEND_MESSAGES_MAX: usize = 10;
/// Requests in flight.
const REQUESTS_IN_FLIGHT_MAX: usize = 8;
/// How often what the queue did not take is sent again, and how long after.
const ATTEMPTS_MAX: u32 = 8;
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// What is to be asked for, and what not.
#[derive(Debug, Default)]
struct Plan {
    ask: Vec<Found>,
    too_old: Vec<Found>,
    not_held: Vec<Found>,
}

#[derive(Serialize)]
struct Report<'a> {
    /// True when nothing was sent.
    dry_run: bool,
    requested: usize,
    too_old: Vec<&'a str>,
    not_held: Vec<&'a str>,
}

pub(crate) async fn run(aws: &Aws, replay: &QuarantineReplay) -> Result<ExitCode, Failure> {
    if replay.keys.is_empty() && replay.selection.is_everything() {
        let what = "what to replay? Give keys, or --reason, --source, --since, --from or --to";
        return Err(Failure::Usage(what.to_owned()));
    }
    let now = weir_aws::clock::now();
    let bucket = QuarantineBucket::new(aws.s3(), aws.bucket("quarantine").await?);
    let plan = if replay.keys.is_empty() {
        by_age(&bucket, select(aws, &replay.selection, now).await?, now).await?
    } else {
        by_key(&bucket, &replay.keys, now).await?
    };
    if !replay.json {
        show(&plan);
    }
    let question = format!("request that {} be counted?", objects(plan.ask.len()));
    let answer = match plan.ask.is_empty() {
        true => Answer::NobodyThere,
        false => terminal::go_on(replay.yes, replay.json, &question)?,
    };
    if answer == Answer::Yes {
        send(aws, &plan.ask, now).await?;
    }
    report(replay, &plan, answer)
}

/// Whether an arrival is too long ago, if the day alone decides.
fn too_old_by_day(found: &Found, now: Millis) -> Option<bool> {
    let oldest = now.plus(-REPLAY_AGE_MS_MAX);
    match (found.day >= oldest, found.day_end() <= oldest) {
        (true, _) => Some(false),
        (_, true) => Some(true),
        _ => None,
    }
}

/// By key and age alone; of the one day that the age cuts, objects are read.
async fn by_age(bucket: &QuarantineBucket, found: Vec<Found>, now: Millis) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let mut judged = stream::iter(found.into_iter().map(|found| async move {
        let too_old = match too_old_by_day(&found, now) {
            Some(too_old) => too_old,
            None => arrival(bucket, &found).await?.is_none_or(|at| now.0 - at.0 > REPLAY_AGE_MS_MAX),
        };
        Ok::<_, Failure>((found, too_old))
    }))
    .buffered(REQUESTS_IN_FLIGHT_MAX);
    while let Some((found, too_old)) = judged.try_next().await? {
        // Of an object, the document keeps the beginning.
        let place = match (too_old, found.source == "s3" && found.whole) {
            (true, _) => &mut plan.too_old,
            (_, true) => &mut plan.not_held,
            _ => &mut plan.ask,
        };
        place.push(found);
    }
    Ok(plan)
}

/// Objects that were named are read, so that a wrong key is reported here.
async fn by_key(bucket: &QuarantineBucket, keys: &[String], now: Millis) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    for key in keys {
        let found = Found::new(key.clone(), 0);
        let found = found.ok_or_else(|| Failure::Usage(format!("{:?} is not a quarantine key", shown(key))))?;
        let object = bucket.set_aside(key).await.map_err(|error| Failure::Failed(error.to_string()))?;
        let object = object.ok_or_else(|| Failure::Failed(format!("no object {} in quarantine", shown(key))))?;
        let found = Found { bytes: object.body().len() as i64, ..found };
        let place = match (now.0 - object.arrived_at.0 > REPLAY_AGE_MS_MAX, object.not_held()) {
            (true, _) => &mut plan.too_old,
            (_, Some(_)) => &mut plan.not_held,
            _ => &mut plan.ask,
        };
        place.push(found);
    }
    Ok(plan)
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn show(plan: &Plan) {
    if !plan.ask.is_empty() {
        println!("{}", counts(&plan.ask));
    }
    if !plan.too_old.is_empty() {
        say(&format!(
            "{} older than 14 days: cannot be replayed without risk of double counting",
            objects(plan.too_old.len())
        ));
    }
    if !plan.not_held.is_empty() {
        say(&format!(
            "{} cannot be replayed: quarantine does not hold the whole payload. Use weir backfill for objects still in \
             their bucket, or upload a corrected copy below in/ in the landing bucket",
            objects(plan.not_held.len())
        ));
    }
}

async fn send(aws: &Aws, ask: &[Found], requested_at: Millis) -> Result<(), Failure> {
    let (sqs, url) = (aws.sqs(), aws.queue_url("replay").await?);
    let bar = terminal::bar("requesting", ask.len() as u64);
    let mut sent = stream::iter(ask.chunks(SEND_MESSAGES_MAX).map(|chunk| {
        let bodies = chunk.iter().map(|found| Request { key: found.key.clone(), requested_at }.to_body()).collect();
        send_batch(&sqs, &url, bodies)
    }))
    .buffer_unordered(REQUESTS_IN_FLIGHT_MAX);
    while let Some(count) = sent.try_next().await? {
        bar.inc(count);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Sends up to ten bodies until the queue has taken all of them.
async fn send_batch(sqs: &aws_sdk_sqs::Client, url: &str, mut bodies: Vec<String>) -> Result<u64, Failure> {
    let count = bodies.len() as u64;
    let tried = format!("SendMessageBatch to {url}");
    for _ in 0..ATTEMPTS_MAX {
        let entry = |(at, body): (usize, &String)| {
            SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(body).build()
        };
        let entries = bodies.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| failed(&tried, &error))?;
        let answer = sqs.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| failed(&tried, &error))?;
        let refused: Vec<usize> = answer.failed().iter().filter_map(|failed| failed.id().parse().ok()).collect();
        if refused.is_empty() {
            return Ok(count);
        }
        bodies = refused.into_iter().filter_map(|at| bodies.get(at).cloned()).collect();
        tokio::time::sleep(RETRY_AFTER).await;
    }
    Err(Failure::Failed(format!(
        "{tried}: requests were refused {ATTEMPTS_MAX} times in a row; repeat the command: what was already sent counts once"
    )))
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn report(replay: &QuarantineReplay, plan: &Plan, answer: Answer) -> Result<ExitCode, Failure> {
    let sent = answer == Answer::Yes;
    if replay.json {
        let (too_old, not_held) = (keys(&plan.too_old), keys(&plan.not_held));
        print_json(&Report { dry_run: !sent, requested: plan.ask.len(), too_old, not_held })?;
    } else if sent {
        println!("requested {}; each counts once, however often it is requested", objects(plan.ask.len()));
    } else if answer == Answer::NobodyThere {
        println!("would request {}; nothing was sent: confirm with --yes", objects(plan.ask.len()));
    }
    let left = plan.too_old.len() + plan.not_held.len();
    let refused = answer == Answer::No || ((replay.yes || sent) && left > 0);
    Ok(ExitCode::from(u8::from(refused)))
}

fn keys(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| found.key.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_day_that_the_age_cuts_needs_a_look() {
        let now = Millis::parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let on = |day: &str| Found::new(format!("r/2026/11/{day}/sqs/q!m!record.json"), 1).unwrap();
        assert_eq!(too_old_by_day(&on("06"), now), Some(true));
        assert_eq!(too_old_by_day(&on("07"), now), None);
        assert_eq!(too_old_by_day(&on("08"), now), Some(false));
    }
}
