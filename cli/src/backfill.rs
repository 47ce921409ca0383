//! `weir backfill`: enqueues what is already in S3. Each object is enqueued as S3 itself would have done it, so that it
//! counts under the same identity however often either does so.

use crate::args::Backfill;
use crate::aws::Aws;
use crate::failure::{Failure, failed, many, say};
use crate::notices::{self, Created};
use crate::plane::spinner;
use crate::state_file;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;
use weir_exact::retention::RETURN_MS_MAX;
use weir_exact::scratch::Scratch;
use weir_objects::{Listed, Versions};

/// Messages in one SendMessageBatch (AWS: "SendMessageBatch", SQS API Reference).
const SEND_MESSAGES_MAX: usize = 10;
/// Requests in flight.
const REQUESTS_IN_FLIGHT_MAX: usize = 8;
/// How often what the queue did not take is sent again.
const ATTEMPTS_MAX: u32 = 10;

/// What S3 notifies of in the landing bucket (contract §4).
const IN: &str = "in/";

/// Progress of a backfill: what `--state` keeps, and what is reported at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    uri: String,
    /// Objects up to this key are done.
    after: Option<String>,
    /// Objects enqueued.
    enqueued: u64,
    bytes: u64,
    /// Objects left out, being older than contributions allow.
    too_old: u64,
    /// Objects of the landing bucket left out, since they lie outside [`IN`] and nobody named their prefix.
    #[serde(default)]
    elsewhere: u64,
}

pub(crate) async fn run(backfill: Backfill, stack: &str) -> Result<ExitCode, Failure> {
    let (bucket, prefix) = place(&backfill.uri)?;
    let aws = Aws::from_environment(stack).await?;
    let queue_url = aws.queue_url("landing").await?;
    let landing = aws.bucket("landing").await?;
    if bucket != landing {
        say(&format!(
            "{bucket} is not {landing}: s3-rollup needs s3:GetObject, s3:GetObjectVersion and s3:ListBucket there"
        ));
    }
    let mut state = match &backfill.state {
        Some(file) => State::read(file, &backfill.uri)?,
        None => State { uri: backfill.uri.clone(), ..State::default() },
    };
    let (s3, sqs) = (aws.s3(), aws.sqs());
    let oldest_ms = weir_aws::clock::now().0 - RETURN_MS_MAX;
    let bar = spinner("listing");
    let after = state.after.clone();
    let mut pages = std::pin::pin!(weir_objects::list(&s3, &bucket, &prefix, Versions::Latest, after.as_deref()));
    while let Some(page) = pages.try_next().await? {
        // The canary gate's golden objects, of a gate that works or was killed.
        let is_golden = |listed: &&Listed| bucket == landing && listed.object.key.starts_with(Scratch::OBJECT_PREFIX);
        // Of the landing bucket as a whole: what lies elsewhere may be the payload of a message, which counts it already.
        let is_named =
            |listed: &&Listed| bucket != landing || !IN.starts_with(&*prefix) || listed.object.key.starts_with(IN);
        let telemetry = page.iter().filter(|listed| !is_golden(listed));
        let (named, elsewhere): (Vec<&Listed>, Vec<&Listed>) = telemetry.partition(is_named);
        let is_young = |listed: &&Listed| listed.modified_ms > oldest_ms;
        let (young, old): (Vec<&Listed>, Vec<&Listed>) = named.into_iter().partition(is_young);
        state.elsewhere += elsewhere.len() as u64;
        enqueue(&sqs, &queue_url, &bucket, &young).await?;
        state.enqueued += young.len() as u64;
        state.bytes += young.iter().filter_map(|listed| listed.object.size).sum::<u64>();
        state.too_old += old.len() as u64;
        if let Some(last) = page.last() {
            state.after = Some(last.object.key.clone());
        }
        if let Some(file) = &backfill.state {
            state_file::write(file, &state)?;
        }
        bar.set_message(format!("enqueued {} objects", state.enqueued));
    }
    bar.finish_and_clear();
    if let Some(file) = &backfill.state {
        // Done: another run looks at everything again.
        std::fs::remove_file(file)
            .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(|error| failed(&file.display().to_string(), &error))?;
    }
    if backfill.json {
        println!("{}", serde_json::to_string(&state)?);
    } else {
        println!("enqueued {} ({} bytes) of {}", many(state.enqueued, "object"), state.bytes, backfill.uri);
    }
    if state.too_old > 0 {
        say(&format!(
            "{} objects older than 14 days skipped: they cannot be counted without risk of double counting",
            state.too_old
        ));
    }
    if state.elsewhere > 0 {
        say(&format!(
            "{} outside {IN} skipped: they may be payloads of messages, which count them already. If they are not, name \
             their prefix",
            many(state.elsewhere, "object")
        ));
    }
    Ok(ExitCode::from(u8::from(state.too_old > 0 || state.elsewhere > 0)))
}

