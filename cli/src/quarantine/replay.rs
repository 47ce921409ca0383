//! `weir quarantine replay`: requests that quarantined objects be counted. `quarantine-replay` does the counting; a request
//! sent twice counts once, so an interrupted run is simply repeated.

use super::find::{Found, select};
use super::{counts, objects};
use crate::args::QuarantineReplay;
use crate::aws::Aws;
use crate::failure::{Failure, failed, say};
use crate::terminal::{self, Answer, print_json, shown};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use weir_aws::quarantine::QuarantineBucket;
use weir_exact::ports::{QuarantineGet, StoreErrorKind};
use weir_exact::quarantine::QuarantineObject;
use weir_exact::replay::Request;
use weir_exact::retention::RETURN_MS_MAX;
use weir_telemetry::Millis;

/// Messages in one request (AWS: "SendMessageBatch", Amazon SQS API Reference).
const SEND_MESSAGES_MAX: usize = 10;
/// Requests in flight.
const REQUESTS_IN_FLIGHT_MAX: usize = 8;
/// How often what the queue did not take is sent again, and how long after.
const ATTEMPTS_MAX: u32 = 8;
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// As `QuarantineObject::not_held` says it, of what the key tells.
const WHOLE_OBJECT: &str = "it is an object, which is still where it was put";
const UNREADABLE: &str = "its document cannot be read: see weir quarantine show";

/// What is to be asked for, and what not.
#[derive(Debug, Default)]
struct Plan {
    ask: Vec<Found>,
    too_old: Vec<Found>,
    /// With why.
    not_held: Vec<(Found, String)>,
}

/// What is to become of an object.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Ask,
    TooOld,
    /// Its document does not hold what is to be counted, and why: the function would acknowledge the request, and count
    /// nothing.
    NotHeld(String),
}

impl Plan {
    fn add(&mut self, found: Found, verdict: Verdict) {
        match verdict {
            Verdict::Ask => self.ask.push(found),
            Verdict::TooOld => self.too_old.push(found),
            Verdict::NotHeld(why) => self.not_held.push((found, why)),
        }
    }

    /// How many are not held, by why.
    fn why_not_held(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        self.not_held.iter().for_each(|(_, why)| *counts.entry(why.as_str()).or_default() += 1);
        counts
    }
}

#[derive(Serialize)]
struct Report<'a> {
    /// True when nothing was sent.
    dry_run: bool,
    requested: usize,
    too_old: Vec<&'a str>,
    not_held: Vec<&'a str>,
    /// How many of them for which reason.
    not_held_because: BTreeMap<&'a str, u64>,
}

pub(crate) async fn run(aws: &Aws, replay: &QuarantineReplay) -> Result<ExitCode, Failure> {
    if replay.keys.is_empty() && replay.selection.is_everything() {
        let what = "what to replay? Give keys, or --reason, --source, --since, --from or --to";
        return Err(Failure::Usage(what.to_owned()));
    }
    let now = weir_aws::clock::now();
    let bucket = QuarantineBucket::new(aws.s3(), aws.bucket("quarantine").await?);
    let plan = if replay.keys.is_empty() {
        selected(&bucket, select(aws, &replay.selection, now).await?, now).await?
    } else {
        named(&bucket, &replay.keys, now).await?
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
    let oldest = now.plus(-RETURN_MS_MAX);
    match (found.day >= oldest, found.day_end() <= oldest) {
        (true, _) => Some(false),
        (_, true) => Some(true),
        _ => None,
    }
}

/// By its key alone, where that tells; none where its document has to be read. A Kinesis record and its events are kept
/// as they came, an S3 object never is; of a message only the body tells whether it points elsewhere, and of an object's
/// event the detail whether it was cut.
fn by_key_alone(found: &Found, now: Millis) -> Option<Verdict> {
    match too_old_by_day(found, now) {
        Some(true) => Some(Verdict::TooOld),
        Some(false) if found.source == "s3" && found.whole => Some(Verdict::NotHeld(WHOLE_OBJECT.to_owned())),
        Some(false) if found.source == "kinesis" => Some(Verdict::Ask),
        _ => None,
    }
}

fn by_document(object: &QuarantineObject, now: Millis) -> Verdict {
    match object.not_held() {
        _ if now.0 - object.arrived_at.0 > RETURN_MS_MAX => Verdict::TooOld,
        Some(why) => Verdict::NotHeld(why.to_owned()),
        None => Verdict::Ask,
    }
}

/// By their keys where these tell, else by their documents.
async fn selected(bucket: &QuarantineBucket, found: Vec<Found>, now: Millis) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let bar = terminal::bar("looking at what was set aside", found.len() as u64);
    let mut judged = stream::iter(found.into_iter().map(|found| async move {
        let verdict = match by_key_alone(&found, now) {
            Some(verdict) => Some(verdict),
            None => match bucket.set_aside(&found.key).await {
                // Gone since it was listed.
                Ok(object) => object.map(|object| by_document(&object, now)),
                // One document that nobody can read keeps no other from being replayed.
                Err(error) if error.kind() == StoreErrorKind::Unreadable => {
                    Some(Verdict::NotHeld(UNREADABLE.to_owned()))
                }
                Err(error) => return Err(Failure::Failed(error.to_string())),
            },
        };
        Ok((found, verdict))
    }))
    .buffered(REQUESTS_IN_FLIGHT_MAX);
    while let Some((found, verdict)) = judged.try_next().await? {
        bar.inc(1);
        if let Some(verdict) = verdict {
            plan.add(found, verdict);
        }
    }
    bar.finish_and_clear();
    Ok(plan)
}

