//! `weir bench s3`: everything below a prefix, read by weir's reader and by one task an object, over the same SDK.

use super::build;
use crate::args::BenchS3;
use crate::aws::Aws;
use crate::failure::{Failure, failed};
use crate::plane::spinner;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use weir_bench::reading::Reading;

/// What reads: bench/reader.
const READER: &str = "bench-s3-reader";
/// Puts in flight.
const PUTS_IN_FLIGHT_MAX: usize = 16;
/// Outside of `in/`: S3 sends no notifications for these objects.
const PREFIX: &str = "bench/s3";

/// Both readers' median readings, and how much more the naive one takes.
#[derive(Debug, Serialize)]
struct Answer {
    bucket: String,
    prefix: String,
    rounds: usize,
    weir: Reading,
    naive: Reading,
    times_as_fast: f64,
    /// Of the process' own.
    share_of_memory: f64,
    /// With the pages of its executable.
    share_of_resident_memory: f64,
}

pub(crate) async fn run(bench: BenchS3, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    let bucket = aws.bucket("landing").await?;
    let prefix = format!("{PREFIX}/{}x{}/", bench.objects, bench.object_bytes);
    let reader = reader(&bench, &aws).await?;
    let bar = spinner("putting objects");
    put_objects(&aws, &bucket, &prefix, &bench).await?;
    let (mut weir, mut naive) = (vec![], vec![]);
    for round in 1..=bench.rounds {
        bar.set_message(format!("round {round} of {}", bench.rounds));
        // In turn, so that whatever else the machine does strikes both.
        weir.push(reader.read("weir", &bucket, &prefix).await?);
        naive.push(reader.read("naive", &bucket, &prefix).await?);
    }
    bar.finish_and_clear();
    let (weir, naive) = (median(weir), median(naive));
    let answer = Answer {
        bucket,
        prefix,
        rounds: bench.rounds,
        weir,
        naive,
        times_as_fast: naive.seconds / weir.seconds.max(f64::MIN_POSITIVE),
        share_of_memory: share(weir.own_peak_bytes, naive.own_peak_bytes),
        share_of_resident_memory: share(weir.peak_bytes, naive.peak_bytes),
    };
    if bench.json {
        println!("{}", serde_json::to_string(&answer).map_err(|error| failed("the answer", &error))?);
    } else {
        println!("reader               seconds   objects   errors        bytes    own MiB   resident MiB");
        for (name, reading) in [("weir", weir), ("task per object", naive)] {
            let Reading { objects, bytes, errors, seconds, .. } = reading;
            let (own, resident) = (mib(reading.own_peak_bytes), mib(reading.peak_bytes));
            println!("{name:<18}{seconds:>10.3}{objects:>10}{errors:>9}{bytes:>13}{own:>11.1}{resident:>15.1}");
        }
        let Answer { times_as_fast, share_of_memory, share_of_resident_memory, .. } = answer;
        println!(
            "weir is {times_as_fast:.2} times as fast, in {share_of_memory:.2} of the memory ({share_of_resident_memory:.2} with the pages of the executable, which both have)"
        );
    }
    Ok(ExitCode::from(u8::from(weir.errors > 0)))
}

async fn put_objects(aws: &Aws, bucket: &str, prefix: &str, bench: &BenchS3) -> Result<(), Failure> {
    let s3 = &aws.s3();
    let body: Vec<u8> = br#"{"status":200}"#.iter().chain(b"\n").copied().cycle().take(bench.object_bytes).collect();
    let puts = (0..bench.objects).map(|number| {
        let (key, body) = (format!("{prefix}{number:08}"), body.clone());
        async move {
            let put = s3.put_object().bucket(bucket).key(&key).body(body.into()).send().await;
            put.map(drop).map_err(|error| failed(&format!("PutObject s3://{bucket}/{key}"), &error))
        }
    });
    stream::iter(puts).buffer_unordered(PUTS_IN_FLIGHT_MAX).try_collect::<()>().await
}

/// An executable that reads, and what it is run with.
struct ReaderProcess {
    executable: PathBuf,
    environment: BTreeMap<String, String>,
    memory_mib: String,
}

async fn reader(bench: &BenchS3, aws: &Aws) -> Result<ReaderProcess, Failure> {
    let built = build::executables(&bench.build, BTreeSet::from([READER.to_owned()]), &mut vec![]).await?;
    let executable = built.get(READER).map_or(Path::new(READER), |path| path.as_path());
    let executable = std::path::absolute(executable).map_err(|error| failed("the path of the reader", &error))?;
    let environment = aws.function_environment(&aws.credentials().await?);
    Ok(ReaderProcess { executable, environment, memory_mib: bench.memory_mib.to_string() })
}

impl ReaderProcess {
    async fn read(&self, reader: &str, bucket: &str, prefix: &str) -> Result<Reading, Failure> {
        let child = tokio::process::Command::new(&self.executable)
            .args([reader, &self.memory_mib, bucket, prefix])
            .envs(&self.environment)
            .stderr(std::process::Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| failed(&format!("the reader {}", self.executable.display()), &error))?;
        serde_json::from_slice(&child.stdout)
            .map_err(|_| Failure::Failed(format!("the {reader} reader exited with {} and no result", child.status)))
    }
}

fn share(weir_bytes: u64, naive_bytes: u64) -> f64 {
    weir_bytes as f64 / (naive_bytes as f64).max(1.0)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The reading of median time, with the largest peaks and the most errors of all.
fn median(mut readings: Vec<Reading>) -> Reading {
    readings.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let peak_bytes = readings.iter().map(|reading| reading.peak_bytes).max().unwrap_or(0);
    let own_peak_bytes = readings.iter().map(|reading| reading.own_peak_bytes).max().unwrap_or(0);
    let errors = readings.iter().map(|reading| reading.errors).max().unwrap_or(0);
    let median = readings.get(readings.len() / 2).copied().unwrap_or_default();
    Reading { peak_bytes, own_peak_bytes, errors, ..median }
}
