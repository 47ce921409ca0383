//! `weir bench`: measurements against the endpoint that the environment names.

mod reader;
mod s3;

use crate::args::{Bench, Benchmark};
use crate::failure::Failure;
use std::process::ExitCode;

pub(crate) async fn run(bench: Bench, stack: &str) -> Result<ExitCode, Failure> {
    match bench.benchmark {
        Benchmark::S3(bench) => s3::run(bench, stack).await,
        Benchmark::S3Reader(one) => reader::run(one, stack).await,
    }
}
