//! One reading of everything below a prefix: `bench-s3-reader <weir|naive> <memory MiB> <bucket> <prefix>`, in the
//! environment of a function. Prints what it came to as one line of JSON.
//!
//! A process of its own, so that its peak of memory is its own, and no larger than a bootstrap is: what else an
//! executable holds is no reader's.

use aws_smithy_types::timeout::TimeoutConfig;
use futures::stream::{StreamExt, TryStreamExt};
use std::process::ExitCode;
use std::time::Instant;
use weir_aws::clients::Connection;
use weir_aws::config::Process;
use weir_bench::process::{self, FILES, PEAK};
use weir_bench::reading::Reading;
use weir_objects::{ReadSettings, Reader, Versions, Wanted};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(reading) => {
            #[expect(clippy::print_stdout, reason = "its one line")]
            let () = println!("{reading}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("bench-s3-reader: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<String, String> {
    const USAGE: &str = "usage: bench-s3-reader <weir|naive> <memory MiB> <bucket> <prefix>";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reader, memory_mib, bucket, prefix] = arguments.as_slice() else { return Err(USAGE.to_owned()) };
    let memory_mib = memory_mib.parse().map_err(|_| USAGE.to_owned())?;
    let s3 = Connection::from_environment(&Process).map_err(|error| error.to_string())?.s3();
    let begun = Instant::now();
    let mut reading = match reader.as_str() {
        "weir" => weir(s3, memory_mib, bucket, prefix).await?,
        "naive" => naive(s3, bucket, prefix).await?,
        _ => return Err(USAGE.to_owned()),
    };
    reading.seconds = begun.elapsed().as_secs_f64();
    reading.peak_bytes = process::memory_bytes("self", PEAK);
    // Pages of the executable only become more, so they were no more when the peak was reached.
    reading.own_peak_bytes = reading.peak_bytes.saturating_sub(process::memory_bytes("self", FILES));
    serde_json::to_string(&reading).map_err(|error| error.to_string())
}

/// Pages are listed while objects of the page before are read.
async fn weir(s3: aws_sdk_s3::Client, memory_mib: usize, bucket: &str, prefix: &str) -> Result<Reading, String> {
    let reader = Reader::new(s3.clone(), ReadSettings::for_memory_mib(memory_mib));
    let mut listing = None;
    let pages = weir_objects::list(&s3, bucket, prefix, Versions::Unnamed, None);
    let objects = pages.map_err(|error| listing = Some(error)).filter_map(|page| async { page.ok() });
    let objects = objects.flat_map(|page| futures::stream::iter(page.into_iter().map(|listed| listed.object)));
    let summary = reader.read_all(objects, |_| {}).await;
    match listing {
        Some(error) => Err(error.to_string()),
        None => {
            Ok(Reading { objects: summary.objects, bytes: summary.bytes, errors: summary.errors, ..Reading::default() })
        }
    }
}

/// A task an object, all at once: what one writes first. Without the fleet's timeouts, which are made for few at a time.
async fn naive(s3: aws_sdk_s3::Client, bucket: &str, prefix: &str) -> Result<Reading, String> {
    let patient = s3.config().to_builder().timeout_config(TimeoutConfig::disabled()).build();
    let s3 = aws_sdk_s3::Client::from_conf(patient);
    let pages = weir_objects::list(&s3, bucket, prefix, Versions::Unnamed, None);
    let pages: Vec<_> = pages.try_collect().await.map_err(|error| error.to_string())?;
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