/// Objects that were named are read, so that a wrong key is reported here.
async fn named(bucket: &QuarantineBucket, keys: &[String], now: Millis) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    for key in keys {
        let found = Found::new(key.clone(), 0);
        let found = found.ok_or_else(|| Failure::Usage(format!("{:?} is not a quarantine key", shown(key))))?;
        let object = bucket.set_aside(key).await?;
        let object = object.ok_or_else(|| Failure::Failed(format!("no object {} in quarantine", shown(key))))?;
        plan.add(Found { bytes: object.body().len() as i64, ..found }, by_document(&object, now));
    }
    Ok(plan)
}

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
    for (why, count) in plan.why_not_held() {
        say(&format!("{} cannot be replayed from quarantine: {why}", objects(count as usize)));
    }
    if !plan.not_held.is_empty() {
        say(
            "quarantine does not hold their payload. Use weir backfill for objects still in their bucket, upload a corrected \
             copy below in/ in the landing bucket, or send the message again",
        );
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

fn report(replay: &QuarantineReplay, plan: &Plan, answer: Answer) -> Result<ExitCode, Failure> {
    let sent = answer == Answer::Yes;
    if replay.json {
        let (too_old, not_held) = (keys(&plan.too_old), keys(plan.not_held.iter().map(|(found, _)| found)));
        let not_held_because = plan.why_not_held();
        print_json(&Report { dry_run: !sent, requested: plan.ask.len(), too_old, not_held, not_held_because })?;
    } else if plan.ask.is_empty() {
        println!("nothing to ask for");
    } else if sent {
        println!("requested {}; each counts once, however often it is requested", objects(plan.ask.len()));
    } else if answer == Answer::NobodyThere {
        println!("would request {}; nothing was sent: confirm with --yes", objects(plan.ask.len()));
    }
    let left = plan.too_old.len() + plan.not_held.len();
    let refused = answer == Answer::No || ((replay.yes || sent) && left > 0);
    Ok(ExitCode::from(u8::from(refused)))
}

fn keys<'a>(found: impl IntoIterator<Item = &'a Found>) -> Vec<&'a str> {
    found.into_iter().map(|found| found.key.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_exact::quarantine::Coordinates;
    use weir_telemetry::{Reason, Rejected};

    #[test]
    fn only_the_day_that_the_age_cuts_needs_a_look() {
        let now = Millis::parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let on = |day: &str| Found::new(format!("r/2026/11/{day}/sqs/q!m!record.json"), 1).unwrap();
        assert_eq!(too_old_by_day(&on("06"), now), Some(true));
        assert_eq!(too_old_by_day(&on("07"), now), None);
        assert_eq!(too_old_by_day(&on("08"), now), Some(false));
    }

    #[test]
    fn documents_are_read_only_where_keys_do_not_tell() {
        let now = Millis::parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let check = |key: &str, expect: Option<Verdict>| {
            assert_eq!(by_key_alone(&Found::new(key.to_owned(), 1).unwrap(), now), expect, "{key}");
        };
        check("r/2026/11/20/kinesis/s!h!1!record.json", Some(Verdict::Ask));
        check("r/2026/11/20/kinesis/s!h!1!3.json", Some(Verdict::Ask));
        check("r/2026/11/07/kinesis/s!h!1!3.json", None);
        check("r/2026/11/06/sqs/q!m!record.json", Some(Verdict::TooOld));
        check("r/2026/11/20/sqs/q!m!record.json", None);
        check("r/2026/11/20/s3/b!k!v!record.json", Some(Verdict::NotHeld(WHOLE_OBJECT.to_owned())));
        check("r/2026/11/20/s3/b!k!v!7.json", None);
    }

    /// A document that was never read is told of in the same words.
    #[test]
    fn a_whole_object_is_told_as_its_document_would_be() {
        let object = QuarantineObject {
            coordinates: Coordinates::new("s3", [("bucket", "b"), ("key", "k")]),
            arrived_at: Millis(0),
            rejected: Rejected { reason: Reason::NotJson, detail: String::new(), event_index: None, payload: vec![] },
        };
        assert_eq!(by_document(&object, Millis(0)), Verdict::NotHeld(WHOLE_OBJECT.to_owned()));
        assert_eq!(by_document(&object, Millis(RETURN_MS_MAX + 1)), Verdict::TooOld);
    }
}
