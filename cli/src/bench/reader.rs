//! One reading of everything below a prefix, in a process of its own so that its peak of memory is its own.

use super::process;
use crate::args::{ReaderKind, S3Reader};
use crate::aws::Aws;
use crate::failure::{Failure, failed};
use futures::stream::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;
use std::time::Instant;
use weir_objects::{ReadSettings, Reader, Versions, Wanted};

/// What a reading came to.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Objects read to their end.
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    /// Listing included.
    pub(crate) seconds: f64,
    /// Most memory that the process ever had, bytes; 0 where the system does not say.
    pub(crate) peak_bytes: u64,
    /// Of these, what is its own: without the pages of its executable.
    pub(crate) own_peak_bytes: u64,
}

pub(crate) async fn run(one: S3Reader, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    let begun = Instant::now();
    let mut reading = match one.reader {
        ReaderKind::Weir => weir(aws.s3(), &one).await?,
        ReaderKind::Naive => naive(aws.s3(), &one).await?,
    };
    reading.seconds = begun.elapsed().as_secs_f64();
    reading.peak_bytes = process::memory_bytes("self", process::PEAK);
    // Pages of the executable only become more, so they were no more when the peak was reached.
    reading.own_peak_bytes = reading.peak_bytes.saturating_sub(process::memory_bytes("self", process::FILES));
    println!("{}", serde_json::to_string(&reading).map_err(|error| failed("the answer", &error))?);
    Ok(ExitCode::SUCCESS)
}

/// Pages are listed while objects of the page before are read.
async fn weir(s3: aws_sdk_s3::Client, one: &S3Reader) -> Result<Reading, Failure> {
    let reader = Reader::new(s3.clone(), ReadSettings::for_memory_mib(one.memory_mib));
    let mut listing = None;
    let pages = weir_objects::list(&s3, &one.bucket, &one.prefix, Versions::Unnamed, None);
    let objects = pages.map_err(|error| listing = Some(error)).filter_map(|page| async { page.ok() });
    let objects = objects.flat_map(|page| futures::stream::iter(page.into_iter().map(|listed| listed.object)));
    let summary = reader.read_all(objects, |_| {}).await;
    match listing {
        Some(error) => Err(Failure::Failed(error.to_string())),
        None => {
            Ok(Reading { objects: summary.objects, bytes: summary.bytes, errors: summary.errors, ..Reading::default() })
        }
    }
}

/// A task an object, all at once: what one writes first.
async fn naive(s3: aws_sdk_s3::Client, one: &S3Reader) -> Result<Reading, Failure> {
    let pages = weir_objects::list(&s3, &one.bucket, &one.prefix, Versions::Unnamed, None);
    let pages: Vec<_> = pages.try_collect().await?;
    let tasks: Vec<_> = pages
        .into_iter()
        .flatten()
        .map(|listed| {
            let (s3, Wanted { bucket, key, .. }) = (s3.clone(), listed.object);
            tokio::spawn(async move {
                let answer = s3.get_object().bucket(bucket).key(key).send().await.ok()?;
                Some(answer.body.collect().await.ok()?.into_bytes())
            })
        })
        .collect();
    let mut reading = Reading::default();
    for task in tasks {
        match task.await.ok().flatten() {
            Some(bytes) => {
                reading.objects += 1;
                reading.bytes += bytes.len() as u64;
            }
            None => reading.errors += 1,
        }
    }
    Ok(reading)
}