/// Bucket and prefix of an `s3://` URI.
fn place(uri: &str) -> Result<(String, String), Failure> {
    let place = uri.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    match place.filter(|(bucket, _)| !bucket.is_empty()) {
        Some((bucket, prefix)) => Ok((bucket.to_owned(), prefix.to_owned())),
        None => Err(Failure::Usage(format!("{uri}: expected s3://BUCKET/PREFIX"))),
    }
}

impl State {
    fn read(file: &Path, uri: &str) -> Result<Self, Failure> {
        let Some(state) = state_file::read::<Self>(file, "a backfill")? else {
            return Ok(Self { uri: uri.to_owned(), ..Self::default() });
        };
        if state.uri == uri {
            Ok(state)
        } else {
            let name = file.display();
            Err(Failure::Usage(format!("{name} is the state for {}; name another file, or remove it", state.uri)))
        }
    }
}

async fn enqueue(sqs: &aws_sdk_sqs::Client, url: &str, bucket: &str, objects: &[&Listed]) -> Result<(), Failure> {
    let notice = |listed: &&Listed| {
        let object = &listed.object;
        let etag = object.etag.as_deref().unwrap_or_default();
        notices::notice(
            bucket,
            &[Created { key: &object.key, version: object.version.as_deref(), etag, size: object.size }],
        )
    };
    let notices: Vec<String> = objects.iter().map(notice).collect();
    let sending = notices.chunks(SEND_MESSAGES_MAX).map(|bodies| send(sqs, url, bodies));
    stream::iter(sending).buffer_unordered(REQUESTS_IN_FLIGHT_MAX).try_collect::<()>().await
}

/// Sends, and sends again what was not taken.
async fn send(sqs: &aws_sdk_sqs::Client, url: &str, bodies: &[String]) -> Result<(), Failure> {
    let tried = format!("SendMessageBatch to {url}");
    let mut left: Vec<&String> = bodies.iter().collect();
    for attempt in 0..ATTEMPTS_MAX {
        if attempt > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50 << attempt)).await;
        }
        let entries = left.iter().enumerate().map(|(at, body)| {
            SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(body.as_str()).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&tried, &error))?;
        let answer = sqs.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| failed(&tried, &error))?;
        left =
            answer.failed().iter().filter_map(|failed| left.get(failed.id().parse::<usize>().ok()?).copied()).collect();
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(Failure::Failed(format!("{tried}: {} messages were refused {ATTEMPTS_MAX} times in a row", left.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_bucket_and_a_prefix() {
        let check = |uri: &str, bucket: &str, prefix: &str| {
            assert_eq!(place(uri).unwrap(), (bucket.to_owned(), prefix.to_owned()), "{uri}");
        };
        check("s3://b/in/2026/", "b", "in/2026/");
        check("s3://b", "b", "");
        for bad in ["b/in", "s3:///in", "http://b/in"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_state_is_taken_up_by_its_own_backfill_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state.json");
        assert_eq!(State::read(&file, "s3://b/a").unwrap().after, None);
        let state = State {
            uri: "s3://b/a".into(),
            after: Some("a/é".into()),
            enqueued: 3,
            bytes: 9,
            too_old: 1,
            elsewhere: 2,
        };
        state_file::write(&file, &state).unwrap();
        assert_eq!(State::read(&file, "s3://b/a").unwrap(), state);
        assert!(matches!(State::read(&file, "s3://b/c"), Err(Failure::Usage(_))));
        std::fs::write(&file, "{}").unwrap();
        assert!(matches!(State::read(&file, "s3://b/a"), Err(Failure::Usage(_))));
    }
}
